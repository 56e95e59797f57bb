"""Files that other programs read."""

from __future__ import annotations

import functools
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import require
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export.edge_list import encode_csv
from rbgp_graphs.export.entries import (
    CSR,
    MAX_BYTES,
    Exportable,
    as_entries,
    check_dense_bytes,
    check_exportable,
)
from rbgp_graphs.export.graph6 import encode_graph6, encode_sparse6
from rbgp_graphs.export.graphml import encode_graphml
from rbgp_graphs.export.numpy import to_numpy
from rbgp_graphs.export.onnx import to_onnx
from rbgp_graphs.export.recipe import encode_recipe


def write(
    path: str | os.PathLike[str],
    obj: Exportable,
    values: ArrayLike | None = None,
    *,
    overwrite: bool = True,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write a mask or weights to a file, in the format of its suffix.

    Parameters
    ----------
    path : str or os.PathLike
        ``.npz``: a CSR array as `scipy.sparse.save_npz` writes it, which
        `scipy.sparse.load_npz` opens. ``.mtx``: MatrixMarket, coordinate and general, with
        the field pattern without values, else integer or real. ``.graphml``: a graph with the node
        attribute ``bipartite``. ``.g6`` and ``.s6``: graph6 and sparse6, left vertices first.
        ``.csv``: an edge list. ``.json``: the recipe. ``.safetensors``: the dense tensor ``mask``
        of bools, or ``weight`` of the values. ``.onnx``: the layer of `to_onnx`. The recipe,
        graph6 and sparse6 hold no values.
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write.
    values : array_like of bool, int or float, optional
        One finite number for each nonzero, in the order of CSR: shape (num_edges,) for a
        graph, (rows, row_degree) for a pattern. float16 is written as float32.
    overwrite : bool
        Whether a file that is there already is replaced.
    max_bytes : int
        Refuse to allocate more for the indices.

    Raises
    ------
    ArgumentTypeError
        If `path` is not a path, `obj` neither a graph nor a product, or the values are not real
        numbers.
    ArgumentError
        If the suffix is unknown or its format holds no values and there are some, `values` has
        another shape or holds NaN or infinity, more than `max_bytes` are needed, the file is
        there and `overwrite` is False, or it cannot be written. Nothing has changed then.
    MissingDependencyError
        If the suffix is ``.safetensors`` or ``.onnx`` and the library is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rbgp_graphs.constructions import complete
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "mask.mtx")
    ...     write(file, complete(1, 2))
    ...     print(file.read_text())
    %%MatrixMarket matrix coordinate pattern general
    %
    1 2 2
    1 1
    1 2
    """
    target = as_path(path)
    encode = _WRITERS.get(target.suffix.lower())
    if encode is None:
        raise ArgumentError(
            f"{target} has the suffix {target.suffix!r}, expected one of {', '.join(_WRITERS)}"
        )
    check_exportable(obj)
    content = _Content(obj=obj, values=values, max_bytes=max_bytes)
    if values is not None:
        if target.suffix.lower() in _WITHOUT_VALUES:
            raise ArgumentError(
                f"values is given, but {target.suffix} holds the mask only; expected one of "
                f"{', '.join(suffix for suffix in _WRITERS if suffix not in _WITHOUT_VALUES)}"
            )
        if content.matrix.dtype.kind == "f" and not np.isfinite(content.matrix.data).all():
            raise ArgumentError("values holds NaN or infinity, expected finite numbers")
    write_file(target, [encode(content)], overwrite=overwrite)


@dataclass(frozen=True, kw_only=True)
class _Content:
    """What is written; the matrix is made when a format needs it."""

    obj: Exportable
    values: ArrayLike | None
    max_bytes: int

    @functools.cached_property
    def matrix(self) -> CSR:
        return as_entries(self.obj, self.values, self.max_bytes)

    @property
    def edges(self) -> NDArray[np.int64]:
        rows = np.repeat(np.arange(self.obj.shape[0]), np.diff(self.matrix.indptr))
        return np.column_stack((rows, self.matrix.indices)).astype(np.int64)


def _as_npz(content: _Content) -> memoryview:
    from scipy import sparse

    stream = io.BytesIO()
    sparse.save_npz(stream, content.matrix)
    return stream.getbuffer()


def _as_mtx(content: _Content) -> memoryview:
    from scipy import io as scipy_io

    matrix = content.matrix
    entries: Any = matrix.tocoo()
    field: Literal["pattern", "integer", "real"] = "real" if matrix.dtype.kind == "f" else "integer"
    if matrix.dtype == bool:
        field = "pattern" if matrix.data.all() else "integer"
        entries = entries.astype(np.int8)
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, entries, field=field, symmetry="general")
    return stream.getbuffer()


def _as_graphml(content: _Content) -> memoryview:
    return encode_graphml(content.matrix, content.values is not None)


def _as_csv(content: _Content) -> bytes:
    return encode_csv(content.matrix, content.values is not None)


def _as_graph6(content: _Content) -> bytes:
    return encode_graph6(*content.obj.shape, content.edges, content.max_bytes)


def _as_sparse6(content: _Content) -> bytes:
    return encode_sparse6(*content.obj.shape, content.edges)


def _as_recipe(content: _Content) -> bytes:
    return encode_recipe(content.obj)


def _as_safetensors(content: _Content) -> bytes:
    obj, values = content.obj, content.values
    check_dense_bytes(obj, 2 * obj.shape[1], content.max_bytes)
    name = "mask" if values is None else "weight"
    # With one key the bytes do not depend on the order in which the library walks a table.
    metadata = {"rbgp_recipe": json.dumps(obj.recipe, sort_keys=True, separators=(",", ":"))}
    save = require("safetensors.numpy").save
    encoded: bytes = save({name: to_numpy(obj, values, max_bytes=content.max_bytes)}, metadata)
    return encoded


def _as_onnx(content: _Content) -> bytes:
    model = to_onnx(content.obj, content.values, max_bytes=content.max_bytes)
    encoded: bytes = model.SerializeToString()
    return encoded


_WRITERS: dict[str, Callable[[_Content], bytes | memoryview]] = {
    ".npz": _as_npz,
    ".mtx": _as_mtx,
    ".graphml": _as_graphml,
    ".g6": _as_graph6,
    ".s6": _as_sparse6,
    ".csv": _as_csv,
    ".json": _as_recipe,
    ".safetensors": _as_safetensors,
    ".onnx": _as_onnx,
}
_WITHOUT_VALUES = (".g6", ".s6", ".json")
#: The suffixes that `write` knows.
SUFFIXES = tuple(_WRITERS)
