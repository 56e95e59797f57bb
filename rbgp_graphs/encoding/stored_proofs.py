"""The certificates in a file: each says which part it is about, and none is believed."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.tensor import TensorProduct
from rbgp_graphs.spectral.certificate import Certificate
from rbgp_graphs.spectral.proofs import read_statement

#: The part that is all of it; the other parts are the factors of a pattern, by name.
WHOLE = "whole"


def parts(obj: BipartiteGraph | TensorProduct) -> dict[str, BipartiteGraph | TensorProduct]:
    """Return what a certificate in the file of `obj` can be about, by name."""
    found: dict[str, BipartiteGraph | TensorProduct] = {WHOLE: obj}
    if isinstance(obj, TensorProduct):
        found.update(zip(obj.factor_names, obj.factors, strict=True))
    return found


def write(
    obj: BipartiteGraph | TensorProduct, certificates: Iterable[Certificate]
) -> dict[str, Any]:
    """Return the JSON-able form of certificates; raise if one is about something else."""
    digests = {name: part.digest for name, part in parts(obj).items()}
    written: dict[str, Any] = {}
    # Equal factors have equal certificates, which may come more than once.
    for certificate in dict.fromkeys(_as_certificates(certificates)):
        names = [name for name, digest in digests.items() if digest == certificate.digest]
        if not names:
            raise ArgumentError(
                f"a certificate is about the digest {certificate.digest}, which is neither that "
                "of obj nor of one of its factors"
            )
        for name in names:
            if name in written:
                raise ArgumentError(f"two certificates are about the {name}, expected one")
            written[name] = {
                "claim": certificate.ramanujan,
                "proof": certificate.proof.to_dict(),
            }
    # What is written must be readable.
    if written:
        read(written, obj)
    return written


def _as_certificates(certificates: Any) -> list[Certificate]:
    try:
        found = list(certificates)
    except TypeError:
        found = [certificates]
    for certificate in found:
        if not isinstance(certificate, Certificate):
            raise ArgumentTypeError(
                f"certificates holds a {type(certificate).__name__}, expected certificates, as "
                "verify(obj, level='proved').certificates"
            )
    return found


def read(data: Any, obj: BipartiteGraph | TensorProduct) -> dict[str, Certificate]:
    """Return the well-formed certificates of an untrusted document, by the names of parts."""
    place = "certificates"
    if not isinstance(data, dict) or not data:
        raise FormatError(f"{place}: expected an object with at least one certificate")
    known = parts(obj)
    for name in data:
        if name not in known:
            raise FormatError(
                f"{place}: no part is named {reprlib.repr(name)}; the parts are {', '.join(known)}"
            )
    found = {}
    for name, part in known.items():
        if name not in data:
            continue
        entry = data[name]
        here = f"{place}.{name}"
        if not isinstance(entry, dict) or set(entry) != {"claim", "proof"}:
            raise FormatError(f"{here}: expected an object with the keys claim and proof")
        if not isinstance(entry["claim"], bool):
            raise FormatError(f"{here}.claim: expected true or false")
        proof = read_statement(entry["proof"], f"{here}.proof")
        found[name] = Certificate(ramanujan=entry["claim"], digest=part.digest, proof=proof)
    return found
