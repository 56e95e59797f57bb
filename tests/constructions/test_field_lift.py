from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import field_lift
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError

#: Order, characteristic and degree of small fields.
FIELDS = [(2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 5, 1), (8, 2, 3), (9, 3, 2)]


@st.composite
def field_lift_parameters(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Generate (q, b, m, j) of a graph with at most about 250 vertices on a side."""
    q, p, k = draw(st.sampled_from(FIELDS))
    b, m = draw(st.integers(1, q)), draw(st.integers(1, 3))
    largest = max(j for j in range(1, m * k + 1) if j == 1 or q * p**j <= 250)
    return q, b, m, draw(st.integers(1, largest))


@given(field_lift_parameters())
def test_the_edges_follow_the_rule(parameters: tuple[int, int, int, int]) -> None:
    q, b, m, j = parameters
    field = finite_field("q", q)
    p, k, size = field.characteristic, field.degree, field.characteristic**j
    powers = [np.arange(q)[:, None] * np.ones(b, dtype=int)]
    for _ in range(m):
        powers.append(field.multiply(powers[-1], np.arange(b)[None]))
    digits = [power // p**place % p for power in powers[1:] for place in range(k)][:j]
    expected = np.zeros((q, size, b, size), dtype=bool)
    for x, s, y in itertools.product(range(q), range(size), range(b)):
        t = sum((s // p**i + digits[i][x, y]) % p * p**i for i in range(j))
        expected[x, s, y, t] = True
    graph = field_lift(q, b, m, j)
    assert graph.degrees == (b, q)
    np.testing.assert_array_equal(
        graph.biadjacency().toarray(), expected.reshape(q * size, b * size)
    )


@given(field_lift_parameters())
def test_recipes_and_defaults_lead_to_the_same_graph(
    parameters: tuple[int, int, int, int],
) -> None:
    graph = field_lift(*parameters)
    assert graph.recipe == dict(zip("qbmj", parameters, strict=True), kind="field_lift")
    assert from_recipe(graph.recipe) == graph
    assert from_recipe(graph.T.recipe) == graph.T


def test_all_digits_of_the_first_power_are_the_default() -> None:
    assert field_lift(9, 4) == field_lift(9, 4, 1, 2)
    assert field_lift(4, 4, 2).recipe["j"] == 4


@pytest.mark.parametrize("q", [3, 4, 5, 7, 8, 9])
def test_a_biaffine_plane_obeys_its_integer_identity(q: int) -> None:
    # With G = B B^T the squares 0 and q of the singular values say G (G - q I) = c J.
    matrix = field_lift(q, q).biadjacency(np.int64).toarray()
    gram = matrix @ matrix.T
    product = gram @ (gram - q * np.eye(len(gram), dtype=np.int64))
    assert (product == q * q - q).all()


def test_the_pattern_of_the_largest_layer_obeys_its_integer_identity() -> None:
    # G (G - 256 I) = 1044480 J, tested on integer vectors: exact, and any error would show.
    matrix = field_lift(256, 256, 1, 4).biadjacency(np.int64)
    assert matrix.shape == (4096, 4096)
    vectors = np.random.default_rng(0).integers(-1000, 1000, size=(4096, 3))
    gram_vectors = matrix @ (matrix.T @ vectors)
    left = matrix @ (matrix.T @ gram_vectors) - 256 * gram_vectors
    np.testing.assert_array_equal(left, 1_044_480 * np.tile(vectors.sum(axis=0), (4096, 1)))


@pytest.mark.parametrize(
    ("q", "b", "m", "girth"), [(4, 4, 1, 6), (5, 5, 1, 6), (4, 4, 2, 8), (5, 5, 2, 8), (7, 5, 2, 8)]
)
def test_planes_have_girth_six_and_wenger_graphs_girth_eight(
    q: int, b: int, m: int, girth: int
) -> None:
    assert field_lift(q, b, m).girth() == girth


def test_every_block_of_a_binary_lift_is_a_shift_by_exclusive_or() -> None:
    graph = field_lift(8, 8, 1, 2)
    blocks = graph.biadjacency(int).toarray().reshape(8, 4, 8, 4).swapaxes(1, 2)
    for block in blocks.reshape(-1, 4, 4):
        shift = int(block[0].argmax())
        assert all(block[s, s ^ shift] == 1 for s in range(4))
        assert block.sum() == 4


def test_two_points_and_three_powers_fall_apart() -> None:
    # With b = 2 the voltages (x, x, x) of y = 1 reach only 4 of 64 group elements.
    assert field_lift(4, 2, 3, 6).num_components == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((6, 2), "q is 6, expected a prime power; the nearest are 5 and 7"),
        ((1, 1), "q is 1, expected a prime power; the nearest is 2"),
        ((4, 5), "b is 5, expected at most 4"),
        ((4, 0), "b is 0, expected at least 1"),
        ((4, 4, 0), "m is 0, expected at least 1"),
        ((4, 4, 1, 3), "j is 3, expected at most 2"),
        ((4, 4, 2, 0), "j is 0, expected at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        field_lift(*arguments)


@pytest.mark.parametrize("arguments", [(4.0, 4), (4, "4"), (4, 4, 1.0), (4, 4, 1, True)])
def test_arguments_of_a_wrong_type_are_refused(arguments: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        field_lift(*arguments)


@pytest.mark.parametrize("arguments", [(2, 2, 64), (47, 47, 4), (3**18, 2)])
def test_too_many_edges_are_refused_before_anything_is_built(arguments: tuple[int, ...]) -> None:
    with pytest.raises(InfeasibleError, match="at most 268435456 fit; take a smaller j"):
        field_lift(*arguments)
