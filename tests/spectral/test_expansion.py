from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, lps
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import cheeger_bounds, mixing_discrepancy, verify
from rbgp_graphs.testing.strategies import bipartite_graphs, biregular_graphs, patterns


def conductance(graph: BipartiteGraph) -> float:
    """Try all sets of vertices with at most half of the volume."""
    degrees = np.concatenate((graph.left_degrees, graph.right_degrees))
    u, v = graph.edges.T
    best = math.inf
    for chosen in itertools.product((False, True), repeat=len(degrees)):
        inside = np.array(chosen)
        volume = degrees[inside].sum()
        if 0 < 2 * volume <= degrees.sum():
            cut = (inside[u] != inside[graph.left + v]).sum()
            best = min(best, cut / volume)
    return best


@given(bipartite_graphs(min_side=1, max_side=4))
def test_the_conductance_lies_between_the_bounds(graph: BipartiteGraph) -> None:
    if graph.num_edges == 0:
        with pytest.raises(ArgumentError, match="the graph has no edges"):
            cheeger_bounds(graph)
        return
    bounds = cheeger_bounds(graph)
    true = conductance(graph)
    assert bounds.lower - 1e-9 <= true <= bounds.upper + 1e-9
    assert (bounds.upper == 0) == (true == 0)


@given(biregular_graphs(max_side=5))
@settings(max_examples=15)
def test_the_gap_of_a_biregular_graph_is_the_second_laplacian_eigenvalue(
    graph: BipartiteGraph,
) -> None:
    degrees = np.concatenate((graph.left_degrees, graph.right_degrees))
    matrix = graph.biadjacency(float).toarray()
    adjacency = np.block(
        [[np.zeros((graph.left,) * 2), matrix], [matrix.T, np.zeros((graph.right,) * 2)]]
    )
    laplacian = np.eye(len(degrees)) - adjacency / np.sqrt(np.outer(degrees, degrees))
    assert cheeger_bounds(graph).gap == pytest.approx(np.linalg.eigvalsh(laplacian)[1], abs=1e-9)


def test_vertices_without_edges_do_not_count() -> None:
    wide = np.zeros((5, 6))
    wide[:2, :3] = [[1, 1, 1], [0, 1, 1]]
    assert cheeger_bounds(wide).gap == pytest.approx(cheeger_bounds(wide[:2, :3]).gap)
    single = np.zeros((2, 2))
    single[0, 1] = 1
    assert cheeger_bounds(single) == cheeger_bounds([[1]])
    assert cheeger_bounds([[1]]).lower == cheeger_bounds([[1]]).upper == 1


@given(patterns(max_side=3))
@settings(max_examples=15)
def test_a_product_has_the_bounds_of_its_matrix(pattern: TensorProduct) -> None:
    ours, direct = cheeger_bounds(pattern), cheeger_bounds(pattern.to_csr())
    assert ours.gap == pytest.approx(direct.gap, abs=1e-9)


@given(biregular_graphs(max_side=10), st.integers(0, 2**32 - 1))
def test_no_pair_of_sets_deviates_by_more_than_the_mixing_lemma_allows(
    graph: BipartiteGraph, seed: int
) -> None:
    spread = mixing_discrepancy(graph)
    matrix = graph.biadjacency(int).toarray()
    rng = np.random.default_rng(seed)
    for _ in range(10):
        rows = rng.random(graph.left) < rng.random()
        columns = rng.random(graph.right) < rng.random()
        s, t = int(rows.sum()), int(columns.sum())
        deviation = abs(matrix[rows][:, columns].sum() - spread.expected(s, t))
        assert deviation <= spread.bound(s, t) + 1e-9
        assert spread.bound(s, t) <= spread.sigma2 * math.sqrt(s * t) + 1e-9


def test_the_mixing_bound_is_met_by_components() -> None:
    halves = np.kron(np.eye(2), np.ones((3, 3)))
    spread = mixing_discrepancy(halves)
    assert 9 - spread.expected(3, 3) == pytest.approx(spread.bound(3, 3))


def test_a_product_mixes_by_its_composed_value() -> None:
    product = TensorProduct(lps(3, 5), complete(4, 4))
    spread = mixing_discrepancy(product)
    assert spread.sigma2 == pytest.approx(verify(product).sigma2)
    assert spread.expected(240, 240) == pytest.approx(product.nnz)
    assert spread.bound(240, 240) == 0


@pytest.mark.parametrize(("s", "t"), [(-1, 0), (61, 0), (0, 61), (1.5, 1)])
def test_sets_that_do_not_fit_are_refused(s: Any, t: Any) -> None:
    spread = mixing_discrepancy(lps(3, 5))
    for call in (spread.bound, spread.expected):
        with pytest.raises(ArgumentError, match=r"num_(left|right) is"):
            call(s, t)


def test_only_biregular_graphs_have_a_mixing_bound() -> None:
    with pytest.raises(ArgumentError, match="not biregular"):
        mixing_discrepancy([[1, 1], [0, 1]])
    with pytest.raises(ArgumentError, match="no edges"):
        mixing_discrepancy(np.zeros((2, 2)))
    for call in (mixing_discrepancy, cheeger_bounds):
        with pytest.raises(ArgumentTypeError, match="mask is a NoneType"):
            call(None)
