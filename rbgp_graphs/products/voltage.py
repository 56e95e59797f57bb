"""Shifts for the tiles of a product: abelian lifts of the outer graph that carry a pattern."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_generator
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.rbgp4 import RBGP4, ShiftSide

Group = Literal["auto", "xor", "cyclic"]
Rule = Literal["random", "quadratic"]


def voltage_product(
    outer: BipartiteGraph,
    inner: BipartiteGraph,
    *,
    shifts: Rule | ArrayLike = "random",
    group: Group = "auto",
    repeat: tuple[int, int] | BipartiteGraph = (1, 1),
    block: tuple[int, int] | BipartiteGraph = (1, 1),
    shift_side: ShiftSide = "right",
    rng: Any = 0,
) -> RBGP4:
    r"""Return a twisted RBGP4 pattern: every outer edge carries its own shift of the inner one.

    Parameters
    ----------
    outer, inner : BipartiteGraph
        Which tiles are there, and the pattern inside a tile.
    shifts : {"random", "quadratic"} or array_like of int, shape (outer.num_edges,)
        "random": independent and uniform. "quadratic": the product of the numbers of the two end
        points of an outer edge, in the field whose addition is the group if there is one (the
        group is XOR, or its order is prime), else modulo the order. Or the shifts themselves, in
        the order of ``outer.edges``.
    group : {"auto", "xor", "cyclic"}
        The group of the shifts. It follows from its order n, the number of inner vertices on the
        shifted side: XOR if n is a power of two, else addition modulo n. To name one is to check
        it.
    repeat, block : (int, int) or complete BipartiteGraph
        As for `RBGP4`.
    shift_side : {"right", "left"}
        Which inner vertices are shifted.
    rng : int, numpy.random.Generator or None
        Source of random shifts.

    Returns
    -------
    RBGP4
        With the shape, degrees, tiles and row groups of the plain product.

    Raises
    ------
    ArgumentTypeError
        If a factor or `rng` has the wrong type.
    ArgumentError
        If a factor does not fit `RBGP4`, the shifts do not fit, or `group` is not the group of
        this order.
    MissingDependencyError
        If quadratic shifts need a field that is not prime and python-flint is not installed.

    Notes
    -----
    For a character :math:`\chi` of the group let :math:`W_\chi` be the biadjacency matrix of
    `outer` with :math:`\chi(s)` in place of the ones. The biadjacency matrix of the pattern is the
    lift of `outer`, whose blocks are the :math:`W_\chi`, times copies of the inner one. Vectors
    that are constant inside each tile see the outer graph alone, and all others are orthogonal to
    the constant ones in every tile, so (without `repeat` and `block`, which scale both sides)

    .. math:: \sigma_2 \le \max\Bigl(\sigma_2(B_o)\,\sigma_1(B_i),\;
              \max_{\chi \ne 1} \lVert W_\chi \rVert\,\sigma_2(B_i)\Bigr),

    and the first term is also a lower bound. The plain product has :math:`\sigma_1(B_o)` in place
    of the norms. For a complete outer graph with sides a and b and quadratic shifts in a field
    with n elements the rows of :math:`W_\chi` are rows of a character table, so
    :math:`\lVert W_\chi \rVert^2 \le n \lceil a/n \rceil \lceil b/n \rceil` instead of
    :math:`ab`. With a perfect matching inside and a = b = n, this is the field lift with m = 1.

    Examples
    --------
    >>> from rbgp_graphs import complete, field_lift
    >>> matching = BipartiteGraph.from_biadjacency(np.eye(8))
    >>> pattern = voltage_product(complete(8, 8), matching, shifts="quadratic")
    >>> bool((pattern.mask() == field_lift(8, 8, 1, 3).biadjacency().toarray()).all())
    True
    """
    plain = RBGP4(outer, repeat, inner, block, shift_side=shift_side)
    order = plain.shift_modulus
    if group not in get_args(Group):
        raise ArgumentError(f"group is {group!r}, expected one of {', '.join(get_args(Group))}")
    actual = "xor" if order & (order - 1) == 0 else "cyclic"
    if group not in ("auto", actual):
        raise ArgumentError(
            f"group is {group!r}, but {order} inner vertices on the {shift_side} have the group "
            f"{actual!r}: XOR for powers of two, else cyclic"
        )
    if isinstance(shifts, str):
        if shifts not in get_args(Rule):
            names = ", ".join(get_args(Rule))
            raise ArgumentError(f"shifts is {shifts!r}, expected one of {names} or an array")
        shifts = (
            as_generator(rng).integers(0, order, outer.num_edges)
            if shifts == "random"
            else _quadratic(outer, order)
        )
    return RBGP4(outer, plain.repeat, inner, plain.block, shifts, shift_side)


def _quadratic(outer: BipartiteGraph, order: int) -> NDArray[np.int64]:
    u, v = outer.edges.T % order
    if order & (order - 1) == 0 and order > 2:
        return finite_field("the order of the group", order).multiply(u, v)
    product: NDArray[np.int64] = u * v % order
    return product
