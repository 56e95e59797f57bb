r"""Products with an RBGP4 matrix in plain NumPy and SciPy: the oracle and the fallback.

The rows with the same digits (u_o, u_i) form a group and share one list of columns, so the
matrix is :math:`D S^T`: the gather :math:`S^T` of the rows of X that each group needs, and
a block-diagonal :math:`D` with a dense block of row_group x row_degree for each group.

- forward: :math:`D (S^T X)`, a gather and a batched dense product;
- transposed: :math:`S (D^T Y)`, a batched dense product and a scatter that adds;
- sampled: the blocks of :math:`dY (S^T X)^T`.

All three work in steps whose buffers stay in the cache. float16 is computed in float32 and
rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.gpu.epilogue import finish
from rbgp_graphs.products import RBGP4

#: Size of the buffer of one step. From 0.5 to 2 MiB is fastest at 4096 x 4096, N = 256.
_BUFFER_BYTES = 1 << 20
#: The transposed product adds to a tile that is at least so many times smaller than the buffer.
_TILE_SHARE = 4


def forward(
    pattern: RBGP4,
    values: NDArray[Any],
    X: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    """Write A X to `out` (see `rbgp_graphs.gpu.backend.Backend`)."""
    dtype = _compute_dtype(out)
    panel = _panel(X, dtype)
    target = _target(out)
    weights, results = _by_group(pattern, values), _by_group(pattern, target)
    biases = None if bias is None else _by_group(pattern, bias)
    width, groups = _step(panel, pattern.row_degree)
    for at, columns in _group_steps(pattern, groups):
        block = weights[at].astype(dtype).reshape(-1, pattern.row_group, pattern.row_degree)
        index = columns.reshape(-1, pattern.row_degree)
        for part in _parts(panel.shape[1], width):
            product = np.matmul(block, panel[index, part])
            product = product.reshape(results[at].shape[:-1] + product.shape[-1:])
            finish(product, None if biases is None else biases[at], activation)
            results[at][..., part] = product
    _store(target, out)


def transposed(
    pattern: RBGP4,
    values: NDArray[Any],
    Y: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    """Write the product of the transposed matrix and Y to `out`."""
    dtype = _compute_dtype(out)
    panel = _by_group(pattern, _panel(Y, dtype))
    target = _target(out)
    outer, tile_cols = pattern.outer, pattern.tile_shape[1]
    degree = outer.neighbor_table.shape[1]
    entries = pattern.row_degree // degree
    # Axes: u_o, u_i, u_r, u_b, k_o, entry of the group in the tile.
    weights = _by_group(pattern, values.reshape(pattern.rows, degree, entries))
    places = _places_in_tile(pattern)
    edges = outer.transpose_order.reshape(outer.right, -1)
    groups_per_tile = edges.shape[1] * pattern.inner.left
    width, tiles = _step(panel, max(_TILE_SHARE * tile_cols, groups_per_tile))
    groups = _step(panel[..., :width], entries)[1]
    for start in range(0, outer.right, tiles):
        edge = edges[start : start + tiles]
        count = len(edge) * tile_cols
        rows = slice(start * tile_cols, start * tile_cols + count)
        for part in _parts(panel.shape[-1], width):
            product = np.zeros((count, panel[..., part].shape[-1]), dtype)
            for some in _parts(len(edge) * groups_per_tile, groups):
                which = np.arange(some.start, min(some.stop, len(edge) * groups_per_tile))
                at, u_i = np.divmod(which, pattern.inner.left)
                e = edge.ravel()[at]
                u_o, k_o = np.divmod(e, degree)
                block = weights[u_o, u_i, :, :, k_o].astype(dtype)
                block = block.reshape(-1, pattern.row_group, entries).transpose(0, 2, 1)
                operand = panel[u_o, u_i, ..., part].reshape(len(which), pattern.row_group, -1)
                spread = np.matmul(block, operand)
                into = places[pattern.outer_edge_tables[e], u_i]
                into = into + (at // edges.shape[1] * tile_cols)[:, None]
                product += _scatter(into, count, dtype) @ spread.reshape(into.size, -1)
            finish(product, None if bias is None else bias[rows], activation)
            target[rows, part] = product
    _store(target, out)


def sampled(pattern: RBGP4, dY: NDArray[Any], X: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the entries of dY times X transposed at the nonzeros to `out`."""
    dtype = _compute_dtype(out)
    panel, gradient = _panel(X, dtype), _by_group(pattern, _panel(dY, dtype))
    results = _by_group(pattern, out)
    width, groups = _step(panel, pattern.row_degree)
    for at, columns in _group_steps(pattern, groups):
        index = columns.reshape(-1, pattern.row_degree)
        total = np.zeros((len(index), pattern.row_group, pattern.row_degree), dtype)
        for part in _parts(panel.shape[1], width):
            rows = gradient[at][..., part].reshape(len(index), pattern.row_group, -1)
            total += np.matmul(rows, panel[index, part].transpose(0, 2, 1))
        results[at] = total.reshape(results[at].shape)


# Layout -------------------------------------------------------------------------------------


def _compute_dtype(out: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if out.dtype == np.float16 else out.dtype


def _panel(X: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the operand (..., n, N) as a contiguous matrix with n rows."""
    rows_first = np.moveaxis(X, -2, 0)
    return np.ascontiguousarray(rows_first, dtype=dtype).reshape(len(rows_first), -1)


def _target(out: NDArray[Any]) -> NDArray[Any]:
    """Return the matrix to write to: `out` itself, or a buffer for a batch."""
    if out.ndim == 2:
        return out
    count = out.size // out.shape[-2]
    return np.empty((out.shape[-2], count), dtype=out.dtype)


def _store(target: NDArray[Any], out: NDArray[Any]) -> None:
    if target is not out:
        batch = (*out.shape[:-2], out.shape[-1])
        out[...] = np.moveaxis(target.reshape(-1, *batch), 0, -2)


def _group_shape(pattern: RBGP4) -> tuple[int, int]:
    return pattern.repeat.left, pattern.block.left


def _by_group(pattern: RBGP4, array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array with the rows of the matrix on axes u_o, u_i, u_r, u_b."""
    repeat, block = _group_shape(pattern)
    sizes = (pattern.outer.left, repeat, pattern.inner.left, block)
    split = array.reshape(*sizes, *array.shape[1:])
    return np.moveaxis(split, 2, 1)


# Steps --------------------------------------------------------------------------------------


def _step(panel: NDArray[Any], rows: int) -> tuple[int, int]:
    """Return how many columns, and how many units of `rows` gathered rows, fill the buffer."""
    entries = _BUFFER_BYTES // panel.itemsize
    width = min(panel.shape[-1], max(1, entries // rows))
    return max(1, width), max(1, entries // (rows * max(1, width)))


def _parts(count: int, width: int) -> Iterator[slice]:
    return (slice(start, start + width) for start in range(0, count, width))


def _group_steps(pattern: RBGP4, groups: int) -> Iterator[tuple[tuple[slice, slice], NDArray[Any]]]:
    """Yield ranges of u_o and u_i of at most `groups` groups, with the columns of each group."""
    outer, inner = pattern.outer.left, pattern.inner.left
    rows = max(1, groups // inner)
    for start in range(0, outer, rows):
        stop = min(start + rows, outer)
        columns = pattern.group_columns(start, stop)
        for part in _parts(inner, min(groups, inner)):
            yield (slice(start, stop), part), columns[:, part]


def _places_in_tile(pattern: RBGP4) -> NDArray[np.int64]:
    """Return the column in the tile of each entry of a group, for each distinct shift.

    Shape (num_distinct_shifts, inner.left, entries): the axes of ``pattern.inner_tables`` with
    the entries (v_r, k_i, v_b) of the other factors.
    """
    tables = pattern.inner_tables.astype(np.int64)[:, :, None, :, None]
    repeat, block = np.arange(pattern.repeat.right), np.arange(pattern.block.right)
    columns = repeat[:, None, None] * pattern.inner.right + tables
    columns = columns * pattern.block.right + block
    return columns.reshape(*tables.shape[:2], -1)


def _scatter(
    places: NDArray[np.int64], count: int, dtype: np.dtype[Any]
) -> sparse.csc_array:
    """Return the matrix of zeros and ones that adds entry k up in row ``places.flat[k]``."""
    ones = np.ones(places.size, dtype=dtype)
    parts = (ones, places.ravel(), np.arange(places.size + 1))
    return sparse.csc_array(parts, shape=(count, places.size))
