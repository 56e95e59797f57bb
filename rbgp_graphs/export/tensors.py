"""Tensors under names, in memory or in files that are not trusted: safetensors and .npz."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.export.matrices import array_of, graph_of, library_of, tensor_as_array
from rbgp_graphs.export.npz import check_bytes, read_arrays, read_bytes
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct

#: Where checkpoints of training programs keep the state dict of the model.
_NESTED = ("state_dict", "model_state_dict", "model")
_MAX_NAMES = 2**17
#: How deep dicts may lie in each other; one that holds itself would have no end.
_DEPTH = 16


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor in a file.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    read : callable
        Returns the graph of its nonzeros, if it has two or more dimensions; all but the first are
        flattened. Raises `FormatError` if it holds NaN or infinity, or is not of real numbers.
    content : callable, optional
        Returns the bytes of a row of bytes; None for every other tensor.
    """

    shape: tuple[int, ...]
    read: Callable[[], BipartiteGraph]
    content: Callable[[], bytes] | None = None


def _flat_graph(mask: NDArray[np.bool_]) -> BipartiteGraph:
    return BipartiteGraph.from_biadjacency(mask.reshape(len(mask), math.prod(mask.shape[1:])))


def read_safetensors(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the tensors of a safetensors file.

    Parameters
    ----------
    file : binary file
        At its start.
    limit : int
        Largest number of bytes that the file and the copy of its tensors may need.

    Returns
    -------
    dict of str to StoredTensor
        In the order of the file.

    Raises
    ------
    FormatError
        If more than `limit` bytes are needed.
    Exception
        What the reference implementation of the format raises on a damaged file.
    """
    # Twice, as each tensor is copied out of it.
    data = read_bytes(file, limit // 2)
    _check_header(data)
    entries = require("safetensors").deserialize(data)
    return {
        name: StoredTensor(
            shape=tuple(entry["shape"]),
            read=functools.partial(
                _read_bytes, name, entry["dtype"], entry["shape"], entry["data"]
            ),
            content=functools.partial(bytes, entry["data"])
            if entry["dtype"] == "U8" and len(entry["shape"]) == 1
            else None,
        )
        for name, entry in entries
    }


def _check_header(data: bytes) -> None:
    """Refuse a header that would cost the reader much more memory than its length."""
    head = data[8 : 8 + int.from_bytes(data[:8], "little")]
    items = head.count(b"{") + head.count(b",")
    if items > 8 * _MAX_NAMES:
        raise FormatError(f"the header has {items} items, expected at most {8 * _MAX_NAMES}")


def _read_bytes(name: str, dtype: str, shape: Any, data: Any) -> BipartiteGraph:
    flat = np.frombuffer(data, dtype=np.uint8)
    found: NDArray[np.bool_]
    finite = True
    if dtype == "BOOL":
        found = flat != 0
    elif dtype == "BF16":
        words = flat.view("<u2") & 0x7FFF
        found, finite = words != 0, bool((words < 0x7F80).all())
    elif dtype in ("F8_E4M3", "F8_E5M2"):
        words = flat & 0x7F
        found, finite = words != 0, bool((words < (0x7F if dtype == "F8_E4M3" else 0x7C)).all())
    elif dtype[:1] in "UIF" and dtype[1:] in ("8", "16", "32", "64"):
        numbers = flat.view(f"<{dtype[0].lower()}{int(dtype[1:]) // 8}")
        found, finite = numbers != 0, bool(np.isfinite(numbers).all())
    else:
        raise FormatError(f"{name} has dtype {dtype}, expected real numbers or bools")
    if not finite:
        raise FormatError(f"{name} holds NaN or infinity, expected finite numbers")
    return _flat_graph(found.reshape(shape))


def read_npz_tensors(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the arrays of a .npz file (see `rbgp_graphs.export.npz.read_arrays`)."""
    arrays = read_arrays(file, limit, _MAX_NAMES)
    return {name: _stored_array(name, array) for name, array in arrays.items()}


def _stored_array(name: str, array: NDArray[Any]) -> StoredTensor:
    return StoredTensor(
        shape=array.shape,
        read=functools.partial(read_array, name, array),
        content=array.tobytes if array.dtype == np.uint8 and array.ndim == 1 else None,
    )


def read_array(name: str, array: NDArray[Any]) -> BipartiteGraph:
    """Return the graph of the nonzeros of an array, with all dimensions but the first flattened."""
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{name} has dtype {array.dtype}, expected real numbers or bools")
    if not np.isfinite(array).all():
        raise FormatError(f"{name} holds NaN or infinity, expected finite numbers")
    return _flat_graph(array != 0)


# In memory ---------------------------------------------------------------------------------------


def tensors_of(state: Any, limit: int) -> dict[str, StoredTensor]:
    """Return the tensors and arrays of a state dict in memory.

    Parameters
    ----------
    state : mapping or tensor
        A state dict, or a dict with one under ``state_dict``, ``model_state_dict`` or ``model``,
        or one tensor. The tensors of a dict in it have names with dots. What else is in it is
        left out.
    limit : int
        Largest number of bytes of any tensor when it is dense.

    Returns
    -------
    dict of str to StoredTensor
        In the order of `state`.
    """
    for key in _NESTED:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        state = {"tensor": state}
    return {
        name: _stored(name, value, limit)
        for name, value in leaves(state)
        if isinstance(value, BipartiteGraph | TensorProduct)
        or sparse.issparse(value)
        or (hasattr(value, "shape") and hasattr(value, "dtype"))
    }


def leaves(state: Mapping[Any, Any], depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """Yield what is in a mapping, and under names with dots what is in the mappings in it.

    Keys that are no strings are left out: so are the numbered parameters of an optimizer.
    """
    for key, value in state.items():
        if not isinstance(key, str):
            continue
        if not isinstance(value, Mapping) or sparse.issparse(value):
            yield key, value
        elif depth > 1:
            yield from ((f"{key}.{name}", leaf) for name, leaf in leaves(value, depth - 1))


def _stored(name: str, value: Any, limit: int) -> StoredTensor:
    torch = library_of(value, "torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _stored_tensor(torch, name, value, limit)
    if isinstance(value, np.ndarray):
        return _stored_array(name, array_of(value))
    return StoredTensor(shape=tuple(value.shape), read=functools.partial(_read_other, name, value))


def _read_other(name: str, value: Any) -> BipartiteGraph:
    return graph_of(value) if len(value.shape) == 2 else read_array(name, array_of(value))


def _stored_tensor(torch: Any, name: str, tensor: Any, limit: int) -> StoredTensor:
    is_row = tensor.dtype == torch.uint8 and tensor.ndim == 1 and tensor.layout == torch.strided

    def content() -> bytes:
        check_bytes(tensor.numel(), limit)
        return tensor_as_array(torch, tensor).tobytes()

    return StoredTensor(
        shape=tuple(tensor.shape),
        read=functools.partial(_read_tensor, torch, name, tensor, limit),
        content=content if is_row else None,
    )


def _read_tensor(torch: Any, name: str, tensor: Any, limit: int) -> BipartiteGraph:
    if tensor.is_complex() or tensor.is_quantized:
        raise FormatError(f"{name} has dtype {tensor.dtype}, expected real numbers or bools")
    if tensor.layout == torch.strided:
        # A small storage may stand for a large tensor, by strides of zero.
        check_bytes(2 * tensor.numel() * tensor.element_size(), limit)
        return read_array(name, tensor_as_array(torch, tensor))
    is_coo = tensor.layout == torch.sparse_coo
    stored = tensor._nnz() if is_coo else tensor.values().numel()
    check_bytes(8 * sum(tensor.shape) + 24 * stored, limit)
    try:
        return graph_of(tensor)
    except ArgumentError as error:
        raise FormatError(f"{name}: {error}") from error
