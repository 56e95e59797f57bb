"""What a call tells a kernel: one table of 64-bit integers, the same for all products."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from rbgp_graphs.gpu.cpu.emit import I64, POINTER, Emitter, Value

#: Names of the entries in their order. Addresses are integers; strides are in bytes.
FIELDS = (
    # Code: other kernels that this one calls.
    "pack",
    "finish",
    # Operands.
    "values",
    "value_row",
    "bias",
    "panels",
    "num_panels",
    "counters",
    "x_rows",
    "x_row",
    "x_col",
    "out_row",
    "out_col",
    # -1 if the result shall stay in the caches, 0 if it is too large for that.
    "keeps_result",
    # The pattern (see `rbgp_graphs.gpu.cpu.tables.Tables`).
    "tiles",
    "outer_degree",
    "inner",
    "inner_degree",
    # The same inner table as places in a panel.
    "inner_rows",
    "num_groups",
    "group_step",
    "tile_rows",
    "tile_cols",
    "block_rows",
    "num_blocks",
    # Which rows of the result the finished sums belong to.
    "slot_rows",
    "slot_step",
    # The same for results whose columns stand one after the other (see `calls.squares_of`).
    "squares",
    "num_squares",
    "singles",
    "num_singles",
    "square_groups",
    # The plan.
    "order",
    "num_chunks",
    "num_parts",
    "part_groups",
    "tiles_at_once",
    # Bytes of the next tile that are asked for with each neighbour.
    "ahead",
    "sums_at",
    "places_at",
    "weights_at",
    # The sampled product: packed operands.
    "x_panels",
    "y_panels",
    "x_panel",
    "y_panel",
    "panel_row",
    # Where a single counter of chunks is, if "counters" points here.
    "counter",
)
#: pack(job, source, width, panel, row_bytes)
PACK = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64, POINTER, I64])
#: finish(job, sums, target, width, row_bytes, first_row, num_groups, num_slots)
FINISH = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, POINTER, I64, I64, I64, I64, I64])
#: run(job, scratch, first_panel)
PRODUCT = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, I64])
#: run(job)
SAMPLED = ir.FunctionType(ir.VoidType(), [POINTER])


def table(**entries: int) -> NDArray[np.int64]:
    """Return the table with the given entries, zero elsewhere."""
    job = np.zeros(len(FIELDS), np.int64)
    for name, value in entries.items():
        job[FIELDS.index(name)] = value
    return job


class JobReader:
    """Reads entries in the code of a kernel."""

    def __init__(self, emit: Emitter, job: Value) -> None:
        self._emit = emit
        self._job = job
        self._known: dict[str, Any] = {}

    def load(self, *names: str) -> None:
        """Load entries here, for later use in any block that follows."""
        for name in names:
            self._known[name] = self._emit.load_int(self._job, FIELDS.index(name))

    def __getitem__(self, name: str) -> Value:
        if name in self._known:
            return self._known[name]
        return self._emit.load_int(self._job, FIELDS.index(name))

    def pointer(self, name: str) -> Value:
        """Return an entry as an address."""
        return self._emit.build.inttoptr(self[name], POINTER)
