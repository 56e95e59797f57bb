"""The exact methods behind certificates, each against independent arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph
from rbgp_graphs.spectral import charpoly, cholesky, refutation, theorems
from rbgp_graphs.spectral.charpoly import RootCount
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.threshold import Threshold
from rbgp_graphs.testing.strategies import biregular_graphs
from tests.spectral.reference import GRAPHS, build

thresholds = st.builds(
    Threshold, st.integers(0, 10**6), st.integers(0, 10**9), st.integers(1, 1000)
)


@given(thresholds, st.integers(0, 80))
def test_the_floor_of_a_threshold_encloses_it(threshold: Threshold, bits: int) -> None:
    floor = threshold.floor(bits)
    assert threshold.compare(floor, 2**bits) <= 0 < threshold.compare(floor + 1, 2**bits)


@given(thresholds, st.fractions(-5, 10**4))
def test_comparison_with_a_threshold_agrees_with_high_precision(
    threshold: Threshold, value: Fraction
) -> None:
    exact = flint.arb(threshold.a) + flint.arb(threshold.b).sqrt()
    exact = exact / threshold.c - flint.arb(flint.fmpq(value.numerator, value.denominator))
    sign = threshold.compare(value.numerator, value.denominator)
    assert not (exact > 0 and sign >= 0)
    assert not (exact < 0 and sign <= 0)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=6),
    st.integers(0, 8),
    st.integers(0, 30),
    st.integers(1, 4),
    st.integers(0, 2),
)
def test_roots_are_counted_exactly_next_to_and_on_the_threshold(
    roots: list[int], a: int, b: int, c: int, ties: int
) -> None:
    threshold = Threshold(a, b, c)
    polynomial = flint.fmpz_poly([1])
    for root in roots:
        polynomial *= flint.fmpz_poly([-root, 1])
    # Both conjugates (a +- sqrt(b)) / c; the lower one may meet the upper one.
    for _ in range(ties):
        polynomial *= flint.fmpz_poly([a * a - b, -2 * a * c, c * c])
    compared = [threshold.compare(root) for root in roots]
    equal = compared.count(0) + ties * (2 if b == 0 else 1)
    found = charpoly.count_roots(polynomial, 0, threshold)
    assert found is not None
    assert found.above == compared.count(1)
    if threshold.root is not None:
        assert found.equal == equal
    else:
        assert (found.equal > 0) == (equal > 0)


def test_a_root_very_close_to_the_threshold_is_no_tie() -> None:
    near = flint.fmpz_poly([-(10**40 + 1), 10**40])  # 1 + 1e-40
    assert charpoly.count_roots(near, 0, Threshold(1, 0)) == RootCount(1, 0)
    below = flint.fmpz_poly([-(10**40 - 1), 10**40])
    assert charpoly.count_roots(below, 0, Threshold(1, 0)) == RootCount(0, 0)


_HASHED = [e for e in GRAPHS if min(e["U"], e["V"]) <= 170 and "charpoly_BBt_sha256" in e]


@pytest.mark.parametrize("entry", _HASHED, ids=[entry["name"] for entry in _HASHED])
def test_characteristic_polynomials_are_those_of_the_reference(entry: Any) -> None:
    pattern = build(entry)
    if not isinstance(pattern, BipartiteGraph):
        pattern = BipartiteGraph.from_biadjacency(pattern.to_csr())
    polynomial = charpoly.characteristic_polynomial(Rows.of_graph(pattern))
    assert charpoly.polynomial_digest(polynomial) == entry["charpoly_BBt_sha256"]


@settings(max_examples=80, deadline=None)
@given(biregular_graphs(min_degree=1), thresholds, st.data())
def test_an_accepted_factor_always_bounds_the_spectrum(
    graph: BipartiteGraph, threshold: Threshold, data: st.DataObject
) -> None:
    """Whatever the parameters are, acceptance is a proof; refusal says nothing."""
    rows = Rows.of_graph(graph)
    threshold = Threshold(threshold.a % 30, threshold.b % 500, threshold.c % 3 + 1)
    bits, shift = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 2**50))
    fine = data.draw(st.integers(-1, 13))
    if cholesky.is_proof(rows, threshold, bits, shift % 4 ** min(bits, 25), fine):
        polynomial = charpoly.characteristic_polynomial(rows)
        assert charpoly.count_roots(polynomial, rows.trivial, threshold) == RootCount(0, 0)


@pytest.mark.parametrize("below", [1, 10**3, 10**5])
def test_the_factor_refuses_what_is_above_the_threshold(below: int) -> None:
    rows = Rows.of_graph(rg.field_lift(4, 4, 2, 3))  # the largest eigenvalue is 8
    threshold = Threshold(8 * below - 1, 0, below)
    for bits in (10, 18, 23):
        for shift in (0, 1, 4**bits // 1000, 4**bits):
            for fine in (0, 5, 12):
                assert not cholesky.is_proof(rows, threshold, bits, shift, fine)
    assert not cholesky.is_proof(rows, Threshold(8, 0), 23, 4**21)
    assert cholesky.is_proof(rows, Threshold(9, 0), 23, 4**22)


def test_the_largest_entries_are_refused_before_anything_is_inexact() -> None:
    rows = Rows.of_graph(rg.lps(3, 5))
    assert cholesky.is_proof(rows, Threshold(12, 0), 20, 4**20)
    assert not cholesky.is_proof(rows, Threshold(2**30, 0), 20, 4**20)
    assert not cholesky.is_proof(rows, Threshold(12, 0), 20, -1)
    assert not cholesky.is_proof(rows, Threshold(12, 0), 27, 4**20)
    assert not cholesky.is_proof(rows, Threshold(12, 0), 20, 4**20, 13)


def test_a_blocked_factor_is_checked_like_an_unblocked_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows.of_graph(rg.lps(5, 7))
    threshold = Threshold.ramanujan(6, 6)
    parameters = cholesky.propose(rows, threshold, 16.0)
    assert parameters is not None
    bits, shift, fine = parameters
    assert fine == 0
    for block in (7, 50, 1024):
        monkeypatch.setattr(cholesky, "_BLOCK", block)
        assert cholesky.is_proof(rows, threshold, bits, shift)
        assert cholesky.is_proof(rows, threshold, bits, shift, 12)
        # Without the shift the rounding of L must show up somewhere.
        assert not cholesky.is_proof(rows, Threshold(16 * 10**8 + 1, 0, 10**8), bits, 1)


@pytest.mark.parametrize(("digits", "fine"), [(3, 0), (5, 12), (6, 12), (7, 12)])
def test_little_room_is_enough_with_further_bits(digits: int, fine: int) -> None:
    rows = Rows.of_graph(rg.lps(5, 7))  # the largest eigenvalue is 16
    threshold = Threshold(16 * 10**digits + 1, 0, 10**digits)
    parameters = cholesky.propose(rows, threshold, 16.0)
    assert parameters is not None
    assert parameters[2] == fine
    assert cholesky.is_proof(rows, threshold, *parameters)
    assert not cholesky.is_proof(rows, Threshold(16, 0), *parameters)
    if fine:
        assert not cholesky.is_proof(rows, threshold, *parameters[:2])


def test_no_factor_is_tried_without_room() -> None:
    rows = Rows.of_graph(rg.lps(5, 7))
    assert cholesky.propose(rows, Threshold(16, 0), 16.0) is None
    assert cholesky.propose(rows, Threshold(2**60, 0), 16.0) is None


def test_signed_rows_count_every_vector() -> None:
    lift = rg.two_lift(rg.complete(2, 2), [1, 1, 1, -1])
    parts = theorems.split_two_lift(lift)
    assert parts is not None
    base, signed = parts
    assert base == rg.complete(2, 2)
    polynomial = charpoly.characteristic_polynomial(signed)
    assert charpoly.count_roots(polynomial, signed.trivial, Threshold(2, 0)) == RootCount(0, 2)
    assert cholesky.is_proof(signed, Threshold(3, 0), 20, 4**19)
    assert not cholesky.is_proof(signed, Threshold(2, 0), 20, 0)


def test_a_test_vector_must_be_orthogonal_to_the_trivial_one() -> None:
    rows = Rows.of_graph(rg.projective_plane(2))
    ones = np.ones(7, dtype=np.int32)
    assert not refutation.exceeds(rows, ones, Threshold(2, 0))
    assert not refutation.exceeds(rows, np.zeros(7, dtype=np.int32), Threshold(0, 0))
    difference = np.array([1, -1, 0, 0, 0, 0, 0], dtype=np.int32)
    assert refutation.exceeds(rows, difference, Threshold(19, 0, 10))
    assert not refutation.exceeds(rows, difference, Threshold(2, 0))
    assert not refutation.exceeds(rows, difference[:6], Threshold(1, 0))


def test_the_gram_identity_needs_the_right_square() -> None:
    rows = Rows.of_graph(rg.projective_plane(3))
    assert theorems.satisfies_gram_identity(rows, 3)
    assert not theorems.satisfies_gram_identity(rows, 4)
    assert not theorems.satisfies_gram_identity(Rows.of_graph(rg.lps(3, 5)), 9)


def test_a_graph_that_is_no_lift_is_not_split() -> None:
    assert theorems.split_two_lift(rg.projective_plane(2)) is None  # odd sides
    assert theorems.split_two_lift(rg.complete(4, 4)) is None  # parallel edges below
    assert theorems.split_two_lift(rg.lps(3, 5)) is None
