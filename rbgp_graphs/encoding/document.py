"""The document in a file: what it says, and the hash that covers it."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs.constructions.recipe_fields import MAX_DEPTH
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.encoding import canonical, stored_proofs
from rbgp_graphs.encoding.container import (
    DTYPES,
    MAX_HEADER_BYTES,
    Container,
    TensorInfo,
    header,
    take_apart,
    tensor_info,
)
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.rbgp4 import RBGP4
from rbgp_graphs.products.recipes import MAX_FACTORS, pattern_from_recipe
from rbgp_graphs.products.tensor import TensorProduct
from rbgp_graphs.spectral.certificate import Certificate

#: Version of the format that is written: readers refuse another major version.
VERSION = (1, 0)

_FIELDS = frozenset(("digests", "recipe", "sha256", "type", "version"))
_OPTIONAL = frozenset(("certificates",))
_NO_HASH = "0" * 64
#: Vertices are stored in 32 bits.
_LARGEST_SIDE = 2**32

# Writing ------------------------------------------------------------------------------------


def encode(
    obj: Any, values: ArrayLike | None, certificates: Iterable[Certificate]
) -> tuple[bytes, memoryview]:
    """Return the bytes before the values, and those of the values (see `save`)."""
    if not isinstance(obj, (BipartiteGraph, TensorProduct)):
        raise ArgumentTypeError(
            f"obj is a {type(obj).__name__}, expected a BipartiteGraph or a TensorProduct"
        )
    array = None if values is None else _as_values(values, obj)
    tensor = None if array is None else tensor_info(array)
    recipe = obj.recipe
    _check_readable(obj, recipe)
    document: dict[str, Any] = {
        "digests": [digest for _, digest in _digests(obj)],
        "recipe": recipe,
        "sha256": _NO_HASH,
        "type": "graph" if isinstance(obj, BipartiteGraph) else "pattern",
        "version": list(VERSION),
    }
    if proofs := stored_proofs.write(obj, certificates):
        document["certificates"] = proofs
    body = memoryview(b"") if array is None else array.reshape(-1).view(np.uint8).data
    unsigned = header(canonical.write(document), tensor)
    if len(unsigned) - 8 > MAX_HEADER_BYTES:
        raise ArgumentError(
            f"recipe and certificates need a header of {len(unsigned) - 8} bytes, the format "
            f"allows {MAX_HEADER_BYTES}"
        )
    document["sha256"] = _hash(unsigned, body)
    return header(canonical.write(document), tensor), body


def _check_readable(obj: BipartiteGraph | TensorProduct, recipe: Any) -> None:
    """Raise if no reader would accept the recipe."""
    if _depth(recipe) > MAX_DEPTH:
        raise ArgumentError(
            f"the recipe is nested more than {MAX_DEPTH} deep; rebuild the graph with "
            "BipartiteGraph.from_biadjacency, which stores its edges instead"
        )
    factors = (obj,) if isinstance(obj, BipartiteGraph) else obj.factors
    if len(factors) > MAX_FACTORS:
        raise ArgumentError(
            f"the product has {len(factors)} factors, the format allows {MAX_FACTORS}"
        )
    side = max(max(factor.shape) for factor in factors)
    if side > _LARGEST_SIDE:
        raise ArgumentError(f"a side has {side} vertices, the format allows {_LARGEST_SIDE}")


def _as_values(values: ArrayLike, obj: BipartiteGraph | TensorProduct) -> NDArray[Any]:
    if not isinstance(obj, TensorProduct):
        raise ArgumentError("a graph has no values; store TensorProduct(graph) with its values")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"values is not an array of numbers: {error}") from error
    if array.dtype.newbyteorder("<") not in DTYPES.values():
        raise ArgumentTypeError(
            f"values has dtype {array.dtype}, expected float16, float32 or float64"
        )
    obj.check_values(array)
    if not np.isfinite(array).all():
        raise ArgumentError("values holds NaN or infinity, expected finite numbers")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _depth(recipe: Any) -> int:
    """Return how many dicts lie in one another."""
    depth, level = 0, [recipe]
    while level:
        depth += any(isinstance(value, dict) for value in level)
        nested = (
            list(value.values()) if isinstance(value, dict) else value
            for value in level
            if isinstance(value, (dict, list))
        )
        level = [inner for values in nested for inner in values]
    return depth


def _hash(head: bytes, body: memoryview) -> str:
    state = hashlib.sha256(head)
    state.update(body)
    return state.hexdigest()


def _digests(obj: BipartiteGraph | TensorProduct) -> list[tuple[str, str]]:
    """Return where each graph stands in the recipe, and the digest of its structure."""
    if isinstance(obj, BipartiteGraph):
        return [("recipe", obj.digest)]
    if isinstance(obj, RBGP4):
        return [("recipe.outer", obj.outer.digest), ("recipe.inner", obj.inner.digest)]
    return [(f"recipe.factors[{n}]", factor.digest) for n, factor in enumerate(obj.factors)]


# Reading ------------------------------------------------------------------------------------


def decode(
    data: memoryview, *, max_side: int, max_edges: int
) -> tuple[BipartiteGraph | TensorProduct, NDArray[Any] | None, dict[str, Certificate]]:
    """Return the object, the values and the certificates in a file (see `loads`)."""
    container = take_apart(data)
    document = _read_document(container)
    kind, recipe = document["type"], document["recipe"]
    obj: BipartiteGraph | TensorProduct
    if kind == "graph":
        obj = from_recipe(recipe, max_side=max_side, max_edges=max_edges)
    elif kind == "pattern":
        obj = pattern_from_recipe(recipe, max_side=max_side, max_edges=max_edges)
    else:
        raise FormatError(f"type: expected graph or pattern, not {reprlib.repr(kind)}")
    _check_digests(document["digests"], obj)
    values = _read_values(container, obj)
    if "certificates" not in document:
        return obj, values, {}
    return obj, values, stored_proofs.read(document["certificates"], obj)


def _read_document(container: Container) -> dict[str, Any]:
    """Return the JSON document when its version, its form and its hash are right."""
    document = canonical.read(container.text, "document")
    if not isinstance(document, dict):
        raise FormatError("document: expected an object")
    minor = _read_version(document.get("version"))
    missing = sorted(_FIELDS - document.keys())
    if missing:
        raise FormatError(f"document: {missing[0]} is missing")
    unknown = sorted(document.keys() - _FIELDS - _OPTIONAL)
    # A later minor version may add fields that a reader can do without.
    if unknown and minor <= VERSION[1]:
        raise FormatError(f"document: no field {reprlib.repr(unknown[0])} in this version")
    claimed = document["sha256"]
    try:
        if canonical.write(document) != container.text:
            raise FormatError("document: not written in the canonical way")
        unsigned = header(canonical.write({**document, "sha256": _NO_HASH}), container.tensor)
    except RecursionError:
        raise FormatError("document: nested too deep") from None
    found = _hash(unsigned, container.body)
    if claimed != found:
        raise FormatError(
            f"sha256: the file says {reprlib.repr(claimed)}, its content has {found}: it was "
            "changed or damaged"
        )
    return document


def _read_version(version: Any) -> int:
    if (
        not isinstance(version, list)
        or len(version) != 2
        or not all(type(number) is int and number >= 0 for number in version)
    ):
        raise FormatError(f"version: expected two integers, not {reprlib.repr(version)}")
    major, minor = version
    if major != VERSION[0]:
        raise FormatError(
            f"version: the file has version {major}.{minor} of the format, this package reads "
            f"{VERSION[0]}.x; install a newer rbgp-graphs"
        )
    return int(minor)


def _check_digests(claimed: Any, obj: BipartiteGraph | TensorProduct) -> None:
    found = _digests(obj)
    if not isinstance(claimed, list) or len(claimed) != len(found):
        raise FormatError(f"digests: expected a list of {len(found)}, one for each stored graph")
    for said, (place, digest) in zip(claimed, found, strict=True):
        if said != digest:
            raise FormatError(
                f"{place}: the rebuilt graph has digest {digest}, the file says "
                f"{reprlib.repr(said)}: it was written by a program that builds another graph"
            )


def _read_values(container: Container, obj: BipartiteGraph | TensorProduct) -> NDArray[Any] | None:
    tensor: TensorInfo | None = container.tensor
    if tensor is None:
        return None
    if not isinstance(obj, TensorProduct):
        raise FormatError("values: a graph has none")
    expected = (obj.rows, obj.row_degree)
    if tensor.shape != expected:
        raise FormatError(
            f"values: shape {list(tensor.shape)}, expected (rows, row_degree) = {list(expected)}"
        )
    stored = DTYPES[tensor.dtype]
    values = np.frombuffer(container.body, dtype=stored).reshape(expected)
    if not np.isfinite(values).all():
        raise FormatError("values: NaN or infinity, expected finite numbers")
    native: NDArray[Any] = values.astype(stored.newbyteorder("="))
    return native
