"""Graphs and patterns as igraph graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rbgp_graphs._validation import require
from rbgp_graphs.export.entries import MAX_BYTES, Exportable, as_entries


def to_igraph(
    obj: Exportable, values: ArrayLike | None = None, *, max_bytes: int = MAX_BYTES
) -> Any:
    """Return a graph or a pattern as an undirected igraph graph.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : array_like of bool, int or float, optional
        One number for each edge, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern.
    max_bytes : int
        Refuse to allocate more for the indices.

    Returns
    -------
    igraph.Graph
        Left vertices (rows) are the vertices 0 to left - 1 with the attribute ``type=False``,
        right vertices (columns) follow with ``type=True``. With `values` edges have the
        attribute ``weight``.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If `values` has another shape, or more than `max_bytes` are needed.
    MissingDependencyError
        If igraph is not installed. It is under the GPL and never installed by default.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> to_igraph(complete(1, 2)).vs["type"]
    [False, True, True]
    """
    matrix = as_entries(obj, values, max_bytes)
    igraph = require("igraph", "igraph")
    left, right = obj.shape
    rows = np.repeat(np.arange(left, dtype=np.int64), np.diff(matrix.indptr))
    edges = np.column_stack((rows, matrix.indices.astype(np.int64) + left))
    graph = igraph.Graph(n=left + right, edges=edges)
    graph.vs["type"] = [False] * left + [True] * right
    if values is not None:
        graph.es["weight"] = matrix.data.tolist()
    return graph
