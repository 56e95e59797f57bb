from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, MissingDependencyError
from rbgp_graphs.export import read_mask, to_igraph, write
from rbgp_graphs.export.entries import Exportable
from tests.export.test_entries import dense_of, exportables, values_of

igraph = pytest.importorskip("igraph", reason="igraph is optional")


@given(exportables)
def test_igraph_reads_the_same_matrix(obj: Exportable) -> None:
    graph = to_igraph(obj, values_of(obj))
    assert read_mask(graph) == read_mask(to_igraph(obj)) == read_mask(dense_of(obj))
    rows, cols = obj.shape
    assert graph.vs["type"] == [False] * rows + [True] * cols
    assert graph.is_bipartite()
    assert not graph.is_directed()
    matrix, left, right = graph.get_biadjacency()
    np.testing.assert_array_equal(np.reshape(matrix, obj.shape), dense_of(obj) > 0)
    assert (left, right) == (list(range(rows)), list(range(rows, rows + cols)))
    full = np.zeros(obj.shape)
    for edge in graph.es:
        full[edge.source, edge.target - rows] = edge["weight"]
    np.testing.assert_array_equal(full, dense_of(obj))


def test_edges_carry_weights_only_with_values() -> None:
    assert to_igraph(complete(2, 2)).es.attributes() == []
    assert to_igraph(complete(1, 2), [0.5, 2.0]).es["weight"] == [0.5, 2.0]


def test_graphs_with_sides_are_read_as_masks(tmp_path: Path) -> None:
    graph = to_igraph(complete(2, 2), [0.0, 1.0, 2.0, 3.0])
    assert read_mask(graph).edges.tolist() == [[0, 1], [1, 0], [1, 1]]
    mask = np.array([[1, 0, 1], [0, 1, 1]])
    assert read_mask(igraph.Graph.Biadjacency(mask.tolist())) == read_mask(mask)
    # The sides in any order, and edges that begin on either.
    mixed = igraph.Graph(n=4, edges=[(0, 1), (3, 0), (2, 3)])
    mixed.vs["type"] = [True, False, True, False]
    assert read_mask(mixed).edges.tolist() == [[0, 0], [1, 0], [1, 1]]
    write(tmp_path / "g.graphml", read_mask(mask))
    assert read_mask(igraph.Graph.Read_GraphML(str(tmp_path / "g.graphml"))) == read_mask(mask)


def test_graphs_that_are_no_masks_are_refused() -> None:
    sides = {"type": [False, True]}
    for bad, message in (
        (igraph.Graph.Ring(4), "the vertices have the attributes none, expected type"),
        (igraph.Graph(2, [(0, 1)], directed=True, vertex_attrs=sides), "the graph is directed"),
        (igraph.Graph(2, [(0, 1), (0, 1)], vertex_attrs=sides), "one with parallel edges"),
        (igraph.Graph(2, [(0, 1)], vertex_attrs={"type": [0, None]}), "a vertex has type=None"),
        (igraph.Graph(2, [(0, 1)], vertex_attrs={"type": [1, 1]}), r"edge \(0, 1\) joins two"),
    ):
        with pytest.raises(ArgumentError, match=message):
            read_mask(bad)


def test_a_missing_igraph_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "rbgp-graphs\[igraph\]"'):
        to_igraph(complete(1, 1))
