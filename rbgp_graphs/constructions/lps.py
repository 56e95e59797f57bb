"""The Ramanujan graphs of Lubotzky, Phillips and Sarnak."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_prime, is_prime
from rbgp_graphs.errors import ArgumentError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_NUM_EDGES = 2**28


def lps(p: int, q: int, *, allow_small: bool = False) -> BipartiteGraph:
    r"""Return the bipartite Ramanujan graph :math:`X^{p,q}` of degree p + 1.

    It is a Cayley graph of a group of 2 x 2 matrices modulo q up to scalars, with the p + 1
    integral quaternions of norm p as generators [1]_. The left vertices are the classes with
    square determinant. If p is not a square modulo q, the right vertices are the other classes
    (the group PGL(2, q)); if it is, the graph is the bipartite double cover of the Cayley graph
    of PSL(2, q).

    Parameters
    ----------
    p, q : int
        Different odd primes with ``q**2 > 4 * p``.
    allow_small : bool
        Accept smaller q too. The graph is still checked to be simple.

    Returns
    -------
    BipartiteGraph
        With :math:`q(q^2-1)/2` vertices a side and degrees (p + 1, p + 1).

    Raises
    ------
    ArgumentError
        If p or q is not an odd prime, p equals q, or q is too small.
    InfeasibleError
        If the graph has parallel edges (possible with `allow_small`), or more than 2**28 edges.

    Notes
    -----
    All singular values but the largest are at most :math:`2\sqrt p` [1]_. The girth is at least
    :math:`2\log_p q` (PSL) or :math:`4\log_p q - \log_p 4` (PGL).

    References
    ----------
    .. [1] A. Lubotzky, R. Phillips and P. Sarnak, Ramanujan graphs,
       Combinatorica 8 (1988), 261-277.

    Examples
    --------
    >>> graph = lps(3, 5)
    >>> graph.shape, graph.degrees, graph.girth()
    ((60, 60), (4, 4), 6)
    """
    p, q = as_prime("p", p, odd=True), as_prime("q", q, odd=True)
    if p == q:
        other = next(n for n in range(q + 1, 2 * q + 2) if is_prime(n))
        raise ArgumentError(f"p and q are both {p}, expected different primes such as q={other}")
    if q * q <= 4 * p and not allow_small:
        smallest = next(
            n for n in range(math.isqrt(4 * p) + 1, 8 * p) if is_prime(n) and n not in (2, p)
        )
        raise ArgumentError(
            f"q is {q}, expected q**2 > 4 * p = {4 * p}: at least {smallest} for p = {p} "
            "(allow_small=True tries anyway)"
        )
    size = q * (q * q - 1) // 2
    if size * (p + 1) > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"lps({p}, {q}) has {size * (p + 1)} edges, at most {_LARGEST_NUM_EDGES} fit; "
            "take a smaller q"
        )
    neighbors = np.sort(_neighbors(p, q), axis=1) if p < size else None
    if neighbors is None or (neighbors[:, 1:] == neighbors[:, :-1]).any():
        raise InfeasibleError(
            f"lps({p}, {q}) has parallel edges; q**2 > 4 * p = {4 * p} makes the graph simple"
        )
    recipe = {"kind": "lps", "p": p, "q": q}
    if q * q <= 4 * p:
        recipe["allow_small"] = True
    indptr = np.arange(size + 1, dtype=np.int64) * (p + 1)
    return BipartiteGraph(size, size, indptr, neighbors.ravel(), recipe)


def quaternions(p: int) -> NDArray[np.int64]:
    """Return the p + 1 integral quaternions of norm p that generate the graph.

    Parameters
    ----------
    p : int
        An odd prime.

    Returns
    -------
    ndarray of int64, shape (p + 1, 4)
        One of each pair of associates: for p = 1 modulo 4 the first entry is odd and positive,
        the others even; for p = 3 modulo 4 the first is even, the others odd, and the first
        nonzero of the first two entries is positive.
    """
    reach = math.isqrt(p)
    axis = np.arange(-reach, reach + 1)
    square = axis * axis
    # a0^2 + a1^2 = p - (a2^2 + a3^2), matched pair by pair to keep the table small.
    pair_sums = square[:, None] + square[None, :]
    found: list[tuple[int, ...]] = []
    for a0 in range(reach + 1):
        for a1 in range(-reach, reach + 1):
            at2, at3 = np.nonzero(pair_sums == p - a0 * a0 - a1 * a1)
            found.extend((a0, a1, axis[x], axis[y]) for x, y in zip(at2, at3, strict=True))
    odd = p % 4 == 1
    return np.array(
        [
            a
            for a in found
            if (a[0] % 2 == 1) == odd
            and all((entry % 2 == 0) == odd for entry in a[1:])
            and (a[0] > 0 or a[1] > 0)
        ],
        dtype=np.int64,
    )


def _generators(p: int, q: int) -> NDArray[np.int64]:
    """Return the quaternions as matrices modulo q: int64, shape (p + 1, 2, 2)."""
    x, y = next((x, y) for x in range(q) for y in range(q) if (x * x + y * y + 1) % q == 0)
    a0, a1, a2, a3 = quaternions(p).T
    rows = (
        (a0 + a1 * x - a3 * y, a1 * y + a2 + a3 * x),
        (a1 * y - a2 + a3 * x, a0 - a1 * x + a3 * y),
    )
    return np.array(rows).transpose(2, 0, 1) % q


def _neighbors(p: int, q: int) -> NDArray[np.int64]:
    """Return the right neighbours of all left vertices: shape (q(q^2-1)/2, p + 1).

    A class of matrices is known by its bottom row as a point (0:1) or (1:d) of the projective
    line, scaled so, by one more entry, and by the determinant among the squares or nonsquares.
    """
    half = (q - 1) // 2
    squares = np.unique(np.arange(1, q) ** 2 % q)
    is_square = np.zeros(q, dtype=bool)
    is_square[squares] = True
    rank = np.zeros(q, dtype=np.int32)
    for residues in (squares, np.flatnonzero(~is_square)[1:]):
        rank[residues] = np.arange(half)
    inverse = np.array([0] + [pow(n, -1, q) for n in range(1, q)], dtype=np.int32)

    point, entry, det_rank = np.ogrid[: q + 1, :q, :half]
    at_infinity = point == q
    det = squares[det_rank]
    shape = (q + 1, q, half)
    c = np.where(at_infinity, 0, 1)
    d = np.where(at_infinity, 1, point)
    a = np.where(at_infinity, det, entry)
    b = np.where(at_infinity, entry, (entry * d - det) % q)
    a, b, c, d = (np.broadcast_to(e, shape).reshape(-1).astype(np.int32) for e in (a, b, c, d))

    columns = []
    for (e, f), (g, h) in _generators(p, q).astype(np.int32):
        new_c, new_d = (c * e + d * g) % q, (c * f + d * h) % q
        infinite = new_c == 0
        scale = inverse[np.where(infinite, new_d, new_c)]
        new_a, new_b = (a * e + b * g) % q * scale % q, (a * f + b * h) % q * scale % q
        new_d = new_d * scale % q
        # The scaled bottom row is (0, 1) or (1, d): the determinant is a or a d - b.
        new_det = np.where(infinite, new_a, (new_a * new_d - new_b) % q)
        new_point = np.where(infinite, q, new_d)
        new_entry = np.where(infinite, new_b, new_a)
        columns.append((new_point * q + new_entry) * half + rank[new_det])
    return np.stack(columns, axis=1)
