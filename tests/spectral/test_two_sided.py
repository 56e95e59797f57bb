"""The criterion for both ends of the spectrum."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, TensorProduct, verify
from rbgp_graphs.errors import FormatError
from rbgp_graphs.spectral.certificate import Certificate, _checksum
from rbgp_graphs.spectral.proofs import TwoSided
from rbgp_graphs.testing.strategies import biregular_graphs, lifts, patterns
from tests.spectral.test_certificate import moved_edge

_EXPECTED = [
    (rg.affine_plane(3), True),
    (rg.affine_plane(5).T, True),
    (rg.complete(2, 4), False),
    (rg.complete(1, 5), True),
    (rg.complete(3, 3), True),
    (rg.array_code(5, 3), False),
    (rg.array_code(3, 7), False),
    (rg.generalized_quadrangle(2, 4), False),
    (rg.lps(3, 5), True),
    (rg.random_biregular(20, 40, 6, rng=1), True),
]


@pytest.mark.parametrize(("graph", "expected"), _EXPECTED, ids=str)
def test_known_graphs(graph: BipartiteGraph, expected: bool) -> None:
    assert verify(graph, two_sided=True).is_ramanujan is expected
    verdict = verify(graph, level="proved", two_sided=True)
    assert (verdict.is_ramanujan, verdict.two_sided) == (expected, True)
    assert verdict.status == ("proved" if expected else "refuted")
    certificate = verdict.certificate
    assert certificate is not None
    assert certificate.two_sided
    text = json.dumps(certificate.to_dict())
    assert Certificate.from_dict(json.loads(text)) == certificate
    assert certificate.check(graph)
    # The two statements have different certificates.
    single = verify(graph, level="proved").certificate
    assert single is not None
    assert not single.two_sided


@settings(max_examples=60, deadline=None)
@given(st.one_of(biregular_graphs(), lifts(), patterns(max_side=3)))
def test_the_answer_is_that_of_a_dense_svd(pattern: BipartiteGraph | TensorProduct) -> None:
    if isinstance(pattern, BipartiteGraph):
        if pattern.degrees is None:
            return
        matrix = pattern.biadjacency(np.float64).toarray()
        dl, dr = pattern.degrees
    else:
        matrix = pattern.mask().astype(float)
        dl, dr = pattern.row_degree, pattern.col_degree
    values = np.linalg.svd(matrix, compute_uv=False)
    verdict = verify(pattern, level="proved", two_sided=True)
    assert verdict.sigma_min == pytest.approx(values[-1], abs=1e-6)
    low = abs(math.sqrt(dl - 1) - math.sqrt(dr - 1))
    assert verdict.lower_bound == pytest.approx(low)
    upper = verify(pattern, level="proved").is_ramanujan
    if abs(values[-1] - low) > 1e-6:
        assert verdict.is_ramanujan is (upper and bool(low == 0 or values[-1] > low))
    if verdict.certificate is not None:
        assert verdict.certificate.check(pattern)
    if isinstance(pattern, BipartiteGraph):
        assert verdict.certificate is not None


def test_a_certificate_for_one_graph_fails_on_another() -> None:
    for graph in (rg.affine_plane(3), rg.random_biregular(20, 40, 6, rng=1), rg.array_code(5, 3)):
        certificate = verify(graph, level="proved", two_sided=True).certificate
        assert certificate is not None
        for seed in range(5):
            other = moved_edge(graph, seed)
            assert not certificate.check(other)
            forged = Certificate(
                ramanujan=certificate.ramanujan, digest=other.digest, proof=certificate.proof
            )
            if forged.check(other):
                truth = verify(other, level="proved", two_sided=True)
                assert truth.is_ramanujan is certificate.ramanujan


def test_a_refuted_lower_bound_never_stands_for_the_upper_one() -> None:
    graph = rg.complete(2, 4)
    certificate = verify(graph, level="proved", two_sided=True).certificate
    assert certificate is not None
    assert isinstance(certificate.proof, TwoSided)
    # K_2,4 is Ramanujan; no way of nesting the refutation may show the contrary.
    pattern = TensorProduct(graph, rg.complete(1, 1))
    for proof in (
        {"kind": "product_factor", "name": "factor 0", "factor": certificate.proof.to_dict()},
        {"kind": "product_factor", "name": "factor 0",
         "factor": certificate.proof.lower.to_dict()},  # type: ignore[union-attr]
        certificate.proof.lower.to_dict(),  # type: ignore[union-attr]
    ):  # fmt: skip
        for subject in (graph, pattern):
            data = {
                "kind": "ramanujan_certificate",
                "version": 1,
                "ramanujan": False,
                "digest": subject.digest,
                "proof": proof,
            }
            data["checksum"] = _checksum(data)
            try:
                forged = Certificate.from_dict(data)
            except FormatError:
                continue
            assert not forged.check(subject)


def test_a_product_without_a_rule_stays_numeric() -> None:
    pattern = TensorProduct(rg.complete(1, 2), rg.affine_plane(3))
    verdict = verify(pattern, level="proved", two_sided=True)
    if verify(pattern, level="proved").is_ramanujan:
        assert verdict.status == "numeric"
        assert "not proved" in verdict.method
    square = TensorProduct(rg.projective_plane(2), rg.projective_plane(2))
    assert verify(square, level="proved", two_sided=True).status == "proved"
