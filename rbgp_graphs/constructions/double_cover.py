"""Bipartite double covers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph


def double_cover(graph: Any) -> BipartiteGraph:
    r"""Return the bipartite double cover of a graph: its biadjacency is the adjacency matrix.

    Every vertex has a copy on each side. The copies of two vertices are joined across if the
    vertices are adjacent.

    Parameters
    ----------
    graph : networkx.Graph, array_like or SciPy sparse array, shape (n, n)
        An undirected graph, its vertices taken in the order of ``graph.nodes`` and without
        regard to weights, or a symmetric matrix of zeros and ones. A loop, or a one on the
        diagonal, joins the two copies of its vertex.

    Returns
    -------
    BipartiteGraph
        With n vertices a side. Its recipe holds the edges.

    Raises
    ------
    ArgumentTypeError
        If a NetworkX graph is directed or has parallel edges, or the entries are not numbers.
    ArgumentError
        If the matrix is not square, not symmetric, or has an entry other than 0 and 1.

    Notes
    -----
    The singular values are the absolute values of the eigenvalues of the graph. The cover of
    a connected d-regular graph is Ramanujan if and only if the graph is not bipartite and its
    eigenvalues other than d have absolute value at most :math:`2\sqrt{d-1}`.

    Examples
    --------
    >>> triangle = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    >>> double_cover(triangle).girth()
    6
    """
    # If networkx is not loaded, nothing can be one of its graphs.
    networkx = sys.modules.get("networkx")
    if networkx is not None and isinstance(graph, networkx.Graph):
        return BipartiteGraph.from_biadjacency(_adjacency(graph))
    rows: Any = graph if sparse.issparse(graph) else np.asarray(graph)
    if len(rows.shape) != 2 or rows.shape[0] != rows.shape[1]:
        raise ArgumentError(f"graph has shape {rows.shape}, expected a square matrix")
    cover = BipartiteGraph.from_biadjacency(rows)
    matrix: Any = sparse.csr_array(rows)
    matrix.sum_duplicates()
    wrong = matrix.data[(matrix.data != 0) & (matrix.data != 1)]
    if wrong.size:
        raise ArgumentError(f"graph has the entry {wrong[0]}, expected zeros and ones")
    if cover != cover.T:
        missing = (cover.biadjacency(np.int8) - cover.T.biadjacency(np.int8)).tocoo()
        row, column = int(missing.coords[0][0]), int(missing.coords[1][0])
        raise ArgumentError(
            f"graph is not symmetric: entries ({row}, {column}) and ({column}, {row}) differ"
        )
    return cover


def _adjacency(graph: Any) -> sparse.csr_array[Any, tuple[int, int]]:
    if graph.is_directed() or graph.is_multigraph():
        raise ArgumentTypeError(
            f"graph is a {type(graph).__name__}, expected an undirected networkx.Graph"
        )
    place = {node: number for number, node in enumerate(graph.nodes)}
    ends = np.array([(place[a], place[b]) for a, b in graph.edges], dtype=np.int64).reshape(-1, 2)
    size = len(place)
    cells = np.unique(np.concatenate((ends @ (size, 1), ends @ (1, size))))
    u, v = np.divmod(cells, max(1, size))
    ones = np.ones(len(cells), dtype=np.int8)
    return sparse.csr_array((ones, (u, v)), shape=(size, size))
