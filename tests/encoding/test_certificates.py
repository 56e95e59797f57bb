"""Certificates in files: stored as they are, loaded without belief, checked on request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs import BipartiteGraph, TensorProduct, verify
from rbgp_graphs.encoding import Loaded, dumps, loads
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.testing.strategies import biregular_graphs, lifts, patterns
from tests.encoding.forging import document_of, sealed
from tests.encoding.independent_reader import claims

Pattern = BipartiteGraph | TensorProduct
_PLANE = rg.projective_plane(2)
_LIFT = rg.cyclic_lift(rg.complete(6, 6), 21, np.random.default_rng(1).integers(0, 21, 36))
_PATTERN = rg.RBGP4(rg.field_lift(4, 4, 1, 2), (2, 1), rg.field_lift(4, 4), (1, 1))


def plain(graph: BipartiteGraph) -> BipartiteGraph:
    return BipartiteGraph.from_biadjacency(graph.biadjacency())


def proved(obj: Pattern, **options: Any) -> bytes:
    return dumps(obj, certificates=verify(obj, level="proved", **options).certificates)


#: One file for each kind of proof.
FILES = {
    "connected": proved(rg.complete(3, 4)),
    "theorem": proved(rg.lps(3, 5).T),
    "closed walks": proved(rg.lps(3, 5), theorems=False),
    "abelian cover": proved(_LIFT),
    "two_lift": proved(rg.two_lift(rg.complete(2, 2), [1, 1, 1, -1])),
    "cholesky": proved(rg.random_biregular(20, 20, 4, rng=1)),
    "gram identity": proved(plain(rg.projective_plane(3))),
    "polynomial": proved(plain(rg.field_lift(4, 4, 1, 2))),
    "test vector": proved(rg.random_biregular(120, 40, 2, rng=1), two_sided=True),
    "disconnected": proved(rg.random_biregular(6, 6, 1, rng=0)),
    "product": proved(TensorProduct(_PLANE, _PLANE)),
    "product factor": proved(_PATTERN),
    "two sided": proved(rg.affine_plane(3), two_sided=True),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_stored_certificate_comes_back_and_proves_its_claim(data: bytes) -> None:
    loaded = loads(data)
    assert "whole" in loaded.certificates
    assert all(loaded.check_certificates().values())
    assert dumps(loaded.obj, certificates=loaded.certificates.values()) == data
    assert claims(data) == {
        name: certificate.ramanujan for name, certificate in loaded.certificates.items()
    }


@settings(max_examples=30, deadline=None)
@given(st.one_of(biregular_graphs(), lifts(), patterns(max_side=3)))
def test_the_certificates_of_every_verdict_can_be_stored(obj: Pattern) -> None:
    if isinstance(obj, BipartiteGraph) and obj.degrees is None:
        return
    verdict = verify(obj, level="proved")
    loaded = loads(dumps(obj, certificates=verdict.certificates))
    assert loaded.obj == obj
    assert {*loaded.certificates.values()} == {*verdict.certificates}
    assert loaded.certificates["whole"] == verdict.certificate
    assert all(loaded.check_certificates().values())


def test_a_file_without_certificates_is_as_before() -> None:
    assert dumps(_PLANE, certificates=()) == dumps(_PLANE)
    assert "certificates" not in document_of(dumps(_PLANE))
    assert loads(dumps(_PLANE)).certificates == {}
    assert Loaded(obj=_PLANE).check_certificates() == {}


def test_values_and_certificates_stand_in_one_file(tmp_path: Path) -> None:
    values = np.arange(_PATTERN.nnz, dtype=np.float32).reshape(_PATTERN.rows, -1)
    found = verify(_PATTERN, level="proved").certificates
    path = tmp_path / "layer.rbgp"
    rg.save(path, _PATTERN, values, certificates=found)
    loaded = rg.load(path)
    np.testing.assert_array_equal(loaded.values, values)
    assert loaded.check_certificates() == {"whole": True, "outer": True, "inner": True}


def test_a_large_pattern_with_its_proofs_takes_less_than_a_kilobyte() -> None:
    pattern = rg.design(4096, 4096, 0.9375)
    data = proved(pattern)
    assert len(data) < 1024
    assert all(loads(data).check_certificates().values())
    assert {"whole", "outer"} <= loads(data).certificates.keys()


def test_a_certificate_of_something_else_is_not_stored() -> None:
    other = verify(rg.projective_plane(3), level="proved").certificate
    assert other is not None
    with pytest.raises(ArgumentError, match="neither that of obj nor of one of its factors"):
        dumps(_PLANE, certificates=[other])
    own = verify(_PLANE, level="proved").certificate
    assert own is not None
    with pytest.raises(ArgumentError, match="two certificates are about the whole"):
        dumps(_PLANE, certificates=[own, replace(own, ramanujan=False)])
    assert dumps(_PLANE, certificates=[own, own]) == dumps(_PLANE, certificates=[own])
    for wrong in ([1], own, verify(_PLANE), "x"):
        if wrong is own:
            assert dumps(_PLANE, certificates=own) == dumps(_PLANE, certificates=[own])  # type: ignore[arg-type]
            continue
        with pytest.raises(ArgumentTypeError, match="expected certificates"):
            dumps(_PLANE, certificates=wrong)  # type: ignore[arg-type]


def test_equal_factors_share_their_certificate() -> None:
    square = TensorProduct(_PLANE, _PLANE)
    loaded = loads(proved(square))
    assert list(loaded.certificates) == ["whole", "factor 0", "factor 1"]
    assert loaded.certificates["factor 0"] == loaded.certificates["factor 1"]


def forged(data: bytes, certificates: Any) -> bytes:
    document = document_of(data)
    document["certificates"] = certificates
    return sealed(document)


@pytest.mark.parametrize(
    ("certificates", "message"),
    [
        ({}, "at least one certificate"),
        ([], "at least one certificate"),
        (None, "at least one certificate"),
        ({"inner": {}}, "no part is named 'inner'; the parts are whole"),
        ({"whole": {}}, "keys claim and proof"),
        ({"whole": {"claim": True}}, "keys claim and proof"),
        ({"whole": {"claim": 1, "proof": {"kind": "connected"}}}, "claim: expected true or false"),
        ({"whole": {"claim": True, "proof": {"kind": "magic"}}}, "no proof has the kind 'magic'"),
        ({"whole": {"claim": True, "proof": 3}}, "expected an object"),
        (
            {"whole": {"claim": True, "proof": {"kind": "cholesky", "bits": 20, "shift": 1}}},
            "fine is missing",
        ),
        (
            {"whole": {"claim": True, "proof": {"kind": "connected"}, "digest": "0" * 64}},
            "keys claim and proof",
        ),
    ],
)
def test_what_is_no_certificate_is_refused(certificates: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        loads(forged(dumps(_PLANE), certificates))


def test_a_proof_nested_too_deep_is_refused() -> None:
    proof: Any = {"kind": "connected"}
    for _ in range(70):
        signed = {"kind": "cholesky", "bits": 20, "shift": 1, "fine": 0}
        proof = {"kind": "two_lift", "base": proof, "signed": signed}
    with pytest.raises(FormatError, match="nested more than 64 deep"):
        loads(forged(dumps(_PLANE), {"whole": {"claim": True, "proof": proof}}))


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_forged_claim_is_loaded_and_does_not_stand(data: bytes) -> None:
    document = document_of(data)
    for entry in document["certificates"].values():
        entry["claim"] = not entry["claim"]
    assert not any(loads(sealed(document)).check_certificates().values())
    # The proof of another graph in its place.
    document["certificates"] = {"whole": document["certificates"]["whole"]}
    other = document_of(dumps(rg.random_biregular(30, 30, 5, rng=2)))
    other["certificates"] = document["certificates"]
    other["certificates"]["whole"]["claim"] = False
    assert loads(sealed(other)).check_certificates() == {"whole": False}
