from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from rbgp_graphs.constructions import generalized_hexagon
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.spectral import verify
from tests.constructions.reference import check_against_reference


def points_in_space(q: int) -> NDArray[np.int64]:
    """Return the points of H(q), q prime, as vectors in PG(6, q), in the order of the graph."""
    points: list[tuple[int, ...]] = [(1, 0, 0, 0, 0, 0, 0)]
    field = range(q)
    points += [(a, 0, 0, 0, 0, 0, 1) for a in field]
    points += [(b, 0, 0, 0, 0, 1, -k) for k, b in itertools.product(field, repeat=2)]
    points += [
        (-m - a * a1, 1, 0, -a, 0, a * a, -a1) for a, m, a1 in itertools.product(field, repeat=3)
    ]
    points += [
        (k1 + b * b1, k, 1, b, 0, b1, b * b - b1 * k)
        for k, b, k1, b1 in itertools.product(field, repeat=4)
    ]
    points += [
        (
            -a * l1 + a1 * a1 + a2 * m + a * a1 * a2,
            -a2,
            -a,
            -a1 + a * a2,
            1,
            m + 2 * a * a1 - a * a * a2,
            -l1 + a1 * a2,
        )
        for a, m, a1, l1, a2 in itertools.product(field, repeat=5)
    ]
    return np.array(points) % q


@pytest.mark.parametrize("q", [2, 3])
def test_the_lines_are_those_of_tits_on_the_quadric(q: int) -> None:
    x = points_in_space(q)
    quadric = x[:, 0] * x[:, 4] + x[:, 1] * x[:, 5] + x[:, 2] * x[:, 6] - x[:, 3] ** 2
    assert (quadric % q == 0).all()
    lines = generalized_hexagon(q).T.neighbor_table
    first, second = x[lines[:, 0]], x[lines[:, 1]]

    def p(i: int, j: int) -> NDArray[np.int64]:
        return np.asarray((first[:, i] * second[:, j] - first[:, j] * second[:, i]) % q)

    for one, other in (
        ((1, 2), (3, 4)),
        ((5, 4), (3, 2)),
        ((2, 0), (3, 5)),
        ((6, 5), (3, 0)),
        ((0, 1), (3, 6)),
        ((4, 6), (3, 1)),
    ):
        np.testing.assert_array_equal(p(*one), p(*other))
    # The q + 1 points of each line are the points of one line of the space.
    combinations = [(1, 0), *((c, 1) for c in range(q))]
    for line in lines:
        spanned = {
            tuple((s * (c * x[line[0]] + d * x[line[1]]) % q).tolist())
            for c, d in combinations
            for s in range(1, q)
        }
        assert {tuple(x[point].tolist()) for point in line} <= spanned


def test_the_reference_values_are_met() -> None:
    check_against_reference(generalized_hexagon(2), "H(2) split Cayley hexagon")


@pytest.mark.parametrize("q", [2, 3, 4])
def test_girth_and_diameter_are_those_of_a_hexagon(q: int) -> None:
    graph = generalized_hexagon(q)
    size = (q**6 - 1) // (q - 1)
    assert graph.shape == (size, size)
    assert graph.degrees == (q + 1, q + 1)
    assert (graph.girth(), graph.diameter()) == (12, 6)
    assert from_recipe(graph.recipe) == graph


def test_the_square_of_every_singular_value_is_a_root_of_the_known_polynomial() -> None:
    q = 5
    matrix = generalized_hexagon(q).biadjacency(np.int64)
    rng = np.random.default_rng(3)
    vector = rng.integers(-9, 9, matrix.shape[0])
    vector[0] -= vector.sum()
    for root in (3 * q, q, 0):
        vector = matrix @ (matrix.T @ vector) - root * vector
    assert (vector == 0).all()


@pytest.mark.parametrize("q", [2, 3])
def test_the_verdict_knows_the_exact_value(q: int) -> None:
    verdict = verify(generalized_hexagon(q))
    assert verdict.is_ramanujan
    assert verdict.sigma2 == pytest.approx((3 * q) ** 0.5, rel=1e-14)
    assert "theorem" in verdict.method


def test_bad_orders_are_refused() -> None:
    with pytest.raises(ArgumentError, match="q is 6, expected a prime power"):
        generalized_hexagon(6)
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        generalized_hexagon("2")  # type: ignore[arg-type]
    with pytest.raises(InfeasibleError, match="is too large, q is at most 13"):
        generalized_hexagon(16)
