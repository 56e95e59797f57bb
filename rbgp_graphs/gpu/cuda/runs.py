"""Launches of kernels on operands: the order in which each takes its arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rbgp_graphs.gpu.cuda.hopper import tensor_maps
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.prepared import Prepared, PreparedTranspose, matrix_stride, row_stride


def run_forward(
    machine: Machine,
    launch: Launch,
    prepared: Prepared,
    values: Any,
    X: Any,
    Y: Any,
    bias: Any,
) -> None:
    """Launch a kernel of the product on X of shape (batch, cols, n) and Y (batch, rows, n)."""
    own, operands = prepared.tables, (values, X, Y)
    rows = (row_stride(X), row_stride(Y))
    strides: tuple[int, ...] = (*rows, matrix_stride(X), matrix_stride(Y))
    if launch.kernel == "hopper":
        operands = tensor_maps(launch, prepared.size, X.dtype.name, *operands, rows)
        # On fewer multiprocessors than planned a second wave of blocks would cost a whole pass.
        cluster = int(launch.structure["RBGP_CLUSTER"])
        present = max(cluster, machine.multiprocessors // cluster * cluster)
        launch = replace(launch, blocks=min(launch.blocks, present))
        strides = (row_stride(Y), matrix_stride(Y))
    arguments = [*operands, bias, own.outer_columns, own.outer_tables, own.inner_columns]
    arguments += [*_int32(X.shape[2], X.shape[0]), *_int64(*strides)]
    machine.run(launch, arguments)


def run_sampled(
    machine: Machine, launch: Launch, prepared: Prepared, dY: Any, X: Any, result: Any
) -> None:
    """Launch a kernel of the sampled product on operands (batch, rows, n), (batch, cols, n)."""
    own = prepared.tables
    arguments = [dY, X, result, own.outer_columns, own.outer_tables, own.inner_columns]
    arguments += [*_int32(X.shape[2], X.shape[0])]
    arguments += _int64(row_stride(dY), row_stride(X), matrix_stride(dY), matrix_stride(X))
    machine.run(launch, arguments)


def run_transpose(
    machine: Machine, launch: Launch, prepared: PreparedTranspose, values: Any, result: Any
) -> None:
    """Launch the kernel that orders values; the dimensions are those of the transpose."""
    size, sources = prepared.own_size, prepared.sources
    arguments = [values, result, prepared.own_tables.outer_tables, sources.outer, sources.inner]
    arguments += [*_int32(size.uo * size.do // size.vo, size.ui * size.di // size.vi)]
    machine.run(launch, [*arguments, *_int64(size.nnz)])


def _int32(*numbers: int) -> tuple[np.int32, ...]:
    return tuple(np.int32(number) for number in numbers)


def _int64(*numbers: int) -> tuple[np.int64, ...]:
    return tuple(np.int64(number) for number in numbers)
