"""Plans for the sampled product on tensor cores: warps, stages and offsets in shared memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, Launch, power_of_two_from, round_up
from rbgp_graphs.gpu.cuda.portable import widest_vector
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.warp import (
    FEW_BLOCKS_BYTES,
    STEP_PLACES,
    STEP_ROWS,
    WARPS,
    piece_length,
)

#: Columns of a stage are a multiple: a step of two-byte numbers, two of four-byte ones.
_COLUMNS = 16


@dataclass(frozen=True, kw_only=True)
class SampledWarpTile:
    """What a block and a warp of the sampled kernel on tensor cores compute.

    Attributes
    ----------
    row_steps, value_steps : int
        A warp sums ``8 * row_steps`` rows of one group times ``16 * value_steps`` values;
        `row_steps` is 1 or even.
    row_warps, value_warps : int
        Warps along the rows of a group and along the values of a row.
    groups : int
        Row groups of a block, a warp or more for each.
    pairs : int
        Pairs (k_o, v_r) whose slabs a stage holds, or 0 if it holds copies of the rows that each
        group needs.
    columns : int
        Columns of a stage, a multiple of 16.
    buffers : int
        Stages in shared memory at a time, at least 2.
    """

    row_steps: int
    value_steps: int
    row_warps: int
    value_warps: int
    groups: int
    pairs: int
    columns: int
    buffers: int = 2

    @property
    def rows(self) -> int:
        """Rows of a group in one block."""
        return STEP_ROWS * self.row_steps * self.row_warps

    @property
    def values(self) -> int:
        """Values of a row that a block has places for."""
        return STEP_PLACES * self.value_steps * self.value_warps

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return 32 * self.row_warps * self.value_warps * self.groups


def sampled_warp_tile(
    size: Dimensions, dtype: str, n: int, shared_limit: int
) -> SampledWarpTile | None:
    """Choose a tile, or return None if no stage fits into shared memory.

    The rules come from the structure of the kernel, not from measurements.
    """
    for tile in _usual_tiles(size, n):
        if sampled_tensor_core_launch(size, dtype, tile=tile).shared_bytes <= shared_limit:
            return tile
    return None


def _usual_tiles(size: Dimensions, n: int) -> Iterator[SampledWarpTile]:
    """Yield tiles, from the one with most reuse to the one with the smallest stage."""
    row_steps = min(8, power_of_two_from(-(-size.group // STEP_ROWS)))
    row_warps = min(2, power_of_two_from(-(-size.group // (STEP_ROWS * row_steps))))
    steps = -(-size.row_degree // STEP_PLACES)
    value_steps = min(4, power_of_two_from(steps))
    value_warps = min(2, power_of_two_from(-(-steps // value_steps)))
    most = max(1, WARPS // (row_warps * value_warps))
    groups = min(most, power_of_two_from(size.ui))
    halved = [groups >> shift for shift in range(groups.bit_length())]
    # Long stages for as many groups as possible first, short ones where nothing else fits.
    for lengths in ((64, 32), (16,)):
        for few, columns, buffers in itertools.product(halved, lengths, (3, 2)):
            tile = SampledWarpTile(
                row_steps=row_steps,
                value_steps=value_steps,
                row_warps=row_warps,
                value_warps=value_warps,
                groups=few,
                pairs=0,
                columns=min(columns, round_up(n, _COLUMNS)),
                buffers=buffers,
            )
            yield _with_slabs(size, tile)


def _with_slabs(size: Dimensions, tile: SampledWarpTile) -> SampledWarpTile:
    """Return a tile that stages slabs, where its groups use most of them."""
    pairs = min(size.pairs, tile.values // size.pair)
    if not pairs or tile.groups * size.di < size.vi:
        return tile
    steps = -(-pairs * size.pair // (STEP_PLACES * tile.value_warps))
    return replace(tile, value_steps=min(tile.value_steps, power_of_two_from(steps)), pairs=pairs)


def sampled_warp_tiles(size: Dimensions, n: int) -> Iterator[SampledWarpTile]:
    """Yield tiles that the kernel could compute, for a tuner to choose from."""
    for row_steps, row_warps, value_steps, value_warps in itertools.product(
        (1, 2, 4, 8), (1, 2, 4), (1, 2, 4), (1, 2, 4)
    ):
        rows = STEP_ROWS * row_steps * row_warps
        values = STEP_PLACES * value_steps * value_warps
        if rows >= 2 * size.group + STEP_ROWS or values >= 2 * size.row_degree + STEP_PLACES:
            continue
        for warps, columns, buffers in itertools.product((4, 8), (32, 64, 128), (2, 3, 4)):
            groups = min(warps // (row_warps * value_warps), power_of_two_from(size.ui))
            if not groups or columns >= n + 32:
                continue
            tile = SampledWarpTile(
                row_steps=row_steps,
                value_steps=value_steps,
                row_warps=row_warps,
                value_warps=value_warps,
                groups=groups,
                pairs=0,
                columns=columns,
                buffers=buffers,
            )
            yield _with_slabs(size, tile)


def sampled_tensor_core_launch(
    size: Dimensions,
    dtype: str,
    *,
    aligned: bool = True,
    tile: SampledWarpTile,
) -> Launch:
    """Plan a launch of the sampled kernel on tensor cores (parameters as for `sampled_launch`).

    Examples
    --------
    >>> from rbgp_graphs.constructions import random_biregular
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> sparse = random_biregular(32, 32, 8, rng=0)
    >>> size = dimensions(RBGP4(sparse, (64, 1), sparse, (1, 1)))
    >>> tile = sampled_warp_tile(size, "float16", 1024, 96 * 1024)
    >>> launch = sampled_tensor_core_launch(size, "float16", tile=tile)
    >>> launch.threads, launch.blocks, launch.constants["RBGP_CHUNK"]
    (128, 256, 64)
    """
    number, piece = NUMBER_TYPES[dtype], piece_length(dtype)
    compact = tile.pairs == 0
    chunk = min(tile.values, size.row_degree) if compact else tile.pairs * size.pair
    structure: dict[str, int | str] = {
        **number.macros,
        "RBGP_MR": tile.row_steps,
        "RBGP_MC": tile.value_steps,
        "RBGP_GV": piece if aligned else 1,
        "RBGP_KV": widest_vector(dtype, math.gcd(chunk, size.row_degree)),
        "RBGP_COMPACT": int(compact),
        "RBGP_BUFFERS": tile.buffers,
    }
    row_stride, result_stride = tile.columns + piece, tile.values + piece
    operand_rows = tile.groups * tile.values if compact else tile.pairs * size.slab
    gradient_offset = operand_rows * row_stride * number.bytes
    rows = tile.groups * tile.rows
    stage_bytes = round_up(gradient_offset + rows * row_stride * number.bytes, 128)
    index_offset = tile.buffers * stage_bytes
    index_bytes = 4 * tile.groups * tile.values if compact else 0
    shared_bytes = max(index_offset + index_bytes, rows * result_stride * number.bytes)
    constants = {
        **size.constants,
        "RBGP_FEW_BLOCKS": int(shared_bytes > FEW_BLOCKS_BYTES),
        "RBGP_WR": tile.row_warps,
        "RBGP_WK": tile.value_warps,
        "RBGP_TG": tile.groups,
        "RBGP_SV": tile.pairs,
        "RBGP_CHUNK": chunk,
        "RBGP_BN": tile.columns,
        "RBGP_ROW_STRIDE": row_stride,
        "RBGP_RESULT_STRIDE": result_stride,
        "RBGP_DY_OFFSET": gradient_offset,
        "RBGP_INDEX_OFFSET": index_offset,
        "RBGP_STAGE_BYTES": stage_bytes,
    }
    parts, slices = -(-size.ui // tile.groups), -(-size.group // tile.rows)
    return Launch(
        kernel="sampled_tensor_core",
        structure=structure,
        constants=constants,
        blocks=size.uo * parts * slices * -(-size.row_degree // chunk),
        threads=tile.threads,
        shared_bytes=shared_bytes,
        operand_error=number.operand_error,
    )
