"""The expanders of Margulis, Gabber and Galil, as a baseline."""

from __future__ import annotations

import numpy as np

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph, sort_edges

_LARGEST_NUM_EDGES = 2**28


def margulis_gabber_galil(n: int) -> BipartiteGraph:
    r"""Return the bipartite expander of Margulis, Gabber and Galil: it is not Ramanujan.

    Left vertex (x, y) is joined to the right vertices (x, y), (x, x + y), (x, x + y + 1),
    (x + y, y) and (x + y + 1, y) modulo n [1]_. The pair (x, y) has the number x n + y.

    Parameters
    ----------
    n : int
        The modulus, at least 3.

    Returns
    -------
    BipartiteGraph
        With :math:`n^2` vertices a side. It is connected, and no vertex has more than 5
        neighbours.

    Raises
    ------
    ArgumentError
        If n is below 3.
    InfeasibleError
        If there are more than 2**28 edges.

    Notes
    -----
    The graph of the paper has degree 5 and, for every n, parallel edges where x or y is 0 or
    -1. A `BipartiteGraph` is simple, so they are merged here: those vertices have fewer
    neighbours and the graph is not biregular, so `rbgp_graphs.verify` refuses it. Nor is the
    multigraph Ramanujan: for n = 8 it has :math:`\sigma_2 = 4.6297`, above the bound 4 for
    degree 5. Use it to compare with, not to build on.

    References
    ----------
    .. [1] O. Gabber and Z. Galil, Explicit constructions of linear-sized superconcentrators,
       J. Comput. System Sci. 22 (1981), 407-420.

    Examples
    --------
    >>> graph = margulis_gabber_galil(8)
    >>> graph.shape, graph.is_connected, graph.degrees
    ((64, 64), True, None)
    """
    n = as_int("n", n, minimum=3)
    if 5 * n * n > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"margulis_gabber_galil({n}) has about {5 * n * n} edges, at most "
            f"{_LARGEST_NUM_EDGES} fit; take a smaller n"
        )
    x, y = (part.ravel() for part in np.indices((n, n)))
    targets = [
        (x, y),
        (x, (x + y) % n),
        (x, (x + y + 1) % n),
        ((x + y) % n, y),
        ((x + y + 1) % n, y),
    ]
    cells = np.concatenate([(x * n + y) * n * n + u * n + v for u, v in targets])
    left, right = np.divmod(np.unique(cells), n * n)
    indptr, indices, _ = sort_edges(left, right, n * n, n * n)
    recipe = {"kind": "margulis_gabber_galil", "n": n}
    return BipartiteGraph(n * n, n * n, indptr, indices, recipe)
