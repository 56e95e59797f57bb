"""Incidence graphs of generalized quadrangles."""

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
#: Parameters of the Hermitian varieties H(4, 4) and H(4, 9); the next one takes minutes.
_HERMITIAN = ((4, 8), (9, 27))


def generalized_quadrangle(s: int, t: int) -> BipartiteGraph:
    r"""Return the incidence graph of points and lines of a generalized quadrangle GQ(s, t).

    Every line has s + 1 points, every point lies on t + 1 lines, and for a point off a line
    exactly one point of the line is collinear with it. Built are

    - for each prime power q the symplectic quadrangle W(q) with parameters (q, q), the elliptic
      quadric Q-(5, q) with (q, q**2), and its dual, the Hermitian surface H(3, q**2), with
      (q**2, q);
    - for each prime power q from 4 up the quadrangle with (q - 1, q + 1) of Ahrens and Szekeres
      (q odd), or of Hall, Ahrens and Szekeres, also called T2*(O), from a regular hyperoval (q
      even), and its dual with (q + 1, q - 1);
    - for q = 2 and 3 the Hermitian variety H(4, q**2) with (q**2, q**3), and its dual.

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
        If a field is needed that is not prime, and python-flint is not installed.

    Notes
    -----
    The singular values are :math:`\sqrt{(s+1)(t+1)}` once, :math:`\sqrt{s+t}` and 0, so the
    graph is Ramanujan. Points and lines of the first three have the coordinates of chapter 3 of
    [1]_: a point (a, l, a') lies on a line [k, b, k'] if a' = ak + b and k' is the right side of
    the formula in the code. Those with parameters (q - 1, q + 1) have the points of the affine
    space of three dimensions, and lines as in section 3.1.3 and 3.1.5 of [2]_.

    References
    ----------
    .. [1] H. Van Maldeghem, Generalized Polygons, Birkhäuser 1998.
    .. [2] S. E. Payne and J. A. Thas, Finite Generalized Quadrangles, Pitman 1984.

    Examples
    --------
    >>> graph = generalized_quadrangle(2, 4)
    >>> graph.shape, graph.degrees, graph.girth()
    ((27, 45), (5, 3), 8)
    """
    s = as_int("s", s, minimum=2, maximum=_LARGEST_PARAMETER)
    t = as_int("t", t, minimum=2, maximum=_LARGEST_PARAMETER)
    order = quadrangle_field(s, t)
    if order is None:
        raise InfeasibleError(
            f"no generalized quadrangle GQ({s}, {t}) is built here; for a prime power q there are "
            "(q, q), (q, q**2) and (q - 1, q + 1), for q = 2 and 3 also (q**2, q**3), each "
            f"in both orders; {_nearest(s, t)}"
        )
    num_edges = (s + 1) * (t + 1) * (s * t + 1)
    if num_edges > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"generalized_quadrangle({s}, {t}) has {num_edges} edges, at most "
            f"{_LARGEST_NUM_EDGES} fit; take smaller parameters"
        )
    field = finite_field("s", order)
    if max(s, t) == order:
        points, lines = _classical(field, min(s, t))
        is_dual = s < t
    elif abs(s - t) == 2:
        points, lines = _affine(field)
        is_dual = s > t
    else:
        points, lines = _hermitian(field)
        is_dual = s > t
    if is_dual:
        points, lines = lines, points
    shape = ((s + 1) * (s * t + 1), (t + 1) * (s * t + 1))
    indptr, indices, _ = sort_edges(points, lines, *shape)
    return BipartiteGraph(
        *shape, indptr, indices, {"kind": "generalized_quadrangle", "s": s, "t": t}
    )


def quadrangle_field(s: int, t: int) -> int | None:
    """Return the order of the field that GQ(s, t) is built over, or None if none is built."""
    low, high = min(s, t), max(s, t)
    if high in (low, low * low) and prime_power(low) is not None:
        return high
    if high == low + 2 and prime_power(low + 1) is not None:
        return low + 1
    return low if (low, high) in _HERMITIAN else None


def _nearest(s: int, t: int) -> str:
    around = {math.isqrt(s), math.isqrt(t), s, t}
    orders = {q for n in around for q in range(max(2, n - 2), n + 4) if prime_power(q) is not None}
    pairs = [pair for q in orders for pair in ((q, q), (q, q * q), (q - 1, q + 1))]
    both = [turned for low, high in (*pairs, *_HERMITIAN) for turned in ((low, high), (high, low))]
    built = [pair for pair in both if min(pair) >= 2 and quadrangle_field(*pair) is not None]
    best = min(built, key=lambda pair: (abs(pair[0] - s) + abs(pair[1] - t), pair))
    return f"the nearest is {best}"


def _classical(field: FiniteField, q: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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


def _affine(field: FiniteField) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the incident pairs of the quadrangle with parameters (q - 1, q + 1).

    Points (x, y, z) have the number (x q + y) q + z. There are q**2 lines of each of q + 2 kinds.
    """
    q = field.order
    if q % 2:
        return _ahrens_szekeres(field)
    # Directions: a conic together with its nucleus is a hyperoval of the plane at infinity.
    t = np.arange(q)
    conic = np.column_stack((np.ones_like(t), t, field.multiply(t, t)))
    directions = np.concatenate((conic, [[0, 0, 1], [0, 1, 0]]))
    pairs = []
    for kind, direction in enumerate(directions):
        # Each line in a direction meets the plane where its first nonzero coordinate is zero.
        free = [axis for axis in range(3) if axis != int(np.flatnonzero(direction)[0])]
        start = np.zeros((q, q, 1, 3), dtype=np.int64)
        start[..., free[0]] = np.arange(q)[:, None, None]
        start[..., free[1]] = np.arange(q)[None, :, None]
        step = field.multiply(np.arange(q)[:, None], direction)
        point = field.add(start, np.broadcast_to(step, (q, q, q, 3)))
        line = kind * q * q + np.arange(q * q).reshape(q, q, 1)
        pairs.append((_affine_number(point, q), np.broadcast_to(line, (q, q, q))))
    return _joined(pairs)


def _ahrens_szekeres(field: FiniteField) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    q = field.order
    a, b, sigma = np.ogrid[:q, :q, :q]
    first, second = (np.broadcast_to(x, (q, q, q)) for x in (a, b))
    third = np.broadcast_to(sigma, (q, q, q))
    line = a * q + b + 0 * sigma
    pairs = [
        (_affine_number(np.stack((third, first, second), axis=-1), q), line),
        (_affine_number(np.stack((first, third, second), axis=-1), q), q * q + line),
    ]
    square = field.multiply(sigma, sigma)
    for c in range(q):
        x = field.subtract(field.multiply(c, square), field.multiply(b, sigma))
        x = field.add(np.broadcast_to(x, (q, q, q)), first)
        twice = field.multiply(field.add(c, c), sigma)
        y = np.broadcast_to(field.subtract(b, twice), (q, q, q))
        pairs.append((_affine_number(np.stack((x, y, third), axis=-1), q), (2 + c) * q * q + line))
    return _joined(pairs)


def _affine_number(points: NDArray[np.int64], q: int) -> NDArray[np.int64]:
    number: NDArray[np.int64] = (points[..., 0] * q + points[..., 1]) * q + points[..., 2]
    return number


def _joined(pairs: list[tuple[Any, Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    points, lines = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    return points.astype(np.int64), lines.astype(np.int64)


def _hermitian(field: FiniteField) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the incident pairs of H(4, q^2): points with zero sum of (q + 1)-st powers.

    Points, scaled to first nonzero coordinate 1, come in lexicographic order, lines in that of
    their sorted points.
    """
    order = field.order
    q = math.isqrt(order)
    vectors = np.array(np.unravel_index(np.arange(order**5), (order,) * 5)).T
    first = vectors[np.arange(len(vectors)), (vectors != 0).argmax(axis=1)]
    vectors = vectors[first == 1]
    points = vectors[_sum(field, field.power(vectors, q + 1)) == 0]
    near = _sums_of_products(field, points, field.power(points, q)) == 0
    members = []
    for x in range(len(points)):
        around = np.flatnonzero(near[x])
        around = around[around != x]
        # There are no triangles, so that points near x and near one another share a line with x.
        leader = around[near[np.ix_(around, around)].argmax(axis=1)]
        kept = leader > x
        grouped = np.argsort(leader[kept], kind="stable")
        rest = around[kept][grouped].reshape(-1, order)
        members.append(np.column_stack((np.full(len(rest), x), rest)))
    on_lines = np.concatenate(members)
    lines = np.repeat(np.arange(len(on_lines)), order + 1)
    return on_lines.ravel(), lines


def _sums_of_products(
    field: FiniteField, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return the matrix product of `left` and the transpose of `right` over a small field."""
    element = np.arange(field.order)
    multiply = field.multiply(element[:, None], element).astype(np.uint8)
    add = field.add(element[:, None], element).astype(np.uint8)
    total = np.zeros((len(left), len(right)), dtype=np.uint8)
    for column in range(left.shape[1]):
        total = add[total, multiply[left[:, column, None], right[:, column]]]
    return total


def _sum(field: FiniteField, terms: NDArray[np.int64]) -> NDArray[np.int64]:
    total = terms[..., 0]
    for column in range(1, terms.shape[-1]):
        total = field.add(total, terms[..., column])
    return total
