"""Proofs of abelian covers, one character at a time."""

from __future__ import annotations

import math
from dataclasses import replace

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, verify
from rbgp_graphs.constructions import abelian_cover
from rbgp_graphs.spectral import characters
from rbgp_graphs.spectral.characters import Blocks
from rbgp_graphs.spectral.proofs import AbelianCover, GramIdentity
from rbgp_graphs.spectral.roots import roots_of_unity
from rbgp_graphs.spectral.threshold import Threshold
from tests.spectral.reference import plain


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 52))
def test_roots_of_unity_are_within_one_of_the_exact_ones(order: int, bits: int) -> None:
    real, imaginary = roots_of_unity(order, bits)
    assert real.shape == imaginary.shape == (order,)
    # Balls of python-flint enclose the exact numbers.
    with flint.ctx.workprec(160):
        for j in {0, 1 % order, order // 4, order // 2, order - 1}:
            angle = flint.arb(2 * flint.fmpq(j, order))
            difference = flint.acb(angle.cos_pi(), angle.sin_pi()) * 2**bits
            difference -= flint.acb(int(real[j]), int(imaginary[j]))
            assert difference.abs_upper() < 1
            assert (real[-j], imaginary[-j]) == (real[j], -imaginary[j])


@st.composite
def covers(draw: st.DrawFn) -> tuple[BipartiteGraph, tuple[int, ...], bool]:
    """Return a biregular cover, its group and its numbering."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        a, b = draw(st.sampled_from([(2, 2), (3, 3), (2, 4), (4, 2), (3, 6)]))
        k = draw(st.integers(2, 9))
        return rg.cyclic_lift(rg.complete(a, b), k, rng.integers(0, k, a * b)), (k,), True
    orders = draw(st.sampled_from([(5,), (2, 3), (2, 2, 2), (4, 2), (3, 3)]))
    k = math.prod(orders)
    a, b, weight = draw(st.sampled_from([(1, 1, 3), (2, 2, 2), (1, 2, 2), (2, 1, 1)]))
    blocks = np.zeros((a, b, k), dtype=bool)
    for block in blocks.reshape(-1, k):
        block[rng.choice(k, size=weight, replace=False)] = True
    return abelian_cover(orders, blocks), orders, False


def blocks_of(graph: BipartiteGraph, orders: tuple[int, ...], copies_first: bool) -> Blocks:
    blocks = characters.split(graph, orders, copies_first)
    assert blocks is not None
    return blocks


@settings(max_examples=30, deadline=None)
@given(covers())
def test_the_matrices_of_all_characters_have_the_spectrum_of_the_graph(
    cover: tuple[BipartiteGraph, tuple[int, ...], bool],
) -> None:
    graph, orders, copies_first = cover
    blocks, bits = blocks_of(graph, orders, copies_first), 20
    found = []
    for matrices in characters._matrices(blocks, bits):
        assert (matrices == matrices.conj().transpose(0, 2, 1)).all()
        found.append(np.linalg.eigvalsh(matrices) / 4**bits)
    values = np.concatenate(found)
    # Conjugate characters come once; the trivial eigenvalue is missing.
    matrix = graph.biadjacency(np.float64).toarray()
    gram = matrix @ matrix.T if graph.left <= graph.right else matrix.T @ matrix
    expected = np.linalg.eigvalsh(gram - blocks.walks / len(gram))
    distinct = np.unique(expected.round(5))
    np.testing.assert_allclose(np.unique(values.round(5)), distinct, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(covers(), st.integers(0, 30), st.integers(0, 2**50), st.integers(1, 400))
def test_an_accepted_cover_is_always_below_the_threshold(
    cover: tuple[BipartiteGraph, tuple[int, ...], bool], bits: int, shift: int, tenths: int
) -> None:
    graph, orders, copies_first = cover
    blocks = blocks_of(graph, orders, copies_first)
    threshold = Threshold(tenths, 0, 10)
    matrix = graph.biadjacency(np.float64).toarray()
    values = np.linalg.svd(matrix, compute_uv=False) ** 2
    parameters = [(bits, shift % 4 ** min(bits, 25)), characters.propose(blocks, threshold)]
    for given_parameters in filter(None, parameters):
        if characters.is_proof(blocks, threshold, *given_parameters):
            assert len(values) == 1 or values[1] < tenths / 10 + 1e-9
    if len(values) > 1 and graph.is_connected and values[1] < tenths / 10 - 1e-3:
        assert parameters[1] is not None
        assert characters.is_proof(blocks, threshold, *parameters[1])


def test_a_cover_is_proved_by_its_characters_with_and_without_a_recipe() -> None:
    rng = np.random.default_rng(1)
    graph = rg.cyclic_lift(rg.complete(6, 6), 21, rng.integers(0, 21, 36))
    # A Haar graph of a perfect difference set: a projective plane.
    plane = abelian_cover([13], [[np.isin(np.arange(13), (0, 1, 3, 9))]])
    group = abelian_cover([2, 6], np.ones((1, 1, 12)) - np.eye(1, 12))
    for same in (graph, plain(graph), graph.T, plain(graph.T), plane, group, group.T):
        verdict = verify(same, level="proved")
        assert (verdict.status, verdict.is_ramanujan) == ("proved", True)
        assert verdict.certificate is not None
        assert isinstance(verdict.certificate.proof, (AbelianCover, GramIdentity))
        assert verdict.certificate.check(same)
    assert "group Z2 x Z6" in verify(group, level="proved").method
    assert "group Z21" in verify(plain(graph), level="proved").method


def test_a_cover_of_4096_vertices_needs_no_large_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbgp_graphs.spectral.cholesky.LARGEST_SIDE", 40)
    rng = np.random.default_rng(0)
    while True:
        graph = rg.cyclic_lift(rg.complete(32, 32), 128, rng.integers(0, 128, 1024))
        if verify(graph).is_ramanujan:
            break
    verdict = verify(graph, level="proved")
    assert (verdict.status, verdict.is_ramanujan) == ("proved", True)


def test_what_is_no_cover_is_not_taken_apart() -> None:
    graph = rg.cyclic_lift(rg.complete(3, 3), 4, [0, 1, 2, 3, 0, 2, 1, 1, 3])
    assert characters.split(graph, (4,), True) is not None
    assert characters.split(graph, (4,), False) is None
    assert characters.split(graph, (2, 2), True) is None
    assert characters.split(graph, (5,), True) is None
    assert characters.split(rg.lps(3, 5), (60,), True) is None
    # A subgroup acts too.
    assert characters.split(graph, (2,), True) is not None


def test_a_tie_is_left_to_other_methods() -> None:
    tie = rg.cyclic_lift(rg.complete(3, 3), 2, [0, 0, 0, 0, 1, 0, 0, 0, 0])
    blocks = blocks_of(tie, (2,), True)
    largest = max(np.linalg.eigvalsh(m)[:, -1].max() for m in characters._matrices(blocks, 20))
    exact = Threshold(round(largest / 4**20 * 10**12), 0, 10**12)
    assert characters.propose(blocks, exact) is None
    for shift in (0, 1, 1000, 4**12):
        assert not characters.is_proof(blocks, exact, 20, shift)


def test_a_certificate_of_a_cover_fails_with_other_numbers() -> None:
    rng = np.random.default_rng(1)
    graph = rg.cyclic_lift(rg.complete(6, 6), 21, rng.integers(0, 21, 36))
    proof = verify(graph, level="proved").certificate.proof  # type: ignore[union-attr]
    assert isinstance(proof, AbelianCover)
    threshold = Threshold.ramanujan(6, 6)
    assert proof.decide(graph, threshold) is True
    for wrong in (
        replace(proof, orders=(20,)),
        replace(proof, orders=(3, 7, 2)),
        replace(proof, copies_first=False),
        replace(proof, shift=2**50),
        replace(proof, bits=26),
    ):
        assert wrong.decide(graph, threshold) is None
    second = verify(graph).sigma2 ** 2
    assert proof.decide(graph, Threshold(math.floor(second * 1000), 0, 1000)) is None
