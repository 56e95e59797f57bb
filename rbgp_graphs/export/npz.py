"""A reader of NumPy's and SciPy's files that does not trust them."""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.sparse_parts import INDEX_NAMES, as_indices, assemble

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
    ndarray or SciPy sparse array
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


def _as_sparse(arrays: dict[str, NDArray[Any]], limit: int) -> Any:
    """Put the parts of a sparse array together, as `scipy.sparse.load_npz` does."""
    layout = str(arrays["format"].astype("U").item())
    if layout not in INDEX_NAMES:
        raise FormatError(
            f"the sparse format is {layout!r}, expected one of {', '.join(INDEX_NAMES)}"
        )
    first, second = INDEX_NAMES[layout]
    missing = [part for part in ("shape", "data", first, second) if part not in arrays]
    if missing:
        raise FormatError(f"the sparse array lacks {', '.join(missing)}")
    rows, cols = as_indices("shape", arrays["shape"]).tolist()
    data = arrays["data"]
    check_bytes(8 * (rows + cols) + 24 * data.size, limit)
    return assemble(layout, (rows, cols), data, arrays[first], arrays[second])
