from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from rbgp_graphs.constructions import complete, field_lift, lps, random_biregular
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral import numeric
from rbgp_graphs.spectral.numeric import (
    Estimate,
    from_square,
    largest,
    largest_singular_value,
    second_singular_value_directly,
)
from rbgp_graphs.testing.strategies import biregular_graphs

SEEDS = st.integers(0, 2**32 - 1)
#: The threshold is the same for all examples, so it may be set once for the whole test.
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def never_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "DENSE_SIDE", 2)


def random_matrix(seed: int, rows: int, cols: int, *, is_complex: bool) -> Any:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((rows, cols))
    if is_complex:
        matrix = matrix * np.exp(2j * np.pi * rng.random((rows, cols)))
    matrix[rng.random((rows, cols)) < 0.3] = 0
    return matrix


def norm(matrix: Any) -> float:
    return float(np.linalg.svd(matrix, compute_uv=False)[0])


@given(SEEDS, st.integers(1, 12), st.integers(1, 12), st.booleans())
def test_the_largest_singular_value_of_small_matrices_is_that_of_a_dense_svd(
    seed: int, rows: int, cols: int, is_complex: bool
) -> None:
    matrix = random_matrix(seed, rows, cols, is_complex=is_complex)
    for given_matrix in (matrix, sparse.csr_array(matrix)):
        estimate = largest_singular_value(given_matrix)
        assert estimate.method == "dense SVD"
        assert abs(estimate.value - norm(matrix)) <= estimate.error_bound


@ONCE
@given(SEEDS, st.integers(3, 20), st.integers(3, 20), st.booleans())
def test_arpack_finds_the_same_largest_singular_value(
    never_dense: None, seed: int, rows: int, cols: int, is_complex: bool
) -> None:
    matrix = random_matrix(seed, rows, cols, is_complex=is_complex)
    assume(norm(matrix) > 0.1)
    estimate = largest_singular_value(sparse.csr_array(matrix))
    assert "ARPACK" in estimate.method
    assert estimate.value == pytest.approx(norm(matrix), rel=1e-9)
    # The residual is what ARPACK leaves, some units in the last place.
    assert estimate.error_bound < 1e-9


@ONCE
@given(biregular_graphs(max_side=14, min_degree=2))
def test_deflated_arpack_finds_the_second_singular_value_of_a_dense_svd(
    never_dense: None, graph: BipartiteGraph
) -> None:
    assume(min(graph.shape) > 2 and graph.is_connected and not graph.is_complete)
    estimate = second_singular_value_directly(graph)
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    assert estimate.method == "deflated ARPACK"
    assert estimate.value == pytest.approx(values[1], abs=1e-7)
    assert estimate.error_bound < 1e-6


@given(biregular_graphs(max_side=10))
def test_the_dense_way_finds_the_second_singular_value_within_its_error(
    graph: BipartiteGraph,
) -> None:
    assume(min(graph.shape) > 1 and graph.is_connected and not graph.is_complete)
    estimate = second_singular_value_directly(graph)
    gram = graph.biadjacency(float).toarray()
    values = np.sqrt(np.abs(np.linalg.eigvalsh(gram @ gram.T)))[::-1]
    assert estimate.method == "dense SVD"
    assert estimate.value == pytest.approx(values[1], abs=1e-6)


@pytest.mark.parametrize("graph", [lps(3, 7), random_biregular(60, 90, 6, rng=0), field_lift(9, 5)])
def test_both_ways_agree_within_their_errors(
    graph: BipartiteGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = second_singular_value_directly(graph)
    monkeypatch.setattr(numeric, "DENSE_SIDE", 2)
    iterative = second_singular_value_directly(graph)
    assert dense.method != iterative.method
    assert abs(dense.value - iterative.value) <= dense.error_bound + iterative.error_bound
    assert max(dense.error_bound, iterative.error_bound) < 1e-11


def test_the_result_of_arpack_repeats_up_to_rounding(never_dense: None) -> None:
    graph = lps(3, 5)
    values = [second_singular_value_directly(graph).value for _ in range(3)]
    assert values == pytest.approx([3.0] * 3, abs=1e-13)


@pytest.mark.parametrize("graph", [complete(5, 9), complete(1, 4), complete(900, 900)])
def test_complete_graphs_need_no_computation(graph: BipartiteGraph) -> None:
    estimate = second_singular_value_directly(graph)
    assert (estimate.value, estimate.error_bound, estimate.square) == (0, 0, 0)


def test_runs_that_disagree_show_in_the_error(
    never_dense: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = lps(3, 5)
    right = scipy.sparse.linalg.svds
    calls: list[int] = []

    def one_miss(operator: Any, **options: Any) -> Any:
        left, values, vectors = right(operator, **options)
        calls.append(1)
        return left, values - 0.5 * (len(calls) == 1), vectors

    monkeypatch.setattr(scipy.sparse.linalg, "svds", one_miss)
    estimate = second_singular_value_directly(graph)
    assert len(calls) == 2
    assert estimate.value == pytest.approx(3)
    assert estimate.error_bound >= 0.4


@given(st.integers(0, 10**12))
def test_known_squares_keep_their_exact_value(square: int) -> None:
    estimate = from_square(square, "a theorem")
    assert estimate.square == square
    assert abs(estimate.value**2 - square) <= 2 * estimate.error_bound * max(1, estimate.value)
    assert estimate.value == float(np.sqrt(square))


def test_the_largest_estimate_is_chosen_by_value() -> None:
    low, high = (Estimate(value=x, error_bound=0.0, method="known") for x in (1.0, 2.0))
    assert largest([low, high, low]) is high
