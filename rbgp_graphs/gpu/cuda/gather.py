r"""Tier 0: the products as a gather and a batched dense product, on any array module.

All rows of a group share their columns, so the rows of the dense operand that a group needs are
gathered once and multiplied with its values, a dense block. On a GPU the batched product is
cuBLAS. These functions run on any device and for any pattern. They are what the kernels are
checked against, and what takes over where no kernel can be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rbgp_graphs.gpu.cuda.tables import Dimensions

#: Bytes of gathered rows at a time.
_BUFFER_BYTES = 1 << 28


def group_columns(xp: Any, size: Dimensions, tables: Any, start: int, stop: int) -> Any:
    """Return the columns of the groups of outer rows `start` to `stop`.

    Parameters
    ----------
    xp : module
        NumPy, CuPy, or what behaves like them.
    size : Dimensions
        The pattern.
    tables : Tables
        Its tables, as arrays of `xp`.
    start, stop : int
        Range of u_o.

    Returns
    -------
    array of int64, shape (stop - start, ui, row_degree)
        The columns that all rows with these digits (u_o, u_i) share.
    """
    tiles = tables.outer_columns[start:stop].astype(xp.int64)
    inner = tables.inner_columns[tables.outer_tables[start:stop]].astype(xp.int64)
    # Axes: u_o, u_i, k_o, v_r, k_i, v_b.
    slabs = tiles[:, None, :, None, None, None] * size.vr + xp.arange(size.vr)[:, None, None]
    within = inner.transpose(0, 2, 1, 3)[:, :, :, None, :, None]
    columns = (slabs * size.vi + within) * size.vb + xp.arange(size.vb)
    return columns.reshape(stop - start, size.ui, size.row_degree)


def forward(
    xp: Any,
    special: Any,
    size: Dimensions,
    tables: Any,
    values: Any,
    X: Any,
    bias: Any,
    activation: str | None,
) -> Any:
    """Return f(A X + b) for X of shape (batch, cols, n), in the precision of the sums.

    The result has shape (batch, rows, n), and dtype float64 if X has it, else float32.
    """
    dtype = _sum_dtype(xp, X)
    panel = X.transpose(1, 0, 2).reshape(size.cols, -1).astype(dtype)
    weights = _by_group(values, size).astype(dtype)
    result = xp.empty((size.uo, size.ui, size.group, panel.shape[1]), dtype)
    for part in _outer_rows(size, panel.shape[1] * panel.dtype.itemsize):
        columns = group_columns(xp, size, tables, part.start, part.stop)
        result[part] = xp.matmul(weights[part], panel[columns])
    split = result.reshape(size.uo, size.ui, size.ur, size.ub, X.shape[0], X.shape[2])
    Y = split.transpose(4, 0, 2, 1, 3, 5).reshape(X.shape[0], size.rows, X.shape[2])
    if bias is not None:
        Y += bias.astype(dtype)[:, None]
    if activation == "relu":
        return xp.maximum(Y, 0)
    if activation == "gelu":
        return Y * special.ndtr(Y)
    if activation == "silu":
        return Y * special.expit(Y)
    return Y


def sampled(xp: Any, size: Dimensions, tables: Any, dY: Any, X: Any) -> Any:
    """Return the entries of dY times X transposed at the nonzeros, summed over the batch.

    dY has shape (batch, rows, n) and X (batch, cols, n). The result has shape
    (rows, row_degree), and dtype float64 if X has it, else float32.
    """
    dtype = _sum_dtype(xp, X)
    panel = X.transpose(1, 0, 2).reshape(size.cols, -1).astype(dtype)
    rows = dY.transpose(1, 0, 2).reshape(size.rows, -1).astype(dtype)
    gradient = _by_group(rows, size)
    result = xp.empty((size.uo, size.ui, size.group, size.row_degree), dtype)
    for part in _outer_rows(size, panel.shape[1] * panel.dtype.itemsize):
        columns = group_columns(xp, size, tables, part.start, part.stop)
        result[part] = xp.matmul(gradient[part], panel[columns].swapaxes(-1, -2))
    split = result.reshape(size.uo, size.ui, size.ur, size.ub, size.row_degree)
    return split.transpose(0, 2, 1, 3, 4).reshape(size.rows, size.row_degree)


def transpose_values(xp: Any, size: Dimensions, tables: Any, sources: Any, values: Any) -> Any:
    """Return the values of the transposed matrix, each of its rows in ascending column order.

    `size` and `tables` are those of the transposed pattern, `sources` says where its edges stand
    in the other one, and `values` has shape (cols, col_degree).
    """
    if values.dtype.name == "bfloat16":
        # Not every array module can index numbers of this type; their bits it can.
        bits = xp.ascontiguousarray(values).view(xp.uint16)
        return transpose_values(xp, size, tables, sources, bits).view(values.dtype)
    # Axes: v_o, v_i of the edge, position, then u_r, u_b, v_r, v_b: here U is the side of rows.
    inner_degree = size.ui * size.di // size.vi
    degree = size.uo * size.do // size.vo
    split = values.reshape(size.vo, size.vr, size.vi, size.vb, degree, size.ur, inner_degree, -1)
    edges = split.transpose(0, 4, 2, 6, 5, 7, 1, 3)
    edges = edges.reshape(size.vo * degree, size.vi * inner_degree, *edges.shape[4:])
    inner = sources.inner[tables.outer_tables].reshape(size.uo, size.do, size.ui, size.di)
    # Axes: u_o, k_o, u_i, k_i, u_r, u_b, v_r, v_b.
    taken = edges[sources.outer[:, :, None, None], inner]
    return taken.transpose(0, 4, 2, 5, 1, 6, 3, 7).reshape(size.rows, size.row_degree)


def _sum_dtype(xp: Any, array: Any) -> Any:
    return xp.float64 if array.dtype == xp.float64 else xp.float32


def _by_group(array: Any, size: Dimensions) -> Any:
    """Return rows ordered by group: shape (uo, ui, group, length)."""
    split = array.reshape(size.uo, size.ur, size.ui, size.ub, array.shape[1])
    return split.transpose(0, 2, 1, 3, 4).reshape(size.uo, size.ui, size.group, array.shape[1])


def _outer_rows(size: Dimensions, row_bytes: int) -> Iterator[slice]:
    step = max(1, _BUFFER_BYTES // max(1, size.ui * size.row_degree * row_bytes))
    return (slice(start, min(start + step, size.uo)) for start in range(0, size.uo, step))
