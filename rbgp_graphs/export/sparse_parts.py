"""Sparse matrices put together from parts that are not trusted.

SciPy takes indices as they are, and crashes on some that its own `check_format` accepts (seen
with 1.17), so they are checked here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import FormatError

#: The names of the two arrays that say where the data of each layout belongs.
INDEX_NAMES = {
    "csr": ("indices", "indptr"),
    "csc": ("indices", "indptr"),
    "bsr": ("indices", "indptr"),
    "coo": ("row", "col"),
}


def assemble(
    layout: str, shape: tuple[int, int], data: NDArray[Any], first: Any, second: Any
) -> Any:
    """Return the sparse matrix that has these parts.

    Parameters
    ----------
    layout : {"csr", "csc", "bsr", "coo"}
        What the parts are.
    shape : (int, int)
        Rows and columns.
    data : ndarray
        The stored numbers: shape (nnz,), or (number of blocks, height, width) for BSR.
    first, second : array_like of int
        ``indices`` and ``indptr``, or ``row`` and ``col`` for COO, as SciPy names them.

    Returns
    -------
    scipy.sparse.csr_array, csc_array, bsr_array or coo_array
        Not sorted, and with the duplicates that the parts have.

    Raises
    ------
    FormatError
        If the parts contradict each other.
    """
    rows, cols = shape
    names = INDEX_NAMES[layout]
    first, second = as_indices(names[0], first), as_indices(names[1], second)
    if data.ndim != (3 if layout == "bsr" else 1) or len(first) != len(data):
        raise FormatError(
            f"the sparse array has {len(first)} {names[0]} and data of shape {data.shape}"
        )
    # SciPy does not know float16.
    data = data.astype(np.float32) if data.dtype == np.float16 else data
    if layout == "coo":
        if len(second) != len(data):
            raise FormatError(f"the sparse array has {len(first)} row and {len(second)} col")
        _check_below(first, rows, shape)
        _check_below(second, cols, shape)
        return sparse.coo_array((data, (first, second)), shape=shape)
    height, width = data.shape[1:] if layout == "bsr" else (1, 1)
    if 0 in (height, width) or rows % height or cols % width:
        raise FormatError(f"blocks of {height} x {width} do not fill an array of {rows} x {cols}")
    major, minor = (cols, rows) if layout == "csc" else (rows // height, cols // width)
    _check_pointers(second, major, len(first))
    _check_below(first, minor, shape)
    build = {"csr": sparse.csr_array, "csc": sparse.csc_array, "bsr": sparse.bsr_array}[layout]
    return build((data, first, second), shape=shape)


def as_indices(name: str, values: Any) -> NDArray[Any]:
    """Return a list of integers, none of them negative, or raise `FormatError`."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise FormatError(
            f"{name} has dtype {array.dtype} and shape {array.shape}, expected a list of integers"
        )
    if array.size and (array.min() < 0 or array.max() > 2**62):
        raise FormatError(f"{name} has entries from {array.min()} to {array.max()}")
    return array if array.dtype in (np.int32, np.int64) else array.astype(np.int64)


def _check_below(indices: NDArray[Any], size: int, shape: tuple[int, int]) -> None:
    if len(indices) and indices.max() >= size:
        raise FormatError(f"the sparse array has an index outside {shape[0]} x {shape[1]}")


def _check_pointers(pointers: NDArray[Any], count: int, length: int) -> None:
    ends = (pointers[0], pointers[-1]) if len(pointers) else (-1, -1)
    if len(pointers) != count + 1 or ends != (0, length) or (np.diff(pointers) < 0).any():
        raise FormatError(
            f"indptr has {len(pointers)} entries from {ends[0]} to {ends[1]}, expected "
            f"{count + 1} ascending ones from 0 to {length}"
        )
