"""Launches of kernels on operands: the order in which each takes its arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rbgp_graphs.gpu.cuda.hopper import tensor_maps
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.prepared import Prepared, PreparedTranspose, matrix_stride, row_stride
from rbgp_graphs.gpu.cuda.sampled_hopper import sampled_tensor_maps
from rbgp_graphs.gpu.cuda.tensor_map import TensorLayout, TensorMap


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A launch with all of its arguments except the operands.

    It serves all operands of the same shapes and strides, and keeps none of them alive.

    Attributes
    ----------
    launch : Launch
        The launch.
    layouts : tuple of TensorLayout or None
        How the kernel sees each operand; None if it takes the address.
    rest : tuple
        The arguments after the operands.
    parts : int
        Sums that are kept for each result, if `then` is there to add them.
    then : Call or None
        What adds them.
    """

    launch: Launch
    layouts: tuple[TensorLayout | None, ...]
    rest: tuple[Any, ...]
    parts: int = 1
    then: Call | None = None

    def run(self, machine: Machine, *operands: Any) -> None:
        """Launch on operands, of which the last one is the result if there are parts of it."""
        seen = operands
        if self.then is not None:
            sums = machine.xp.empty((self.parts, *operands[-1].shape), machine.xp.float32)
            seen = (*operands[:-1], sums)
        arguments = [
            operand if layout is None else TensorMap(operand, layout)
            for operand, layout in zip(seen, self.layouts, strict=True)
        ]
        machine.run(self.launch, [*arguments, *self.rest])
        if self.then is not None:
            self.then.run(machine, sums, operands[-1])


def forward_call(
    machine: Machine, launch: Launch, prepared: Prepared, values: Any, X: Any, Y: Any
) -> Call:
    """Return the call of a product: of values, X (batch, cols, n), Y (batch, rows, n) and bias."""
    own, operands, rows = prepared.tables, (values, X, Y), (row_stride(X), row_stride(Y))
    strides: tuple[int, ...] = (*rows, matrix_stride(X), matrix_stride(Y))
    if launch.kernel == "hopper":
        operands = tensor_maps(launch, prepared.size, X.dtype.name, *operands, rows)
        launch = _on_present(machine, launch)
        strides = (row_stride(Y), matrix_stride(Y))
    tables = (own.outer_columns, own.outer_tables, own.inner_columns)
    extents = _int32(X.shape[2], X.shape[0])
    return Call(
        launch=launch,
        layouts=(*_layouts(operands), None),
        rest=(*tables, *extents, *_int64(*strides)),
    )


def sampled_call(
    machine: Machine, launch: Launch, prepared: Prepared, dY: Any, X: Any, result: Any
) -> Call:
    """Return the call of a sampled product: of dY (batch, rows, n), X (batch, cols, n), result."""
    own, operands, rows = prepared.tables, (dY, X, result), (row_stride(dY), row_stride(X))
    strides: tuple[int, ...] = (*rows, matrix_stride(dY), matrix_stride(X))
    if launch.kernel == "sampled_hopper":
        operands = sampled_tensor_maps(launch, prepared.size, X.dtype.name, *operands, rows)
        launch = _on_present(machine, launch)
        strides = ()
    tables = (own.outer_columns, own.outer_tables, own.inner_columns)
    extents, then = _int32(X.shape[2], X.shape[0]), None
    if launch.then is not None:
        count = _int64(prepared.size.nnz)
        then = Call(launch=launch.then, layouts=(None, None), rest=count)
    return Call(
        launch=launch,
        layouts=_layouts(operands),
        rest=(*tables, *extents, *_int64(*strides)),
        parts=launch.constants.get("RBGP_PARTS", 1),
        then=then,
    )


def transpose_call(launch: Launch, prepared: PreparedTranspose) -> Call:
    """Return the call that orders values: of the values, and of those of the transpose."""
    size, sources = prepared.own_size, prepared.sources
    tables = (prepared.own_tables.outer_tables, sources.outer, sources.inner)
    degrees = _int32(size.uo * size.do // size.vo, size.ui * size.di // size.vi)
    rest = (*tables, *degrees, *_int64(size.nnz))
    return Call(launch=launch, layouts=(None, None), rest=rest)


def _layouts(operands: tuple[Any, ...]) -> tuple[TensorLayout | None, ...]:
    return tuple(one.layout if isinstance(one, TensorMap) else None for one in operands)


def _on_present(machine: Machine, launch: Launch) -> Launch:
    """Return a launch whose blocks all run at a time; a second wave would cost a whole pass."""
    cluster = int(launch.structure["RBGP_CLUSTER"])
    present = max(cluster, machine.multiprocessors // cluster * cluster)
    return replace(launch, blocks=min(launch.blocks, present))


def _int32(*numbers: int) -> tuple[np.int32, ...]:
    return tuple(np.int32(number) for number in numbers)


def _int64(*numbers: int) -> tuple[np.int64, ...]:
    return tuple(np.int64(number) for number in numbers)
