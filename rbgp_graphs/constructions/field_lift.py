"""Field lifts: abelian lifts of a complete graph with voltages from a finite field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.constructions.finite_field import FiniteField, finite_field
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_NUM_EDGES = 2**28


def field_lift(q: int, b: int, m: int = 1, j: int | None = None) -> BipartiteGraph:
    r"""Return the lift of :math:`K_{q,b}` whose voltages are products in the field F_q.

    Left vertices are the pairs :math:`(x, s)` with :math:`x \in F_q`, :math:`s \in F_p^j`; right
    vertices the pairs :math:`(y, t)` with y among the first b field elements. They are adjacent
    if :math:`t - s = \varphi(x y, x y^2, ..., x y^m)`, where :math:`\varphi` keeps the first j
    base-p digits. A pair has the number ``x * p**j + s``.

    Parameters
    ----------
    q : int
        A prime power :math:`p^k`: the right degree.
    b : int
        The left degree, from 1 to q.
    m : int
        Number of powers of y, at least 1.
    j : int, optional
        Number of digits, from 1 to ``m * k``; all of them by default. The density of the graph
        is ``p**-j``.

    Returns
    -------
    BipartiteGraph
        With ``q * p**j`` left and ``b * p**j`` right vertices and degrees (b, q).

    Raises
    ------
    ArgumentError
        If q is not a prime power, or another argument leaves its range.
    InfeasibleError
        If the graph would have more than 2**28 edges.
    MissingDependencyError
        If q is not prime and python-flint is not installed.

    Notes
    -----
    For a character of :math:`F_p^j`, the voltages split the b elements into fibres, and the
    squares of the singular values are q times the sizes of the fibres. A fibre has at most m
    elements, so :math:`\sigma_2 \le \sqrt{mq}`, and :math:`\sigma_2 = \sqrt q` for m = 1, about
    half of the Ramanujan bound. The family holds the biaffine planes (m = 1, b = q), the
    Wenger graphs (b = q, all digits) [1]_ and, for prime q and m = 1, the array codes [2]_.

    References
    ----------
    .. [1] S. M. Cioaba, F. Lazebnik and W. Li, On the spectrum of Wenger graphs,
       J. Combin. Theory B 107 (2014), 132-139, arXiv:1402.3341.
    .. [2] S. P. Burnwal, K. Sinha and M. Vidyasagar, New and explicit constructions of unbalanced
       Ramanujan bipartite graphs, arXiv:1910.03937.

    Examples
    --------
    >>> field_lift(7, 7).girth()
    6
    """
    field = finite_field("q", q)
    b = as_int("b", b, minimum=1, maximum=field.order)
    m = as_int("m", m, minimum=1, maximum=64)
    j = as_int("j", m * field.degree if j is None else j, minimum=1, maximum=m * field.degree)
    p, q = field.characteristic, field.order
    if q * b * p**j > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"field_lift({q}, {b}, {m}, {j}) has {q * b * p**j} edges, at most "
            f"{_LARGEST_NUM_EDGES} fit; take a smaller j"
        )
    digits = voltage_digits(field, np.arange(q), b, m, j)
    size = p**j
    s = np.arange(size)
    target = np.zeros((q, b, size), dtype=np.int64)
    for place in range(j):
        weight = p**place
        moved = (s // weight + digits[:, :, place, None]) % p
        target += moved * weight
    indices = (target + np.arange(b)[:, None] * size).transpose(0, 2, 1).reshape(-1)
    indptr = np.arange(q * size + 1, dtype=np.int64) * b
    recipe = {"kind": "field_lift", "q": q, "b": b, "m": m, "j": j}
    return BipartiteGraph(q * size, b * size, indptr, indices, recipe)


def voltage_digits(
    field: FiniteField, x: NDArray[Any], b: int, m: int, j: int
) -> NDArray[np.int64]:
    """Return the first j base-p digits of (x y, ..., x y**m) for the first b elements y.

    Parameters
    ----------
    field : FiniteField
        The field.
    x : ndarray of int, shape (n,)
        Field elements.
    b, m, j : int
        As in `field_lift`.

    Returns
    -------
    ndarray of int64, shape (n, b, j)
        Digits from 0 to p - 1.
    """
    p = field.characteristic
    y = np.arange(b)
    power = np.broadcast_to(x[:, None], (len(x), b)).astype(np.int64)
    digits: list[NDArray[np.int64]] = []
    for _ in range(min(m, -(-j // field.degree))):
        power = field.multiply(power, y[None, :])
        digits.extend(power // p**place % p for place in range(field.degree))
    return np.stack(digits[:j], axis=-1)
