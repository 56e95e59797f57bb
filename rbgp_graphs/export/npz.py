"""A reader of NumPy's and SciPy's files that does not trust them.

`scipy.sparse.load_npz` hands indices on as they are, and SciPy crashes on some that its own
`check_format` accepts (seen with 1.17), so they are checked here.
"""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import FormatError

_PIECE_BYTES = 1 << 20
#: A sparse array has at most seven members in an archive.
_MAX_MEMBERS = 16


def read_npy(file: BinaryIO, limit: int) -> NDArray[Any]:
    """Return the array in a .npy file (see `read_npz`)."""
    return _read_array(file, os.fstat(file.fileno()).st_size, limit)


def read_npz(file: BinaryIO, limit: int) -> Any:
    """Return the matrix in a .npz file.

    Parameters
    ----------
    file : binary file
        At its start.
    limit : int
        Largest number of bytes that the arrays may need.

    Returns
    -------
    ndarray or scipy.sparse.coo_array
        The one array of the archive, of numbers or text; or the sparse array that
        `scipy.sparse.save_npz` put there in the format csr, csc, bsr or coo.

    Raises
    ------
    FormatError
        If there is neither, if sizes or indices contradict each other, or if more than `limit`
        bytes are needed.
    Exception
        Whatever NumPy and zipfile raise on a damaged head or archive.
    """
    arrays = read_arrays(file, limit, _MAX_MEMBERS)
    if "format" in arrays:
        return _as_sparse(arrays, limit)
    if len(arrays) != 1:
        raise FormatError(
            f"the archive has the arrays {', '.join(sorted(arrays)) or 'none'}; expected one "
            "matrix, or the parts of a sparse array saved by SciPy"
        )
    return next(iter(arrays.values()))


def read_arrays(file: BinaryIO, limit: int, max_members: int) -> dict[str, NDArray[Any]]:
    """Return all arrays in a .npz file by name (see `read_npz`)."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = {member.filename for member in members}
        if len(names) != len(members) or len(members) > max_members:
            raise FormatError(
                f"the archive has {len(members)} members under {len(names)} names, expected at "
                f"most {max_members} arrays"
            )
        check_bytes(sum(member.file_size for member in members), limit)
        arrays = {}
        for member in members:
            with archive.open(member) as stream:
                name = member.filename.removesuffix(".npy")
                arrays[name] = _read_array(stream, member.file_size, limit)
    return arrays


def check_bytes(needed: int, limit: int) -> None:
    """Raise if arrays need more than `limit` bytes."""
    if needed > limit:
        raise FormatError(f"the content needs {needed} bytes, more than max_bytes={limit}")


def read_bytes(file: BinaryIO, limit: int) -> bytes:
    """Return all that follows in a file, or raise if that is more than `limit` bytes."""
    # A single read would take a buffer of the size of the limit, also for a tiny file.
    pieces: list[bytes] = []
    length = 0
    while piece := file.read(min(_PIECE_BYTES, limit + 1 - length)):
        pieces.append(piece)
        length += len(piece)
        check_bytes(length, limit)
    return b"".join(pieces)


def _read_array(file: Any, length: int, limit: int) -> NDArray[Any]:
    """Return an array in NumPy's format that fills the `length` bytes of a stream."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise FormatError(f"an array has version {version} of the format, expected 1.0 or 2.0")
    if dtype.kind not in "biufSU" or dtype.itemsize == 0:
        raise FormatError(f"an array has dtype {dtype}, expected real numbers or bools")
    if any(size < 0 for size in shape):
        raise FormatError(f"an array has shape {shape}, expected no negative size")
    needed = math.prod(shape) * dtype.itemsize
    rest = length - file.tell()
    if needed != rest:
        raise FormatError(
            f"an array of shape {shape} and dtype {dtype} has {rest} bytes, expected {needed}"
        )
    check_bytes(needed, limit)
    data = file.read(needed)
    if len(data) != needed:
        raise FormatError(f"an array ends after {len(data)} of {needed} bytes")
    flat = np.frombuffer(data, dtype=dtype) if needed else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran_order else "C")


# Sparse arrays ------------------------------------------------------------------------------


def _as_sparse(arrays: dict[str, NDArray[Any]], limit: int) -> sparse.coo_array[Any]:
    """Put the parts of a sparse array together, as `scipy.sparse.load_npz` does."""
    name = str(arrays["format"].astype("U").item())
    if name not in _PARTS:
        raise FormatError(f"the sparse format is {name!r}, expected one of {', '.join(_PARTS)}")
    missing = [part for part in ("shape", "data", *_PARTS[name]) if part not in arrays]
    if missing:
        raise FormatError(f"the sparse array lacks {', '.join(missing)}")
    first, second = (_as_indices(part, arrays[part]) for part in _PARTS[name])
    rows, cols = _as_indices("shape", arrays["shape"]).tolist()
    data = arrays["data"]
    check_bytes(8 * (rows + cols) + 24 * data.size, limit)
    if name == "bsr":
        row, col, data = _from_blocks(first, second, data, rows)
    elif name == "coo":
        row, col = first, second
    else:
        major, minor = (rows, first) if name == "csr" else (cols, first)
        major_index = _from_pointers(second, major, len(data))
        row, col = (major_index, minor) if name == "csr" else (minor, major_index)
    if data.ndim != 1 or not len(row) == len(col) == len(data):
        raise FormatError(
            f"the sparse array has {len(row)} row and {len(col)} column indices and data of "
            f"shape {data.shape}"
        )
    if len(data) and (row.max() >= rows or col.max() >= cols):
        raise FormatError(f"the sparse array has an index outside {rows} x {cols}")
    # SciPy does not know float16.
    data = data.astype(np.float32) if data.dtype == np.float16 else data
    return sparse.coo_array((data, (row, col)), shape=(rows, cols))


def _as_indices(name: str, array: NDArray[Any]) -> NDArray[np.int64]:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise FormatError(
            f"{name} has dtype {array.dtype} and shape {array.shape}, expected a list of integers"
        )
    if array.size and (array.min() < 0 or array.max() > 2**62):
        raise FormatError(f"{name} has entries from {array.min()} to {array.max()}")
    return array.astype(np.int64)


def _from_pointers(pointers: NDArray[np.int64], count: int, length: int) -> NDArray[np.int64]:
    """Return the row of each entry of CSR."""
    lengths = np.diff(pointers)
    ends = (pointers[0], pointers[-1]) if len(pointers) else (-1, -1)
    if len(lengths) != count or ends != (0, length) or (lengths < 0).any():
        raise FormatError(
            f"indptr has {len(pointers)} entries from {ends[0]} to {ends[1]}, expected "
            f"{count + 1} ascending ones from 0 to {length}"
        )
    return np.repeat(np.arange(count), lengths)


def _from_blocks(
    indices: NDArray[np.int64], pointers: NDArray[np.int64], data: NDArray[Any], rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Return row, column and value of each entry of BSR."""
    if data.ndim != 3 or 0 in data.shape[1:] or rows % data.shape[1] or len(indices) != len(data):
        raise FormatError(
            f"the sparse array has {len(indices)} blocks, {rows} rows and data of shape "
            f"{data.shape}"
        )
    height, width = data.shape[1:]
    block_row = _from_pointers(pointers, rows // height, len(data))
    row = (block_row * height)[:, None, None] + np.arange(height)[:, None]
    col = (indices * width)[:, None, None] + np.arange(width)
    row, col = (np.broadcast_to(index, data.shape).ravel() for index in (row, col))
    return row, col, data.ravel()


_PARTS = {
    "csr": ("indices", "indptr"),
    "csc": ("indices", "indptr"),
    "bsr": ("indices", "indptr"),
    "coo": ("row", "col"),
}
