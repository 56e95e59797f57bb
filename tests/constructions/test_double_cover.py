from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.constructions import double_cover
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError


@st.composite
def symmetric_matrices(draw: st.DrawFn) -> NDArray[np.int64]:
    size = draw(st.integers(0, 6))
    bits = draw(st.lists(st.booleans(), min_size=size * size, max_size=size * size))
    upper = np.triu(np.array(bits, dtype=np.int64).reshape(size, size))
    return np.maximum(upper, upper.T)


@given(symmetric_matrices())
def test_the_biadjacency_is_the_adjacency(matrix: NDArray[np.int64]) -> None:
    cover = double_cover(matrix)
    np.testing.assert_array_equal(cover.biadjacency(int).toarray(), matrix)
    assert cover == cover.T
    assert from_recipe(cover.recipe) == cover
    assert double_cover(sparse.csr_array(matrix)) == cover
    graph = nx.from_numpy_array(matrix)
    assert double_cover(graph) == cover


@given(symmetric_matrices())
def test_the_singular_values_are_the_absolute_eigenvalues(matrix: NDArray[np.int64]) -> None:
    values = np.linalg.svd(double_cover(matrix).biadjacency(float).toarray(), compute_uv=False)
    expected = np.sort(np.abs(np.linalg.eigvalsh(matrix.astype(float))))[::-1]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_a_bipartite_graph_has_two_copies_and_the_petersen_graph_the_desargues_graph() -> None:
    assert double_cover(nx.path_graph(["a", "b", "c"])).num_components == 2
    cover = double_cover(nx.petersen_graph())
    graph = nx.Graph([(u, 10 + v) for u, v in cover.edges.tolist()])
    assert nx.is_isomorphic(graph, nx.desargues_graph())


def test_weights_of_a_graph_do_not_count() -> None:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_edge("a", "b", weight=-3.5)
    assert double_cover(graph).edges.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0, 1]], r"shape \(1, 2\), expected a square matrix"),
        ([0, 1], r"shape \(2,\), expected a square matrix"),
        ([[0, 2], [2, 0]], "has the entry 2, expected zeros and ones"),
        ([[0, 1], [0, 0]], r"not symmetric: entries \(0, 1\) and \(1, 0\) differ"),
        ([[0.0, np.nan], [np.nan, 0.0]], "NaN"),
    ],
)
def test_matrices_that_are_no_adjacency_matrices_are_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        double_cover(np.array(matrix))


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiGraph])
def test_directed_graphs_and_multigraphs_are_refused(kind: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=f"graph is a {kind.__name__}"):
        double_cover(kind([(0, 1)]))
    with pytest.raises(ArgumentTypeError, match="expected numbers"):
        double_cover([["a"]])
