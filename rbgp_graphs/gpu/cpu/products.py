"""The three products of the compiled backend: checked arrays go in, kernels do the rest."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu import numpy_backend
from rbgp_graphs.gpu.cpu import threads
from rbgp_graphs.gpu.cpu.calls import (
    PANEL_ENTRIES,
    PanelCall,
    SampledCall,
    panel_call,
    sampled_call,
)
from rbgp_graphs.gpu.cpu.tables import tables_of
from rbgp_graphs.gpu.operands import dtype_name
from rbgp_graphs.products import RBGP4

#: A batch of matrices with fewer columns than this is multiplied as one wide matrix.
_NARROW = 64
#: Results of this size are written past the caches.
_STREAMED_BYTES = 4 << 20
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
    left, right = (_matrices(_readable(array, dtype)) for array in (dY, X))
    call = sampled_call(
        tables_of(pattern), left.shape[-1], len(left), dtype_name(dtype), threads.get_num_threads()
    )
    direct = dtype == call.sum_dtype and _has_plain_rows(out)
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
    weights = _readable(values, dtype)
    if not _has_plain_rows(weights):
        weights = np.ascontiguousarray(weights)
    X, goal = _flat(_readable(X, dtype), out)
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
    panels = _panels(X, goal, call)
    # The stride of an axis of length one says nothing.
    x_row, x_col = X.strides[-2], X.strides[-1] if columns > 1 else X.itemsize
    if call.plan.is_narrow:
        x_row, x_col = x_col, x_row
    table = call.table(
        panels,
        values=_address(weights),
        value_row=weights.strides[0],
        bias=0 if biases is None else _address(biases),
        x_row=x_row,
        x_col=x_col,
        out_row=goal.strides[-2],
        out_col=goal.strides[-1] if columns > 1 else goal.itemsize,
        keeps_result=-(goal.nbytes < _STREAMED_BYTES),
    )
    address = table.buffer_info()[0]
    count, num_threads, run = len(panels) // PANEL_ENTRIES, call.plan.num_threads, call.run

    def work(k: int) -> None:
        run(address, threads.scratch(call.scratch_bytes), k * count // num_threads)
        threads.trim()

    threads.run(work, num_threads)
    if goal is not out and not np.may_share_memory(goal, out):
        batch = (*out.shape[:-2], out.shape[-1])
        out[...] = np.moveaxis(goal.reshape(len(goal), *batch), 0, -2) if goal.ndim == 2 else goal


def _run_sampled(
    call: SampledCall, left: NDArray[Any], right: NDArray[Any], sums: NDArray[Any]
) -> None:
    """Pack both operands, then compute; threads share both steps."""
    buffer = np.empty(call.buffer_bytes + 64, np.uint8)
    start = _address(buffer) + -_address(buffer) % 64
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
                    tasks.append((_address(job), _address(part), width, place, call.panel_row))
    turns = itertools.count()

    def pack(_: int) -> None:
        while (turn := next(turns)) < len(tasks):
            call.pack(*tasks[turn])

    threads.run(pack, call.num_threads)
    table = call.table(
        values=_address(sums),
        value_row=sums.strides[0],
        y_panels=start,
        x_panels=start + call.x_start,
    )
    address = _address(table)
    threads.run(lambda _: call.run(address), call.num_threads)


def _address(array: NDArray[Any]) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


# Layout -------------------------------------------------------------------------------------


def _readable(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of that dtype, in the machine's byte order, with its numbers aligned."""
    if array.dtype == dtype and array.flags.aligned:
        return array
    return np.ascontiguousarray(array, dtype)


def _has_plain_rows(array: NDArray[Any]) -> bool:
    """Return whether the numbers of a row stand one after the other."""
    return array.flags.aligned and (array.shape[1] < 2 or array.strides[1] == array.itemsize)


def _matrices(array: NDArray[Any]) -> NDArray[Any]:
    """Return a batch with one leading axis; a wide matrix instead of a batch of narrow ones."""
    if array.ndim > 2 and array.shape[-1] < _NARROW:
        array = np.moveaxis(array, -2, 0).reshape(array.shape[-2], -1)
    return array.reshape(-1, *array.shape[-2:])


def _flat(X: NDArray[Any], out: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return operand and result of a batch as single matrices where that makes wider panels."""
    if not out.flags.aligned:
        out = np.empty(out.shape, out.dtype)
    if X.ndim == 2 or X.shape[-1] >= _NARROW:
        return X, out
    columns = X.size // X.shape[-2]
    return (
        np.moveaxis(X, -2, 0).reshape(X.shape[-2], columns),
        np.moveaxis(out, -2, 0).reshape(out.shape[-2], columns),
    )


def _panels(X: NDArray[Any], out: NDArray[Any], call: PanelCall) -> list[int]:
    """Return for the panels of a batch where they begin in operand and result, and how wide."""
    x_col, out_col = X.strides[-1], out.strides[-1]
    starts = [(_address(X), _address(out))]
    if X.ndim > 2:
        starts = list(zip(_starts(X), _starts(out), strict=True))
    panels = []
    for x, y in starts:
        for start, width in zip(call.panel_starts, call.panel_widths, strict=True):
            panels += [x + start * x_col, y + start * out_col, width]
    return panels


def _starts(array: NDArray[Any]) -> list[int]:
    """Return the addresses of the matrices of a batch."""
    starts = np.array([_address(array)], np.int64)
    for size, stride in zip(array.shape[:-2], array.strides[:-2], strict=True):
        starts = (starts[:, None] + np.arange(size) * stride).ravel()
    return starts.tolist()  # type: ignore[no-any-return]
