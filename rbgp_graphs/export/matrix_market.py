"""A reader of MatrixMarket files that does not trust them.

The one of SciPy allocates what the size line promises, and crashes on some damaged files
(seen with 1.17: a last line without its end and with a letter in it).
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.npz import check_bytes

_LONGEST_LINE = 1024
#: Bytes of the shortest line of an entry, by layout.
_ENTRY_BYTES = {"coordinate": 4, "array": 2}
_INDICES = [("row", np.int64), ("col", np.int64)]


def read_matrix_market(file: BinaryIO, limit: int) -> Any:
    """Return the matrix in a MatrixMarket file.

    Parameters
    ----------
    file : binary file
        At its start.
    limit : int
        Largest number of bytes that the arrays may need.

    Returns
    -------
    scipy.sparse.coo_array or ndarray, shape (rows, cols)
        The matrix; entries of a pattern are 1.

    Raises
    ------
    FormatError
        If the file is not a real matrix in one of these layouts, a size or an index is wrong, or
        more than `limit` bytes are needed.
    ValueError
        If a line does not hold numbers.
    """
    layout, field, symmetry = _read_kind(file)
    rows, cols, count = _read_sizes(file, layout, symmetry, limit)
    number = np.int64 if field == "integer" else np.float64
    if layout == "array":
        numbers = _read_lines(file, np.dtype(number), count)
        if symmetry == "general":
            return numbers.reshape(cols, rows).T
        return _mirrored(numbers, rows, symmetry)
    values = [] if field == "pattern" else [("value", number)]
    entries = _read_lines(file, np.dtype([*_INDICES, *values]), count)
    row, col = entries["row"] - 1, entries["col"] - 1
    outside = (row < 0) | (row >= rows) | (col < 0) | (col >= cols)
    if outside.any():
        at = np.flatnonzero(outside)[0]
        raise FormatError(
            f"entry {at + 1} is at ({row[at] + 1}, {col[at] + 1}), outside {rows} x {cols}"
        )
    data = entries["value"] if values else np.ones(count, dtype=np.int8)
    if symmetry != "general":
        mirror = row != col
        data = np.concatenate((data, data[mirror]))
        row, col = np.concatenate((row, col[mirror])), np.concatenate((col, row[mirror]))
    return sparse.coo_array((data, (row, col)), shape=(rows, cols))


def _read_kind(file: BinaryIO) -> tuple[str, str, str]:
    words = _line(file).lower().split()
    if words[:2] != ["%%matrixmarket", "matrix"] or len(words) != 5:
        raise FormatError("the first line is not that of a MatrixMarket matrix")
    layout, field, symmetry = words[2:]
    if (
        layout not in _ENTRY_BYTES
        or field not in ("pattern", "integer", "real", "double")
        or symmetry not in ("general", "symmetric", "skew-symmetric")
        or (layout, field) == ("array", "pattern")
    ):
        raise FormatError(
            f"the matrix is {layout} {field} {symmetry}, expected coordinate or array; pattern, "
            "integer or real; general, symmetric or skew-symmetric"
        )
    return layout, field, symmetry


def _mirrored(numbers: NDArray[Any], size: int, symmetry: str) -> NDArray[Any]:
    """Return the square array of which the columns below the diagonal are given."""
    array = np.zeros((size, size), numbers.dtype)
    col, row = np.triu_indices(size, int(symmetry == "skew-symmetric"))
    array[row, col] = array[col, row] = numbers
    return array


def _read_sizes(file: BinaryIO, layout: str, symmetry: str, limit: int) -> tuple[int, int, int]:
    """Return rows, columns and the number of entries, which the file is long enough for."""
    line = _line(file)
    while line.startswith("%") or (line and not line.strip()):
        line = _line(file)
    sizes = line.split()
    expected = 3 if layout == "coordinate" else 2
    if len(sizes) != expected or not all(size.isdecimal() for size in sizes):
        raise FormatError(f"the size line is {line.strip()!r}, expected {expected} numbers")
    rows, cols = int(sizes[0]), int(sizes[1])
    if symmetry != "general" and rows != cols:
        raise FormatError(f"the {layout} of {rows} x {cols} is {symmetry}, expected general")
    count = int(sizes[2]) if layout == "coordinate" else rows * cols
    if layout == "array" and symmetry != "general":
        count = rows * (rows + 1 - 2 * (symmetry == "skew-symmetric")) // 2
    rest = os.fstat(file.fileno()).st_size - file.tell()
    # The last line may lack its end.
    if count * _ENTRY_BYTES[layout] > rest + 1:
        raise FormatError(f"the size line promises {count} entries, and {rest} bytes follow")
    cells = rows * cols if layout == "array" else count
    check_bytes(8 * (rows + cols) + 24 * cells, limit)
    return rows, cols, count


def _read_lines(file: BinaryIO, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
    """Return the numbers on the rest of the lines, of which there are `count`."""
    if count == 0:
        if any(line.strip() for line in file):
            raise FormatError("the size line promises no entries, and some follow")
        return np.empty(0, dtype)
    lines: NDArray[Any] = np.loadtxt(
        file, dtype, comments=None, max_rows=count + 1, ndmin=1, encoding="ascii"
    )
    if lines.shape != (count,):
        raise FormatError(f"{len(lines)} or more entries follow, expected {count}")
    return lines


def _line(file: BinaryIO) -> str:
    line = file.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        raise FormatError(f"a line of the head is longer than {_LONGEST_LINE} bytes")
    return line.decode("ascii")
