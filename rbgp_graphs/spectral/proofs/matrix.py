"""Proofs that only look at the Gram matrix of a graph."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral import charpoly, cholesky, refutation, theorems
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs.proof import (
    NormProof,
    Pattern,
    Proof,
    ReadProof,
    hex_digest,
    is_connected_biregular,
    octets,
)
from rbgp_graphs.spectral.threshold import Threshold


@dataclass(frozen=True)
class Cholesky(Proof, NormProof):
    """An integer Cholesky factor, computed again on replay (see `rbgp_graphs.spectral.cholesky`).

    Attributes
    ----------
    bits : int
        The exponent k.
    shift : int
        The integer c.
    fine : int
        The number f of further bits, 0 where there is enough room.
    """

    bits: int
    shift: int
    fine: int = 0
    kind: ClassVar[str] = "cholesky"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "integer Cholesky factor"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True if the graph is connected and the factor bounds its Gram matrix."""
        if is_connected_biregular(graph) and self.bounds(Rows.of_graph(graph), threshold):
            return True
        return None

    def bounds(self, rows: Rows, threshold: Threshold) -> bool:
        """Say whether the factor bounds the rows."""
        return cholesky.is_proof(rows, threshold, self.bits, self.shift, self.fine)

    def content(self) -> dict[str, Any]:
        """Return the parameters."""
        return {"bits": self.bits, "shift": self.shift, "fine": self.fine}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> Cholesky:  # noqa: ARG003
        """Return the proof with its parameters."""
        fields.check_keys(frozenset({"bits", "shift", "fine"}), frozenset())
        return cls(
            fields.integer("bits", *cholesky.BITS),
            fields.integer("shift", 0),
            fields.integer("fine", 0, cholesky.FINE),
        )


@dataclass(frozen=True)
class CharacteristicPolynomial(Proof, NormProof):
    """The exact characteristic polynomial, whose roots above the threshold are counted.

    Attributes
    ----------
    digest : str
        SHA-256 of the coefficients.
    above : int
        Number of roots above the threshold, the trivial one left out.
    """

    digest: str
    above: int
    kind: ClassVar[str] = "characteristic_polynomial"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "exact characteristic polynomial and root count"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return whether no root is above the threshold, if digest and count are right."""
        if (
            not is_connected_biregular(graph)
            or self._above(Rows.of_graph(graph), threshold) != self.above
        ):
            return None
        return self.above == 0

    def bounds(self, rows: Rows, threshold: Threshold) -> bool:
        """Say whether no root is above the threshold."""
        return self.above == 0 and self._above(rows, threshold) == 0

    def _above(self, rows: Rows, threshold: Threshold) -> int | None:
        if rows.size > charpoly.LARGEST_SIDE:
            return None
        polynomial = charpoly.characteristic_polynomial(rows)
        if charpoly.polynomial_digest(polynomial) != self.digest:
            return None
        count = charpoly.count_roots(polynomial, rows.trivial, threshold)
        return None if count is None else count.above

    def content(self) -> dict[str, Any]:
        """Return digest and count."""
        return {"digest": self.digest, "above": self.above}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> CharacteristicPolynomial:  # noqa: ARG003
        """Return the proof with digest and count."""
        fields.check_keys(frozenset({"digest", "above"}), frozenset())
        above = fields.integer("above", 0, charpoly.LARGEST_SIDE)
        return cls(hex_digest(fields, "digest"), above)


@dataclass(frozen=True)
class TestVector(Proof):
    """An integer vector whose Rayleigh quotient is above the threshold.

    Attributes
    ----------
    entries : bytes
        Little-endian 32-bit integers, one for each vertex of the smaller side.
    """

    entries: bytes
    kind: ClassVar[str] = "test_vector"
    #: Keeps pytest from taking the class for a test.
    __test__: ClassVar[bool] = False

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "integer test vector"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return False if the vector exceeds the threshold."""
        if not isinstance(graph, BipartiteGraph) or graph.degrees is None or not graph.num_edges:
            return None
        rows = Rows.of_graph(graph)
        if len(self.entries) != 4 * rows.size:
            return None
        vector = np.frombuffer(self.entries, dtype="<i4").astype(np.int32)
        return False if refutation.exceeds(rows, vector, threshold) else None

    def content(self) -> dict[str, Any]:
        """Return the entries in base64."""
        return {"entries": base64.b64encode(self.entries).decode("ascii")}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> TestVector:  # noqa: ARG003
        """Return the proof with its vector."""
        fields.check_keys(frozenset({"entries"}), frozenset())
        return cls(octets(fields, "entries"))


@dataclass(frozen=True)
class GramIdentity(Proof):
    r"""The identity :math:`G(G - sI) = c J`: every nontrivial singular value squared is s or 0.

    Attributes
    ----------
    square : int
        The number s.
    """

    square: int
    kind: ClassVar[str] = "gram_identity"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "integer identity of the Gram matrix"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return how s compares with the threshold, if the identity holds."""
        if not is_connected_biregular(graph) or graph.is_complete:
            return None
        if not theorems.satisfies_gram_identity(Rows.of_graph(graph), self.square):
            return None
        return threshold.compare(self.square) <= 0

    def content(self) -> dict[str, Any]:
        """Return the square."""
        return {"square": self.square}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> GramIdentity:  # noqa: ARG003
        """Return the proof with its square."""
        fields.check_keys(frozenset({"square"}), frozenset())
        return cls(fields.integer("square", 1))
