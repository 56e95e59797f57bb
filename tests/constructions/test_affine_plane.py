from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rbgp_graphs.constructions import affine_plane, projective_plane
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.spectral import verify
from tests.constructions.reference import check_against_reference

ORDERS = [2, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("q", [3, 5])
def test_the_reference_values_are_met(q: int) -> None:
    check_against_reference(affine_plane(q), f"AG(2,{q})")


@pytest.mark.parametrize("q", ORDERS)
def test_two_points_lie_on_one_line(q: int) -> None:
    graph = affine_plane(q)
    assert graph.shape == (q * q, q * q + q)
    assert graph.degrees == (q + 1, q)
    matrix = graph.biadjacency(int).toarray()
    np.testing.assert_array_equal(matrix @ matrix.T, q * np.eye(q * q, dtype=int) + 1)
    assert (graph.girth(), graph.diameter()) == (6, 4)
    assert from_recipe(graph.recipe) == graph
    assert (np.diff(graph.neighbor_table) > 0).all()


@pytest.mark.parametrize("q", ORDERS)
def test_lines_fall_into_parallel_classes(q: int) -> None:
    matrix = affine_plane(q).biadjacency(int).toarray()
    meet = matrix.T @ matrix
    assert {*np.unique(meet)} == {0, 1, q}
    assert ((meet == 0).sum(axis=1) == q - 1).all()


@pytest.mark.parametrize("q", [2, 4, 5])
def test_it_is_the_projective_plane_without_a_line(q: int) -> None:
    plane = projective_plane(q).biadjacency(int).toarray()
    rest = plane[1:, plane[0] == 0]
    np.testing.assert_array_equal(rest.T @ rest, q * np.eye(q * q, dtype=int) + 1)
    sizes = [
        np.bincount(m.sum(axis=0)).tolist() for m in (rest.T, affine_plane(q).biadjacency(int))
    ]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("q", ORDERS)
@pytest.mark.parametrize("transposed", [False, True])
def test_the_verdict_knows_the_exact_value(q: int, transposed: bool) -> None:
    graph = affine_plane(q)
    verdict = verify(graph.T if transposed else graph)
    assert verdict.is_ramanujan
    assert verdict.sigma2 == pytest.approx(q**0.5, rel=1e-14)
    assert "theorem" in verdict.method


def test_an_order_that_is_no_prime_power_is_refused() -> None:
    with pytest.raises(ArgumentError, match="expected a prime power; the nearest are 5 and 7"):
        affine_plane(6)


@pytest.mark.parametrize("q", [2.0, "3", None, True])
def test_orders_of_a_wrong_type_are_refused(q: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        affine_plane(q)


def test_planes_that_are_too_large_are_refused() -> None:
    with pytest.raises(InfeasibleError, match="is too large, q is at most 512"):
        affine_plane(521)
