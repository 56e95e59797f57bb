from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.constructions import (
    complete,
    cyclic_lift,
    lift,
    projective_plane,
    random_lift,
    two_lift,
)
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.testing.strategies import bipartite_graphs, biregular_graphs, signings


def dense(graph: BipartiteGraph) -> NDArray[np.float64]:
    return graph.biadjacency(np.float64).toarray()


def singular_values(matrix: NDArray[Any]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.linalg.svd(matrix, compute_uv=False)
    return values


def weighted(base: BipartiteGraph, weights: NDArray[Any]) -> NDArray[Any]:
    matrix = np.zeros(base.shape, dtype=weights.dtype)
    matrix[tuple(base.edges.T)] = weights
    return matrix


@st.composite
def shift_lifts(draw: st.DrawFn) -> tuple[BipartiteGraph, int, list[int]]:
    """Generate a base, a number of copies, and a shift for every edge."""
    base, k = draw(bipartite_graphs(min_side=1)), draw(st.integers(1, 5))
    one = st.integers(0, k - 1)
    count = base.num_edges
    return base, k, draw(st.lists(one, min_size=count, max_size=count))


@given(st.data(), bipartite_graphs(min_side=1))
def test_a_two_lift_consists_of_the_parallel_and_the_crossed_edges(
    data: st.DataObject, base: BipartiteGraph
) -> None:
    signs = data.draw(signings(base))
    lifted = dense(two_lift(base, signs))
    parallel, crossed = weighted(base, 1.0 * (signs == 1)), weighted(base, 1.0 * (signs == -1))
    np.testing.assert_array_equal(lifted, np.block([[parallel, crossed], [crossed, parallel]]))


@given(st.data(), bipartite_graphs(min_side=1))
def test_the_spectrum_of_a_two_lift_is_that_of_base_and_signed_base(
    data: st.DataObject, base: BipartiteGraph
) -> None:
    signs = data.draw(signings(base))
    old, new = singular_values(dense(base)), singular_values(weighted(base, signs.astype(float)))
    found = singular_values(dense(two_lift(base, signs)))
    np.testing.assert_allclose(found, np.sort([*old, *new])[::-1], atol=1e-9)


@given(shift_lifts())
def test_the_spectrum_of_a_cyclic_lift_is_that_of_all_characters(
    case: tuple[BipartiteGraph, int, list[int]],
) -> None:
    base, k, shifts = case
    blocks = [
        singular_values(weighted(base, np.exp(2j * np.pi * c * np.array(shifts, float) / k)))
        for c in range(k)
    ]
    found = singular_values(dense(cyclic_lift(base, k, shifts)))
    np.testing.assert_allclose(found, np.sort(np.concatenate(blocks))[::-1], atol=1e-9)


@given(shift_lifts())
def test_a_cyclic_lift_is_the_lift_by_rotations(
    case: tuple[BipartiteGraph, int, list[int]],
) -> None:
    base, k, shifts = case
    turns = [[(copy + shift) % k for copy in range(k)] for shift in shifts]
    permutations = np.array(turns, dtype=int).reshape(base.num_edges, k)
    assert cyclic_lift(base, k, shifts) == lift(base, permutations)


@given(st.data(), bipartite_graphs(min_side=1))
def test_a_two_lift_is_the_cyclic_lift_of_two_copies(
    data: st.DataObject, base: BipartiteGraph
) -> None:
    signs = data.draw(signings(base))
    assert two_lift(base, signs) == cyclic_lift(base, 2, (signs == -1).astype(int))


@given(bipartite_graphs(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_every_edge_of_the_base_becomes_a_permutation_block(
    base: BipartiteGraph, k: int, seed: int
) -> None:
    permutations = np.random.default_rng(seed).permuted(
        np.tile(np.arange(k), (base.num_edges, 1)), axis=1
    )
    lifted = lift(base, permutations)
    expected = np.zeros((k * base.left, k * base.right))
    for (u, v), permutation in zip(base.edges.tolist(), permutations, strict=True):
        for copy in range(k):
            expected[u + copy * base.left, v + permutation[copy] * base.right] = 1
    np.testing.assert_array_equal(dense(lifted), expected)


@given(biregular_graphs(max_side=5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_a_random_lift_keeps_degrees_and_contains_the_spectrum_of_the_base(
    base: BipartiteGraph, k: int, seed: int
) -> None:
    lifted = random_lift(base, k, rng=seed)
    assert lifted.shape == (k * base.left, k * base.right)
    assert lifted.degrees == base.degrees
    assert lifted.num_components >= base.num_components
    found = singular_values(dense(lifted)).tolist()
    for value in singular_values(dense(base)):
        nearest = min(found, key=lambda other: abs(other - value))
        assert abs(nearest - value) < 1e-7
        found.remove(nearest)


@given(bipartite_graphs(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_recipe_of_a_random_lift_holds_what_was_drawn(
    base: BipartiteGraph, k: int, seed: int
) -> None:
    lifted = random_lift(base, k, rng=seed)
    rebuilt = from_recipe(json.loads(json.dumps(lifted.recipe)))
    assert rebuilt == lifted == random_lift(base, k, rng=seed)
    assert lifted.recipe["kind"] == ("two_lift" if k == 2 else "lift")
    assert from_recipe(lifted.T.recipe) == lifted.T


def test_all_signings_of_a_lift_are_drawn_equally_often() -> None:
    base = complete(2, 2)
    rng = np.random.default_rng(1)
    draws = [random_lift(base, rng=rng).digest for _ in range(480)]
    counts = np.unique(draws, return_counts=True)[1]
    assert len(counts) == 16
    # Chi-square with 15 degrees of freedom: 37.7 is the 0.1 % quantile.
    assert ((counts - 30) ** 2 / 30).sum() < 37.7


def test_a_lift_with_one_copy_or_only_plus_signs_adds_nothing_new() -> None:
    base = projective_plane(2)
    assert cyclic_lift(base, 1, [0] * 21) == base
    doubled = two_lift(base, [1] * 21)
    assert doubled.num_components == 2
    np.testing.assert_array_equal(dense(doubled), np.kron(np.eye(2), dense(base)))


@pytest.mark.parametrize(
    ("a", "b", "ramanujan", "lowest", "at_lowest"),
    [(2, 2, 16, 2**0.5, 8), (2, 3, 48, 2, 48), (3, 3, 480, 2, 192), (2, 4, 224, 2, 96)],
)
def test_all_signings_of_small_complete_graphs_are_counted(
    a: int, b: int, ramanujan: int, lowest: float, at_lowest: int
) -> None:
    # Counts from an independent enumeration.
    base = complete(a, b)
    bound = (a - 1) ** 0.5 + (b - 1) ** 0.5
    norms = []
    for number in range(2 ** (a * b)):
        signs = [1 - 2 * (number >> place & 1) for place in range(a * b)]
        norms.append(singular_values(dense(two_lift(base, signs))))
    # The largest value is sqrt(ab) of the base; the norm of the signed matrix is the next.
    second = np.array(norms)[:, 1]
    assert (second <= bound + 1e-9).sum() == ramanujan
    assert second.min() == pytest.approx(lowest)
    assert (second < lowest + 1e-9).sum() == at_lowest


@pytest.mark.parametrize(
    ("signs", "message"),
    [
        ([1, 1, 1], r"signs has shape \(3,\), expected \(4,\): one for each of the 4 edges"),
        ([[1, 1], [1, 1]], r"signs has shape \(2, 2\)"),
        ([1, 1, 0, 1], "signs holds 0, expected only"),
        ([1, 1, 2, -1], "signs holds 2, expected only"),
    ],
)
def test_wrong_signs_are_refused(signs: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        two_lift(complete(2, 2), signs)


@pytest.mark.parametrize("signs", [[1.0, 1, 1, -1], [True] * 4, ["+"] * 4])
def test_signs_that_are_no_integers_are_refused(signs: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"signs has dtype .*, expected integers"):
        two_lift(complete(2, 2), signs)


@pytest.mark.parametrize(
    ("k", "shifts", "message"),
    [
        (3, [0, 1, 2, 3], "shifts range from 0 to 3, expected 0 to 2"),
        (3, [0, -1, 0, 0], "shifts range from -1 to 0, expected 0 to 2"),
        (3, [0, 0], r"shifts has shape \(2,\)"),
        (0, [0] * 4, "k is 0, expected at least 1"),
    ],
)
def test_wrong_shifts_are_refused(k: int, shifts: list[int], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        cyclic_lift(complete(2, 2), k, shifts)


@pytest.mark.parametrize(
    ("permutations", "message"),
    [
        ([[0, 1], [1, 1]], r"permutations\[1\] is \[1, 1\], expected a permutation of 0..1"),
        ([[0, 1], [1, 2]], r"permutations\[1\] is \[1, 2\]"),
        ([[0, 1]], r"permutations has shape \(1, 2\), expected \(2, 2\)"),
        ([0, 1], r"permutations has shape \(2,\), expected \(2, k\)"),
        ([[], []], r"permutations has shape \(2, 0\)"),
    ],
)
def test_what_is_no_permutation_is_refused(permutations: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        lift(complete(1, 2), permutations)


def test_permutations_of_different_lengths_are_refused() -> None:
    with pytest.raises(ArgumentError, match="permutations"):
        lift(complete(1, 2), [[0, 1], [0]])


def test_fractional_permutations_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="permutations has dtype float64"):
        lift(complete(1, 2), [[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize("base", [None, [[1, 1]], np.eye(2)])
def test_a_base_that_is_no_graph_is_refused(base: Any) -> None:
    message = rf"base is a {type(base).__name__}, expected a BipartiteGraph"
    builds: list[Callable[[], BipartiteGraph]] = [
        lambda: two_lift(base, [1]),
        lambda: cyclic_lift(base, 2, [1]),
        lambda: lift(base, [[0]]),
        lambda: random_lift(base),
    ]
    for build in builds:
        with pytest.raises(ArgumentTypeError, match=message):
            build()


@pytest.mark.parametrize("k", [0, -1])
def test_a_random_lift_needs_a_copy(k: int) -> None:
    with pytest.raises(ArgumentError, match=f"k is {k}, expected at least 1"):
        random_lift(complete(2, 2), k)
