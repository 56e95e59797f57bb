"""Proofs that take a lift or a cover apart into smaller matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.spectral import characters, theorems
from rbgp_graphs.spectral.cholesky import BITS
from rbgp_graphs.spectral.proofs.matrix import CharacteristicPolynomial, Cholesky
from rbgp_graphs.spectral.proofs.proof import (
    Pattern,
    Proof,
    ReadProof,
    boolean,
    is_connected_biregular,
    read_inside,
)
from rbgp_graphs.spectral.threshold import Threshold

_MOST_FACTORS, _LARGEST_GROUP = 32, 2**22


@dataclass(frozen=True)
class TwoLift(Proof):
    r"""The graph is a 2-lift: a proof for the base and one for the signed matrix.

    The lift is read off the graph: the biadjacency matrix has the form [[P, N], [N, P]]. The base
    is P + N, the signed matrix P - N, and the singular values are those of the two together.

    Attributes
    ----------
    base : Proof
        About the base.
    signed : Cholesky or CharacteristicPolynomial
        About the signed matrix.
    """

    base: Proof
    signed: Cholesky | CharacteristicPolynomial
    kind: ClassVar[str] = "two_lift"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        levels: Proof = self
        count = 0
        while isinstance(levels, TwoLift):
            levels, count = levels.base, count + 1
        return f"{count} levels of 2-lifts, each by its signed matrix; base: {levels.method}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True if the lift is connected and both parts keep to the threshold."""
        if not is_connected_biregular(graph):
            return None
        parts = theorems.split_two_lift(graph)
        if parts is None:
            return None
        base, signed = parts
        if self.base.decide(base, threshold) is not True:
            return None
        return True if self.signed.bounds(signed, threshold) else None

    def content(self) -> dict[str, Any]:
        """Return the two proofs."""
        return {"base": self.base.to_dict(), "signed": self.signed.to_dict()}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> TwoLift:
        """Return the proof from its two parts."""
        fields.check_keys(frozenset({"base", "signed"}), frozenset())
        base, signed = (read_inside(fields, key, read_proof) for key in ("base", "signed"))
        if not isinstance(signed, (Cholesky, CharacteristicPolynomial)):
            raise fields.error("expected a proof about a matrix", "signed")
        return cls(base, signed)


@dataclass(frozen=True)
class AbelianCover(Proof):
    r"""An abelian group acts on the graph: an integer Cholesky factor for each of its characters.

    That the group acts is checked on the graph. The singular values are those of the matrices of
    all characters (see `rbgp_graphs.spectral.characters`).

    Attributes
    ----------
    orders : tuple of int
        The group is the product of cyclic groups of these orders.
    copies_first : bool
        Whether vertices of one copy follow each other, as in a cyclic lift, or those of one orbit.
    bits : int
        The exponent of the scale.
    shift : int
        What is subtracted from the diagonal before factors are computed.
    """

    orders: tuple[int, ...]
    copies_first: bool
    bits: int
    shift: int
    kind: ClassVar[str] = "abelian_cover"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        group = " x ".join(f"Z{order}" for order in self.orders)
        return f"integer Cholesky factor for each character of the group {group}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True if the graph is connected and no character exceeds the threshold."""
        if not is_connected_biregular(graph):
            return None
        blocks = characters.split(graph, self.orders, self.copies_first)
        if blocks is None or not characters.is_proof(blocks, threshold, self.bits, self.shift):
            return None
        return True

    def content(self) -> dict[str, Any]:
        """Return the group and the parameters."""
        return {
            "orders": list(self.orders),
            "copies_first": self.copies_first,
            "bits": self.bits,
            "shift": self.shift,
        }

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> AbelianCover:  # noqa: ARG003
        """Return the proof with its parameters."""
        fields.check_keys(frozenset({"orders", "copies_first", "bits", "shift"}), frozenset())
        orders = fields.integers("orders", 2)
        if not 1 <= len(orders) <= _MOST_FACTORS or math.prod(orders) > _LARGEST_GROUP:
            raise fields.error("expected the orders of cyclic groups", "orders")
        return cls(
            orders,
            boolean(fields, "copies_first"),
            fields.integer("bits", *BITS),
            fields.integer("shift", 0),
        )
