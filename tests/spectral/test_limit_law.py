from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.spectral import limit_density, singular_values

degrees = st.integers(2, 12)


def moment(a: int, b: int, power: int) -> float:
    """Integrate ``x**power`` against the density, after x*x = p + q + 2 sqrt(pq) cos(angle)."""
    p, q = a - 1, b - 1

    def integrand(angle: float) -> float:
        square = p + q + 2 * math.sqrt(p * q) * math.cos(angle)
        x = math.sqrt(max(square, 0.0))
        if x == 0:
            return 0.0
        return float(limit_density(a, b, x)) * x**power * math.sqrt(p * q) * math.sin(angle) / x

    value, _ = quad(integrand, 0, math.pi, epsabs=1e-9, epsrel=1e-9, limit=400)
    return float(value)


def closed_walks(a: int, b: int, length: int) -> int:
    """Count closed walks at a root of degree a of the tree with degrees a and b."""
    at = {0: 1}
    for _ in range(length):
        following: dict[int, int] = {}
        for depth, count in at.items():
            down = a if depth == 0 else (b if depth % 2 else a) - 1
            following[depth + 1] = following.get(depth + 1, 0) + count * down
            if depth:
                following[depth - 1] = following.get(depth - 1, 0) + count
        at = following
    return at.get(0, 0)


@given(degrees, degrees)
@settings(max_examples=20)
def test_the_density_integrates_to_one(a: int, b: int) -> None:
    assert moment(a, b, 0) == pytest.approx(1, abs=1e-6)


@given(degrees, degrees, st.integers(1, 5))
@settings(max_examples=20)
def test_the_moments_count_closed_walks_in_the_tree(a: int, b: int, k: int) -> None:
    walks = closed_walks(max(a, b), min(a, b), 2 * k)
    assert moment(a, b, 2 * k) == pytest.approx(walks, rel=1e-6)


@given(degrees, degrees, st.lists(st.floats(-1, 10)))
def test_the_density_is_symmetric_nonnegative_and_zero_outside_its_support(
    a: int, b: int, x: list[float]
) -> None:
    points = np.array(x)
    values = limit_density(a, b, points)
    assert values.shape == points.shape
    assert (values >= 0).all()
    np.testing.assert_array_equal(values, limit_density(b, a, points))
    low = abs(math.sqrt(a - 1) - math.sqrt(b - 1))
    high = math.sqrt(a - 1) + math.sqrt(b - 1)
    assert (values[(points < low) | (points > high)] == 0).all()


@given(st.integers(3, 20), st.floats(0, 0.999999))
def test_equal_degrees_give_the_law_of_kesten_and_mckay(d: int, share: float) -> None:
    t = 2 * math.sqrt(d - 1) * share
    expected = d / math.pi * math.sqrt(4 * (d - 1) - t * t) / (d * d - t * t)
    assert float(limit_density(d, d, t)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("left", "right", "degree"), [(400, 400, 3), (300, 600, 8)])
def test_a_large_random_graph_follows_the_law(left: int, right: int, degree: int) -> None:
    graph = random_biregular(left, right, degree, rng=0)
    assert graph.degrees is not None
    values = singular_values(graph)[1:]
    grid = np.linspace(0, 7, 20_001)
    density = limit_density(*graph.degrees, grid)
    cumulative = np.concatenate(([0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))))
    empirical = np.searchsorted(np.sort(values), grid, side="right") / len(values)
    assert np.abs(empirical - cumulative).max() < 0.015
    # The other degrees are told apart by the same distance.
    wrong = limit_density(graph.degrees[0] + 1, graph.degrees[1] + 1, grid)
    assert np.abs(empirical - np.cumsum(wrong) * (grid[1] - grid[0])).max() > 0.03


def test_degree_two_is_the_arcsine_law_with_an_infinite_end() -> None:
    values = limit_density(2, 2, [0, 1, 2, 3])
    expected = [1 / math.pi, 2 / (math.pi * math.sqrt(3)), math.inf, 0]
    np.testing.assert_allclose(values, expected)


@pytest.mark.parametrize("x", [["a"], [1j], None])
def test_points_that_are_no_numbers_are_refused(x: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="x has dtype"):
        limit_density(3, 3, x)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="left_degree is 1, expected at least 2"):
        limit_density(1, 5, 1.0)
    with pytest.raises(ArgumentTypeError, match=r"right_degree is 2\.5"):
        limit_density(3, 2.5, 1.0)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="x holds NaN"):
        limit_density(3, 3, [0, math.nan])
