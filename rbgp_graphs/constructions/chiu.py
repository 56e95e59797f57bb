"""The cubic Ramanujan graphs of Chiu."""

from __future__ import annotations

import numpy as np

from rbgp_graphs._validation import as_prime, is_prime
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.constructions.projective_group import cayley_graph, check_size
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph


def chiu(q: int) -> BipartiteGraph:
    r"""Return the bipartite Ramanujan graph of degree 3 of Chiu for the prime q.

    It is the case p = 2 that `rbgp_graphs.lps` leaves out: a Cayley graph of 2 x 2 matrices
    modulo q up to scalars with three generators [1]_. For q = 3 modulo 8 the sides are the
    square and the nonsquare determinants of PGL(2, q); for q = 1 modulo 8 the graph is the
    bipartite double cover of the Cayley graph of PSL(2, q).

    Parameters
    ----------
    q : int
        An odd prime other than 13 for which -2 and 13 are squares: q = 1, 3 modulo 8 and
        q = 1, 3, 4, 9, 10, 12 modulo 13. The first are 3, 17, 43.

    Returns
    -------
    BipartiteGraph
        With :math:`q(q^2-1)/2` vertices a side and degrees (3, 3).

    Raises
    ------
    ArgumentError
        If q is not such a prime; names the nearest ones.
    InfeasibleError
        If the graph has more than 2**24 edges.

    Notes
    -----
    All singular values but the largest are at most :math:`2\sqrt 2`.

    References
    ----------
    .. [1] P. Chiu, Cubic Ramanujan graphs, Combinatorica 12 (1992), 275-285.

    Examples
    --------
    >>> graph = chiu(3)
    >>> graph.shape, graph.degrees
    ((12, 12), (3, 3))
    """
    q = as_prime("q", q, odd=True)
    if not is_chiu_prime(q):
        below = next((n for n in range(q - 1, 2, -1) if is_chiu_prime(n)), None)
        above = next(n for n in range(q + 1, 100 * q + 100) if is_chiu_prime(n))
        near = f"is {above}" if below is None else f"are {below} and {above}"
        raise ArgumentError(
            f"q is {q}, expected a prime for which -2 and 13 are squares; the nearest {near}"
        )
    check_size(f"chiu({q})", q, 3)
    field = finite_field("q", q)
    squares = np.arange(q) ** 2 % q
    i, r = (int(np.flatnonzero(squares == n % q)[0]) for n in (-2, -26))
    generators = np.array(
        [
            [[1, 0], [0, -1]],
            [[2 + i, r], [r, 2 - i]],
            [[2 - i, -r], [-r, 2 + i]],
        ]
    )
    return cayley_graph(f"chiu({q})", field, generators % q, {"kind": "chiu", "q": q})


def is_chiu_prime(q: int) -> bool:
    """Return whether q is a prime for which -2 and 13 are nonzero squares."""
    return q % 8 in (1, 3) and q % 13 in (1, 3, 4, 9, 10, 12) and is_prime(q)
