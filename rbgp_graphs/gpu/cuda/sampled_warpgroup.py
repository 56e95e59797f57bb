"""The tile of the sampled Hopper kernel: what a block computes, where it lies, its work."""

from __future__ import annotations

import itertools
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
    TILE,
    RingTile,
)
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_map import NUMBER_BYTES
from rbgp_graphs.gpu.cuda.work import DELAY, L2_BYTES, Work

#: The swizzle of 128 bytes repeats after so many rows, and products come in steps of so many.
EIGHT = 8
_BUFFERS, _MOST_PRODUCTS, _MOST_PARTS = (8, 4, 3, 2), 16, 16
#: Bytes of a sum that is kept for later.
_SUM_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class SampledWarpgroupTile(RingTile):
    """What a block and a warpgroup of the sampled Hopper kernel compute.

    Attributes
    ----------
    blocks : int
        Products side by side in one warpgroup for each u_i, each of 64 neighbouring values.
    step : int
        Rows of a group in one product, a power of two from 8 to 256.
    value_warpgroups : int
        Warpgroups along the values of a row.
    whole : bool
        Whether stages hold whole slabs of X, which several u_i can share, or only rows that a u_i
        meets.
    slabs : int
        Columns of a stage, in units of 64.
    along_values : bool
        Whether the blocks of a cluster have the same rows, and share dY. If not, they have the
        same values of neighbouring rows and share X.
    parts : int
        Parts that the columns and matrices of a batch are cut into. If more than one, the sums of
        the parts are added by a second kernel.

    Notes
    -----
    What is not listed here is documented by `RingTile`.
    """

    blocks: int
    step: int
    value_warpgroups: int
    whole: bool
    slabs: int = 1
    along_values: bool = False
    parts: int = 1

    @property
    def values(self) -> int:
        """Values of a row that a tile has places for."""
        return TILE * self.blocks * self.value_warpgroups

    @property
    def warpgroups(self) -> int:
        """Warpgroups that multiply."""
        return self.value_warpgroups

    @property
    def result_rows(self) -> int:
        """Rows of 64 results that wait at a time."""
        return self.value_warpgroups * self.step if self.parts == 1 else 0

    @property
    def products(self) -> int:
        """Products side by side in one warpgroup."""
        return self.groups * self.blocks

    @property
    def sums(self) -> int:
        """Registers of a thread that hold sums."""
        return self.products * self.step // 2

    def unit(self, size: Dimensions) -> int:
        """Values of a row that one box of X meets."""
        return size.pair if self.whole else size.vb

    def unit_rows(self, size: Dimensions) -> int:
        """Rows of X in one box."""
        return size.slab if self.whole else size.vb

    def units(self, size: Dimensions) -> int:
        """Boxes of X that a stage has at most for 64 columns: tiles may begin inside of a unit."""
        unit = self.unit(size)
        latest = unit - math.gcd(unit, self.values)
        return min(size.row_degree // unit, -(-(latest + self.values) // unit))

    def fewest_units(self, size: Dimensions) -> int:
        """Boxes of X that a stage has at least: the last tile of a row may be short."""
        unit, first = self.unit(size), (self.pieces(size) - 1) * self.values
        return size.row_degree // unit - first // unit

    def pieces(self, size: Dimensions) -> int:
        """Tiles that a row is cut into."""
        return -(-size.row_degree // self.values)

    def stage_bytes(self, size: Dimensions) -> int:
        """Bytes of a stage: boxes of X, each from a place where a swizzle begins, and of dY."""
        rows = self.units(size) * round_up(self.unit_rows(size), EIGHT) + self.groups * self.step
        return self.slabs * rows * SLAB * NUMBER_BYTES

    def tiles(self, size: Dimensions) -> int:
        """Tiles of a product; a part of the columns counts as one."""
        rows = size.uo * (size.ui // self.groups) * self.row_slices(size)
        return rows * self.pieces(size) * self.parts

    def stages(self, n: int, batches: int) -> int:
        """Stages of all parts of a tile."""
        return -(-n // (SLAB * self.slabs)) * batches

    def work(self, size: Dimensions, n: int, batches: int) -> Work:
        """Return what a block does for one tile."""
        stages = -(-self.stages(n, batches) // self.parts)
        columns, rows = stages * SLAB * self.slabs, self.groups * math.prod(self.box_rows)
        operand_rows = self.units(size) * self.unit_rows(size)
        shares = (self.cluster, 1) if self.along_values else (1, self.cluster)
        # Threads that store in rows read shared memory once more; sums of parts go to the L2.
        passes = 1.0 if self.boxed else 2.0
        if self.parts > 1:
            passes = 128 / L2_BYTES * _SUM_BYTES / NUMBER_BYTES
        return Work(
            operations=2.0 * self.groups * self.step * self.values * columns,
            loaded_bytes=NUMBER_BYTES * columns * (rows / shares[0] + operand_rows / shares[1]),
            # A product reads its rows of X by ldmatrix, and those of dY by itself.
            shared_bytes=float(NUMBER_BYTES)
            * self.warpgroups
            * self.products
            * columns
            * (TILE + self.step),
            stages=stages,
            sums=self.sums,
            result_bytes=passes * NUMBER_BYTES * rows * self.values,
            remote_clocks=REMOTE if self.cluster > 1 else 0.0,
        )

    def suits(self, left: bool, right: bool) -> bool:
        """Return whether the tile suits operands that are one tensor each, or are not."""
        return left and right

    def clocks(
        self, size: Dimensions, n: int, batches: int, multiprocessors: int = MULTIPROCESSORS
    ) -> float:
        """Return about how many clocks of the device a product takes, with the sums of parts."""
        waves = self.waves(self.tiles(size), multiprocessors)
        own = waves * self.work(size, n, batches).clocks(OPERATIONS, self.buffers - 1) + DELAY
        if self.parts == 1:
            return own
        passed = size.nnz * (self.parts * _SUM_BYTES + NUMBER_BYTES)
        return own + passed / (L2_BYTES * multiprocessors) + 2 * DELAY


def tiles(size: Dimensions, n: int, batches: int) -> Iterator[SampledWarpgroupTile]:
    """Yield tiles for a pattern, the plain ones first."""
    plain = [*_plain_tiles(size)]
    yield from (replace(tile, boxed=False) for tile in plain if tile.groups == 1)
    for tile in plain:
        for one in (tile, *_clustered_tiles(size, tile)):
            yield one
            yield from _split_tiles(size, n, batches, one)


def _plain_tiles(size: Dimensions) -> Iterator[SampledWarpgroupTile]:
    """Yield tiles of one block, and of one u_i or of several that share slabs."""
    ways = []
    if size.vb >= EIGHT and size.vb <= LARGEST_BOX:
        ways.append((False, 1))
    if max(size.vi, size.vb) <= LARGEST_BOX:
        ways += [(True, 2**k) for k in range(_MOST_PRODUCTS.bit_length()) if size.ui % 2**k == 0]
    # Rows that a tile has no use for are few.
    widest = max(TILE, power_of_two_from(size.row_degree))
    for rows, (whole, groups), blocks, own in itertools.product(
        _rows(size), ways, (1, 2, 4, 8), (2, 1)
    ):
        step = max(EIGHT, power_of_two_from(math.prod(rows)))
        products = groups * blocks
        if products > _MOST_PRODUCTS or products * step // 2 > MOST_SUMS:
            continue
        if TILE * blocks * own > widest:
            continue
        for slabs, buffers in itertools.product((1, 2), _BUFFERS):
            yield SampledWarpgroupTile(
                blocks=blocks,
                step=step,
                value_warpgroups=own,
                whole=whole,
                slabs=slabs,
                box_rows=rows,
                buffers=buffers,
                groups=groups,
            )


def _rows(size: Dimensions) -> list[tuple[int, int]]:
    """Return how many u_r and u_b of a group a tile can have: all, or as many as fit."""
    found = []
    for most in (256, 128, 64):
        box_b = min(size.ub, most)
        found.append((min(size.ur, most // box_b), box_b))
    return [*dict.fromkeys(found)]


def _clustered_tiles(
    size: Dimensions, tile: SampledWarpgroupTile
) -> Iterator[SampledWarpgroupTile]:
    """Yield the same tile in clusters, where neighbouring tiles have something in common.

    That is at least one box for each block of a cluster in every stage.
    """
    sharing_x = tile.row_slices(size) * (size.ui // tile.groups if tile.whole else 1)
    if sharing_x % CLUSTER == 0 and tile.slabs * tile.fewest_units(size) >= CLUSTER:
        yield replace(tile, cluster=CLUSTER)
    if tile.pieces(size) % CLUSTER == 0 and tile.slabs * tile.groups >= CLUSTER:
        yield replace(tile, cluster=CLUSTER, along_values=True)


def _split_tiles(
    size: Dimensions, n: int, batches: int, tile: SampledWarpgroupTile
) -> Iterator[SampledWarpgroupTile]:
    """Yield the same tile with its columns cut into parts, where there are few tiles."""
    parts, alone = 2, tile.tiles(size)
    while (
        parts <= _MOST_PARTS
        and alone * (parts // 2) < MULTIPROCESSORS
        and tile.stages(n, batches) >= parts
    ):
        yield replace(tile, parts=parts, boxed=False)
        parts *= 2
