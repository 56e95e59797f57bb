"""Incidence graphs of the classical generalized quadrangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int, prime_power
from rbgp_graphs.constructions.finite_field import FiniteField, finite_field
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph, sort_edges

_LARGEST_NUM_EDGES = 2**24
_LARGEST_PARAMETER = 2**16


def generalized_quadrangle(s: int, t: int) -> BipartiteGraph:
    r"""Return the incidence graph of points and lines of a generalized quadrangle GQ(s, t).

    Every line has s + 1 points, every point lies on t + 1 lines, and for a point off a line
    exactly one point of the line is collinear with it. Built are, for each prime power q, the
    symplectic quadrangle W(q) with parameters (q, q), the elliptic quadric Q-(5, q) with
    (q, q**2), and its dual, the Hermitian surface H(3, q**2), with (q**2, q).

    Parameters
    ----------
    s, t : int
        The parameters, at least 2.

    Returns
    -------
    BipartiteGraph
        With (s + 1)(st + 1) points on the left, (t + 1)(st + 1) lines on the right, degrees
        (t + 1, s + 1), girth 8 and diameter 4.

    Raises
    ------
    ArgumentError
        If s or t is below 2.
    InfeasibleError
        If no quadrangle with these parameters is built here (the message says which are), or
        it has more than 2**24 edges.
    MissingDependencyError
        If a field is needed that is not prime, and galois is not installed.

    Notes
    -----
    The singular values are :math:`\sqrt{(s+1)(t+1)}` once, :math:`\sqrt{s+t}` and 0, so the
    graph is Ramanujan. Points and lines have the coordinates of Payne as in chapter 3 of [1]_:
    a point (a, l, a') lies on a line [k, b, k'] if a' = ak + b and k' is the right side of the
    formula in the code.

    References
    ----------
    .. [1] H. Van Maldeghem, Generalized Polygons, Birkhäuser 1998.

    Examples
    --------
    >>> graph = generalized_quadrangle(2, 4)
    >>> graph.shape, graph.degrees, graph.girth()
    ((27, 45), (5, 3), 8)
    """
    s = as_int("s", s, minimum=2, maximum=_LARGEST_PARAMETER)
    t = as_int("t", t, minimum=2, maximum=_LARGEST_PARAMETER)
    q = quadrangle_order(s, t)
    if q is None:
        raise InfeasibleError(
            f"no generalized quadrangle GQ({s}, {t}) is built here; for a prime power q there "
            "are (q, q), (q, q**2) and (q**2, q), " + _nearest(s, t)
        )
    num_edges = (s + 1) * (t + 1) * (s * t + 1)
    if num_edges > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"generalized_quadrangle({s}, {t}) has {num_edges} edges, at most "
            f"{_LARGEST_NUM_EDGES} fit; take smaller parameters"
        )
    field = finite_field("s", max(s, t))
    points, lines = _incidences(field, q)
    if s < t:
        points, lines = lines, points
    shape = ((s + 1) * (s * t + 1), (t + 1) * (s * t + 1))
    indptr, indices, _ = sort_edges(points, lines, *shape)
    return BipartiteGraph(
        *shape, indptr, indices, {"kind": "generalized_quadrangle", "s": s, "t": t}
    )


def quadrangle_order(s: int, t: int) -> int | None:
    """Return the q of the quadrangle with parameters (s, t), or None if none is built."""
    q = min(s, t)
    fits = max(s, t) in (q, q * q) and prime_power(q) is not None
    return q if fits else None


def _nearest(s: int, t: int) -> str:
    around = {math.isqrt(s), math.isqrt(t), s, t}
    orders = {q for n in around for q in range(max(2, n - 2), n + 4) if prime_power(q) is not None}
    pairs = [pair for q in orders for pair in ((q, q), (q, q * q), (q * q, q))]
    best = min(pairs, key=lambda pair: (abs(pair[0] - s) + abs(pair[1] - t), pair))
    return f"the nearest is {best}"


def _incidences(field: FiniteField, q: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the incident pairs of W(q), or of H(3, q^2) if the field has q^2 elements.

    Coordinates a, a', b run through the field and k, k', l through its subfield of order q.
    Points are numbered in the order (infinity), (a), (k, b), (a, l, a'), lines in the order
    [infinity], [k], [a, l], [k, b, k'].
    """
    s, t = field.order, q
    small = field.subfield(q)
    rank = np.zeros(s, dtype=np.int64)
    rank[small] = np.arange(t)
    a, b = np.arange(s), np.arange(s)
    k, l, last = np.arange(t), np.arange(t), np.arange(t)  # noqa: E741 - the name in the book
    pairs: list[tuple[Any, Any]] = [
        (0, 0),
        (1 + a, 0),
        (0, 1 + k),
        (1 + a[:, None], 1 + t + a[:, None] * t + l),
        (1 + s + k[:, None] * s + b, 1 + k[:, None]),
        (
            1 + s + k[:, None, None] * s + b[:, None],
            1 + t + s * t + (k[:, None, None] * s + b[:, None]) * t + last,
        ),
    ]
    a, l, end, k = np.ogrid[:s, :t, :s, :t]  # noqa: E741
    point = 1 + s + s * t + (a * t + l) * s + end
    pairs.append((point, 1 + t + a * t + l))
    slope, offset = small[k], small[l]
    if s == t:
        norm, trace = field.multiply(a, a), field.multiply(a, field.add(end, end))
    else:
        norm = field.power(a, q + 1)
        product = field.multiply(a, field.power(end, q))
        trace = field.add(product, field.power(product, q))
    start = field.subtract(end, field.multiply(a, slope))
    top = field.subtract(field.add(field.multiply(norm, slope), offset), trace)
    pairs.append((point, 1 + t + s * t + (k * s + start) * t + rank[top]))
    flat = [np.broadcast_arrays(*pair) for pair in pairs]
    points, lines = (np.concatenate([pair[side].ravel() for pair in flat]) for side in (0, 1))
    return points.astype(np.int64), lines.astype(np.int64)
