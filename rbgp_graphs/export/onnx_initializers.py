"""The weights of ONNX models, read without trust."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from rbgp_graphs._validation import require
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.matrices import array_of
from rbgp_graphs.export.npz import check_bytes, read_bytes
from rbgp_graphs.export.sparse_parts import as_indices, assemble
from rbgp_graphs.export.tensors import StoredTensor, read_array
from rbgp_graphs.graph import BipartiteGraph

#: Numbers of the fields in ModelProto, GraphProto and SparseTensorProto.
_GRAPH, _INITIALIZER, _SPARSE_INITIALIZER, _VALUES, _INDICES = 7, 5, 15, 1, 2
#: A field may be a message of its own, of some hundred bytes in memory.
_MAX_FIELDS = 2**18


def read_onnx(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the weights of a model in a .onnx file.

    Parameters
    ----------
    file : binary file
        At its start.
    limit : int
        Largest number of bytes that the file and the numbers of an initialiser may need.

    Returns
    -------
    dict of str to StoredTensor
        As `initializers` returns them.

    Raises
    ------
    FormatError
        If the file is no protocol buffer, or more than `limit` bytes are needed.
    Exception
        What protobuf raises on a damaged message.

    Notes
    -----
    The weights are cut out of the file and only they are given to onnx. A message of two bytes
    takes some hundred in memory, so a whole model could need much more than its file. Numbers
    that a model claims to have in other files are never looked for.
    """
    onnx = require("onnx", "onnx")
    data = memoryview(read_bytes(file, limit // 2))
    dense, thin, count = [], [], 0
    for graph in _messages(data, (_GRAPH,)):
        for number, piece in _fields(graph):
            if number not in (_INITIALIZER, _SPARSE_INITIALIZER):
                continue
            parts = _messages(piece, (_VALUES, _INDICES)) if number == _SPARSE_INITIALIZER else ()
            count += 1 + sum(1 for tensor in (piece, *parts) for _ in _fields(tensor))
            if count > _MAX_FIELDS:
                raise FormatError(f"the initialisers have more than {_MAX_FIELDS} fields")
            if number == _INITIALIZER:
                dense.append(onnx.TensorProto.FromString(bytes(piece)))
            else:
                thin.append(onnx.SparseTensorProto.FromString(bytes(piece)))
    return _stored(dense, thin, limit)


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
    return _stored(model.graph.initializer, model.graph.sparse_initializer, limit)


def _stored(dense: Iterable[Any], thin: Iterable[Any], limit: int) -> dict[str, StoredTensor]:
    named = [(tensor.name, tensor, _read_dense) for tensor in dense]
    named += [(tensor.values.name, tensor, _read_sparse) for tensor in thin]
    if len({name for name, _, _ in named}) < len(named):
        raise FormatError("two initialisers of the model have one name")
    return {
        name: StoredTensor(
            shape=tuple(tensor.dims), read=functools.partial(read, name, tensor, limit)
        )
        for name, tensor, read in named
    }


# The wire format of protocol buffers --------------------------------------------------------


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and the content of every field of a message."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind, start = tag & 7, place
        if kind == 0:
            _, place = _varint(data, place)
        elif kind == 2:
            length, start = _varint(data, place)
            place = start + length
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise FormatError(f"a field has the wire type {kind}, which ONNX does not use")
        if place > len(data):
            raise FormatError("a field is longer than the message around it")
        yield tag >> 3, data[start:place]


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Return the number of variable length at a place, and the place after it."""
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise FormatError("a message ends within a number")
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
    raise FormatError("a number is longer than ten bytes")


def _messages(data: memoryview, numbers: tuple[int, ...]) -> Iterator[memoryview]:
    return (piece for number, piece in _fields(data) if number in numbers)


# Numbers ------------------------------------------------------------------------------------


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
