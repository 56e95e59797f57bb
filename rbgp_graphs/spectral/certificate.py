"""Certificates: what was proved about a graph or product, ready to be stored and replayed."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.errors import ArgumentTypeError, FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral.proofs import Pattern, Proof, TwoSided, read_statement
from rbgp_graphs.spectral.proofs.proof import hex_digest
from rbgp_graphs.spectral.threshold import Threshold

_KIND = "ramanujan_certificate"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A proof that a graph or product is Ramanujan, or that it is not.

    Attributes
    ----------
    ramanujan : bool
        What is claimed.
    digest : str
        The digest of the graph or product: SHA-256 in hexadecimal.
    proof : Proof or TwoSided
        The proof, a small tree of numbers (see `rbgp_graphs.spectral.proofs`).

    Notes
    -----
    `verify` with ``level="proved"`` makes certificates. A certificate does not have to be
    trusted: `check` proves its claim again.

    Examples
    --------
    >>> from rbgp_graphs import lps, verify
    >>> certificate = verify(lps(3, 5), level="proved").certificate
    >>> data = certificate.to_dict()
    >>> Certificate.from_dict(data).check(lps(3, 5))
    True
    >>> Certificate.from_dict(data).check(lps(3, 7))
    False
    """

    ramanujan: bool
    digest: str
    proof: Proof | TwoSided

    @property
    def two_sided(self) -> bool:
        """Whether the claim is about the smallest singular value too (see `verify`)."""
        return isinstance(self.proof, TwoSided)

    @property
    def method(self) -> str:
        """How the claim is proved, in words."""
        return self.proof.method

    def check(self, pattern: Pattern) -> bool:
        """Say whether this certificate proves its claim about a graph or product.

        Everything is computed again from the graph and the numbers in the certificate, so the
        cost is about that of the proof. The result is exact; see `rbgp_graphs.spectral.proofs`
        for what the kinds of proof rest on.

        Parameters
        ----------
        pattern : BipartiteGraph or TensorProduct
            What the certificate should be about.

        Returns
        -------
        bool
            True if the claim is proved. False if the certificate belongs to something else or
            does not prove what it claims.

        Raises
        ------
        ArgumentTypeError
            If `pattern` is neither a graph nor a product.
        ArgumentError
            If `pattern` is twisted, and too large for the spectrum of its twisted core.
        MissingDependencyError
            If the proof is a characteristic polynomial and python-flint is not installed.
        """
        if not isinstance(pattern, (BipartiteGraph, TensorProduct)):
            raise ArgumentTypeError(
                f"expected a BipartiteGraph or a TensorProduct, got a {type(pattern).__name__}"
            )
        threshold = squared_bound(pattern)
        if threshold is None or pattern.digest != self.digest:
            return False
        return self.proof.decide(pattern, threshold) is self.ramanujan

    def to_dict(self) -> dict[str, Any]:
        """Return the certificate as a JSON-able dict of strings, integers and bools.

        Returns
        -------
        dict
            With a checksum over all other fields, which finds accidental changes.
        """
        data = {
            "kind": _KIND,
            "version": _VERSION,
            "ramanujan": self.ramanujan,
            "digest": self.digest,
            "proof": self.proof.to_dict(),
        }
        return {**data, "checksum": _checksum(data)}

    @classmethod
    def from_dict(cls, data: Any) -> Certificate:
        """Return the certificate of a dict, which is not trusted.

        Parameters
        ----------
        data : dict
            As `to_dict` returns it.

        Returns
        -------
        Certificate
            Well formed; only `check` says whether it is right.

        Raises
        ------
        FormatError
            If `data` is not a certificate, or was changed after it was written.
        """
        fields = Fields(data, "certificate")
        if fields.kind != _KIND:
            raise fields.error(f"expected {_KIND!r}", "kind")
        names = frozenset({"version", "ramanujan", "digest", "proof", "checksum"})
        fields.check_keys(names, frozenset())
        fields.integer("version", _VERSION, _VERSION)
        if not isinstance(fields["ramanujan"], bool):
            raise fields.error("expected true or false", "ramanujan")
        proof = read_statement(fields["proof"], "certificate.proof", 1)
        found = cls(ramanujan=fields["ramanujan"], digest=hex_digest(fields, "digest"), proof=proof)
        if found.to_dict() != data:
            raise FormatError("certificate: the checksum does not fit the content")
        return found


def squared_bound(pattern: Pattern) -> Threshold | None:
    """Return the square of the Ramanujan bound, or None for a graph that has none."""
    if isinstance(pattern, TensorProduct):
        return Threshold.ramanujan(pattern.row_degree, pattern.col_degree)
    if pattern.degrees is None or math.prod(pattern.degrees) == 0:
        return None
    return Threshold.ramanujan(*pattern.degrees)


def _checksum(data: dict[str, Any]) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
