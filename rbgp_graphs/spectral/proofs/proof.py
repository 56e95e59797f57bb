r"""What proofs have in common: statements about second singular values, and their replay.

Every proof is about the statement "the graph is connected and :math:`\sigma_2^2 \le t`". Its method
`decide` says what the proof shows for a given graph and threshold: True, False (the negation), or
None if it shows nothing. It uses the graph and the numbers in the proof, and takes neither on
trust: floating-point numbers only enter where all results are exact integers.
"""

from __future__ import annotations

import base64
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeGuard

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.threshold import Threshold

Pattern = BipartiteGraph | TensorProduct


class Proof(ABC):
    """A proof that a graph is connected and keeps to a threshold, or that it does not."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def method(self) -> str:
        """How the statement is proved, in words."""

    @abstractmethod
    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return what the proof shows about the statement for this graph (see the module)."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Return the fields as JSON-able values, without the kind."""

    @classmethod
    @abstractmethod
    def read(cls, fields: Fields, read_proof: ReadProof) -> Proof:
        """Return the proof with the given untrusted fields, or raise `FormatError`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the proof as a JSON-able dict."""
        return {"kind": self.kind, **self.content()}


#: From an untrusted dict, its place for messages and its depth to a proof inside another.
ReadProof = Callable[[Any, str, int], Proof]


class NormProof(ABC):
    """A proof that all squared singular values that count are at most a threshold."""

    @abstractmethod
    def bounds(self, rows: Rows, threshold: Threshold) -> bool:
        """Say whether the proof shows this for the rows."""


def read_inside(fields: Fields, key: str, read_proof: ReadProof) -> Proof:
    """Return the proof in a field of another."""
    return read_proof(fields[key], f"{fields.place}.{key}", fields.depth + 1)


def hex_digest(fields: Fields, key: str) -> str:
    """Return a SHA-256 in lower-case hexadecimal."""
    text = fields.text(key)
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise fields.error("expected 64 hexadecimal digits", key)
    return text


def boolean(fields: Fields, key: str) -> bool:
    """Return a bool."""
    value = fields[key]
    if not isinstance(value, bool):
        raise fields.error(f"expected true or false, not {reprlib.repr(value)}", key)
    return value


def octets(fields: Fields, key: str) -> bytes:
    """Return bytes written in canonical base64."""
    text = fields.text(key)
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise fields.error("not base64", key) from None
    if base64.b64encode(data).decode("ascii") != text:
        raise fields.error("not the canonical base64 form", key)
    return data


def is_connected_biregular(graph: Pattern) -> TypeGuard[BipartiteGraph]:
    """Say whether this is a connected biregular graph with an edge."""
    return (
        isinstance(graph, BipartiteGraph)
        and graph.degrees is not None
        and graph.num_edges > 0
        and graph.is_connected
    )
