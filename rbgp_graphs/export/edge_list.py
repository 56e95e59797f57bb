"""Edge lists in CSV: a line ``row,col`` or ``row,col,value`` for each nonzero."""

from __future__ import annotations

import codecs
import io
import os
import re
from typing import Any, BinaryIO

import numpy as np
from scipy import sparse

from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.entries import CSR
from rbgp_graphs.export.npz import check_bytes

_LONGEST_LINE = 256
_SHAPE = re.compile(r"#\s*shape:?\s*(\d{1,12})\s*x\s*(\d{1,12})\s*")


def encode_csv(matrix: CSR, with_values: bool) -> bytes:
    """Return a matrix as an edge list.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        The stored entries are the edges.
    with_values : bool
        Whether a third column holds the values.

    Returns
    -------
    bytes
        The comment ``# shape: rows x cols``, the line with the names of the columns, and the
        edges; rows and columns count from 0.
    """
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)).tolist()
    cols = matrix.indices.tolist()
    stream = io.StringIO()
    stream.write(f"# shape: {matrix.shape[0]} x {matrix.shape[1]}\n")
    stream.write("row,col,value\n" if with_values else "row,col\n")
    if with_values:
        data = matrix.data.astype(np.int8) if matrix.dtype == bool else matrix.data
        lines = zip(rows, cols, data.tolist(), strict=True)
        stream.writelines(f"{i},{j},{value!r}\n" for i, j, value in lines)
    else:
        stream.writelines(f"{i},{j}\n" for i, j in zip(rows, cols, strict=True))
    return stream.getvalue().encode()


def read_csv(file: BinaryIO, limit: int) -> sparse.coo_array[Any]:
    """Return the matrix in an edge list.

    Parameters
    ----------
    file : binary file
        Lines of two or three numbers with commas between them. A comment ``# shape: m x n`` at
        the head gives the size, else it is that of the largest indices. A line with names may
        follow.
    limit : int
        Largest number of bytes that the arrays may need.

    Returns
    -------
    scipy.sparse.coo_array, shape (rows, cols)
        The matrix; entries without a value are 1.

    Raises
    ------
    FormatError
        If the content is something else, or more than `limit` bytes are needed.
    ValueError
        If a line does not hold numbers.
    """
    size = os.fstat(file.fileno()).st_size
    # A line has four bytes or more.
    check_bytes(24 * (size // 4 + 1), limit)
    shape = None
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    line = _line(file)
    while line.startswith("#"):
        found = _SHAPE.fullmatch(line)
        shape = (int(found[1]), int(found[2])) if found else shape
        line = _line(file)
    if line[:1].isalpha():
        line = _line(file)
    while line == "\n":
        line = _line(file)
    if not line:
        if shape is None:
            raise FormatError("there is no edge and no line '# shape: m x n'")
        check_bytes(8 * sum(shape), limit)
        return sparse.coo_array(shape, dtype=np.int8)
    columns = line.count(",") + 1
    if columns not in (2, 3):
        raise FormatError(f"a line has {columns} fields, expected row,col or row,col,value")
    fields = [("row", np.int64), ("col", np.int64), ("value", np.float64)][:columns]
    table = np.loadtxt(
        _joined(line, file),
        np.dtype(fields),
        comments="#",
        delimiter=",",
        ndmin=1,
        encoding="ascii",
    )
    row, col = table["row"], table["col"]
    if min(row.min(), col.min()) < 0:
        raise FormatError("an index is negative, expected indices from 0")
    shape = shape or (int(row.max()) + 1, int(col.max()) + 1)
    if row.max() >= shape[0] or col.max() >= shape[1]:
        raise FormatError(
            f"the largest indices are ({row.max()}, {col.max()}), outside {shape[0]} x {shape[1]}"
        )
    check_bytes(8 * sum(shape) + 24 * len(table), limit)
    data = table["value"] if columns == 3 else np.ones(len(table), dtype=np.int8)
    matrix = sparse.coo_array((data, (row, col)), shape=shape)
    cells = row * shape[1] + col
    if len(np.unique(cells)) != len(cells):
        raise FormatError("an edge occurs twice")
    return matrix


def _joined(line: str, file: BinaryIO) -> Any:
    yield line
    while line := _line(file):
        if line != "\n":
            yield line


def _line(file: BinaryIO) -> str:
    line = file.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        raise FormatError(f"a line is longer than {_LONGEST_LINE} bytes")
    return line.decode("ascii").replace("\r", "")
