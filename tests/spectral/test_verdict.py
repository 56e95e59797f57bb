from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import (
    array_code,
    complete,
    field_lift,
    lps,
    projective_plane,
    random_biregular,
    two_lift,
)
from rbgp_graphs.constructions.field_lift import voltage_digits
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral import Verdict, numeric, ramanujan_bound, second_singular_value, verify
from rbgp_graphs.testing.strategies import biregular_graphs, lifts, patterns, rbgp4_patterns

PLANE = projective_plane(2)


def from_networkx(graph: Any) -> BipartiteGraph:
    nx.set_node_attributes(graph, nx.bipartite.color(graph), "bipartite")
    return BipartiteGraph.from_networkx(graph)


def matching(size: int) -> BipartiteGraph:
    return BipartiteGraph.from_edges([(u, u) for u in range(size)], shape=(size, size))


def assert_agrees_with_the_matrix(verdict: Verdict, matrix: Any) -> None:
    """Compare a verdict with an SVD and a search for components."""
    graph = BipartiteGraph.from_biadjacency(matrix)
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    second = values[1] if len(values) > 1 else 0.0
    assert graph.degrees == verdict.degrees
    assert graph.shape == verdict.shape
    bound = ramanujan_bound(*verdict.degrees)
    assert verdict.bound == bound
    assert verdict.sigma1 == pytest.approx(values[0])
    assert verdict.sigma2 == pytest.approx(second, abs=1e-7)
    assert verdict.connected == graph.is_connected
    assert verdict.certificate is None
    if not graph.is_connected:
        assert verdict.status == "refuted"
        assert verdict.is_ramanujan is False
        assert not verdict.tie
        return
    assert verdict.status == "numeric"
    if abs(second - bound) > 1e-7:
        assert verdict.is_ramanujan == (second < bound)
        assert not verdict.tie
    else:
        assert verdict.tie
        assert verdict.is_ramanujan is not False


# Laws


@given(st.one_of(biregular_graphs(), lifts(max_levels=3)))
def test_the_verdict_on_a_graph_agrees_with_its_matrix(graph: BipartiteGraph) -> None:
    assert_agrees_with_the_matrix(verify(graph), graph.biadjacency().toarray())
    assert_agrees_with_the_matrix(verify(graph.T), graph.biadjacency().toarray().T)


@given(patterns())
def test_the_verdict_on_a_pattern_agrees_with_its_mask(pattern: TensorProduct) -> None:
    verdict = verify(pattern)
    assert_agrees_with_the_matrix(verdict, pattern.mask())
    assert verdict.factors == tuple(verify(factor) for factor in pattern.factors)
    assert second_singular_value(pattern) == verdict.sigma2


@given(rbgp4_patterns(twisted=True))
def test_the_verdict_on_a_twisted_pattern_agrees_with_its_mask(pattern: RBGP4) -> None:
    assert_agrees_with_the_matrix(verify(pattern), pattern.mask())
    assert_agrees_with_the_matrix(verify(pattern.T), pattern.mask().T)


@given(biregular_graphs(max_side=6), st.integers(0, 2**32 - 1))
def test_new_labels_change_no_verdict(graph: BipartiteGraph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = graph.biadjacency().toarray()
    renamed = matrix[rng.permutation(graph.left)][:, rng.permutation(graph.right)]
    one, other = verify(graph), verify(BipartiteGraph.from_biadjacency(renamed))
    assert other.is_ramanujan == one.is_ramanujan
    assert other.sigma2 == pytest.approx(one.sigma2, abs=1e-7)


@given(st.one_of(biregular_graphs(), patterns()))
def test_the_derived_numbers_follow_from_the_singular_values(
    pattern: BipartiteGraph | TensorProduct,
) -> None:
    verdict = verify(pattern)
    assert verdict.gap == verdict.sigma1 - verdict.sigma2
    assert verdict.algebraic_connectivity == pytest.approx(verdict.gap / verdict.sigma1)
    if verdict.sigma2 and verdict.bound:
        assert verdict.ratio == verdict.sigma2 / verdict.bound
    if verdict.degrees != (2, 2):
        room = verdict.sigma1 - verdict.bound
        assert verdict.normalized_gap == pytest.approx(verdict.gap / room)
    if verdict.is_ramanujan:
        assert verdict.ratio <= 1 + 1e-12
        assert verdict.normalized_gap >= 1 - 1e-9


@given(st.one_of(biregular_graphs(), patterns()))
def test_a_verdict_is_written_as_strict_json(pattern: BipartiteGraph | TensorProduct) -> None:
    verdict = verify(pattern)
    read = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
    assert read["status"] == verdict.status
    assert read["is_ramanujan"] == verdict.is_ramanujan
    assert read["sigma2"] == verdict.sigma2
    assert tuple(read["degrees"]) == verdict.degrees
    assert len(read["factors"]) == len(verdict.factors)


# Ramanujan or not


@pytest.mark.parametrize(
    "graph",
    [
        complete(4, 7),
        PLANE,
        array_code(5, 3),
        array_code(3, 5),
        lps(3, 5),
        lps(5, 7),
        field_lift(8, 8, 2, 3),
        field_lift(9, 5),
        lps(17, 5, allow_small=True),
    ],
    ids=repr,
)
def test_explicit_families_are_ramanujan(graph: BipartiteGraph) -> None:
    verdict = verify(graph)
    assert verdict.is_ramanujan is True
    assert not verdict.tie


@pytest.mark.parametrize("n", [7, 8])
def test_hypercubes_from_dimension_seven_are_not_ramanujan(n: int) -> None:
    verdict = verify(from_networkx(nx.convert_node_labels_to_integers(nx.hypercube_graph(n))))
    assert verdict.is_ramanujan is False
    assert verdict.sigma2 == pytest.approx(n - 2)


def test_a_long_prism_is_not_ramanujan() -> None:
    ladder = nx.circular_ladder_graph(40)
    verdict = verify(from_networkx(ladder))
    assert verdict.is_ramanujan is False
    assert verdict.sigma2 == pytest.approx(1 + 2 * math.cos(2 * math.pi / 40))


def test_a_cycle_is_ramanujan_with_an_infinite_normalized_gap() -> None:
    verdict = verify(from_networkx(nx.cycle_graph(12)))
    assert verdict.is_ramanujan is True
    assert verdict.normalized_gap == math.inf
    assert verdict.as_dict()["normalized_gap"] is None
    assert verdict.sigma2 == pytest.approx(2 * math.cos(math.pi / 6))


@pytest.mark.parametrize("side", [2, 3, 10])
def test_two_copies_of_a_ramanujan_graph_are_refuted(side: int) -> None:
    edges = complete(side, side).edges
    twice = BipartiteGraph.from_edges(
        np.concatenate((edges, edges + side)), shape=(2 * side, 2 * side)
    )
    verdict = verify(twice)
    assert verdict.status == "refuted"
    assert verdict.is_ramanujan is False
    assert not verdict.connected
    assert verdict.sigma2 == verdict.sigma1 == side


def test_arpack_does_not_miss_that_a_large_graph_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(numeric, "DENSE_SIDE", 2)
    edges = lps(3, 5).edges
    twice = BipartiteGraph.from_edges(np.concatenate((edges, edges + 60)), shape=(120, 120))
    assert verify(twice).status == "refuted"
    assert verify(lps(3, 5)).method == "deflated ARPACK"


@pytest.mark.parametrize(
    ("product", "ramanujan", "sigma2_squared"),
    [
        (TensorProduct(PLANE, PLANE), True, 18),
        (TensorProduct(PLANE, complete(4, 4)), True, 32),
        (TensorProduct(array_code(5, 3), PLANE), False, 45),
        (TensorProduct(complete(2, 3), complete(4, 1)), True, 0),
    ],
    ids=repr,
)
def test_exact_values_of_factors_give_the_exact_value_of_the_product(
    product: TensorProduct, ramanujan: bool, sigma2_squared: int
) -> None:
    verdict = verify(product)
    assert verdict.is_ramanujan is ramanujan
    assert verdict.sigma2_squared == sigma2_squared
    assert all(factor.is_ramanujan for factor in verdict.factors)


@pytest.mark.parametrize(("other", "sigma2"), [(complete(4, 1), 6), (complete(4, 4), 12)])
def test_products_of_ramanujan_graphs_are_normally_not_ramanujan(
    other: BipartiteGraph, sigma2: float
) -> None:
    verdict = verify(TensorProduct(lps(3, 5), other))
    assert verdict.is_ramanujan is False
    assert verdict.sigma2 == pytest.approx(sigma2)
    assert [factor.is_ramanujan for factor in verdict.factors] == [True, True]
    assert "factor 0" in verdict.method


def test_a_product_with_a_disconnected_factor_is_refuted() -> None:
    verdict = verify(TensorProduct(complete(2, 2), matching(3)))
    assert verdict.status == "refuted"
    assert [factor.connected for factor in verdict.factors] == [True, False]


def test_a_twist_can_connect_what_a_disconnected_inner_graph_leaves_apart() -> None:
    # The shifts make this pattern the field lift, which is connected and Ramanujan.
    digits = voltage_digits(finite_field("q", 4), np.arange(4), 4, 1, 2)
    shifts = (digits @ [1, 2]).ravel()
    pattern = RBGP4(complete(4, 4), (1, 1), matching(4), (1, 1), shifts)
    graph = field_lift(4, 4, 1, 2)
    assert BipartiteGraph.from_biadjacency(pattern.mask()) == graph
    verdict = verify(pattern)
    assert verdict.connected
    assert verdict.is_ramanujan is True
    assert verdict.sigma2 == pytest.approx(verify(graph).sigma2)


def test_no_twist_connects_a_disconnected_outer_graph() -> None:
    pattern = RBGP4(matching(2), (1, 1), PLANE, (1, 1), [3, 5])
    verdict = verify(pattern)
    assert verdict.status == "refuted"
    assert not verdict.connected


def test_random_shifts_shrink_the_second_singular_value() -> None:
    outer, inner = complete(8, 8), random_biregular(16, 16, 4, rng=1)
    plain = verify(RBGP4(outer, (1, 1), inner, (1, 1)))
    shifts = np.random.default_rng(0).integers(0, 16, 64)
    twisted = verify(RBGP4(outer, (1, 1), inner, (1, 1), shifts))
    assert twisted.sigma2 < 0.8 * plain.sigma2
    assert twisted.sigma1 == plain.sigma1
    assert "twisted" in twisted.method


# Ties


def test_a_tie_that_a_theorem_knows_is_decided_exactly() -> None:
    for graph in (field_lift(4, 4, 3, 6), field_lift(4, 4, 3, 6).T):
        verdict = verify(graph)
        assert verdict.tie
        assert verdict.is_ramanujan is True
        assert verdict.sigma2_squared == 12
        assert verdict.ratio == pytest.approx(1)


def test_a_tie_that_only_numbers_know_is_left_open() -> None:
    # One crossed row entry more than in a rank-one signing: the norm is 2 sqrt(3) exactly.
    signs = np.ones((4, 4), dtype=np.int64)
    signs[0, :2] = -1
    gram = signs @ signs.T
    assert round(np.linalg.det(12.0 * np.eye(4) - gram)) == 0
    verdict = verify(two_lift(complete(4, 4), signs.ravel()))
    assert verdict.sigma2 == pytest.approx(2 * math.sqrt(3))
    assert verdict.status == "numeric"
    assert verdict.tie
    assert verdict.is_ramanujan is None
    assert verdict.sigma2_squared is None


def test_a_cartesian_product_that_meets_the_bound_is_left_open() -> None:
    torus = nx.cartesian_product(nx.complete_bipartite_graph(3, 3), nx.cycle_graph(6))
    verdict = verify(from_networkx(nx.convert_node_labels_to_integers(torus)))
    assert verdict.sigma2 == pytest.approx(verdict.bound) == 4
    assert verdict.tie
    assert verdict.is_ramanujan is None


def test_a_single_edge_meets_its_bound_of_zero() -> None:
    verdict = verify(complete(1, 1))
    assert (verdict.sigma1, verdict.sigma2, verdict.bound) == (1, 0, 0)
    assert verdict.is_ramanujan is True
    assert verdict.ratio == 0


# Facts of the design


def test_the_pattern_of_the_largest_layer_has_the_ratio_one_sixteenth() -> None:
    graph = field_lift(256, 256, 1, 4)
    verdict = verify(graph)
    assert verdict.sigma2 / verdict.sigma1 == 0.0625
    assert verdict.algebraic_connectivity == 0.9375
    assert verdict.ratio == pytest.approx(0.501, abs=5e-4)
    assert graph.num_edges == 0.0625 * 4096**2


def test_field_lifts_as_factors_have_the_measured_ratio() -> None:
    pattern = RBGP4(field_lift(8, 8, 1, 3), (4, 1), field_lift(8, 8, 1, 2), (1, 1))
    verdict = verify(pattern)
    assert verdict.sigma2 / verdict.sigma1 == pytest.approx(1 / math.sqrt(8), abs=1e-12)
    assert verdict.is_ramanujan is False


# Errors


def test_a_verdict_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        verify(PLANE).sigma2 = 0.0  # type: ignore[misc]


def test_irregular_graphs_are_refused() -> None:
    irregular = BipartiteGraph.from_biadjacency([[1, 1], [0, 1]])
    with pytest.raises(ArgumentError, match="is not biregular, so the Ramanujan bound"):
        verify(irregular)


@pytest.mark.parametrize("shape", [(0, 0), (2, 3), (0, 4)])
def test_graphs_without_edges_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match="the graph has no edges"):
        verify(BipartiteGraph.from_edges([], shape=shape))


@pytest.mark.parametrize("level", ["exact", "", None, 1])
def test_unknown_levels_are_refused(level: Any) -> None:
    with pytest.raises(ArgumentError, match=r"level is .*, expected 'numeric'"):
        verify(PLANE, level)


@pytest.mark.parametrize("wrong", [None, np.eye(2), "K33"])
def test_other_things_are_refused(wrong: Any) -> None:
    for call in (verify, second_singular_value):
        with pytest.raises(ArgumentTypeError, match=f"got a {type(wrong).__name__}"):
            call(wrong)
