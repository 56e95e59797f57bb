"""Proofs of statements about second singular values, and their replay."""

from __future__ import annotations

import reprlib
from typing import Any

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.spectral.proofs.composition import Product, ProductFactor, factor_claims
from rbgp_graphs.spectral.proofs.connectivity import Connected, Disconnected
from rbgp_graphs.spectral.proofs.family import Theorem
from rbgp_graphs.spectral.proofs.lift import AbelianCover, TwoLift
from rbgp_graphs.spectral.proofs.matrix import (
    CharacteristicPolynomial,
    Cholesky,
    GramIdentity,
    TestVector,
)
from rbgp_graphs.spectral.proofs.proof import Pattern, Proof
from rbgp_graphs.spectral.proofs.two_sided import TwoSided
from rbgp_graphs.spectral.proofs.walks import ClosedWalks

__all__ = [
    "AbelianCover",
    "CharacteristicPolynomial",
    "Cholesky",
    "ClosedWalks",
    "Connected",
    "Disconnected",
    "GramIdentity",
    "Pattern",
    "Product",
    "ProductFactor",
    "Proof",
    "TestVector",
    "Theorem",
    "TwoLift",
    "TwoSided",
    "factor_claims",
    "read_proof",
    "read_statement",
]

_KINDS: dict[str, type[Proof]] = {
    proof.kind: proof
    for proof in (
        AbelianCover,
        CharacteristicPolynomial,
        Cholesky,
        ClosedWalks,
        Connected,
        Disconnected,
        GramIdentity,
        Product,
        ProductFactor,
        TestVector,
        Theorem,
        TwoLift,
    )
}


def read_statement(data: Any, place: str, depth: int = 0) -> Proof | TwoSided:
    """Return the proof in a certificate, which may be about both ends of the spectrum."""
    fields = Fields(data, place, depth)
    if fields.kind == TwoSided.kind:
        return TwoSided.read(fields, read_proof)
    return read_proof(data, place, depth)


def read_proof(data: Any, place: str, depth: int = 0) -> Proof:
    """Return the proof of an untrusted dict, or raise `FormatError`."""
    fields = Fields(data, place, depth)
    try:
        known = _KINDS[fields.kind]
    except KeyError:
        kinds = ", ".join(sorted(_KINDS))
        raise fields.error(
            f"no proof has the kind {reprlib.repr(fields.kind)}; the kinds are {kinds}"
        ) from None
    return known.read(fields, read_proof)
