"""The weights of ONNX models, read without trust."""

from __future__ import annotations

import functools
import math
from typing import Any, BinaryIO

from rbgp_graphs._validation import require
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.matrices import array_of
from rbgp_graphs.export.npz import check_bytes, read_bytes
from rbgp_graphs.export.sparse_parts import as_indices, assemble
from rbgp_graphs.export.tensors import StoredTensor, read_array
from rbgp_graphs.graph import BipartiteGraph


def read_onnx(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the weights of a model in a .onnx file (see `initializers`)."""
    onnx = require("onnx", "onnx")
    # From bytes: data that a model claims to have in other files is never looked for.
    return initializers(onnx.load_model_from_string(read_bytes(file, limit // 2)), limit)


def initializers(model: Any, limit: int) -> dict[str, StoredTensor]:
    """Return the initialisers of an ONNX model, dense and sparse.

    Parameters
    ----------
    model : onnx.ModelProto
        The model. Only the outermost graph counts.
    limit : int
        Largest number of bytes that the numbers of an initialiser may need.

    Returns
    -------
    dict of str to StoredTensor
        In the order of the model, the sparse ones last. What `to_onnx` calls W has the rows of
        the mask as its rows; a matrix of another program may be stored the other way round.

    Raises
    ------
    FormatError
        If two have one name.
    """
    dense = [(tensor.name, tensor) for tensor in model.graph.initializer]
    thin = [(tensor.values.name, tensor) for tensor in model.graph.sparse_initializer]
    if len({name for name, _ in dense + thin}) < len(dense) + len(thin):
        raise FormatError("two initialisers of the model have one name")
    return {
        name: StoredTensor(
            shape=tuple(tensor.dims),
            read=functools.partial(read, name, tensor, limit),
        )
        for tensors, read in ((dense, _read_dense), (thin, _read_sparse))
        for name, tensor in tensors
    }


def _numbers(name: str, tensor: Any, limit: int) -> Any:
    if tensor.external_data:
        raise FormatError(f"{name} has its numbers in another file; save the model in one file")
    if any(size < 0 for size in tensor.dims):
        raise FormatError(f"{name} has shape {tuple(tensor.dims)}, expected no negative size")
    check_bytes(16 * math.prod(tensor.dims), limit)
    helper = require("onnx.numpy_helper", "onnx")
    try:
        return array_of(helper.to_array(tensor))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise FormatError(f"{name} cannot be read: {error}") from error


def _read_dense(name: str, tensor: Any, limit: int) -> BipartiteGraph:
    return read_array(name, _numbers(name, tensor, limit))


def _read_sparse(name: str, tensor: Any, limit: int) -> BipartiteGraph:
    shape = tuple(tensor.dims)
    rows, cols = shape[0], math.prod(shape[1:])
    data = _numbers(name, tensor.values, limit)
    places = _numbers(f"the indices of {name}", tensor.indices, limit)
    check_bytes(8 * (rows + cols) + 24 * data.size, limit)
    if places.ndim == 2 and places.shape[1:] == (len(shape),) == (2,):
        row, col = as_indices("row", places[:, 0]), as_indices("col", places[:, 1])
    else:
        linear = as_indices("indices", places)
        row, col = linear // max(cols, 1), linear % max(cols, 1)
    return BipartiteGraph.from_biadjacency(assemble("coo", (rows, cols), data, row, col))
