"""The .rbgp file: a graph or a pattern, and the values of a pattern."""

from __future__ import annotations

import hashlib
import os
import reprlib
import stat
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.constructions.recipes import MAX_DEPTH, MAX_EDGES, MAX_SIDE, from_recipe
from rbgp_graphs.encoding import canonical
from rbgp_graphs.encoding.atomic import as_path, write_file
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
from rbgp_graphs.products.recipes import pattern_from_recipe
from rbgp_graphs.products.tensor import TensorProduct

#: Version of the format that is written: readers refuse another major version.
VERSION = (1, 0)
#: Default limit on the size of a file: a gibibyte.
MAX_FILE_BYTES = 2**30

_FIELDS = frozenset(("digests", "recipe", "sha256", "type", "version"))
_NO_HASH = "0" * 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """What a .rbgp file holds.

    Attributes
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        The graph or pattern, rebuilt.
    values : ndarray of float16, float32 or float64, shape (rows, row_degree), or None
        The values of a pattern: each row in ascending column order, the data of its CSR form.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> loaded = loads(dumps(complete(2, 3)))
    >>> loaded.graph
    <BipartiteGraph 2 x 3, degrees=(3, 2), from complete>
    >>> loaded.pattern
    Traceback (most recent call last):
    ...
    rbgp_graphs.errors.ArgumentError: the file holds a graph, not a pattern; use .graph
    """

    obj: BipartiteGraph | TensorProduct
    values: NDArray[Any] | None = None

    @property
    def graph(self) -> BipartiteGraph:
        """The graph; raises `ArgumentError` if the file holds a pattern."""
        if not isinstance(self.obj, BipartiteGraph):
            raise ArgumentError("the file holds a pattern, not a graph; use .pattern")
        return self.obj

    @property
    def pattern(self) -> TensorProduct:
        """The pattern; raises `ArgumentError` if the file holds a graph."""
        if not isinstance(self.obj, TensorProduct):
            raise ArgumentError("the file holds a graph, not a pattern; use .graph")
        return self.obj


def save(
    path: str | os.PathLike[str],
    obj: BipartiteGraph | TensorProduct,
    values: ArrayLike | None = None,
    *,
    overwrite: bool = True,
) -> int:
    """Write a graph or a pattern, with or without values, to a .rbgp file.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write. Its directory exists.
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write. Only its recipe is stored, so files are small.
    values : array_like, shape (rows, row_degree), optional
        Finite values of a pattern in float16, float32 or float64, each row in ascending column
        order: the data of its CSR form.
    overwrite : bool
        Whether a file that is there already is replaced.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    ArgumentTypeError
        If `path`, `obj` or `values` has the wrong type.
    ArgumentError
        If `values` has another shape, holds NaN or infinity or comes with a graph; if the
        recipe is longer than the format allows; if the file exists and `overwrite` is False;
        or if the system does not let it be written. In all these cases, and whenever the
        program is interrupted, the old file stays as it was.

    Notes
    -----
    The same input gives the same bytes on every machine. The file is written beside its place
    and moved there when complete.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rbgp_graphs import lps
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "lps.rbgp"
    >>> save(path, lps(3, 5)) < 400
    True
    >>> load(path).graph == lps(3, 5)
    True
    """
    return write_file(path, _chunks(obj, values), overwrite=overwrite)


def dumps(obj: BipartiteGraph | TensorProduct, values: ArrayLike | None = None) -> bytes:
    """Return the bytes that `save` writes.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write.
    values : array_like, shape (rows, row_degree), optional
        As in `save`.

    Returns
    -------
    bytes
        The content of the file.

    Raises
    ------
    ArgumentTypeError
        If `obj` or `values` has the wrong type.
    ArgumentError
        If `values` has another shape, holds NaN or infinity or comes with a graph, or if the
        recipe is longer than the format allows.

    Examples
    --------
    >>> from rbgp_graphs import RBGP4, field_lift
    >>> pattern = RBGP4(field_lift(8, 8, 1, 2), (4, 1), field_lift(8, 8, 1, 2), (4, 4))
    >>> pattern.shape, len(dumps(pattern))
    ((16384, 4096), 568)
    """
    return b"".join(_chunks(obj, values))


def load(
    path: str | os.PathLike[str],
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_side: int = MAX_SIDE,
    max_edges: int = MAX_EDGES,
) -> Loaded:
    """Read a .rbgp file.

    Parameters
    ----------
    path : str or os.PathLike
        The file. Its content is not trusted.
    max_file_bytes : int
        Largest file that is read.
    max_side : int
        Largest number of vertices on a side of any graph that is built.
    max_edges : int
        Largest number of edges of all factors together. Time and memory beyond twice the size
        of the file are in proportion.

    Returns
    -------
    Loaded
        The graph or pattern as ``.obj``, also as ``.graph`` or ``.pattern``, and ``.values``.

    Raises
    ------
    ArgumentTypeError
        If `path` or a limit has the wrong type.
    ArgumentError
        If the file is not there or cannot be read, or a limit is not positive.
    FormatError
        If the content is not that of a .rbgp file, was damaged, was written by a newer major
        version of the format, or goes beyond a limit. The message says what and where.
    MissingDependencyError
        If a graph needs a finite field that is not prime and galois is not installed.

    Notes
    -----
    Nothing in a file is executed. The hash shows every accidental change; it does not say who
    wrote the file.

    Examples
    --------
    See `save`.
    """
    place = as_path(path)
    limit = as_int("max_file_bytes", max_file_bytes, minimum=1)
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ArgumentError(f"cannot read {place}: it is not a regular file")
        with place.open("rb") as file:
            data = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    except OSError as error:
        raise ArgumentError(f"cannot read {place}: {error.strerror or error}") from error
    try:
        return loads(data, max_file_bytes=limit, max_side=max_side, max_edges=max_edges)
    except FormatError as error:
        raise FormatError(f"{place}: {error}") from error


def loads(
    data: bytes | bytearray | memoryview,
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_side: int = MAX_SIDE,
    max_edges: int = MAX_EDGES,
) -> Loaded:
    """Read the bytes of a .rbgp file.

    Parameters
    ----------
    data : bytes-like
        The content of the file, not trusted.
    max_file_bytes, max_side, max_edges : int
        As in `load`.

    Returns
    -------
    Loaded
        As from `load`.

    Raises
    ------
    ArgumentTypeError
        If `data` or a limit has the wrong type.
    ArgumentError
        If a limit is not positive.
    FormatError
        As from `load`.
    MissingDependencyError
        As from `load`.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> data = dumps(projective_plane(2))
    >>> loads(data).graph.shape
    (7, 7)
    >>> loads(data[:-1])
    Traceback (most recent call last):
    ...
    rbgp_graphs.errors.FormatError: the header claims 272 bytes, but 271 follow: ...
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ArgumentTypeError(f"data is a {type(data).__name__}, expected bytes")
    view = memoryview(data).cast("B")
    limit = as_int("max_file_bytes", max_file_bytes, minimum=1)
    if len(view) > limit:
        raise FormatError(f"the file is larger than max_file_bytes={limit}")
    container = take_apart(view)
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
    return Loaded(obj=obj, values=_read_values(container, obj))


# Writing ------------------------------------------------------------------------------------


def _chunks(obj: Any, values: ArrayLike | None) -> tuple[bytes, memoryview]:
    if not isinstance(obj, (BipartiteGraph, TensorProduct)):
        raise ArgumentTypeError(
            f"obj is a {type(obj).__name__}, expected a BipartiteGraph or a TensorProduct"
        )
    array = None if values is None else _as_values(values, obj)
    tensor = None if array is None else tensor_info(array)
    document = {
        "digests": [digest for _, digest in _digests(obj)],
        "recipe": obj.recipe,
        "sha256": _NO_HASH,
        "type": "graph" if isinstance(obj, BipartiteGraph) else "pattern",
        "version": list(VERSION),
    }
    if _depth(obj.recipe) > MAX_DEPTH:
        raise ArgumentError(
            f"the recipe is nested more than {MAX_DEPTH} deep; "
            "rebuild the graph with BipartiteGraph.from_biadjacency to store its edges"
        )
    body = memoryview(b"") if array is None else memoryview(array).cast("B")
    unsigned = header(canonical.write(document), tensor)
    if len(unsigned) - 8 > MAX_HEADER_BYTES:
        raise ArgumentError(
            f"the recipe needs a header of {len(unsigned) - 8} bytes, the format allows "
            f"{MAX_HEADER_BYTES}"
        )
    document["sha256"] = _hash(unsigned, body)
    return header(canonical.write(document), tensor), body


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


def _read_document(container: Container) -> dict[str, Any]:
    """Return the JSON document when its version, its form and its hash are right."""
    document = canonical.read(container.text, "document")
    if not isinstance(document, dict):
        raise FormatError("document: expected an object")
    minor = _read_version(document.get("version"))
    missing = sorted(_FIELDS - document.keys())
    if missing:
        raise FormatError(f"document: {missing[0]} is missing")
    unknown = sorted(document.keys() - _FIELDS)
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
    return values.astype(stored.newbyteorder("="))
