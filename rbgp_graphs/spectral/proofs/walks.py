"""Proofs by closed walks, whose number is the same for vertices that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rbgp_graphs.constructions.projective_group import group_order
from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.spectral import symmetry, walks
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs.proof import (
    Pattern,
    Proof,
    ReadProof,
    boolean,
    is_connected_biregular,
)
from rbgp_graphs.spectral.threshold import Threshold


@dataclass(frozen=True)
class ClosedWalks(Proof):
    """Counts of closed walks bound all eigenvalues (see `rbgp_graphs.spectral.walks`).

    The rows are taken for the elements of a projective group, numbered as in the LPS graphs. That
    its translations are symmetries is checked on the graph; nothing else is assumed about it.

    Attributes
    ----------
    order : int
        Number of elements of the field of the group.
    transposed : bool
        Whether the elements are the right vertices.
    bits, inner, degree : int
        The numbers s, P and k.
    """

    order: int
    transposed: bool
    bits: int
    inner: int
    degree: int
    kind: ClassVar[str] = "closed_walks"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "exact count of closed walks, the same at every vertex by symmetries of the graph"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True if the symmetries are there and the walks are few enough."""
        if not is_connected_biregular(graph) or graph.left != graph.right:
            return None
        rows = Rows.of_graph(graph.T if self.transposed else graph)
        if group_order(self.order) != rows.size:
            return None
        permutations = symmetry.projective_translations(self.order)
        orbits = None if permutations is None else symmetry.orbits(rows, permutations)
        if orbits is None:
            return None
        holds = walks.is_proof(rows, threshold, orbits, self.bits, self.inner, self.degree)
        return True if holds else None

    def content(self) -> dict[str, Any]:
        """Return the parameters."""
        return {
            "order": self.order,
            "transposed": self.transposed,
            "bits": self.bits,
            "inner": self.inner,
            "degree": self.degree,
        }

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> ClosedWalks:  # noqa: ARG003
        """Return the proof with its parameters."""
        names = ("order", "transposed", "bits", "inner", "degree")
        fields.check_keys(frozenset(names), frozenset())
        return cls(
            fields.integer("order", 2, 2**20),
            boolean(fields, "transposed"),
            fields.integer("bits", 0, walks.LARGEST_BITS),
            fields.integer("inner", 1),
            fields.integer("degree", 1, walks.LARGEST_DEGREE),
        )
