from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import (
    array_code,
    complete,
    cyclic_lift,
    field_lift,
    lift,
    projective_plane,
    random_lift,
    two_lift,
)
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral import composition, verify
from rbgp_graphs.spectral.composition import (
    field_lift_fibres,
    lift_blocks,
    second_singular_value_of_graph,
)
from rbgp_graphs.spectral.numeric import Estimate
from rbgp_graphs.testing.strategies import biregular_graphs, lifts

FIELD_LIFTS = [
    (2, 2, 1, 1),
    (3, 2, 2, 2),
    (4, 4, 1, 2),
    (4, 4, 3, 5),
    (4, 2, 3, 3),
    (4, 3, 2, 3),
    (5, 1, 1, 1),
    (5, 5, 2, 1),
    (7, 4, 1, 1),
    (8, 8, 1, 2),
    (9, 6, 1, 2),
]


def singular_values(matrix: Any) -> NDArray[np.float64]:
    dense = matrix.biadjacency(float) if isinstance(matrix, BipartiteGraph) else matrix
    values: NDArray[np.float64] = np.linalg.svd(dense.toarray(), compute_uv=False)
    return values


@given(lifts(max_levels=3))
def test_the_value_from_the_recipe_is_that_of_the_matrix(graph: BipartiteGraph) -> None:
    assume(graph.is_connected and min(graph.shape) > 1)
    expected = singular_values(graph)[1]
    for one in (graph, graph.T):
        estimate = second_singular_value_of_graph(one)
        assert estimate.value == pytest.approx(expected, abs=1e-7)
        if estimate.square is not None:
            assert estimate.square == pytest.approx(expected**2, abs=1e-6)


@pytest.mark.parametrize(
    "graph",
    [
        complete(3, 5),
        projective_plane(3),
        array_code(5, 3),
        array_code(3, 5),
        array_code(2, 2),
        *(field_lift(*parameters) for parameters in FIELD_LIFTS if parameters[1] > 2),
    ],
    ids=repr,
)
def test_theorems_give_the_exact_square(graph: BipartiteGraph) -> None:
    expected = singular_values(graph)[1]
    for one in (graph, graph.T):
        estimate = second_singular_value_of_graph(one)
        assert estimate.square is not None
        assert estimate.square == pytest.approx(expected**2, abs=1e-6)
        assert estimate.value == pytest.approx(expected, abs=1e-6)


@given(biregular_graphs(max_side=5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_base_and_blocks_make_up_the_spectrum_of_a_cyclic_lift(
    base: BipartiteGraph, k: int, seed: int
) -> None:
    shifts = np.random.default_rng(seed).integers(0, k, base.num_edges)
    lifted = cyclic_lift(base, k, shifts)
    parts = [singular_values(base)]
    for block, count in lift_blocks(lifted.recipe):
        assert block.shape == base.shape
        new = singular_values(block)
        parts.append(np.repeat(new, count))
    assert sum(count for _, count in lift_blocks(lifted.recipe)) == k - 1
    found = np.sort(np.concatenate(parts))[::-1]
    np.testing.assert_allclose(found, singular_values(lifted), atol=1e-7)


@given(biregular_graphs(max_side=5), st.integers(0, 2**32 - 1))
def test_a_two_lift_has_one_new_block(base: BipartiteGraph, seed: int) -> None:
    lifted = random_lift(base, rng=seed)
    ((block, count),) = lift_blocks(lifted.recipe)
    assert count == 1
    assert set(block.data.tolist()) <= {-1.0, 1.0}
    found = np.sort([*singular_values(base), *singular_values(block)])[::-1]
    np.testing.assert_allclose(found, singular_values(lifted), atol=1e-7)


@pytest.mark.parametrize("parameters", FIELD_LIFTS)
def test_the_fibres_of_a_field_lift_predict_its_singular_values(
    parameters: tuple[int, int, int, int],
) -> None:
    q, b, m, _ = parameters
    graph = field_lift(*parameters)
    fibres, connected = field_lift_fibres(*parameters)
    assert connected == graph.is_connected
    predicted = [np.sqrt(q * b)]
    for size, count in fibres.items():
        predicted += [np.sqrt(q * size)] * count
    values = singular_values(graph)
    assert len(predicted) <= len(values)
    predicted += [0.0] * (len(values) - len(predicted))
    np.testing.assert_allclose(np.sort(predicted)[::-1], values, atol=1e-6)
    if b > m:
        assert max(fibres) <= m
    characters = graph.left // q
    assert sum(size * count for size, count in fibres.items()) == b * (characters - 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FIELD_LIFTS), st.integers(1, 9))
def test_counting_few_characters_at_a_time_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, parameters: tuple[int, int, int, int], step: int
) -> None:
    with monkeypatch.context() as patch:
        whole = field_lift_fibres(*parameters)
        patch.setattr(composition, "_CHARACTERS", step)
        assert field_lift_fibres(*parameters) == whole


def test_lifts_by_permutations_are_computed_directly() -> None:
    graph = lift(complete(3, 3), [[0, 1, 2], [1, 2, 0], [2, 0, 1]] * 3)
    graph = lift(graph, np.random.default_rng(0).permuted(np.tile([0, 1, 2], (27, 1)), axis=1))
    estimate = second_singular_value_of_graph(graph)
    assert estimate.method == "dense SVD"
    assert estimate.value == pytest.approx(singular_values(graph)[1])


def test_limits_for_untrusted_recipes_do_not_bind_graphs_that_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = two_lift(complete(4, 4), [1, -1, 1, 1, 1, 1, -1, 1, 1, 1, 1, -1, -1, 1, 1, 1])
    expected = verify(graph).sigma2
    assert from_recipe.__kwdefaults__ is not None
    monkeypatch.setitem(from_recipe.__kwdefaults__, "max_edges", 10)
    assert verify(graph).sigma2 == expected
    assert verify(graph.T).sigma2 == pytest.approx(expected)


def test_a_value_that_a_new_block_may_exceed_is_not_called_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The base meets its bound sqrt(12) exactly; the new block may lie on either side of it.
    base = field_lift(4, 4, 3, 6)
    assert second_singular_value_of_graph(base).square == 12
    lifted = random_lift(base, rng=0)
    just_below = np.sqrt(12) * (1 - 2**-52)
    estimate = Estimate(value=just_below, error_bound=1e-12, method="dense SVD")
    monkeypatch.setattr(composition, "largest_singular_value", lambda block: estimate)
    verdict = verify(lifted)
    assert verdict.tie
    assert verdict.sigma2_squared is None
    assert verdict.is_ramanujan is None
