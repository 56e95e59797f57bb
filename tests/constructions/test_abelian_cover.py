from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import abelian_cover, complete, cyclic_lift, projective_plane
from rbgp_graphs.constructions.abelian_cover import add, characters
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError

ORDERS = st.lists(st.integers(2, 4), max_size=3).map(tuple)


@st.composite
def covers(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    orders = draw(ORDERS)
    a, b, seed = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(0, 2**32 - 1))
    size = math.prod(orders)
    return orders, np.random.default_rng(seed).integers(0, 2, size=(a, b, size))


@given(covers())
def test_the_group_acts_on_the_graph(cover: tuple[tuple[int, ...], Any]) -> None:
    orders, blocks = cover
    graph = abelian_cover(orders, blocks)
    a, b, size = blocks.shape
    matrix = graph.biadjacency(np.int64).toarray()
    assert matrix.shape == (a * size, b * size)
    assert matrix.sum() == size * blocks.sum()
    np.testing.assert_array_equal(matrix.reshape(a, size, b, size)[:, 0], blocks)
    for element in range(size):
        moved = add(orders, np.arange(size), element)
        rows = (np.arange(a)[:, None] * size + moved).ravel()
        columns = (np.arange(b)[:, None] * size + moved).ravel()
        np.testing.assert_array_equal(matrix[np.ix_(rows, columns)], matrix)


@given(covers())
def test_the_singular_values_are_those_of_the_characters(
    cover: tuple[tuple[int, ...], Any],
) -> None:
    orders, blocks = cover
    graph = abelian_cover(orders, blocks)
    table, counts = characters(orders)
    found = np.concatenate(
        [
            np.repeat(np.linalg.svd(blocks @ table[:, c], compute_uv=False), count)
            for c, count in enumerate(counts)
        ]
    )
    expected = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    np.testing.assert_allclose(np.sort(found)[::-1], expected, atol=1e-7)


@given(ORDERS)
def test_the_characters_are_orthogonal_and_multiplicative(orders: tuple[int, ...]) -> None:
    table, counts = characters(orders)
    size = math.prod(orders)
    assert counts.sum() == size
    assert (table[:, 0] == 1).all()
    np.testing.assert_allclose(table.conj().T @ table, size * np.eye(len(counts)), atol=1e-9)
    x, y = np.arange(size)[:, None], np.arange(size)
    np.testing.assert_allclose(table[add(orders, x, y)], table[:, None] * table[None, :], atol=1e-9)
    assert np.isrealobj(table) == all(order == 2 for order in orders)


@given(covers())
def test_it_comes_back_from_its_recipe(cover: tuple[tuple[int, ...], Any]) -> None:
    graph = abelian_cover(*cover)
    assert from_recipe(graph.recipe) == graph
    assert from_recipe(graph.T.recipe) == graph.T


def test_one_edge_in_each_block_over_a_cyclic_group_is_a_cyclic_lift() -> None:
    k, shifts = 5, np.random.default_rng(0).integers(5, size=(3, 4))
    cover = abelian_cover([k], np.arange(k) == shifts[:, :, None])
    lifted = cyclic_lift(complete(3, 4), k, shifts.ravel())
    rows, columns = (np.arange(n * k).reshape(n, k).T.ravel() for n in (3, 4))
    matrix = cover.biadjacency(int).toarray()
    np.testing.assert_array_equal(matrix[np.ix_(rows, columns)], lifted.biadjacency(int).toarray())


@pytest.mark.parametrize(("q", "differences"), [(2, [0, 1, 3]), (3, [0, 1, 3, 9])])
def test_a_perfect_difference_set_gives_a_projective_plane(q: int, differences: list[int]) -> None:
    size = q * q + q + 1
    graph = abelian_cover([size], [[np.isin(np.arange(size), differences)]])
    plane = projective_plane(q)
    assert graph.degrees == plane.degrees
    gram = graph.biadjacency(int).toarray()
    np.testing.assert_array_equal(gram @ gram.T, q * np.eye(size) + 1)


@pytest.mark.parametrize(
    ("orders", "blocks", "message"),
    [
        ([1], [[[1]]], "orders is 1, expected at least 2"),
        ([2] * 33, [[[1]]], "33 entries, expected at most 32"),
        ([2**11, 2**11], [[[1]]], "4194304 elements, expected at most 1048576"),
        ([3], [[[1, 0]]], r"shape \(1, 1, 2\), expected \(a, b, 3\)"),
        ([3], [1, 0, 1], r"shape \(3,\), expected"),
        ([2], [[[1, 2]]], "something else than true and false"),
    ],
)
def test_bad_arguments_are_refused(orders: Any, blocks: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        abelian_cover(orders, blocks)


@pytest.mark.parametrize(
    ("orders", "blocks"), [(3, [[[1, 0, 0]]]), ([2.0], [[[1, 0]]]), ([2], [[[1, 0]], [[1]]])]
)
def test_arguments_of_a_wrong_type_are_refused(orders: Any, blocks: Any) -> None:
    with pytest.raises(ArgumentTypeError):
        abelian_cover(orders, blocks)


@pytest.mark.parametrize(
    "change",
    [
        {"orders": [2**30, 2**30]},
        {"orders": [2] * 40},
        {"orders": [1]},
        {"orders": "2"},
        {"orders": [True]},
        {"left": 2**40},
        {"left": 0},
        {"blocks": "AAAA"},
        {"blocks": "/w=="},
    ],
)
def test_hostile_recipes_are_refused(change: dict[str, Any]) -> None:
    recipe = {**abelian_cover([3], [[[1, 1, 0]]]).recipe, **change}
    with pytest.raises(FormatError, match="recipe"):
        from_recipe(recipe)


def test_a_recipe_beyond_the_limits_is_refused_before_it_is_built() -> None:
    recipe = abelian_cover([64], [[np.ones(64)]]).recipe
    with pytest.raises(FormatError, match="beyond max_edges=4095"):
        from_recipe(recipe, max_edges=4095)
    with pytest.raises(FormatError, match="beyond max_side=63"):
        from_recipe(recipe, max_side=63)
