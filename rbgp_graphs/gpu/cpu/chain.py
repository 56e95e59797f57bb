"""Layers one after the other whose results stay packed as the panels that the next one reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu.cpu import threads
from rbgp_graphs.gpu.cpu.calls import PanelCall, panel_call
from rbgp_graphs.gpu.cpu.layout import address_of, plain_rows, readable
from rbgp_graphs.gpu.cpu.products import STREAMED_BYTES, forward
from rbgp_graphs.gpu.cpu.tables import tables_of
from rbgp_graphs.gpu.operands import dtype_name

_ALIGNMENT = 64


def chain(
    layers: Sequence[tuple[Any, ...]],
    X: NDArray[Any],
    out: NDArray[Any],
    memory: Callable[[int, int], NDArray[np.uint8]],
) -> None:
    """Write the result of layers to `out` (see `rbgp_graphs.gpu.backend.Backend`)."""
    dtype, columns = out.dtype, X.shape[1]
    result = out if out.flags.aligned else np.empty(out.shape, dtype)
    calls = [
        panel_call(
            tables_of(pattern),
            False,
            columns,
            columns,
            dtype_name(dtype),
            activation,
            threads.get_num_threads(),
        )
        for pattern, _, _, activation in layers
    ]
    source = readable(X, dtype)
    for k, ((pattern, values, bias, activation), call) in enumerate(
        zip(layers, calls, strict=True)
    ):
        goal = result
        if k + 1 < len(layers):
            following = calls[k + 1]
            if _stays_packed(call, following, dtype):
                size = len(following.panel_starts) * following.panel_bytes
                buffer = memory(k, size + _ALIGNMENT)
                goal = buffer[-address_of(buffer) % _ALIGNMENT :]
            else:
                size = pattern.rows * columns * dtype.itemsize
                goal = memory(k, size)[:size].view(dtype).reshape(pattern.rows, columns)
        if _is_packed(source) or _is_packed(goal):
            _run(call, pattern.rows, plain_rows(values, dtype), bias, source, goal)
        else:
            forward(pattern, values, source, goal, bias, activation)
        source = goal
    if result is not out:
        out[...] = result


def _stays_packed(call: PanelCall, following: PanelCall, dtype: np.dtype[Any]) -> bool:
    """Return whether a layer can write the panels that the next one reads."""
    narrow = call.plan.is_narrow or following.plan.is_narrow
    return not narrow and call.plan.width == following.plan.width and dtype == call.sum_dtype


def _is_packed(operand: NDArray[Any]) -> bool:
    """Return whether these are the bytes of panels one after the other, and no matrix."""
    return operand.ndim == 1


def _run(
    call: PanelCall,
    rows: int,
    weights: NDArray[Any],
    bias: NDArray[Any] | None,
    source: NDArray[Any],
    goal: NDArray[Any],
) -> None:
    """Multiply from and to matrices or packed panels."""
    biases = None if bias is None else np.ascontiguousarray(bias, call.sum_dtype)
    size = call.sum_dtype.itemsize
    row_bytes = call.plan.width * size
    x_row = x_col = 0
    if not _is_packed(source):
        x_row, x_col = source.strides
    out_row, out_col, keeps = row_bytes, size, True
    if not _is_packed(goal):
        (out_row, out_col), keeps = goal.strides, goal.nbytes < STREAMED_BYTES
    panels = []
    pairs = zip(call.panel_starts, call.panel_widths, strict=True)
    for number, (start, width) in enumerate(pairs):
        x = _place(source, number * call.panel_bytes, start)
        panels += [x, _place(goal, number * rows * row_bytes, start), width]
    entries = {"pack": 0} if _is_packed(source) else {}
    call.multiply(
        panels,
        weights,
        biases,
        source,
        goal,
        values=address_of(weights),
        value_row=weights.strides[0],
        bias=0 if biases is None else address_of(biases),
        x_row=x_row,
        x_col=x_col,
        out_row=out_row,
        out_col=out_col,
        keeps_result=-keeps,
        **entries,
    )


def _place(operand: NDArray[Any], offset: int, column: int) -> int:
    """Return where a panel of packed memory, or a column of a matrix, begins."""
    return address_of(operand) + (offset if _is_packed(operand) else column * operand.strides[1])
