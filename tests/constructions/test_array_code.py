from __future__ import annotations

import math

import numpy as np
import pytest

from rbgp_graphs.constructions import array_code, field_lift
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError

CASES = [(2, 2), (2, 3), (3, 2), (3, 3), (3, 5), (5, 3), (5, 5), (5, 12), (7, 14), (7, 4)]


@pytest.mark.parametrize(("q", "l"), CASES)
def test_the_blocks_are_powers_of_the_shift(q: int, l: int) -> None:  # noqa: E741
    graph = array_code(q, l)
    shift = np.roll(np.eye(q, dtype=int), 1, axis=1)
    power = np.linalg.matrix_power
    expected = np.block([[power(shift, i * j) for j in range(l)] for i in range(q)])
    np.testing.assert_array_equal(graph.biadjacency(int).toarray(), expected)
    assert graph.degrees == (l, q)
    assert from_recipe(graph.recipe) == graph


@pytest.mark.parametrize(("q", "l"), CASES)
def test_the_singular_values_are_those_of_the_theorem(q: int, l: int) -> None:  # noqa: E741
    a, k = divmod(l, q)
    values = np.linalg.svd(array_code(q, l).biadjacency(float).toarray(), compute_uv=False)
    expected = [math.sqrt(l * q)]
    expected += [math.sqrt((a + 1) * q)] * ((q - 1) * k)
    expected += [math.sqrt(a * q)] * ((q - 1) * (q - k))
    expected += [0.0] * (len(values) - len(expected))
    np.testing.assert_allclose(values, expected[: len(values)], atol=1e-7)


@pytest.mark.parametrize(("q", "l"), [(3, 2), (5, 3), (5, 5), (7, 4)])
def test_with_few_columns_it_is_a_field_lift(q: int, l: int) -> None:  # noqa: E741
    one, other = (g.biadjacency(float).toarray() for g in (array_code(q, l), field_lift(q, l)))
    assert one.shape == other.shape
    # Row (i, r) of the code meets column (j, s) if s - r = ij: the rule of the field lift.
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("q", "girth"), [(5, 6), (7, 6)])
def test_three_to_q_columns_have_no_four_cycle(q: int, girth: int) -> None:
    assert {array_code(q, columns).girth() for columns in range(3, q + 1)} == {girth}
    assert array_code(q, q + 1).girth() == 4


@pytest.mark.parametrize("q", [1, 4, 9, -5])
def test_an_order_that_is_not_prime_is_refused(q: int) -> None:
    with pytest.raises(ArgumentError, match=f"q is {q}, expected a prime; the nearest"):
        array_code(q, 3)


def test_fewer_than_two_columns_are_refused() -> None:
    with pytest.raises(ArgumentError, match="l is 1, expected at least 2"):
        array_code(5, 1)


def test_arguments_of_a_wrong_type_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"q is 5\.0 of type float"):
        array_code(5.0, 3)  # type: ignore[arg-type]


def test_too_many_edges_are_refused_before_anything_is_built() -> None:
    with pytest.raises(InfeasibleError, match="at most 268435456 fit"):
        array_code(65537, 100)
