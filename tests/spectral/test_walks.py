"""Proofs by closed walks, and the symmetries that make them cheap."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, verify
from rbgp_graphs.spectral import symmetry, walks
from rbgp_graphs.spectral.certificate import Certificate
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs import ClosedWalks
from rbgp_graphs.spectral.threshold import Threshold
from rbgp_graphs.testing.strategies import biregular_graphs
from tests.spectral.reference import plain
from tests.spectral.test_certificate import moved_edge

#: Graphs on all kinds of groups: PGL and PSL, prime fields and others, odd and even.
CAYLEY = [
    rg.lps(3, 5),
    rg.lps(5, 11).T,
    rg.lps(3, 11),
    rg.chiu(3),
    rg.chiu(17),
    rg.morgenstern(2, 2),
    rg.morgenstern(3, 2),
    rg.morgenstern(3, 2).T,
]


def numbers_for(graph: BipartiteGraph) -> ClosedWalks:
    certificate = verify(graph, level="proved", theorems=False).certificate
    assert certificate is not None
    assert isinstance(certificate.proof, ClosedWalks)
    return certificate.proof


@pytest.mark.parametrize("graph", CAYLEY, ids=str)
def test_a_cayley_graph_is_proved_without_its_theorem(graph: BipartiteGraph) -> None:
    verdict = verify(graph, level="proved", theorems=False)
    assert (verdict.status, verdict.is_ramanujan) == ("proved", True)
    assert "theorem" not in verdict.method
    certificate = verdict.certificate
    assert certificate is not None
    assert Certificate.from_dict(certificate.to_dict()).check(plain(graph))
    other = moved_edge(graph, 0)
    assert not certificate.check(other)
    # With the symmetry gone the proof shows nothing, although the other graph may keep the bound.
    assert certificate.proof.decide(other, Threshold.ramanujan(*graph.degrees)) is None  # type: ignore[misc]


@pytest.mark.parametrize("graph", CAYLEY, ids=str)
def test_translations_of_the_group_have_one_orbit(graph: BipartiteGraph) -> None:
    proof = numbers_for(graph)
    rows = Rows.of_graph(graph.T if proof.transposed else graph)
    permutations = symmetry.projective_translations(proof.order)
    assert permutations is not None
    found = symmetry.orbits(rows, permutations)
    assert found is not None
    assert not found.any()


def test_what_is_no_symmetry_is_refused() -> None:
    rows, everyone = Rows.of_graph(rg.lps(3, 5)), np.arange(60)
    np.testing.assert_array_equal(symmetry.orbits(rows, []), everyone)
    np.testing.assert_array_equal(symmetry.orbits(rows, [everyone]), everyone)
    swapped = everyone.copy()
    swapped[:2] = (1, 0)
    for wrong in (swapped, np.zeros(60, dtype=np.int64), everyone[:59], everyone - 1):
        assert symmetry.orbits(rows, [wrong]) is None
    assert symmetry.projective_translations(6) is None


@settings(max_examples=40, deadline=None)
@given(
    biregular_graphs(min_degree=1),
    st.integers(0, 6),
    st.integers(1, 1000),
    st.integers(1, 8),
    st.integers(1, 300),
)
def test_an_accepted_count_always_bounds_the_spectrum(
    graph: BipartiteGraph, bits: int, inner: int, degree: int, tenths: int
) -> None:
    if not graph.is_connected or graph.degrees is None:
        return
    rows, threshold = Rows.of_graph(graph), Threshold(tenths, 0, 10)
    matrix = graph.biadjacency(np.float64).toarray()
    values = np.linalg.svd(matrix, compute_uv=False) ** 2
    second = values[1] if len(values) > 1 else 0.0
    everyone = np.arange(rows.size)
    if walks.is_proof(rows, threshold, everyone, bits, inner, degree):
        assert second < tenths / 10 + 1e-9
    parameters = walks.propose(rows, threshold, float(second))
    if second < tenths / 10 - 0.2:
        assert parameters is not None
        assert walks.is_proof(rows, threshold, everyone, *parameters)


@pytest.mark.parametrize(("bits", "inner", "degree"), [(3, 40, 4), (0, 7, 1), (2, 30, 7)])
def test_the_norms_are_those_of_the_polynomial(bits: int, inner: int, degree: int) -> None:
    graph = rg.lps(3, 5)
    rows = Rows.of_graph(graph)
    gram = rows.gram().astype(np.int64).astype(object)
    one = np.eye(60, dtype=np.int64).astype(object)
    before, value = one, 2 ** (bits + 1) * gram - inner * one
    for _ in range(degree - 1):
        step = 2 * (2 ** (bits + 1) * gram - inner * one)
        before, value = value, step @ value - inner**2 * before
    limit = max(abs(walks._value(16 << bits, inner, degree)), inner**degree)
    moduli = walks._coprime_numbers(60 * limit**2)
    assert math.prod(moduli) > 60 * limit**2
    for place in (0, 17):
        expected = sum(int(x) ** 2 for x in value[:, place])
        assert walks._squared_norm(rows, place, bits, inner, degree, moduli) == expected


def test_other_numbers_prove_nothing() -> None:
    graph = rg.lps(5, 7)
    proof, threshold = numbers_for(graph), Threshold.ramanujan(6, 6)
    assert proof.decide(graph, threshold) is True
    for wrong in (
        replace(proof, order=8),
        replace(proof, order=5),
        replace(proof, degree=1),
        replace(proof, inner=2**59),
        replace(proof, inner=1),
        replace(proof, bits=40),
    ):
        assert wrong.decide(graph, threshold) is None
    # sigma2 is 4: nothing below 16 can be proved, whatever the numbers.
    for degree in (1, 5, 20, 100):
        assert replace(proof, degree=degree).decide(graph, Threshold(16, 0)) is None
    assert proof.decide(rg.complete(6, 6), threshold) is None


def test_a_count_that_would_take_too_long_is_not_begun() -> None:
    rows = Rows.of_graph(rg.lps(5, 11))
    assert not walks.is_proof(rows, Threshold(20, 0), np.arange(660), 40, 2**44, 1024)
