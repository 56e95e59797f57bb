"""The Ramanujan graphs of Morgenstern, one for every prime power degree minus one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int, as_prime_power
from rbgp_graphs.constructions.finite_field import FiniteField, finite_field
from rbgp_graphs.constructions.projective_group import cayley_graph, check_size
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph


def morgenstern(q: int, d: int) -> BipartiteGraph:
    r"""Return a bipartite Ramanujan graph of degree q + 1 from the field with q^d elements.

    It is a Cayley graph of 2 x 2 matrices over that field up to scalars, with q + 1 generators
    [1]_. The left vertices are the classes with square determinant. If the determinant of the
    generators is not a square, the right vertices are the other classes (the group PGL); if it
    is, the graph is the bipartite double cover of the Cayley graph of PSL.

    Parameters
    ----------
    q : int
        A prime power, odd or even.
    d : int
        The degree of the field over that with q elements: even, at least 2.

    Returns
    -------
    BipartiteGraph
        With :math:`q^d(q^{2d}-1)` vertices a side if q is even, half as many if it is odd, and
        degrees (q + 1, q + 1).

    Raises
    ------
    ArgumentError
        If q is not a prime power, or d is not even and positive.
    InfeasibleError
        If the graph has more than 2**24 edges, or is not simple.
    MissingDependencyError
        If python-flint is not installed: the field is never a prime field.

    Notes
    -----
    All singular values but the largest are at most :math:`2\sqrt q`. The graph depends on an
    element that generates the field over that with q elements, here the one with the smallest
    label. The girth is at least :math:`\tfrac23\log_q|\Gamma|` for the group :math:`\Gamma`.

    References
    ----------
    .. [1] M. Morgenstern, Existence and explicit constructions of q + 1 regular Ramanujan
       graphs for every prime power q, J. Combin. Theory B 62 (1994), 44-62.

    Examples
    --------
    >>> graph = morgenstern(2, 2)
    >>> graph.shape, graph.degrees, graph.girth()
    ((60, 60), (3, 3), 10)
    """
    p, k = as_prime_power("q", q)
    q, d = p**k, as_int("d", d, minimum=2, maximum=64)
    if d % 2:
        raise ArgumentError(f"d is {d}, expected an even number; the nearest are {d - 1}, {d + 1}")
    name = f"morgenstern({q}, {d})"
    check_size(name, q**d, q + 1)
    field = finite_field("q", q**d)
    generators = (_odd_generators if q % 2 else _even_generators)(field, q, d)
    return cayley_graph(name, field, generators, {"kind": "morgenstern", "q": q, "d": d})


def _root(field: FiniteField, q: int, d: int) -> int:
    """Return the smallest element that generates the field over its subfield of order q."""
    elements = np.arange(field.order)
    generates = np.ones(field.order, dtype=bool)
    for divisor in range(1, d):
        if d % divisor == 0:
            generates &= field.power(elements, q**divisor) != elements
    return int(np.flatnonzero(generates)[0])


def _odd_generators(field: FiniteField, q: int, d: int) -> NDArray[np.int64]:
    """Return the matrices (1, g - h i; (g + h i)(x - 1), 1) with h^2 e - g^2 = 1 and i^2 = e."""
    small = field.subfield(q)
    square = field.multiply(small, small)
    e = int(np.setdiff1d(small, square)[0])
    elements = np.arange(field.order)
    i = int(np.flatnonzero(field.multiply(elements, elements) == e)[0])
    norms = field.subtract(field.multiply(square, e)[None], square[:, None])
    at_g, at_h = np.nonzero(norms == 1)
    g, h = small[at_g], field.multiply(small[at_h], i)
    below = field.multiply(field.add(g, h), field.subtract(_root(field, q, d), 1))
    ones = np.ones_like(g)
    return np.stack((ones, field.subtract(g, h), below, ones), axis=1).reshape(-1, 2, 2)


def _even_generators(field: FiniteField, q: int, d: int) -> NDArray[np.int64]:
    """Return the matrices (1, g + h i; (g + h i + h) x, 1) with g^2 + g h + h^2 e = 1.

    Here y^2 + y + e has no root in the subfield of order q, and i is one of its roots.
    """
    small = field.subfield(q)
    square = field.multiply(small, small)
    e = int(np.setdiff1d(small, field.add(square, small))[0])
    elements = np.arange(field.order)
    i = int(np.flatnonzero(field.add(field.multiply(elements, elements), elements) == e)[0])
    mixed = field.add(square[:, None], field.multiply(small[:, None], small))
    at_g, at_h = np.nonzero(field.add(mixed, field.multiply(square, e)[None]) == 1)
    g, h = small[at_g], small[at_h]
    above = field.add(g, field.multiply(h, i))
    below = field.multiply(field.add(above, h), _root(field, q, d))
    ones = np.ones_like(g)
    return np.stack((ones, above, below, ones), axis=1).reshape(-1, 2, 2)
