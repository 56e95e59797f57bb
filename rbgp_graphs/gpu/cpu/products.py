"""The three products of the compiled backend: checked arrays go in, kernels do the rest."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu import numpy_backend
from rbgp_graphs.gpu.cpu import threads
from rbgp_graphs.gpu.cpu.calls import (
    SampledCall,
    panel_call,
    sampled_call,
)
from rbgp_graphs.gpu.cpu.layout import (
    address_of,
    flat,
    has_plain_rows,
    matrices,
    panels_of,
    plain_rows,
    readable,
)
from rbgp_graphs.gpu.cpu.tables import tables_of
from rbgp_graphs.gpu.operands import dtype_name
from rbgp_graphs.products import RBGP4

#: Results of this size are written past the caches.
STREAMED_BYTES = 4 << 20
#: Rows that one thread packs at a time.
_PACKED_ROWS = 1024


def forward(
    pattern: RBGP4,
    values: NDArray[Any],
    X: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    """Write A X to `out` (see `rbgp_graphs.gpu.backend.Backend`)."""
    if not pattern.nnz:
        numpy_backend.forward(pattern, values, X, out, bias, activation)
    elif out.size:
        _multiply(False, pattern, values, X, out, bias, activation)


def transposed(
    pattern: RBGP4,
    values: NDArray[Any],
    Y: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    """Write the product of the transposed matrix and Y to `out`."""
    if not pattern.nnz:
        numpy_backend.transposed(pattern, values, Y, out, bias, activation)
    elif out.size:
        _multiply(True, pattern, values, Y, out, bias, activation)


def sampled(pattern: RBGP4, dY: NDArray[Any], X: NDArray[Any], out: NDArray[Any]) -> None:
    """Write the entries of dY times X transposed at the nonzeros to `out`."""
    if not X.size or not dY.size or not out.size:
        out[...] = 0
        return
    dtype = out.dtype
    left, right = (matrices(readable(array, dtype)) for array in (dY, X))
    call = sampled_call(
        tables_of(pattern), left.shape[-1], len(left), dtype_name(dtype), threads.get_num_threads()
    )
    direct = dtype == call.sum_dtype and has_plain_rows(out)
    sums = out if direct else np.empty(out.shape, call.sum_dtype)
    _run_sampled(call, left, right, sums)
    if not direct:
        out[...] = sums


# Calls --------------------------------------------------------------------------------------


def _multiply(
    transpose: bool,
    pattern: RBGP4,
    values: NDArray[Any],
    X: NDArray[Any],
    out: NDArray[Any],
    bias: NDArray[Any] | None,
    activation: str | None,
) -> None:
    dtype = out.dtype
    weights = plain_rows(values, dtype)
    X, goal = flat(readable(X, dtype), out)
    columns = X.shape[-1]
    call = panel_call(
        tables_of(pattern),
        transpose,
        columns,
        X.size // X.shape[-2],
        dtype_name(dtype),
        activation,
        threads.get_num_threads(),
    )
    biases = None if bias is None else np.ascontiguousarray(bias, call.sum_dtype)
    panels = panels_of(X, goal, call)
    # The stride of an axis of length one says nothing.
    x_row, x_col = X.strides[-2], X.strides[-1] if columns > 1 else X.itemsize
    if call.plan.is_narrow:
        x_row, x_col = x_col, x_row
    call.multiply(
        panels,
        weights,
        biases,
        X,
        goal,
        values=address_of(weights),
        value_row=weights.strides[0],
        bias=0 if biases is None else address_of(biases),
        x_row=x_row,
        x_col=x_col,
        out_row=goal.strides[-2],
        out_col=goal.strides[-1] if columns > 1 else goal.itemsize,
        keeps_result=-(goal.nbytes < STREAMED_BYTES),
    )
    if goal is not out and not np.may_share_memory(goal, out):
        batch = (*out.shape[:-2], out.shape[-1])
        out[...] = np.moveaxis(goal.reshape(len(goal), *batch), 0, -2) if goal.ndim == 2 else goal


def _run_sampled(
    call: SampledCall, left: NDArray[Any], right: NDArray[Any], sums: NDArray[Any]
) -> None:
    """Pack both operands, then compute; threads share both steps."""
    buffer = np.empty(call.buffer_bytes + 64, np.uint8)
    start = address_of(buffer) + -address_of(buffer) % 64
    tasks, kept = [], []
    for operand, offset, panel_bytes in (
        (left, 0, call.y_panel),
        (right, call.x_start, call.x_panel),
    ):
        numbers = itertools.count()
        for matrix in operand:
            for first in range(0, matrix.shape[1], call.width):
                goal = start + offset + next(numbers) * panel_bytes
                width = min(call.width, matrix.shape[1] - first)
                for row in range(0, len(matrix), _PACKED_ROWS):
                    part = matrix[row : row + _PACKED_ROWS, first : first + width]
                    x_row, x_col = part.strides
                    job = call.pack_table(x_row=x_row, x_col=x_col, rows=len(part))
                    kept.append(job)
                    place = goal + row * call.panel_row
                    tasks.append((address_of(job), address_of(part), width, place, call.panel_row))
    turns = itertools.count()

    def pack(_: int) -> None:
        while (turn := next(turns)) < len(tasks):
            call.pack(*tasks[turn])

    threads.run(pack, call.num_threads, kept, left, right, buffer)
    table = call.table(
        values=address_of(sums),
        value_row=sums.strides[0],
        y_panels=start,
        x_panels=start + call.x_start,
    )
    address = address_of(table)
    threads.run(lambda _: call.run(address), call.num_threads, table, sums, buffer)
