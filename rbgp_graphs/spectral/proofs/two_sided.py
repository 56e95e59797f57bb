"""Proofs about both ends of the spectrum of a biregular graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral import refutation
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs.matrix import CharacteristicPolynomial, Cholesky, TestVector
from rbgp_graphs.spectral.proofs.proof import Pattern, Proof, ReadProof
from rbgp_graphs.spectral.threshold import Threshold


@dataclass(frozen=True)
class TwoSided:
    r"""Every nontrivial singular value of the smaller side is one of the biregular tree, or not.

    The statement is "the graph is connected, :math:`\sigma_2^2 \le t`, and every singular value
    of the smaller side is at least :math:`|\sqrt{d_l - 1} - \sqrt{d_r - 1}|`". It is no `Proof`,
    because its refutation says nothing about the upper bound alone: it never stands in another.

    Attributes
    ----------
    upper : Proof or None
        About the upper bound. None if a vector refutes the lower one.
    lower : Cholesky, CharacteristicPolynomial, TestVector or None
        About the negative Gram matrix. None if `upper` settles the statement.
    """

    upper: Proof | None
    lower: Cholesky | CharacteristicPolynomial | TestVector | None
    kind: ClassVar[str] = "two_sided"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        parts = {"above": self.upper, "below": self.lower}
        return "; ".join(f"{name}: {part.method}" for name, part in parts.items() if part)

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return what is shown about the statement, None if nothing is."""
        above = None if self.upper is None else self.upper.decide(graph, threshold)
        if above is False:
            return False
        if isinstance(graph, TensorProduct):
            return above if graph.row_degree == graph.col_degree else None
        if graph.degrees is None or not graph.num_edges:
            return None
        left, right = graph.degrees
        if left == right:
            return above
        return self._below(graph, Threshold.lower(left, right), above)

    def _below(self, graph: BipartiteGraph, low: Threshold, above: bool | None) -> bool | None:
        rows = Rows.of_graph(graph).negated()
        if isinstance(self.lower, TestVector):
            if len(self.lower.entries) != 4 * rows.size:
                return None
            vector = np.frombuffer(self.lower.entries, dtype="<i4").astype(np.int32)
            return False if refutation.exceeds(rows, vector, low) else None
        if above is not True or self.lower is None:
            return None
        return True if self.lower.bounds(rows, low) else None

    def to_dict(self) -> dict[str, Any]:
        """Return the proof as a JSON-able dict."""
        parts = {"upper": self.upper, "lower": self.lower}
        return {
            "kind": self.kind,
            **{key: part and part.to_dict() for key, part in parts.items()},
        }

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> TwoSided:
        """Return the proof with the given untrusted fields, or raise `FormatError`."""
        fields.check_keys(frozenset({"upper", "lower"}), frozenset())
        upper, lower = (_optional(fields, key, read_proof) for key in ("upper", "lower"))
        if lower is not None and not isinstance(
            lower, (Cholesky, CharacteristicPolynomial, TestVector)
        ):
            raise fields.error("expected a proof about a matrix", "lower")
        return cls(upper, lower)


def _optional(
    fields: Fields, key: str, read_proof: Callable[[Any, str, int], Proof]
) -> Proof | None:
    if fields[key] is None:
        return None
    return read_proof(fields[key], f"{fields.place}.{key}", fields.depth + 1)
