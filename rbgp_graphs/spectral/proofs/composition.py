"""Proofs about a product from its factors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs.proof import Pattern, Proof, ReadProof, read_inside
from rbgp_graphs.spectral.spectrum import twisted_core
from rbgp_graphs.spectral.threshold import Threshold

_NAME = re.compile(r"[a-z0-9 ]{1,40}")


@dataclass(frozen=True)
class Product(Proof):
    """A product keeps to the threshold: a proof for each factor.

    Attributes
    ----------
    factors : tuple of Proof
        One for each of `factor_claims`, each about the threshold of its factor.
    """

    factors: tuple[Proof, ...]
    kind: ClassVar[str] = "product"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        methods = dict.fromkeys(proof.method for proof in self.factors)
        return f"composition of the factors: {'; '.join(methods)}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True if every factor is proved to keep to its threshold."""
        parts = factor_claims(graph, threshold)
        if len(parts) != len(self.factors) or not parts:
            return None
        holds = all(
            proof.decide(part, own) is True
            for proof, (_, part, own) in zip(self.factors, parts, strict=True)
        )
        return True if holds else None

    def content(self) -> dict[str, Any]:
        """Return the proofs of the factors."""
        return {"factors": [proof.to_dict() for proof in self.factors]}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> Product:
        """Return the proof from those of the factors."""
        fields.check_keys(frozenset({"factors"}), frozenset())
        place = f"{fields.place}.factors"
        return cls(
            tuple(
                read_proof(given, f"{place}[{i}]", fields.depth + 1)
                for i, given in enumerate(fields.list("factors"))
            )
        )


@dataclass(frozen=True)
class ProductFactor(Proof):
    """A product fails because of one factor.

    Attributes
    ----------
    name : str
        Which of `factor_claims`.
    factor : Proof
        A refutation for its threshold.
    """

    name: str
    factor: Proof
    kind: ClassVar[str] = "product_factor"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return f"composition; {self.name} alone: {self.factor.method}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return False if the factor is proved to miss its threshold."""
        for name, part, own in factor_claims(graph, threshold):
            if name == self.name:
                return False if self.factor.decide(part, own) is False else None
        return None

    def content(self) -> dict[str, Any]:
        """Return the name and the refutation."""
        return {"name": self.name, "factor": self.factor.to_dict()}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> ProductFactor:
        """Return the proof for one factor."""
        fields.check_keys(frozenset({"name", "factor"}), frozenset())
        name = fields.text("name")
        if not _NAME.fullmatch(name):
            raise fields.error("expected the name of a factor", "name")
        return cls(name, read_inside(fields, "factor", read_proof))


def factor_claims(
    pattern: Pattern, threshold: Threshold
) -> list[tuple[str, BipartiteGraph, Threshold]]:
    r"""Return the factors of a product by name, each with the threshold that it has to keep to.

    The product keeps to t if and only if it is connected, which it is if all factors are, and for
    every factor :math:`\sigma_2^2` times the :math:`\sigma_1^2` of the other factors is at most t.
    A twisted pattern is, up to the order of its rows and columns, the product of its twisted
    core with two complete graphs. The list is empty for a graph.
    """
    if not isinstance(pattern, TensorProduct):
        return []
    parts = list(zip(pattern.factor_names, pattern.factors, strict=True))
    if isinstance(pattern, RBGP4) and pattern.is_twisted:
        core = ("twisted outer and inner", twisted_core(pattern)[0])
        parts = [core, ("repeat", pattern.repeat), ("block", pattern.block)]
    whole = pattern.row_degree * pattern.col_degree
    return [
        (name, part, threshold.divided_by(whole // Rows.of_graph(part).trivial))
        for name, part in parts
    ]
