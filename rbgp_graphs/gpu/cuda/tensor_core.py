"""Plans for the kernel on tensor cores: warps, stages and offsets in shared memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from rbgp_graphs.gpu.cuda.launch import (
    ACTIVATIONS,
    NUMBER_TYPES,
    Launch,
    grid_batches,
    power_of_two_from,
    round_up,
)
from rbgp_graphs.gpu.cuda.portable import widest_vector
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.warp import (
    FEW_BLOCKS_BYTES,
    STEP_PLACES,
    STEP_ROWS,
    WARPS,
    piece_length,
    step_length,
)

#: By how much rows of the operand are longer in shared memory than what they hold: `ldmatrix`
#: reads eight rows of two-byte numbers at a time, and threads four of four-byte ones.
_PADDING = 8
#: Longest pair whose slab is staged, if a stage holds fewer values.
_LONGEST_PAIR = 32


@dataclass(frozen=True, kw_only=True)
class WarpTile:
    """What a block and a warp of the tensor-core kernel compute.

    Attributes
    ----------
    row_steps, column_steps : int
        A warp sums ``8 * row_steps`` rows of one group times ``16 * column_steps`` columns;
        `row_steps` is 1 or even.
    row_warps, column_warps : int
        Warps along the rows of a group and along the columns.
    groups : int
        Row groups of a block, a warp or more for each.
    pairs : int
        Pairs (k_o, v_r) whose slabs a stage holds, or 0 if it holds copies of the rows that each
        group needs.
    values : int
        Values of a row in a stage of copies.
    buffers : int
        Stages in shared memory at a time, at least 2.
    """

    row_steps: int
    column_steps: int
    row_warps: int
    column_warps: int
    groups: int
    pairs: int
    values: int
    buffers: int = 2

    @property
    def rows(self) -> int:
        """Rows of a group in one block."""
        return STEP_ROWS * self.row_steps * self.row_warps

    @property
    def columns(self) -> int:
        """Columns of a block."""
        return STEP_PLACES * self.column_steps * self.column_warps

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.row_warps * self.column_warps * self.groups

    @property
    def compact(self) -> bool:
        """Whether a stage holds copies of rows instead of whole slabs."""
        return self.pairs == 0

    def chunk(self, size: Dimensions) -> int:
        """Values of a row in a stage."""
        whole = self.pairs * size.pair
        return min(self.values, size.row_degree) if self.compact else whole


def warp_tile(size: Dimensions, dtype: str, n: int, shared_limit: int) -> WarpTile | None:
    """Choose a tile, or return None if no stage fits into shared memory.

    The rules come from the structure of the kernel, not from measurements.
    """
    for tile in _tiles(size, n):
        if tensor_core_launch(size, dtype, n, tile=tile).shared_bytes <= shared_limit:
            return tile
    return None


def _tiles(size: Dimensions, n: int) -> Iterator[WarpTile]:
    """Yield tiles, from the one with most reuse to the one with the smallest stage."""
    row_steps = min(8, power_of_two_from(-(-size.group // STEP_ROWS)))
    row_warps = min(2, power_of_two_from(-(-size.group // (STEP_ROWS * row_steps))))
    steps = -(-n // STEP_PLACES)
    column_steps = min(4, power_of_two_from(steps))
    # Warps lie beside each other where there are no other groups for them.
    most_columns = 4 if size.ui == 1 else 2
    widest = min(most_columns, power_of_two_from(-(-steps // column_steps)))
    most = max(1, WARPS // (row_warps * widest))
    groups = min(most, power_of_two_from(size.ui))
    widths = dict.fromkeys((widest, max(1, widest // 2), 1))
    # Long stages for as many groups as possible first, short ones where nothing else fits.
    for stage_values in ((64, 32), (16,)):
        for few in (groups >> shift for shift in range(groups.bit_length())):
            for column_warps, values in itertools.product(widths, stage_values):
                yield WarpTile(
                    row_steps=row_steps,
                    column_steps=column_steps,
                    row_warps=row_warps,
                    column_warps=column_warps,
                    groups=few,
                    pairs=_slabs(size, few, values),
                    values=values,
                )


def _slabs(size: Dimensions, groups: int, values: int) -> int:
    """Return how many slabs belong into a stage, 0 where copies of rows take less place."""
    if groups * size.di < size.vi or size.pair > max(values, _LONGEST_PAIR):
        return 0
    return min(size.pairs, max(1, values // size.pair))


def warp_tiles(size: Dimensions, n: int) -> Iterator[WarpTile]:
    """Yield tiles that the kernel could compute, for a tuner to choose from."""
    steps = -(-n // STEP_PLACES)
    for row_steps, row_warps, column_steps, column_warps in itertools.product(
        (1, 2, 4, 8), (1, 2, 4), (1, 2, 4), (1, 2, 4)
    ):
        rows, columns = STEP_ROWS * row_steps * row_warps, column_steps * column_warps
        if rows >= 2 * size.group + STEP_ROWS or columns >= 2 * steps + 1:
            continue
        for warps, values, buffers in itertools.product((4, 8), (16, 32, 64, 128), (2, 3, 4)):
            groups = min(warps // (row_warps * column_warps), power_of_two_from(size.ui))
            if groups:
                yield WarpTile(
                    row_steps=row_steps,
                    column_steps=column_steps,
                    row_warps=row_warps,
                    column_warps=column_warps,
                    groups=groups,
                    pairs=_slabs(size, groups, values),
                    values=values,
                    buffers=buffers,
                )


def tensor_core_launch(
    size: Dimensions,
    dtype: str,
    n: int,
    *,
    batches: int = 1,
    aligned: bool = True,
    activation: str | None = None,
    tile: WarpTile,
) -> Launch:
    """Plan a launch of the tensor-core kernel (parameters as for `forward_launch`)."""
    number, piece = NUMBER_TYPES[dtype], piece_length(dtype)
    chunk = tile.chunk(size)
    values_vector = widest_vector(dtype, math.gcd(chunk, size.row_degree))
    structure: dict[str, int | str] = {
        **number.macros,
        "RBGP_MR": tile.row_steps,
        "RBGP_MC": tile.column_steps,
        "RBGP_GV": piece if aligned else 1,
        "RBGP_KV": values_vector,
        "RBGP_COMPACT": int(tile.compact),
        "RBGP_BUFFERS": tile.buffers,
    }
    values = round_up(chunk, step_length(dtype))
    values_stride, row_stride = values + piece, tile.columns + _PADDING
    rows = tile.groups * values if tile.compact else tile.pairs * size.slab + 1
    values_offset = rows * row_stride * number.bytes
    index_offset = values_offset + tile.groups * tile.rows * values_stride * number.bytes
    index_bytes = 0 if tile.compact else 4 * tile.groups * values
    stage_bytes = round_up(index_offset + index_bytes, 128)
    result_bytes = tile.groups * tile.rows * row_stride * number.bytes
    shared_bytes = max(tile.buffers * stage_bytes, result_bytes)
    constants = {
        **size.constants,
        "RBGP_FEW_BLOCKS": int(shared_bytes > FEW_BLOCKS_BYTES),
        "RBGP_ACTIVATION": ACTIVATIONS[activation],
        "RBGP_TWISTED": int(size.twisted),
        "RBGP_WR": tile.row_warps,
        "RBGP_WN": tile.column_warps,
        "RBGP_TG": tile.groups,
        "RBGP_SV": tile.pairs,
        "RBGP_CHUNK": chunk,
        "RBGP_KS": values,
        "RBGP_ROW_STRIDE": row_stride,
        "RBGP_W_STRIDE": values_stride,
        "RBGP_W_OFFSET": values_offset,
        "RBGP_INDEX_OFFSET": index_offset,
        "RBGP_STAGE_BYTES": stage_bytes,
    }
    tiles = size.uo * -(-size.ui // tile.groups) * -(-size.group // tile.rows)
    return Launch(
        kernel="tensor_core",
        structure=structure,
        constants=constants,
        blocks=tiles * -(-n // tile.columns),
        batches=grid_batches(batches),
        threads=tile.threads,
        shared_bytes=shared_bytes,
        operand_error=number.operand_error,
    )
