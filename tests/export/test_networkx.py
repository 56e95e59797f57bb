from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export import read_mask, to_networkx
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.testing.strategies import bipartite_graphs
from tests.export.test_entries import dense_of, exportables, values_of


@given(bipartite_graphs())
def test_graphs_go_there_and_back(graph: BipartiteGraph) -> None:
    assert BipartiteGraph.from_networkx(to_networkx(graph)) == graph


@given(exportables)
def test_networkx_reads_the_same_matrix(obj: Exportable) -> None:
    graph = to_networkx(obj, values_of(obj))
    assert read_mask(graph) == read_mask(to_networkx(obj)) == read_mask(dense_of(obj))
    rows, cols = obj.shape
    assert [d for _, d in graph.nodes(data="bipartite")] == [0] * rows + [1] * cols
    if rows == 0 or cols == 0:
        return
    matrix = nx.bipartite.biadjacency_matrix(graph, range(rows), range(rows, rows + cols))
    np.testing.assert_array_equal(matrix.toarray(), dense_of(obj))
    assert nx.is_bipartite(graph)


def test_edges_carry_weights_only_with_values() -> None:
    assert list(to_networkx(complete(1, 2)).edges(data=True)) == [(0, 1, {}), (0, 2, {})]
    weighted = to_networkx(complete(1, 2), [0.5, 2.0])
    assert list(weighted.edges(data="weight")) == [(0, 1, 0.5), (0, 2, 2.0)]


def test_graphs_with_sides_are_read_as_masks() -> None:
    graph = to_networkx(complete(2, 2), [0.0, 1.0, 2.0, 3.0])
    assert read_mask(graph).edges.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert read_mask(nx.complete_bipartite_graph(2, 3)) == complete(2, 3)
    for bad, message in (
        (nx.path_graph(3), "node 0 has bipartite=None, expected 0 or 1"),
        (nx.MultiGraph(graph), "MultiGraph, expected an undirected"),
        (nx.DiGraph(graph), "DiGraph, expected an undirected"),
    ):
        with pytest.raises(ArgumentError, match=message):
            read_mask(bad)


def test_other_objects_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="obj is a Graph, expected a BipartiteGraph"):
        to_networkx(nx.Graph())
