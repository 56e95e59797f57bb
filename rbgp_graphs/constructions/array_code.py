"""Array-code graphs: blocks of powers of a cyclic shift."""

from __future__ import annotations

import numpy as np

from rbgp_graphs._validation import as_int, as_prime
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph, sort_edges

_LARGEST_NUM_EDGES = 2**28


def array_code(q: int, l: int) -> BipartiteGraph:  # noqa: E741 - the name in the paper
    r"""Return the graph of the blocks :math:`P^{ij}`, P the cyclic shift of order q.

    The block row :math:`i = 0..q-1` and block column :math:`j = 0..l-1` hold the permutation
    that maps r to :math:`r + ij` modulo q.

    Parameters
    ----------
    q : int
        A prime: the right degree.
    l : int
        The left degree, at least 2.

    Returns
    -------
    BipartiteGraph
        With ``q**2`` left and ``l * q`` right vertices and degrees (l, q).

    Raises
    ------
    ArgumentError
        If q is not prime or l is below 2.
    InfeasibleError
        If the graph would have more than 2**28 edges.

    Notes
    -----
    For :math:`l = aq + k` with :math:`0 \le k < q` the singular values are :math:`\sqrt{lq}`
    once, :math:`\sqrt{(a+1)q}` with multiplicity :math:`(q-1)k`, :math:`\sqrt{aq}` with
    :math:`(q-1)(q-k)`, and 0, so the graph is Ramanujan [1]_.

    References
    ----------
    .. [1] S. P. Burnwal, K. Sinha and M. Vidyasagar, New and explicit constructions of unbalanced
       Ramanujan bipartite graphs, arXiv:1910.03937.

    Examples
    --------
    >>> array_code(5, 3).shape
    (25, 15)
    """
    q, l = as_prime("q", q), as_int("l", l, minimum=2)  # noqa: E741
    if q * q * l > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"array_code({q}, {l}) has {q * q * l} edges, at most {_LARGEST_NUM_EDGES} fit"
        )
    i, r, j = np.ogrid[:q, :q, :l]
    rows = np.broadcast_to(i * q + r, (q, q, l))
    cols = j * q + (r + i * j) % q
    indptr, indices, _ = sort_edges(rows.ravel(), cols.ravel(), q * q, l * q)
    return BipartiteGraph(q * q, l * q, indptr, indices, {"kind": "array_code", "q": q, "l": l})
