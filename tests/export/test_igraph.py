from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import MissingDependencyError
from rbgp_graphs.export import to_igraph
from rbgp_graphs.export.entries import Exportable
from tests.export.test_entries import dense_of, exportables, values_of

pytest.importorskip("igraph", reason="igraph is optional")


@given(exportables)
def test_igraph_reads_the_same_matrix(obj: Exportable) -> None:
    graph = to_igraph(obj, values_of(obj))
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


def test_a_missing_igraph_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "rbgp-graphs\[igraph\]"'):
        to_igraph(complete(1, 1))
