"""Certificates and recipes by somebody who wants a wrong proof, or memory and time for nothing."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, verify
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.spectral import characters, symmetry
from rbgp_graphs.spectral.certificate import Certificate, squared_bound
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs import (
    AbelianCover,
    CharacteristicPolynomial,
    Cholesky,
    ClosedWalks,
    Connected,
    Disconnected,
    GramIdentity,
    Pattern,
    Product,
    ProductFactor,
    Proof,
    TestVector,
    Theorem,
    TwoLift,
    TwoSided,
)


def shows(pattern: Pattern, proof: Proof | TwoSided) -> bool | None:
    """Return what a certificate with this proof and the right digest is accepted for."""
    accepted = [
        claim
        for claim in (True, False)
        if Certificate(ramanujan=claim, digest=pattern.digest, proof=proof).check(pattern)
    ]
    assert len(accepted) < 2
    return accepted[0] if accepted else None


def relabelled(graph: BipartiteGraph, seed: int = 0) -> BipartiteGraph:
    rng = np.random.default_rng(seed)
    dense = graph.biadjacency().toarray()
    mixed = dense[rng.permutation(graph.left)][:, rng.permutation(graph.right)]
    return BipartiteGraph.from_biadjacency(mixed)


def circulant(differences: tuple[int, ...], k: int) -> BipartiteGraph:
    edges = [(i, (i + d) % k) for i in range(k) for d in differences]
    return BipartiteGraph.from_edges(edges, shape=(k, k))


#: Not Ramanujan, whatever is said about them: a long prism, two components, K33 with K33, a
#: product, a random cover, and a matching.
BAD: list[Pattern] = [
    circulant((0, 1, 2), 40),
    BipartiteGraph.from_biadjacency(np.kron(np.eye(2), np.ones((3, 3)))),
    BipartiteGraph.from_biadjacency(np.kron(np.eye(2), rg.lps(3, 5).biadjacency().toarray())),
    rg.TensorProduct(rg.lps(3, 5), rg.complete(4, 1)),
    BipartiteGraph.from_biadjacency(np.eye(6)),
]
#: A proof of every kind, of a true statement about some other graph or with greedy numbers.
PROOFS: list[Proof] = [
    AbelianCover((40,), False, 20, 2**30),
    AbelianCover((40,), True, 10, 0),
    AbelianCover((2,), True, 20, 2**30),
    AbelianCover((2, 3), True, 20, 2**20),
    AbelianCover((3, 2), False, 20, 2**20),
    CharacteristicPolynomial("0" * 64, 0),
    Cholesky(22, 2**40, 0),
    Cholesky(4, 0, 12),
    ClosedWalks(5, False, 10, 9000, 30),
    ClosedWalks(5, True, 0, 8, 1),
    Connected(),
    GramIdentity(1),
    GramIdentity(6),
    Theorem("lps", (("p", 3), ("q", 5)), transposed=False),
    Theorem("projective_plane", (("q", 2),), transposed=True),
    Theorem("field_lift", (("b", 3), ("j", 1), ("m", 1), ("q", 3)), transposed=False),
]
PROOFS += [TwoLift(proof, Cholesky(20, 2**20)) for proof in PROOFS[:12]]
PROOFS += [Product((proof, Connected())) for proof in PROOFS]


@pytest.mark.parametrize("pattern", BAD, ids=str)
def test_no_proof_of_any_kind_makes_a_bad_graph_ramanujan(pattern: Pattern) -> None:
    assert verify(pattern, level="proved").is_ramanujan is False
    for proof in PROOFS:
        assert shows(pattern, proof) is not True
        assert shows(pattern, TwoSided(proof, Cholesky(20, 1))) is not True


@pytest.mark.parametrize(
    "graph",
    [
        rg.lps(3, 5),
        rg.projective_plane(3),
        rg.field_lift(4, 4, 3, 6),
        rg.complete(4, 4),
        rg.complete(1, 5),
        circulant((0, 1), 30),
        BipartiteGraph.from_edges([(0, 0)], shape=(1, 1)),
    ],
    ids=str,
)
def test_no_refutation_is_accepted_for_a_ramanujan_graph(graph: BipartiteGraph) -> None:
    """Ties, cycles, stars and single edges are Ramanujan."""
    small, count = min(graph.shape), sum(graph.shape)
    vector = np.arange(small, dtype="<i4") - small // 2
    largest = np.full(small, 2**31 - 1, dtype="<i4")
    smallest = np.full(small, -(2**31), dtype="<i4")
    mask = np.packbits(np.arange(count) % 2 == 0).tobytes()
    proofs: list[Proof] = [TestVector(x.tobytes()) for x in (vector, largest, smallest)]
    proofs += [Disconnected(mask), Disconnected(b""), Disconnected(bytes(len(mask)))]
    proofs += [GramIdentity(1), GramIdentity(2**53 - 1), CharacteristicPolynomial("0" * 64, 1)]
    proofs += [ProductFactor("outer", Disconnected(mask))]
    for proof in proofs:
        assert shows(graph, proof) is not False
        assert shows(graph, TwoSided(proof, None)) is not False
    assert verify(graph, level="proved").is_ramanujan is True


def test_a_copy_with_other_labels_is_another_graph_to_a_theorem_and_to_symmetries() -> None:
    graph = rg.lps(3, 5)
    other = relabelled(graph)
    walked = verify(graph, level="proved", theorems=False).certificate
    named = verify(graph, level="proved").certificate
    assert walked is not None
    assert named is not None
    for certificate in (walked, named):
        assert not certificate.check(other)
        assert shows(other, certificate.proof) is None
    # The statement is true of the copy; it needs a proof of its own.
    assert verify(other, level="proved").status == "proved"


def test_a_theorem_about_other_parameters_or_the_other_side_shows_nothing() -> None:
    plane, hermitian = rg.generalized_quadrangle(2, 4), rg.generalized_quadrangle(4, 2)
    right = Theorem("generalized_quadrangle", (("s", 2), ("t", 4)), transposed=False)
    assert shows(plane, right) is True
    for wrong in (
        replace(right, parameters=(("s", 4), ("t", 2))),
        replace(right, transposed=True),
        replace(right, parameters=(("s", 2**53 - 1), ("t", 2**53 - 1))),
        Theorem("lps", (("p", 2**53 - 1), ("q", 2**53 - 1)), transposed=False),
        Theorem("morgenstern", (("d", 64), ("q", 2**53 - 1)), transposed=False),
    ):
        assert shows(plane, wrong) is None
    assert shows(hermitian, right) is None


def test_a_voltage_changed_in_one_copy_ends_the_action_of_the_group() -> None:
    rng = np.random.default_rng(3)
    graph = rg.cyclic_lift(rg.complete(4, 4), 9, rng.integers(0, 9, 16))
    found = verify(graph, level="proved").certificate
    assert found is not None
    assert isinstance(found.proof, AbelianCover)
    dense = graph.biadjacency().toarray()
    # Two edges of two rows change ends, so that all degrees stay.
    u, w = 0, next(w for w in range(1, 36) if not (dense[0] & dense[w]).any())
    v, x = np.flatnonzero(dense[u])[0], np.flatnonzero(dense[w])[0]
    dense[u, v] = dense[w, x] = False
    dense[u, x] = dense[w, v] = True
    switched = BipartiteGraph.from_biadjacency(dense)
    assert switched.degrees == graph.degrees
    assert shows(switched, found.proof) is None
    # Another group of the same order does not act, and the same group in another numbering.
    assert shows(graph, replace(found.proof, orders=(3, 3))) is None
    assert shows(relabelled(graph), found.proof) is None


def test_factors_of_a_product_cannot_be_swapped_or_borrowed() -> None:
    # Both keep to the threshold of the whole: it is a product of planes that is Ramanujan.
    good = rg.TensorProduct(rg.projective_plane(2), rg.complete(4, 4))
    verdict = verify(good, level="proved")
    assert verdict.certificate is not None
    proof = verdict.certificate.proof
    assert isinstance(proof, Product)
    assert shows(good, proof) is True
    assert shows(good, Product(proof.factors[::-1])) is None
    assert shows(good, Product(proof.factors[:1])) is None
    assert shows(good, Product((*proof.factors, Connected()))) is None
    assert shows(good, Product(())) is None
    assert not verdict.certificate.check(
        rg.TensorProduct(rg.complete(4, 4), rg.projective_plane(2))
    )
    bad = rg.TensorProduct(rg.lps(3, 5), rg.complete(4, 1))
    # Each factor is Ramanujan, and that is not enough.
    borrowed = verify(rg.lps(3, 5), level="proved").certificate
    assert borrowed is not None
    assert shows(bad, Product((borrowed.proof, Connected()))) is None  # type: ignore[arg-type]


def test_a_refutation_of_one_end_says_nothing_about_the_other() -> None:
    graph = rg.array_code(5, 3)
    both = verify(graph, level="proved", two_sided=True).certificate
    assert both is not None
    assert isinstance(both.proof, TwoSided)
    assert both.proof.lower is not None
    assert both.ramanujan is False
    # The vector that refutes the lower end must not pass for one about the upper end.
    assert shows(graph, both.proof.lower) is None
    assert shows(graph, TwoSided(both.proof.lower, None)) is None
    assert verify(graph, level="proved").is_ramanujan is True


def peak_bytes(pattern: Pattern, proof: Proof) -> int:
    threshold = squared_bound(pattern)
    assert threshold is not None
    tracemalloc.start()
    try:
        assert proof.decide(pattern, threshold) is None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_small_certificate_cannot_ask_for_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would take gigabytes for a graph of a few times the size."""
    lift = rg.field_lift(64, 64, 1, 4)
    assert characters.split(lift, (2,), False) is not None
    monkeypatch.setattr(characters, "_LARGEST_TERMS", 2**18)
    assert peak_bytes(lift, AbelianCover((2,), False, 20, 2**30)) < 2**23
    monkeypatch.undo()
    monkeypatch.setattr(characters, "_LARGEST_EDGES", 2**10)
    assert peak_bytes(lift, AbelianCover((2,), False, 20, 2**30)) < 2**23
    cayley = rg.lps(13, 11)
    monkeypatch.setattr(symmetry, "_LARGEST_GRAM", 660 * 183 - 1)
    assert peak_bytes(cayley, ClosedWalks(11, False, 5, 1700, 20)) < 2**22
    monkeypatch.setattr(symmetry, "_LARGEST_GRAM", 660 * 183)
    assert symmetry.orbits(Rows.of_graph(cayley), []) is not None


def test_the_twisted_core_of_a_small_pattern_is_not_built_beyond_a_limit() -> None:
    outer = inner = rg.complete(256, 256)
    shifts = np.ones(outer.num_edges, dtype=np.int64)
    pattern = rg.RBGP4(outer, (1, 1), inner, (1, 1), shifts)
    with pytest.raises(ArgumentError, match="the twisted product of the outer and inner graph"):
        verify(pattern)
    certificate = Certificate(ramanujan=True, digest=pattern.digest, proof=Product(()))
    with pytest.raises(ArgumentError, match="the twisted product of the outer and inner graph"):
        certificate.check(pattern)
