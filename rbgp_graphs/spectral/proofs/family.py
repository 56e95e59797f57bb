"""Proofs by a theorem about the family of a graph."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any, ClassVar

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import FormatError
from rbgp_graphs.spectral import theorems
from rbgp_graphs.spectral.proofs.proof import (
    Pattern,
    Proof,
    ReadProof,
    is_connected_biregular,
)
from rbgp_graphs.spectral.threshold import Threshold


@dataclass(frozen=True)
class Theorem(Proof):
    """A theorem about a family, for parameters that rebuild the graph.

    Attributes
    ----------
    family : str
        A key of `rbgp_graphs.spectral.theorems.THEOREMS`.
    parameters : tuple of (str, int)
        The parameters of the construction, sorted by name.
    transposed : bool
        Whether the sides of the graph are exchanged.
    """

    family: str
    parameters: tuple[tuple[str, int], ...]
    transposed: bool
    kind: ClassVar[str] = "theorem"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return f"theorem of the family: {theorems.THEOREMS[self.family].source}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return what the theorem says, if the parameters give this graph."""
        if not is_connected_biregular(graph):
            return None
        member = graph.T if self.transposed else graph
        recipe = {"kind": self.family, **dict(self.parameters)}
        limits = {"max_side": max(graph.shape), "max_edges": graph.num_edges}
        try:
            if from_recipe(recipe, **limits) != member:
                return None
        except FormatError:
            return None
        theorem = theorems.THEOREMS[self.family]
        square = theorem.square(**dict(self.parameters))
        if threshold.compare(square) <= 0:
            return True
        return False if theorem.is_exact else None

    def content(self) -> dict[str, Any]:
        """Return the parameters, and the family with ``.T`` if the sides are exchanged."""
        return {"family": self.family + ".T" * self.transposed, **dict(self.parameters)}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> Theorem:  # noqa: ARG003
        """Return the proof for a known family."""
        text = fields.text("family")
        family = text.removesuffix(".T")
        if family not in theorems.THEOREMS:
            known = ", ".join(sorted(theorems.THEOREMS))
            raise fields.error(f"expected one of {known}, not {reprlib.repr(family)}", "family")
        names = theorems.THEOREMS[family].parameters
        fields.check_keys(frozenset({"family", *names}), frozenset())
        values = tuple((name, fields.integer(name, 1)) for name in sorted(names))
        return cls(family, values, text != family)
