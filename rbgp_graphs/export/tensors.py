"""Files with named tensors, read without trust: safetensors, .npz and checkpoints of PyTorch."""

from __future__ import annotations

import functools
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import require
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.npz import check_bytes, read_arrays, read_bytes

#: The pickle in a checkpoint may name these; all others are refused before PyTorch sees it.
_GLOBALS = {
    "collections": ("OrderedDict",),
    "torch": ("Size", "device", "*Storage", "*Tensor"),
    "torch._utils": ("_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_sparse_tensor"),
    "torch.nn.parameter": ("Parameter",),
    "torch.serialization": ("_get_layout",),
    "torch.storage": ("UntypedStorage",),
}
_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
#: Where checkpoints of training programs keep the state dict of the model.
_NESTED = ("state_dict", "model_state_dict", "model")
_MAX_NAMES = 2**17


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor in a file.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    nonzero : callable
        Returns where it is not zero, bool of `shape`. Raises `FormatError` if it holds NaN or
        infinity, or is not of real numbers.
    """

    shape: tuple[int, ...]
    nonzero: Callable[[], NDArray[np.bool_]]


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
            nonzero=functools.partial(
                _nonzero_bytes, name, entry["dtype"], entry["shape"], entry["data"]
            ),
        )
        for name, entry in entries
    }


def _check_header(data: bytes) -> None:
    """Refuse a header that would cost the reader much more memory than its length."""
    head = data[8 : 8 + int.from_bytes(data[:8], "little")]
    items = head.count(b"{") + head.count(b",")
    if items > 8 * _MAX_NAMES:
        raise FormatError(f"the header has {items} items, expected at most {8 * _MAX_NAMES}")


def _nonzero_bytes(name: str, dtype: str, shape: Any, data: Any) -> NDArray[np.bool_]:
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
    return found.reshape(shape)


def read_npz_tensors(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the arrays of a .npz file (see `rbgp_graphs.export.npz.read_arrays`)."""
    arrays = read_arrays(file, limit, _MAX_NAMES)
    return {
        name: StoredTensor(
            shape=array.shape, nonzero=functools.partial(_nonzero_array, name, array)
        )
        for name, array in arrays.items()
    }


def _nonzero_array(name: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    if array.dtype.kind not in "biuf":
        raise FormatError(f"{name} has dtype {array.dtype}, expected real numbers or bools")
    if not np.isfinite(array).all():
        raise FormatError(f"{name} holds NaN or infinity, expected finite numbers")
    found: NDArray[np.bool_] = array != 0
    return found


# Checkpoints --------------------------------------------------------------------------------


def read_checkpoint(file: BinaryIO, limit: int) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint that ``torch.save`` wrote.

    Parameters
    ----------
    file : binary file
        A state dict, or a dict with one under ``state_dict``, ``model_state_dict`` or ``model``.
    limit : int
        Largest number of bytes that the file may have, and any tensor when it is dense.

    Returns
    -------
    dict of str to StoredTensor
        In the order of the file.

    Raises
    ------
    FormatError
        If the file is not such an archive, its pickle names anything but tensors and
        containers, or more than `limit` bytes are needed.
    Exception
        What PyTorch raises on a damaged archive.

    Notes
    -----
    The pickle is scanned before PyTorch reads it, and PyTorch itself then builds tensors only
    (``weights_only=True``). The scan is narrower: it also refuses the calls that allocate what a
    small file asks for.
    """
    _check_archive(file, limit)
    file.seek(0)
    torch = require("torch", "torch")
    with torch.sparse.check_sparse_tensor_invariants(True):
        state = torch.load(file, map_location="cpu", weights_only=True)
    for key in _NESTED:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        state = {"tensor": state}
    return {
        str(name): StoredTensor(
            shape=tuple(tensor.shape),
            nonzero=functools.partial(_nonzero_tensor, torch, str(name), tensor, limit),
        )
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor)
    }


def _check_archive(file: BinaryIO, limit: int) -> None:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        check_bytes(sum(member.file_size for member in members), limit)
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise FormatError("the archive is compressed, which torch.save never does")
        pickles = [member for member in members if member.filename.endswith("data.pkl")]
        if len(pickles) != 1:
            raise FormatError(f"the archive has {len(pickles)} pickles, expected data.pkl")
        _check_pickle(archive.read(pickles[0]))


def _check_pickle(data: bytes) -> None:
    """Raise if a pickle names anything but what tensors and containers are made of."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            raise FormatError(f"the pickle has the opcode {opcode.name}, which is refused")
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            if not _is_harmless(module, name):
                raise FormatError(f"the pickle names {module}.{name}, which is refused")


def _is_harmless(module: str, name: str) -> bool:
    allowed = _GLOBALS.get(module, ())
    if name in allowed or (module == "torch" and name in _DTYPES):
        return True
    return any(
        word[0] == "*" and name.endswith(word[1:]) and name.isidentifier() for word in allowed
    )


def _nonzero_tensor(torch: Any, name: str, tensor: Any, limit: int) -> NDArray[np.bool_]:
    # A small storage may stand for a large tensor, by strides of zero or a sparse layout.
    check_bytes(2 * tensor.numel() * tensor.element_size(), limit)
    dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
    if dense.is_complex() or dense.is_quantized:
        raise FormatError(f"{name} has dtype {dense.dtype}, expected real numbers or bools")
    if not torch.isfinite(dense).all():
        raise FormatError(f"{name} holds NaN or infinity, expected finite numbers")
    found: NDArray[np.bool_] = (dense != 0).numpy()
    return found


TENSOR_READERS: dict[str, Callable[[BinaryIO, int], dict[str, StoredTensor]]] = {
    ".safetensors": read_safetensors,
    ".npz": read_npz_tensors,
    ".pt": read_checkpoint,
    ".pth": read_checkpoint,
    ".bin": read_checkpoint,
}
