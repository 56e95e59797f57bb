r"""Proofs of statements about second singular values, and their replay.

Every proof is about the statement "the graph is connected and :math:`\sigma_2^2 \le t`". Its method
`decide` says what the proof shows for a given graph and threshold: True, False (the negation), or
None if it shows nothing. It uses the graph and the numbers in the proof, and takes neither on
trust: floating-point numbers only enter where all results are exact integers.
"""

from __future__ import annotations

import base64
import reprlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, TypeGuard

import numpy as np

from rbgp_graphs.constructions.recipe_fields import Fields
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral import charpoly, cholesky, refutation, theorems
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.spectrum import twisted_core
from rbgp_graphs.spectral.threshold import Threshold

Pattern = BipartiteGraph | TensorProduct


class Proof(ABC):
    """What all proofs have in common."""

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
    def read(cls, fields: Fields) -> Proof:
        """Return the proof with the given untrusted fields, or raise `FormatError`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the proof as a JSON-able dict."""
        return {"kind": self.kind, **self.content()}


class NormProof(ABC):
    """A proof that all squared singular values that count are at most a threshold."""

    @abstractmethod
    def bounds(self, rows: Rows, threshold: Threshold) -> bool:
        """Say whether the proof shows this for the rows."""


@dataclass(frozen=True)
class Connected(Proof):
    r"""The graph is complete, so that :math:`\sigma_2 = 0`, or even :math:`\sigma_1^2 \le t`."""

    kind: ClassVar[str] = "connected"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return "connected, and either complete or without a singular value above the bound"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True for a connected graph that is complete or has a small sigma1."""
        if not _is_connected(graph):
            return None
        if graph.is_complete or threshold.compare(Rows.of_graph(graph).trivial) <= 0:
            return True
        return None

    def content(self) -> dict[str, Any]:
        """Return no fields."""
        return {}

    @classmethod
    def read(cls, fields: Fields) -> Connected:
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
        return "more than one component, shown by a cut that no edge crosses"

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
    def read(cls, fields: Fields) -> Disconnected:
        """Return the proof with a mask."""
        fields.check_keys(frozenset({"mask"}), frozenset())
        return cls(_octets(fields, "mask"))


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
        if _is_connected(graph) and self.bounds(Rows.of_graph(graph), threshold):
            return True
        return None

    def bounds(self, rows: Rows, threshold: Threshold) -> bool:
        """Say whether the factor bounds the rows."""
        return cholesky.is_proof(rows, threshold, self.bits, self.shift, self.fine)

    def content(self) -> dict[str, Any]:
        """Return the parameters."""
        return {"bits": self.bits, "shift": self.shift, "fine": self.fine}

    @classmethod
    def read(cls, fields: Fields) -> Cholesky:
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
        if not _is_connected(graph) or self._above(Rows.of_graph(graph), threshold) != self.above:
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
    def read(cls, fields: Fields) -> CharacteristicPolynomial:
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
    def read(cls, fields: Fields) -> TestVector:
        """Return the proof with its vector."""
        fields.check_keys(frozenset({"entries"}), frozenset())
        return cls(_octets(fields, "entries"))


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
        if not _is_connected(graph) or graph.is_complete:
            return None
        if not theorems.satisfies_gram_identity(Rows.of_graph(graph), self.square):
            return None
        return threshold.compare(self.square) <= 0

    def content(self) -> dict[str, Any]:
        """Return the square."""
        return {"square": self.square}

    @classmethod
    def read(cls, fields: Fields) -> GramIdentity:
        """Return the proof with its square."""
        fields.check_keys(frozenset({"square"}), frozenset())
        return cls(fields.integer("square", 1))


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
        if not _is_connected(graph):
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
        """Return family, parameters and orientation."""
        return {
            "family": self.family,
            "parameters": dict(self.parameters),
            "transposed": self.transposed,
        }

    @classmethod
    def read(cls, fields: Fields) -> Theorem:
        """Return the proof for a known family."""
        fields.check_keys(frozenset({"family", "parameters", "transposed"}), frozenset())
        family, given = fields.text("family"), fields["parameters"]
        if family not in theorems.THEOREMS:
            known = ", ".join(sorted(theorems.THEOREMS))
            raise fields.error(f"expected one of {known}, not {reprlib.repr(family)}", "family")
        names = theorems.THEOREMS[family].parameters
        if not isinstance(given, dict) or set(given) != set(names):
            raise fields.error(f"expected the keys {', '.join(names)}", "parameters")
        inner = Fields({"kind": family, **given}, f"{fields.place}.parameters", fields.depth)
        values = tuple((name, inner.integer(name, 1)) for name in sorted(names))
        return cls(family, values, _boolean(fields, "transposed"))


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
        if not _is_connected(graph):
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
    def read(cls, fields: Fields) -> TwoLift:
        """Return the proof from its two parts."""
        fields.check_keys(frozenset({"base", "signed"}), frozenset())
        base, signed = read_inside(fields, "base"), read_inside(fields, "signed")
        if not isinstance(signed, (Cholesky, CharacteristicPolynomial)):
            raise fields.error("expected a proof about a matrix", "signed")
        return cls(base, signed)


@dataclass(frozen=True)
class Product(Proof):
    """A product keeps to the threshold: a proof for each factor.

    Attributes
    ----------
    factors : tuple of Proof
        One for each of `product_parts`, each about the threshold of its factor.
    """

    factors: tuple[Proof, ...]
    kind: ClassVar[str] = "product"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return f"composition; {'; '.join(proof.method for proof in self.factors)}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return True if every factor is proved to keep to its threshold."""
        parts = factor_claims(graph, threshold)
        if len(parts) != len(self.factors) or not parts:
            return None
        pairs = zip(self.factors, parts, strict=True)
        return True if all(proof.decide(*part) is True for proof, part in pairs) else None

    def content(self) -> dict[str, Any]:
        """Return the proofs of the factors."""
        return {"factors": [proof.to_dict() for proof in self.factors]}

    @classmethod
    def read(cls, fields: Fields) -> Product:
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
    index : int
        Which of `product_parts`.
    factor : Proof
        A refutation for its threshold.
    """

    index: int
    factor: Proof
    kind: ClassVar[str] = "product_factor"

    @property
    def method(self) -> str:
        """How the statement is proved, in words."""
        return f"composition; factor {self.index} alone: {self.factor.method}"

    def decide(self, graph: Pattern, threshold: Threshold) -> bool | None:
        """Return False if the factor is proved to miss its threshold."""
        parts = factor_claims(graph, threshold)
        if self.index >= len(parts):
            return None
        return False if self.factor.decide(*parts[self.index]) is False else None

    def content(self) -> dict[str, Any]:
        """Return the index and the refutation."""
        return {"index": self.index, "factor": self.factor.to_dict()}

    @classmethod
    def read(cls, fields: Fields) -> ProductFactor:
        """Return the proof for one factor."""
        fields.check_keys(frozenset({"index", "factor"}), frozenset())
        return cls(fields.integer("index", 0), read_inside(fields, "factor"))


def factor_claims(pattern: Pattern, threshold: Threshold) -> list[tuple[BipartiteGraph, Threshold]]:
    r"""Return the factors of a product, each with the threshold that it has to keep to.

    The product keeps to t if and only if it is connected, which it is if all factors are, and for
    every factor :math:`\sigma_2^2` times the :math:`\sigma_1^2` of the other factors is at most t.
    A twisted pattern is, up to the order of its rows and columns, the product of its twisted
    core with two complete graphs. The list is empty for a graph.
    """
    if not isinstance(pattern, TensorProduct):
        return []
    parts = list(pattern.factors)
    if isinstance(pattern, RBGP4) and pattern.is_twisted:
        parts = [twisted_core(pattern)[0], pattern.repeat, pattern.block]
    whole = pattern.row_degree * pattern.col_degree
    return [(part, threshold.divided_by(whole // Rows.of_graph(part).trivial)) for part in parts]


def read_proof(data: Any, place: str, depth: int = 0) -> Proof:
    """Return the proof of an untrusted dict, or raise `FormatError`."""
    fields = Fields(data, place, depth)
    try:
        known = _KINDS[fields.kind]
    except KeyError:
        kinds = ", ".join(sorted(_KINDS))
        raise fields.error(
            f"no proof has the kind {reprlib.repr(fields.kind)}; the kinds are {kinds}"
        ) from None
    return known.read(fields)


def read_inside(fields: Fields, key: str) -> Proof:
    """Return the proof in a field of another."""
    return read_proof(fields[key], f"{fields.place}.{key}", fields.depth + 1)


def hex_digest(fields: Fields, key: str) -> str:
    """Return a SHA-256 in lower-case hexadecimal."""
    text = fields.text(key)
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise fields.error("expected 64 hexadecimal digits", key)
    return text


def _boolean(fields: Fields, key: str) -> bool:
    value = fields[key]
    if not isinstance(value, bool):
        raise fields.error(f"expected true or false, not {reprlib.repr(value)}", key)
    return value


def _octets(fields: Fields, key: str) -> bytes:
    text = fields.text(key)
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise fields.error("not base64", key) from None
    if base64.b64encode(data).decode("ascii") != text:
        raise fields.error("not the canonical base64 form", key)
    return data


def _is_connected(graph: Pattern) -> TypeGuard[BipartiteGraph]:
    """Say whether this is a connected biregular graph with an edge."""
    return (
        isinstance(graph, BipartiteGraph)
        and graph.degrees is not None
        and graph.num_edges > 0
        and graph.is_connected
    )


_KINDS: dict[str, type[Proof]] = {
    proof.kind: proof
    for proof in (
        CharacteristicPolynomial,
        Cholesky,
        Connected,
        Disconnected,
        GramIdentity,
        Product,
        ProductFactor,
        TestVector,
        Theorem,
        TwoLift,
    )
}
