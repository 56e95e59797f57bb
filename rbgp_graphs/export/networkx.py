"""Graphs and patterns as NetworkX graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rbgp_graphs._validation import require
from rbgp_graphs.export.entries import MAX_BYTES, Exportable, as_entries

if TYPE_CHECKING:
    import networkx


def to_networkx(
    obj: Exportable, values: ArrayLike | None = None, *, max_bytes: int = MAX_BYTES
) -> networkx.Graph[Any]:
    """Return a graph or a pattern as an undirected NetworkX graph.

    `rbgp_graphs.BipartiteGraph.from_networkx` undoes it.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : array_like of bool, int or float, optional
        One number for each edge, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern.
    max_bytes : int
        Refuse to allocate more for the indices. NetworkX itself needs some hundred bytes
        an edge.

    Returns
    -------
    networkx.Graph
        Left vertices (rows) are the nodes 0 to left - 1 with the attribute ``bipartite=0``,
        right vertices (columns) the nodes from left on with ``bipartite=1``. With `values`
        edges have the attribute ``weight``.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If `values` has another shape, or more than `max_bytes` are needed.
    MissingDependencyError
        If NetworkX is not installed.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> to_networkx(complete(1, 2)).nodes(data="bipartite")
    NodeDataView({0: 0, 1: 1, 2: 1}, data='bipartite')
    """
    matrix = as_entries(obj, values, max_bytes)
    nx = require("networkx")
    left, right = obj.shape
    graph = nx.Graph()
    graph.add_nodes_from(range(left), bipartite=0)
    graph.add_nodes_from(range(left, left + right), bipartite=1)
    rows = np.repeat(np.arange(left), np.diff(matrix.indptr)).tolist()
    cols = (matrix.indices.astype(np.int64) + left).tolist()
    if values is None:
        graph.add_edges_from(zip(rows, cols, strict=True))
    else:
        weights = matrix.data.tolist()
        graph.add_weighted_edges_from(zip(rows, cols, weights, strict=True))
    return graph
