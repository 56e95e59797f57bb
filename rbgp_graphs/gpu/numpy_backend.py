r"""Products with an RBGP4 matrix in plain NumPy and SciPy: the oracle and the fallback.

The rows with the same digits (u_o, u_i) form a group and share one list of columns, so the
matrix is :math:`D S^T`: the gather :math:`S^T` of the rows of X that each group needs, and
a block-diagonal :math:`D` with a dense block of row_group x row_degree for each group. The
product is a gather and a batched dense product, :math:`D (S^T X)`, and the sampled product
has the blocks of :math:`dY (S^T X)^T`. Both work in steps whose buffers stay in the cache. The
transposed product is that of the transposed pattern. Where too few rows share their columns,
SciPy's CSR takes over.

float16 and bfloat16 are computed in float32 and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu.epilogue import finish
from rbgp_graphs.gpu.operands import is_half
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4

#: Size of the buffer of one step. From 0.5 to 2 MiB is fastest at 4096 x 4096, N = 256.
_BUFFER_BYTES = 1 << 20
#: Row groups smaller than this are faster with CSR, measured in the same case.
_SMALLEST_GROUP = 4


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
    if pattern.row_group < _SMALLEST_GROUP:
        _by_rows(pattern, values, panel, out, bias, activation)
        return
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
    if pattern.repeat.right * pattern.block.right < _SMALLEST_GROUP:
        panel = _panel(Y, _compute_dtype(out))
        _by_rows(pattern, values, panel, out, bias, activation, transpose=True)
    else:
        forward(pattern.T, transpose_values(pattern, values), Y, out, bias, activation)


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


def _by_rows(
    pattern: RBGP4,
    values: NDArray[Any],
    panel: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
    *,
    transpose: bool = False,
) -> None:
    """Write either product to `out` row by row: the better way where few rows share columns."""
    matrix = pattern.to_csr(values.astype(panel.dtype), max_bytes=8 * pattern.nnz)
    product = (matrix.T if transpose else matrix) @ panel
    finish(product, bias, activation)
    target = _target(out)
    target[...] = product
    _store(target, out)


# Layout -------------------------------------------------------------------------------------


def _compute_dtype(out: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if is_half(out.dtype) else out.dtype


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
        out[...] = np.moveaxis(target.reshape(len(target), *batch), 0, -2)


def _by_group(pattern: RBGP4, array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array with the rows of the matrix on axes u_o, u_i, u_r, u_b."""
    sizes = [factor.left for factor in pattern.factors]
    return np.moveaxis(array.reshape(*sizes, *array.shape[1:]), 2, 1)


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
