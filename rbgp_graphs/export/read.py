"""Masks from elsewhere, as arrays or as files that are not trusted."""

from __future__ import annotations

import math
import os
import stat
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs._validation import as_int
from rbgp_graphs.encoding.atomic import as_path
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, RBGPError
from rbgp_graphs.graph import BipartiteGraph

#: Default of `max_bytes`: what a file may unpack to.
MAX_FILE_BYTES = 2**30
#: A sparse array has at most seven members in an archive.
_MAX_MEMBERS = 16
_LONGEST_LINE = 1024


def read_mask(source: Any, *, max_bytes: int = MAX_FILE_BYTES) -> BipartiteGraph:
    """Return the graph whose edges are the nonzero entries of a mask or a weight matrix.

    Parameters
    ----------
    source : path, array_like or SciPy sparse array
        A matrix of finite numbers or bools, or a file that holds one: ``.npz`` (a sparse array
        saved by SciPy, or an archive with one matrix), ``.npy``, or ``.mtx`` (MatrixMarket).
        Stored zeros are not edges.
    max_bytes : int
        Largest size that the arrays in a file may have in memory.

    Returns
    -------
    BipartiteGraph
        Rows are the left vertices, columns the right ones.

    Raises
    ------
    ArgumentTypeError
        If `source` is not of one of these types.
    ArgumentError
        If a file is not there, cannot be read or has another suffix, or an array is not a
        matrix or holds NaN or infinity.
    FormatError
        If the content of a file is damaged, forged, or not a matrix of finite real numbers, or
        needs more than `max_bytes`.

    Notes
    -----
    Sizes that a file claims are compared with its length before anything is allocated, and no
    pickled object is ever loaded.

    Examples
    --------
    >>> read_mask([[1, 0, 2], [0, 3, 0]]).edges.tolist()
    [[0, 0], [0, 2], [1, 1]]
    """
    limit = as_int("max_bytes", max_bytes, minimum=1)
    if isinstance(source, (str, os.PathLike)):
        return _read_file(source, limit)
    if sparse.issparse(source):
        return BipartiteGraph.from_biadjacency(source)
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(
            f"source of type {type(source).__name__} is neither a path nor a matrix: {error}"
        ) from error
    return BipartiteGraph.from_biadjacency(array)


def _read_file(path: Any, limit: int) -> BipartiteGraph:
    place = as_path(path)
    read = _READERS.get(place.suffix.lower())
    if read is None:
        raise ArgumentError(
            f"{place} has the suffix {place.suffix!r}, expected one of {', '.join(_READERS)}"
        )
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ArgumentError(f"cannot read {place}: it is not a regular file")
        file = place.open("rb")
    except OSError as error:
        raise ArgumentError(f"cannot read {place}: {error.strerror or error}") from error
    with file:
        try:
            return BipartiteGraph.from_biadjacency(read(file, limit))
        except FormatError as error:
            raise FormatError(f"{place}: {error}") from error
        except Exception as error:
            # The readers of NumPy, SciPy and zipfile raise what they like on forged files.
            detail = str(error) if isinstance(error, RBGPError) else repr(error)
            raise FormatError(f"{place} is not a valid {place.suffix} file: {detail}") from error


def _check_size(needed: int, limit: int) -> None:
    if needed > limit:
        raise FormatError(f"the content needs {needed} bytes, more than max_bytes={limit}")


def _check_shape(shape: tuple[int, int], limit: int) -> None:
    if min(shape) < 0:
        raise FormatError(f"the shape is {shape}, expected no negative size")
    _check_size(8 * sum(shape), limit)


# NumPy --------------------------------------------------------------------------------------


def _read_npy(file: BinaryIO, limit: int) -> NDArray[Any]:
    return _read_array(file, os.fstat(file.fileno()).st_size, limit)


def _read_array(file: Any, length: int, limit: int) -> NDArray[Any]:
    """Read an array in NumPy's format that fills the `length` bytes of a stream."""
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
    _check_size(needed, limit)
    data = file.read(needed)
    if len(data) != needed:
        raise FormatError(f"an array ends after {len(data)} of {needed} bytes")
    flat = np.frombuffer(data, dtype=dtype) if needed else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if fortran_order else "C")


def _read_npz(file: BinaryIO, limit: int) -> Any:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = {member.filename for member in members}
        if len(names) != len(members) or len(members) > _MAX_MEMBERS:
            raise FormatError(f"the archive has {len(members)} members, expected one matrix")
        _check_size(sum(member.file_size for member in members), limit)
        arrays = {}
        for member in members:
            with archive.open(member) as stream:
                name = member.filename.removesuffix(".npy")
                arrays[name] = _read_array(stream, member.file_size, limit)
    if "format" in arrays:
        return _as_sparse(arrays, limit)
    if len(arrays) != 1:
        raise FormatError(
            f"the archive has the arrays {', '.join(sorted(arrays)) or 'none'}; expected one "
            "matrix, or the parts of a sparse array saved by SciPy"
        )
    return next(iter(arrays.values()))


def _as_sparse(arrays: dict[str, NDArray[Any]], limit: int) -> Any:
    """Put the parts of a sparse array together, as `scipy.sparse.load_npz` does."""
    name = str(arrays["format"].astype("U").item())
    parts = _PARTS.get(name)
    if parts is None:
        raise FormatError(f"the sparse format is {name!r}, expected one of {', '.join(_PARTS)}")
    missing = [part for part in ("shape", "data", *parts) if part not in arrays]
    if missing:
        raise FormatError(f"the sparse array lacks {', '.join(missing)}")
    if any(arrays[part].dtype.kind not in "iu" for part in ("shape", *parts)):
        raise FormatError("the indices of the sparse array are not integers")
    rows, cols = arrays["shape"].tolist()
    _check_shape((rows, cols), limit)
    indices = tuple(arrays[part] for part in parts)
    if name == "coo":
        return sparse.coo_array((arrays["data"], indices), shape=(rows, cols))
    build = {"csr": sparse.csr_array, "csc": sparse.csc_array, "bsr": sparse.bsr_array}[name]
    matrix: Any = build((arrays["data"], *indices), shape=(rows, cols))
    matrix.check_format(full_check=True)
    return matrix


_PARTS = {
    "csr": ("indices", "indptr"),
    "csc": ("indices", "indptr"),
    "bsr": ("indices", "indptr"),
    "coo": ("row", "col"),
}


# MatrixMarket -------------------------------------------------------------------------------


def _read_mtx(file: BinaryIO, limit: int) -> Any:
    from scipy import io

    _scan_mtx(file, limit)
    file.seek(0)
    return io.mmread(file, spmatrix=False)


def _scan_mtx(file: BinaryIO, limit: int) -> None:
    """Raise if the size line promises more than the rest of the file can hold."""
    words = _line(file).lower().split()
    if words[:2] != ["%%matrixmarket", "matrix"] or len(words) != 5:
        raise FormatError("the first line is not that of a MatrixMarket matrix")
    layout, field = words[2:4]
    if layout not in _ENTRY_BYTES or field not in ("pattern", "integer", "real", "double"):
        raise FormatError(
            f"the matrix is {layout} {field}, expected coordinate or array, and pattern, "
            "integer or real"
        )
    line = _line(file)
    while line.startswith("%") or (line and not line.strip()):
        line = _line(file)
    count = 3 if layout == "coordinate" else 2
    sizes = line.split()
    if len(sizes) != count or not all(size.isdecimal() for size in sizes):
        raise FormatError(f"the size line is {line.strip()!r}, expected {count} numbers")
    rows, cols = int(sizes[0]), int(sizes[1])
    entries = int(sizes[2]) if layout == "coordinate" else rows * cols
    rest = os.fstat(file.fileno()).st_size - file.tell()
    # A symmetric array stores one triangle. The last line may lack its end.
    stored = entries // 2 if words[4] != "general" and layout == "array" else entries
    if stored * _ENTRY_BYTES[layout] > rest + 1:
        raise FormatError(f"the size line promises {entries} entries, and {rest} bytes follow")
    _check_shape((rows, cols), limit)
    _check_size(2 * _MEMORY_BYTES[layout] * entries, limit)


def _line(file: BinaryIO) -> str:
    line = file.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        raise FormatError(f"a line of the head is longer than {_LONGEST_LINE} bytes")
    if b"\r" in line.rstrip(b"\r\n"):
        raise FormatError("a line of the head holds a carriage return")
    return line.decode("ascii")


#: Bytes of the shortest line of an entry, and of an entry in memory.
_ENTRY_BYTES = {"coordinate": 4, "array": 2}
_MEMORY_BYTES = {"coordinate": 24, "array": 8}

_READERS: dict[str, Callable[[BinaryIO, int], Any]] = {
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".mtx": _read_mtx,
}
