"""The three products of the compiled backend: what is checked goes in, kernels do the rest."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu import numpy_backend
from rbgp_graphs.gpu.cpu import threads
from rbgp_graphs.gpu.cpu.compiler import function
from rbgp_graphs.gpu.cpu.plan import ProductPlan, plan_product
from rbgp_graphs.gpu.cpu.tables import Tables, tables_of, transposed_pattern
from rbgp_graphs.gpu.cpu.target import Target, host
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4


def forward(
    pattern: RBGP4,
    values: NDArray[Any],
    X: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    """Write A X to `out` (see `rbgp_graphs.gpu.backend.Backend`)."""
    if not out.size:
        return
    if not pattern.nnz:
        numpy_backend.forward(pattern, values, X, out, bias, activation)
        return
    _multiply(tables_of(pattern), values, X, out, bias, activation)


def transposed(
    pattern: RBGP4,
    values: NDArray[Any],
    Y: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    """Write the product of the transposed matrix and Y to `out`."""
    if not out.size:
        return
    other = transposed_pattern(pattern)
    forward(other, transpose_values(pattern, values), Y, out, bias, activation)


def sampled(pattern: RBGP4, dY: NDArray[Any], X: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the entries of dY times X transposed at the nonzeros to `out`."""
    numpy_backend.sampled(pattern, dY, X, out)


# One product --------------------------------------------------------------------------------


def _multiply(
    tables: Tables,
    values: NDArray[Any],
    X: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    from rbgp_graphs.gpu.cpu.job import table
    from rbgp_graphs.gpu.cpu.storage import STORAGES

    storage, target = STORAGES[out.dtype.name], host()
    X, goal = _flat(_readable(X, out.dtype), out)
    weights = _readable(values, out.dtype)
    if weights.strides[1] != weights.itemsize:
        weights = np.ascontiguousarray(weights)
    sum_dtype = np.dtype(np.float64 if storage.name == "float64" else np.float32)
    biases = None if bias is None else np.ascontiguousarray(bias, sum_dtype)
    columns = X.shape[-1]
    count = columns * (X.size // max(1, X.shape[-1] * X.shape[-2]))
    plan = plan_product(tables, columns, count, sum_dtype.itemsize, target, threads.get_num_threads())
    panels = _panels(X, goal, plan.width)
    counters = np.zeros(len(panels), np.int64)
    slots = np.minimum(np.arange(plan.num_blocks) * plan.rows, tables.row_group - plan.rows)
    block_rows = tables.group_rows[slots[:, None] + np.arange(plan.rows)]
    num_parts = -(-tables.num_groups // plan.part_groups)
    row_bytes = plan.width * sum_dtype.itemsize
    sums_at = tables.cols * row_bytes
    weights_at = sums_at + plan.part_groups * block_rows.size * row_bytes
    scratch_bytes = weights_at
    if storage.stored is not storage.computed:
        scratch_bytes += plan.rows * plan.tiles_at_once * tables.inner_degree * sum_dtype.itemsize
    pack = _kernel("pack", storage.name, plan.lanes, target)
    finish = _kernel("finish", storage.name, plan.lanes, target, activation)
    run = _kernel("product", storage.name, plan.lanes, target, plan.rows, plan.vectors)
    job = table(
        pack=pack.address,
        finish=finish.address,
        values=_address(weights),
        value_row=weights.strides[0],
        bias=0 if biases is None else _address(biases),
        panels=_address(panels),
        num_panels=len(panels),
        counters=_address(counters),
        x_rows=tables.cols,
        x_row=X.strides[-2],
        x_col=X.strides[-1] if columns > 1 else X.itemsize,
        out_row=goal.strides[-2],
        out_col=goal.strides[-1] if columns > 1 else goal.itemsize,
        tiles=_address(tables.tiles),
        outer_degree=tables.outer_degree,
        inner=_address(tables.inner),
        inner_degree=tables.inner_degree,
        num_groups=tables.num_groups,
        group_step=tables.group_step,
        tile_rows=tables.tile_rows,
        block_rows=_address(block_rows),
        num_blocks=plan.num_blocks,
        num_chunks=tables.num_outer * num_parts,
        num_parts=num_parts,
        part_groups=plan.part_groups,
        tiles_at_once=plan.tiles_at_once,
        sums_at=sums_at,
        weights_at=weights_at,
    )
    address = _address(job)

    def call(k: int) -> None:
        run(address, threads.scratch(scratch_bytes), k * len(panels) // plan.num_threads)

    threads.run(call, plan.num_threads)
    if goal is not out and not np.shares_memory(goal, out):
        out[...] = np.moveaxis(goal.reshape(out.shape[-2], *out.shape[:-2], out.shape[-1]), 0, -2)


def _address(array: NDArray[Any]) -> int:
    return array.ctypes.data


def _readable(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of that dtype, in the machine's byte order, with its numbers aligned."""
    if array.dtype == dtype and array.flags.aligned:
        return array
    return np.ascontiguousarray(array, dtype)


#: A batch of matrices with fewer columns than this is multiplied as one wide matrix.
_NARROW = 64


def _flat(X: NDArray[Any], out: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return operand and result of a batch as single matrices where that makes wider panels."""
    if not out.flags.aligned:
        return X, np.empty(out.shape, out.dtype)
    if X.ndim == 2 or X.shape[-1] >= _NARROW:
        return X, out
    columns = X.size // X.shape[-2]
    return (
        np.moveaxis(X, -2, 0).reshape(X.shape[-2], columns),
        np.moveaxis(out, -2, 0).reshape(out.shape[-2], columns),
    )


def _panels(X: NDArray[Any], out: NDArray[Any], width: int) -> NDArray[np.int64]:
    """Return where the panels of a batch begin in operand and result, and how wide they are."""
    starts = np.arange(0, X.shape[-1], width)
    first = [_starts(array)[:, None] + starts * array.strides[-1] for array in (X, out)]
    widths = np.broadcast_to(np.minimum(width, X.shape[-1] - starts), first[0].shape)
    return np.stack([*first, widths], axis=-1).reshape(-1, 3)


def _starts(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return the addresses of the matrices of a batch."""
    starts = np.array([_address(array)], np.int64)
    for size, stride in zip(array.shape[:-2], array.strides[:-2], strict=True):
        starts = (starts[:, None] + np.arange(size) * stride).ravel()
    return starts


# Kernels ------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _kernel(kind: str, dtype: str, lanes: int, target: Target, *options: Any) -> Any:
    """Return a compiled kernel."""
    from rbgp_graphs.gpu.cpu.finish_kernel import finish_text
    from rbgp_graphs.gpu.cpu.pack_kernel import pack_text
    from rbgp_graphs.gpu.cpu.product_kernel import product_text
    from rbgp_graphs.gpu.cpu.storage import STORAGES

    storage = STORAGES[dtype]
    makers: dict[str, Callable[[], str]] = {
        "pack": lambda: pack_text(storage, lanes),
        "finish": lambda: finish_text(storage, lanes, *options),
        "product": lambda: product_text(storage, *options, lanes),
    }
    name = " ".join(str(part) for part in (kind, dtype, lanes, *options))
    return function(name, makers[kind], target, 3)
