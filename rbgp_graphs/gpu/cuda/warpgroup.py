"""The tile of the Hopper kernel: what a block and a warpgroup compute, where it lies, its work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rbgp_graphs.gpu.cuda.launch import power_of_two_from, round_up
from rbgp_graphs.gpu.cuda.ring import (
    CLUSTER,
    LARGEST_BOX,
    MOST_SUMS,
    MULTIPROCESSORS,
    OPERATIONS,
    REMOTE,
    SLAB,
    SWIZZLE_BYTES,
    TILE,
    RingTile,
)
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_map import NUMBER_BYTES
from rbgp_graphs.gpu.cuda.work import DELAY, Work

#: Sums of one product of tiles; stages hold a multiple, near the lengths aimed at.
STEP, _STAGE_SUMS = 16, (64, 128, 32)
_MOST_ROWS, _MOST_BUFFERS, _MOST_GROUPS = 128, 4, 32
#: Bytes that say where 16 rows of X lie.
_STEP_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class WarpgroupTile(RingTile):
    """What a block and a warpgroup of the Hopper kernel compute.

    Attributes
    ----------
    swapped : bool
        Whether warpgroups compute the transposed product, 64 columns of X times rows of a group.
    blocks : int
        Products side by side in one warpgroup, each of 64 columns; 1 unless `swapped`.
    step : int
        Rows of a group in one product if `swapped`, else columns of X.
    row_warpgroups, column_warpgroups : int
        Warpgroups along rows and columns.
    pairs : int
        Pairs (k_o, k_i) of a stage; neighbours k_o if several u_i share X.
    chunk : int
        Values of a row in one box: 16, 32 or 64.
    along_columns : bool
        Whether the blocks of a cluster have the same rows, and share values. If not, they have the
        same columns and share X.

    Notes
    -----
    A stage of several u_i of one u_o holds all rows of X under v_o. What is not listed here is
    documented by `RingTile`.
    """

    swapped: bool
    blocks: int
    step: int
    row_warpgroups: int
    column_warpgroups: int
    pairs: int
    chunk: int
    along_columns: bool = False

    @property
    def columns(self) -> int:
        """Columns of a block."""
        return self.column_warpgroups * (SLAB * self.blocks if self.swapped else self.step)

    @property
    def padded_rows(self) -> int:
        """Rows of values of one u_i that shared memory has room for."""
        return self.step if self.swapped else TILE * self.row_warpgroups

    @property
    def warpgroups(self) -> int:
        """Warpgroups that multiply."""
        return self.row_warpgroups * self.column_warpgroups

    @property
    def result_rows(self) -> int:
        """Rows of 64 results that wait at a time."""
        return self.column_warpgroups * self.padded_rows

    @property
    def sums(self) -> int:
        """Registers of a thread that hold sums."""
        return self.groups * self.blocks * self.step // 2

    def operand_rows(self, size: Dimensions) -> int:
        """Rows of X in a stage."""
        return self.pairs * size.vr * size.vb * (size.vi if self.groups > 1 else 1)

    def stage_sums(self, size: Dimensions) -> int:
        """Values of a row in a stage."""
        return self.pairs * size.vr * size.vb * (size.di if self.groups > 1 else 1)

    def stages(self, size: Dimensions) -> int:
        """Stages of a tile."""
        return -(-size.do * (1 if self.groups > 1 else size.di) // self.pairs)

    def stage_bytes(self, size: Dimensions) -> int:
        """Bytes of a stage: boxes of X, boxes of values, and where rows lie if u_i share X."""
        values = self.groups * self.stage_sums(size) * self.padded_rows
        numbers = self.operand_rows(size) * self.columns + values
        steps = self.groups * self.stage_sums(size) // STEP if self.groups > 1 else 0
        return round_up(numbers * NUMBER_BYTES + steps * _STEP_BYTES, SWIZZLE_BYTES)

    def tiles(self, size: Dimensions, n: int, batches: int) -> int:
        """Tiles of a product, with those of clusters that reach past the last column."""
        rows = size.uo * (size.ui // self.groups) * self.row_slices(size)
        together = self.cluster if self.along_columns else 1
        return rows * -(-n // (self.columns * together)) * together * batches

    def work(self, size: Dimensions) -> Work:
        """Return what a block does for one tile."""
        degree, rows = size.row_degree, self.groups * math.prod(self.box_rows)
        operand_rows = size.do * size.vr * size.slab if self.groups > 1 else degree
        shares = (self.cluster, 1) if self.along_columns else (1, self.cluster)
        values, operand = rows * degree / shares[0], operand_rows * self.columns / shares[1]
        # Threads that store in rows read shared memory once more.
        passes = 1 if self.boxed else 2
        return Work(
            operations=2.0 * self.groups * self.padded_rows * self.columns * degree,
            loaded_bytes=NUMBER_BYTES * (values + operand),
            shared_bytes=float(NUMBER_BYTES)
            * self.groups
            * self.warpgroups
            * degree
            * self.blocks
            * (TILE + self.step),
            stages=self.stages(size),
            sums=self.sums,
            result_bytes=float(NUMBER_BYTES * passes * rows * self.columns),
            remote_clocks=REMOTE if self.cluster > 1 else 0.0,
        )

    def suits(self, operand: bool, result: bool) -> bool:
        """Return whether a tile suits an operand and a result that are one tensor, or are not."""
        return operand and (result or not self.boxed)

    def clocks(
        self, size: Dimensions, n: int, batches: int, multiprocessors: int = MULTIPROCESSORS
    ) -> float:
        """Return about how many clocks of the device a product takes."""
        waves = self.waves(self.tiles(size, n, batches), multiprocessors)
        # The boxes of a tile arrive while the results of the one before are stored.
        return waves * self.work(size).clocks(OPERATIONS, self.buffers - 1) + DELAY


def tiles(size: Dimensions, n: int) -> Iterator[WarpgroupTile]:
    """Yield tiles for a pattern that suits the kernel, the plain one of most columns first."""
    plain = [tile for sums in _STAGE_SUMS for tile in _plain_tiles(size, n, sums)]
    sharing = [one for tile in plain for one in _sharing_tiles(size, tile)]
    for tile in (*plain, *sharing):
        yield tile
        yield from _clustered_tiles(size, n, tile)
    yield from (replace(tile, boxed=False) for tile in plain)


def _plain_tiles(size: Dimensions, n: int, stage_sums: int) -> Iterator[WarpgroupTile]:
    """Yield tiles of one u_i in a block, the widest one with most stages first."""
    unit, neighbours = size.vr * size.vb, size.do * size.di
    pairs = max(1, stage_sums // unit)
    if unit % STEP:
        pairs = max(2, pairs // 2 * 2)
    pairs = min(pairs, neighbours)
    box_b = min(size.ub, _MOST_ROWS)
    box_r = min(size.ur, _MOST_ROWS // box_b)
    rows = box_b * box_r
    swapped = rows < TILE
    row_warpgroups = 1 if rows <= TILE else 2
    widest = min(256, max(SLAB, power_of_two_from(n)))
    for width in (width for width in (256, 128, SLAB) if width <= widest):
        column_warpgroups = 2 if row_warpgroups == 1 and width > SLAB else 1
        own = width // column_warpgroups
        for buffers in range(_MOST_BUFFERS, 1, -1):
            yield WarpgroupTile(
                swapped=swapped,
                blocks=own // SLAB if swapped else 1,
                step=max(8, power_of_two_from(rows)) if swapped else own,
                row_warpgroups=row_warpgroups,
                column_warpgroups=column_warpgroups,
                pairs=pairs,
                chunk=_chunk(pairs * unit if size.vr == 1 else size.vb),
                box_rows=(box_r, box_b),
                buffers=buffers,
            )


def _sharing_tiles(size: Dimensions, tile: WarpgroupTile) -> Iterator[WarpgroupTile]:
    """Yield the same tile for several u_i of one u_o, which share all rows of X under v_o."""
    unit = size.vr * size.di * size.vb
    # The rows of one u_i that fill two warpgroups have X among themselves.
    if unit % STEP or size.vi > LARGEST_BOX or tile.row_warpgroups > 1:
        return
    pairs = min(size.do, max(1, tile.pairs // size.di))
    for groups in (2**k for k in range(1, _MOST_GROUPS.bit_length())):
        if size.ui % groups == 0 and groups * tile.sums <= MOST_SUMS:
            yield replace(tile, groups=groups, pairs=pairs, chunk=_chunk(pairs * unit))


def _clustered_tiles(size: Dimensions, n: int, tile: WarpgroupTile) -> Iterator[WarpgroupTile]:
    """Yield the same tile in clusters, where neighbouring tiles have something in common.

    That is at least one box for each block of a cluster in every stage, of which the last may be
    short: a block that brings nothing would run ahead of those that wait for its place.
    """
    units = size.do * (1 if tile.groups > 1 else size.di)
    fewest = (units - 1) % tile.pairs + 1
    sharing_x = tile.row_slices(size) * (size.ui // tile.groups if tile.groups > 1 else 1)
    if sharing_x % CLUSTER == 0 and fewest * tile.columns // SLAB >= CLUSTER:
        yield replace(tile, cluster=CLUSTER)
    sums = fewest * tile.stage_sums(size) // tile.pairs
    if n > tile.columns and tile.groups * -(-sums // tile.chunk) >= CLUSTER:
        yield replace(tile, cluster=CLUSTER, along_columns=True)


def _chunk(run: int) -> int:
    """Return how many of the values in a run go into one box."""
    return next(width for width in (64, 32, STEP) if run % width == 0)
