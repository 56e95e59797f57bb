"""Proofs about the components of a graph."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral import refutation
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.proofs.proof import (
    Pattern,
    Proof,
    ReadProof,
    is_connected_biregular,
    octets,
)
from rbgp_graphs.spectral.threshold import Threshold


@dataclass(frozen=True)
class Connected(Proof):
    r"""The graph is complete, so that :math:`\sigma_2 = 0`, or even :math:`\sigma_1^2 \le t`."""

    kind: ClassVar[str] = "connected"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "complete, or connected with sigma1 within the bound"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True for a connected graph that is complete or has a small sigma1."""
        if not is_connected_biregular(graph):
            return None
        if graph.is_complete or threshold.compare(Rows.of_graph(graph).trivial) <= 0:
            return True
        return None

    def content(self) -> dict[str, Any]:
        """Return no fields."""
        return {}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> Connected:  # noqa: ARG003
        """Return the proof."""
        fields.check_keys(frozenset(), frozenset())
        return cls()


@dataclass(frozen=True)
class Disconnected(Proof):
    """A set of vertices that no edge leaves.

    Attributes
    ----------
    mask : bytes
        One bit for each left, then each right vertex, eight to a byte, the first the highest.
    """

    mask: bytes
    kind: ClassVar[str] = "disconnected"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "more than one component: a set of vertices that no edge leaves"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:  # noqa: ARG002
        """Return False if the set is neither empty nor everything and no edge leaves it."""
        if not isinstance(graph, BipartiteGraph):
            return None
        count = graph.left + graph.right
        bits = np.unpackbits(np.frombuffer(self.mask, dtype=np.uint8))
        if len(self.mask) != -(-count // 8) or bits[count:].any():
            return None
        mask = bits[:count].astype(bool)
        return False if refutation.is_cut_without_edges(graph, mask) else None

    def content(self) -> dict[str, Any]:
        """Return the mask in base64."""
        return {"mask": base64.b64encode(self.mask).decode("ascii")}

    @classmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> Disconnected:  # noqa: ARG003
        """Return the proof with a mask."""
        fields.check_keys(frozenset({"mask"}), frozenset())
        return cls(octets(fields, "mask"))
