"""Patterns and operands in the form in which kernels take them."""

from __future__ import annotations

import math
from typing import Any

from rbgp_graphs.gpu.cuda.launch import VECTOR_BYTES
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.merged import merged
from rbgp_graphs.gpu.cuda.tables import (
    Dimensions,
    Tables,
    TransposeSources,
    dimensions,
    tables,
    transpose_sources,
)
from rbgp_graphs.products import RBGP4


class Prepared:
    """A pattern with its tables on a device, in the form that suits the kernels best."""

    def __init__(self, pattern: RBGP4, xp: Any) -> None:
        size, own = merged(dimensions(pattern), tables(pattern))
        self.size: Dimensions = size
        self.tables = _on_device(own, xp)
        #: Calls of kernels on this pattern that are ready for operands of some layout.
        self.calls: dict[tuple[Any, ...], Any] = {}


class PreparedTranspose(Prepared):
    """The transposed pattern, and where its values come from.

    Its values are ordered by the digits that the pattern has itself.
    """

    def __init__(self, pattern: RBGP4, xp: Any) -> None:
        super().__init__(pattern.T, xp)
        self.own_size = dimensions(pattern.T)
        self.own_tables = _on_device(tables(pattern.T), xp)
        sources = transpose_sources(pattern)
        self.sources = TransposeSources(
            outer=xp.asarray(sources.outer), inner=xp.asarray(sources.inner)
        )


def _on_device(own: Tables, xp: Any) -> Tables:
    return Tables(
        outer_columns=xp.asarray(own.outer_columns),
        outer_tables=xp.asarray(own.outer_tables),
        inner_columns=xp.asarray(own.inner_columns),
    )


def as_matrices(xp: Any, array: Any, *, is_result: bool = False) -> Any:
    """Return a batch of matrices (batch, rows, n) with neighbouring entries in a row.

    A view if the strides allow it. What is to be written to is otherwise a new array.
    """
    matrices = array[None] if array.ndim == 2 else array
    itemsize = array.itemsize
    if matrices.ndim == 3 and (matrices.strides[2] == itemsize or matrices.shape[2] == 1):
        row, matrix = matrices.strides[1], matrices.strides[0]
        if row >= 0 and matrix >= 0 and not row % itemsize and not matrix % itemsize:
            return matrices
    shape = (math.prod(array.shape[:-2]), *array.shape[-2:])
    if is_result:
        return xp.empty(shape, array.dtype)
    return xp.ascontiguousarray(array).reshape(shape)


def as_contiguous(machine: Machine, array: Any) -> Any:
    """Return an array without gaps that starts where a thread can load its widest piece."""
    contiguous = machine.xp.ascontiguousarray(array)
    if machine.address(contiguous) % VECTOR_BYTES:
        return contiguous.copy()
    return contiguous


def row_stride(matrices: Any) -> int:
    """Return the distance of rows, in entries."""
    return int(matrices.strides[1] // matrices.itemsize)


def matrix_stride(matrices: Any) -> int:
    """Return the distance of the matrices of a batch, in entries."""
    return int(matrices.strides[0] // matrices.itemsize)


def are_rows_aligned(machine: Machine, matrices: Any) -> bool:
    """Return whether every row starts where a thread can load its widest piece."""
    strides = (row_stride(matrices), matrix_stride(matrices))
    return machine.address(matrices) % VECTOR_BYTES == 0 and not any(
        stride * matrices.itemsize % VECTOR_BYTES for stride in strides
    )
