"""Regular covers with an abelian group: matrices of blocks that are invariant under the group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_array, as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph, encode_bytes, sort_edges

_LARGEST_GROUP = 2**20
_MOST_FACTORS = 32


def abelian_cover(orders: Sequence[int], blocks: ArrayLike) -> BipartiteGraph:
    r"""Return the graph whose biadjacency matrix has blocks invariant under an abelian group.

    Let the group be the product of cyclic groups of the given orders, with k elements numbered in
    mixed radix, the last digit fastest. Left vertex :math:`i k + g` and right vertex
    :math:`j k + h` are adjacent if ``blocks[i, j, h - g]`` is true. With one cyclic group these are
    the Tanner graphs of quasi-cyclic codes, with one block the Haar graphs.

    Parameters
    ----------
    orders : sequence of int
        Orders of the cyclic factors, each at least 2; an empty sequence is the group of one
        element.
    blocks : array_like of bool, shape (a, b, k)
        For each pair of orbits the differences :math:`h - g` of adjacent vertices, by their
        numbers.

    Returns
    -------
    BipartiteGraph
        With :math:`a k` left and :math:`b k` right vertices, on which the group acts freely.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If an order is below 2, the group has more than 2**20 elements, or `blocks` has another
        shape.

    Notes
    -----
    The singular values are those of the k matrices of shape (a, b) that arise by summing a
    character of the group over each block [1]_. The graph is a cover of the bipartite multigraph
    whose numbers of parallel edges are the sums of the blocks; `cyclic_lift` is the case of a
    cyclic group and at most one edge in each block.

    References
    ----------
    .. [1] L. Babai, Spectra of Cayley graphs, J. Combin. Theory B 27 (1979), 180-189.

    Examples
    --------
    The differences 0, 1 and 3 modulo 7 are a perfect difference set, the Fano plane:

    >>> plane = abelian_cover([7], [[[1, 1, 0, 1, 0, 0, 0]]])
    >>> plane.degrees, plane.girth()
    ((3, 3), 6)
    """
    factors = as_orders(orders)
    size = math.prod(factors)
    given = as_array("blocks", blocks)
    if given.ndim != 3 or given.shape[2] != size:
        raise ArgumentError(
            f"blocks has shape {given.shape}, expected (a, b, {size}) for a group of {size} "
            "elements"
        )
    if given.size and not np.isin(given, (0, 1)).all():
        raise ArgumentError("blocks holds something else than true and false (1 and 0)")
    mask = given.astype(bool)
    a, b = mask.shape[:2]
    i, j, difference = np.nonzero(mask)
    start = np.arange(size)
    end = add(factors, start, difference[:, None])
    left, right = a * size, b * size
    u = i[:, None] * size + start
    v = j[:, None] * size + end
    indptr, indices, _ = sort_edges(u.ravel(), v.ravel(), left, right)
    recipe = {
        "kind": "abelian_cover",
        "left": a,
        "right": b,
        "orders": list(factors),
        "blocks": encode_bytes(np.packbits(mask.ravel())),
    }
    return BipartiteGraph(left, right, indptr, indices, recipe)


def as_orders(orders: Any) -> tuple[int, ...]:
    """Return the orders of cyclic groups in normal form, or raise."""
    try:
        given = list(orders)
    except TypeError:
        raise ArgumentTypeError(f"orders is {orders!r}, expected a sequence of integers") from None
    if len(given) > _MOST_FACTORS:
        raise ArgumentError(f"orders has {len(given)} entries, expected at most {_MOST_FACTORS}")
    factors = tuple(as_int("orders", order, minimum=2, maximum=_LARGEST_GROUP) for order in given)
    if math.prod(factors) > _LARGEST_GROUP:
        raise ArgumentError(
            f"the group of orders {factors} has {math.prod(factors)} elements, expected at most "
            f"{_LARGEST_GROUP}"
        )
    return factors


def add(orders: Sequence[int], x: Any, y: Any) -> NDArray[np.int64]:
    """Return the sum of group elements, given by their numbers in mixed radix."""
    total = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)), dtype=np.int64)
    unit = 1
    for order in reversed(orders):
        total += unit * ((x // unit + y // unit) % order)
        unit *= order
    return total


def characters(orders: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the characters of a group up to complex conjugation, the trivial one first.

    Parameters
    ----------
    orders : sequence of int
        Orders of the cyclic factors.

    Returns
    -------
    table : ndarray of float64 or complex128, shape (k, r)
        The value of each character, a column, at each element of the group. Real if all
        characters are.
    counts : ndarray of int64, shape (r,)
        1 for a real character, 2 for a pair of conjugate ones.
    """
    size = math.prod(orders)
    number = np.arange(size)
    digits = np.array(np.unravel_index(number, tuple(orders) or (1,))).T
    moduli = np.array(tuple(orders) or (1,))
    inverse = np.ravel_multi_index(((-digits) % moduli).T, tuple(orders) or (1,))
    chosen = np.flatnonzero(number <= inverse)
    # A common denominator keeps the exponents integers, so that real characters come out exact.
    common = math.lcm(*orders) if orders else 1
    exponent = (digits * (common // moduli)) @ digits[chosen].T % common
    roots = np.exp(2j * np.pi * np.arange(common) / common)
    roots[0] = 1.0
    if common % 2 == 0:
        roots[common // 2] = -1.0
    table = roots[exponent]
    counts = np.where(inverse[chosen] == chosen, 1, 2).astype(np.int64)
    return (table.real.copy() if counts.max() == 1 else table), counts
