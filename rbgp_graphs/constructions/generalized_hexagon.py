"""Incidence graphs of the split Cayley hexagons."""

from __future__ import annotations

from typing import Any

import numpy as np

from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph, sort_edges

_LARGEST_ORDER = 13


def generalized_hexagon(q: int) -> BipartiteGraph:
    r"""Return the incidence graph of points and lines of the split Cayley hexagon H(q).

    Parameters
    ----------
    q : int
        A prime power: the order of the hexagon.

    Returns
    -------
    BipartiteGraph
        With :math:`q^5 + q^4 + q^3 + q^2 + q + 1` points on the left and as many lines on the
        right, degrees (q + 1, q + 1), girth 12 and diameter 6.

    Raises
    ------
    ArgumentError
        If q is not a prime power.
    InfeasibleError
        If q is above 13.
    MissingDependencyError
        If q is not prime and python-flint is not installed.

    Notes
    -----
    The singular values are q + 1 once, :math:`\sqrt{3q}`, :math:`\sqrt q` and 0, so the graph
    is Ramanujan. Tits defined the hexagon by points of a quadric in PG(6, q) and some of its
    lines; the coordinates used here are those of De Smet and Van Maldeghem [1]_, in which
    incidence is a set of four equations.

    References
    ----------
    .. [1] H. Van Maldeghem, Generalized Polygons, Birkhäuser 1998, section 3.5.1.

    Examples
    --------
    >>> graph = generalized_hexagon(2)
    >>> graph.shape, graph.degrees, graph.girth()
    ((63, 63), (3, 3), 12)
    """
    field = finite_field("q", q)
    q = field.order
    if q > _LARGEST_ORDER:
        raise InfeasibleError(
            f"generalized_hexagon({q}) is too large, q is at most {_LARGEST_ORDER}"
        )
    # Points and lines with i coordinates, i = 0..5, start at this number. A point or line with
    # one more coordinate is incident with the one of the other kind without its last.
    first = [(q**i - 1) // (q - 1) for i in range(7)]
    pairs: list[tuple[Any, Any]] = [(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))]
    for i in range(5):
        shorter, longer = first[i] + np.arange(q**i), first[i + 1] + np.arange(q ** (i + 1))
        pairs += [(longer, np.repeat(shorter, q)), (np.repeat(shorter, q), longer)]

    add, times = field.add, field.multiply

    def multiple(n: int, x: Any) -> Any:
        return times(n % field.characteristic, x)

    # A point (a, l, a1, l1, a2) lies on one line [k, b, k1, b1, k2] for each k.
    a, l, a1, l1, a2, k = np.ogrid[:q, :q, :q, :q, :q, :q]  # noqa: E741 - the name in the book
    square = times(a, a)
    cube = times(a, square)
    b = field.subtract(a2, times(a, k))
    b1 = add(add(times(square, k), a1), multiple(-2, times(a, a2)))
    k2 = add(
        add(times(cube, k), l),
        multiple(3, field.subtract(times(a, a1), times(square, a2))),
    )
    k1 = add(
        add(times(cube, times(k, k)), field.subtract(l1, times(k, l))),
        multiple(
            3,
            field.subtract(
                times(a, times(a2, a2)), add(times(times(square, a2), k), times(a1, a2))
            ),
        ),
    )
    point = (((a * q + l) * q + a1) * q + l1) * q + a2
    line = (((k * q + b) * q + k1) * q + b1) * q + k2
    point, line = np.broadcast_arrays(first[5] + point, first[5] + line)
    pairs.append((point.ravel(), line.ravel()))
    points, lines = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    indptr, indices, _ = sort_edges(points, lines, first[6], first[6])
    return BipartiteGraph(
        first[6], first[6], indptr, indices, {"kind": "generalized_hexagon", "q": q}
    )
