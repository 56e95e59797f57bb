"""What the Hopper kernels have in common: blocks that stay for many tiles, a ring of stages."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass

from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_map import NUMBER_BYTES

#: Columns of a dense operand in a box: 128 bytes, the span of the widest swizzle.
SLAB = 64
LARGEST_BOX = 256
#: Rows of the first side of a product.
TILE = 64
#: Registers of a thread that may hold sums: half of what a thread can have.
MOST_SUMS = 128
#: Two multiprocessors always belong to one unit of the device, so all find a partner.
CLUSTER = 2
#: The order of a swizzle repeats after so many bytes.
SWIZZLE_BYTES = 1024
#: Operations of a multiprocessor in a clock, and clocks until another one of a cluster knows.
OPERATIONS, REMOTE = 4096.0, 400.0
#: Multiprocessors of the largest of these devices; on smaller ones fewer blocks start.
MULTIPROCESSORS = 132
_WARPGROUP, _BARRIER_BYTES = 128, 8
#: Results of 64 columns wait in one of two places, so that one can be stored from the other.
_RESULT_PLACES = 2


@dataclass(frozen=True, kw_only=True)
class RingTile(abc.ABC):
    """What a block of a Hopper kernel computes, as far as the kernels do not differ.

    Attributes
    ----------
    box_rows : tuple of int
        How many u_r and u_b a box of the rows of a group has.
    buffers : int
        Stages in shared memory.
    groups : int
        u_i of one u_o that a block computes. If more than one, they share rows of X.
    cluster : int
        Blocks that run together: each brings a part of what all of them need.
    boxed : bool
        Whether results are stored as boxes, or by the threads in rows.
    """

    box_rows: tuple[int, int]
    buffers: int
    groups: int = 1
    cluster: int = 1
    boxed: bool = True

    @property
    @abc.abstractmethod
    def warpgroups(self) -> int:
        """Warpgroups that multiply."""

    @property
    @abc.abstractmethod
    def result_rows(self) -> int:
        """Rows of 64 results that wait at a time."""

    @abc.abstractmethod
    def stage_bytes(self, size: Dimensions) -> int:
        """Bytes of a stage."""

    @property
    def threads(self) -> int:
        """Threads of a block; one warpgroup more loads."""
        return (self.warpgroups + 1) * _WARPGROUP

    def result_offset(self, size: Dimensions) -> int:
        """Where results wait."""
        return self.buffers * self.stage_bytes(size)

    def barrier_offset(self, size: Dimensions) -> int:
        """Where the barriers lie."""
        places = _RESULT_PLACES * self.result_rows
        return self.result_offset(size) + places * SLAB * NUMBER_BYTES

    def shared_bytes(self, size: Dimensions) -> int:
        """Shared memory of a block."""
        return self.barrier_offset(size) + 2 * self.buffers * _BARRIER_BYTES

    def row_slices(self, size: Dimensions) -> int:
        """Tiles that the rows of a group are cut into."""
        box_r, box_b = self.box_rows
        return -(-size.ur // box_r) * -(-size.ub // box_b)

    def grid(self, tiles: int) -> int:
        """Blocks of a launch: whole clusters, one block for each multiprocessor."""
        return min(tiles, MULTIPROCESSORS // self.cluster * self.cluster)

    def waves(self, tiles: int, multiprocessors: int) -> int:
        """Tiles that a block computes, one after the other."""
        together = max(1, multiprocessors // self.cluster) * self.cluster
        return math.ceil(tiles / together)

    def ring_constants(self, size: Dimensions) -> dict[str, int]:
        """Return the macros that say where things lie in shared memory."""
        box_r, box_b = self.box_rows
        return {
            "RBGP_BOX_R": box_r,
            "RBGP_BOX_B": box_b,
            "RBGP_BUFFERS": self.buffers,
            "RBGP_STAGE_BYTES": self.stage_bytes(size),
            "RBGP_BARRIER_OFFSET": self.barrier_offset(size),
            "RBGP_RESULT_OFFSET": self.result_offset(size),
        }
