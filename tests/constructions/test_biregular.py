from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from rbgp_graphs.constructions import biregular, complete, random_biregular
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

SIDES = st.integers(1, 12)


@given(SIDES, SIDES, st.data())
def test_every_feasible_request_gives_a_simple_graph_with_its_degrees(
    left: int, right: int, data: st.DataObject
) -> None:
    degree = data.draw(st.integers(1, right))
    assume(left * degree % right == 0)
    graph = random_biregular(left, right, degree, rng=data.draw(st.integers(0, 2**32 - 1)))
    assert graph.shape == (left, right)
    assert graph.degrees == (degree, left * degree // right)
    # Equality with the checked constructor shows sorted rows without parallel edges.
    assert BipartiteGraph.from_edges(graph.edges, shape=graph.shape) == graph
    assert from_recipe(graph.recipe) == graph


@given(st.integers(0, 2**32 - 1))
def test_a_seed_gives_the_same_graph_again(seed: int) -> None:
    first = random_biregular(8, 12, 3, rng=seed)
    assert random_biregular(8, 12, 3, rng=seed) == first
    assert random_biregular(8, 12, 3, rng=np.random.default_rng(seed)) == first


def test_a_generator_moves_on_from_graph_to_graph() -> None:
    rng = np.random.default_rng(0)
    assert len({random_biregular(16, 16, 4, rng=rng) for _ in range(5)}) == 5


@pytest.mark.parametrize(
    ("shape", "graphs", "draws_each"), [((4, 4, 2), 90, 10), ((2, 4, 2), 6, 50)]
)
def test_all_graphs_with_the_degrees_are_drawn_equally_often(
    shape: tuple[int, int, int], graphs: int, draws_each: int
) -> None:
    rng = np.random.default_rng(2024)
    draws = [random_biregular(*shape, rng=rng).digest for _ in range(graphs * draws_each)]
    counts = np.unique(draws, return_counts=True)[1]
    assert len(counts) == graphs
    assert stats.chisquare(counts).pvalue > 0.001


def test_too_few_switches_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(biregular, "_SWITCHES_PER_EDGE", 1)
    rng = np.random.default_rng(2024)
    draws = [random_biregular(4, 4, 2, rng=rng).digest for _ in range(90 * 10)]
    counts = np.zeros(90)
    found = np.unique(draws, return_counts=True)[1]
    counts[: len(found)] = found
    assert stats.chisquare(counts).pvalue < 1e-6


def test_compiled_and_interpreted_switches_give_the_same_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("numba")
    interpreted = random_biregular(40, 60, 6, rng=5)
    monkeypatch.setattr(biregular, "_COMPILE_FROM", 0)
    assert random_biregular(40, 60, 6, rng=5) == interpreted


def test_only_one_graph_has_full_degree() -> None:
    assert random_biregular(5, 7, 7) == complete(5, 7)


def test_every_vertex_is_matched_in_degree_one() -> None:
    graph = random_biregular(9, 9, 1, rng=0)
    assert sorted(graph.indices.tolist()) == [*range(9)]
    assert graph.num_components == 9


@given(SIDES, SIDES, st.data())
def test_degrees_that_do_not_divide_are_refused_with_the_nearest_that_do(
    left: int, right: int, data: st.DataObject
) -> None:
    degree = data.draw(st.integers(1, right))
    assume(left * degree % right)
    message = f"{left} \\* {degree} is not a multiple of {right}; the nearest left degrees are "
    with pytest.raises(InfeasibleError, match=message) as caught:
        random_biregular(left, right, degree, rng=0)
    nearest = [int(n) for n in str(caught.value).rpartition(" are ")[2].split(" and ")]
    for other in nearest:
        assert random_biregular(left, right, other, rng=0).shape == (left, right)
        between = range(min(degree, other) + 1, max(degree, other))
        assert all(left * d % right for d in between)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ((0, 3, 1), "left is 0, expected at least 1"),
        ((3, -3, 1), "right is -3, expected at least 1"),
        ((3, 3, 0), "degree is 0, expected at least 1"),
        ((3, 3, 4), "degree is 4, expected at most 3"),
    ],
)
def test_sizes_and_degrees_out_of_range_are_refused(
    request_: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        random_biregular(*request_)


@pytest.mark.parametrize("arguments", [(3.0, 3, 1), (3, "3", 1), (3, 3, True), (3, 3, 1, "seed")])
def test_arguments_of_a_wrong_type_are_refused(arguments: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        random_biregular(*arguments)


def test_too_many_edges_are_refused_before_anything_is_built() -> None:
    with pytest.raises(InfeasibleError, match="at most 268435456 fit"):
        random_biregular(2**20, 2**20, 2**10)
