from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest

from rbgp_graphs.constructions import projective_plane
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError

ORDERS = [2, 3, 4, 5, 7, 8, 9, 11, 16]


@pytest.mark.parametrize("q", ORDERS)
def test_two_lines_meet_in_one_point_and_two_points_lie_on_one_line(q: int) -> None:
    graph = projective_plane(q)
    size = q * q + q + 1
    assert graph.shape == (size, size)
    assert graph.degrees == (q + 1, q + 1)
    matrix = graph.biadjacency(int).toarray()
    expected = q * np.eye(size, dtype=int) + 1
    np.testing.assert_array_equal(matrix @ matrix.T, expected)
    np.testing.assert_array_equal(matrix.T @ matrix, expected)


@pytest.mark.parametrize("q", ORDERS)
def test_girth_is_six_and_diameter_three(q: int) -> None:
    graph = projective_plane(q)
    assert (graph.girth(), graph.diameter()) == (6, 3)
    assert from_recipe(graph.recipe) == graph


def test_the_smallest_plane_is_the_heawood_graph() -> None:
    graph = projective_plane(2)
    edges = [(u, 7 + v) for u, v in graph.edges.tolist()]
    assert nx.is_isomorphic(nx.Graph(edges), nx.heawood_graph())


@pytest.mark.parametrize(("q", "nearest"), [(1, "is 2"), (6, "are 5 and 7"), (15, "are 13 and 16")])
def test_an_order_that_is_no_prime_power_is_refused(q: int, nearest: str) -> None:
    with pytest.raises(ArgumentError, match=f"expected a prime power; the nearest {nearest}"):
        projective_plane(q)


@pytest.mark.parametrize("q", [2.0, "3", None, True])
def test_orders_of_a_wrong_type_are_refused(q: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        projective_plane(q)


@pytest.mark.parametrize("q", [521, 1024, 2**19 - 1])
def test_planes_that_are_too_large_are_refused(q: int) -> None:
    with pytest.raises(InfeasibleError, match="is too large, q is at most 512"):
        projective_plane(q)
