"""What a block of a kernel computes and moves, and how many clocks that takes by round rates."""

from __future__ import annotations

from dataclasses import dataclass

#: Bytes that a multiprocessor reads in a clock from the L2 and from shared memory.
L2_BYTES, _SHARED_BYTES = 40.0, 128.0
#: Clocks until what was asked for is there, and those that a barrier takes.
DELAY, _BARRIER = 800.0, 40.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one block does.

    Attributes
    ----------
    operations : float
        Multiplications and additions, with those on padding.
    loaded_bytes : float
        Bytes that come from outside of the multiprocessor; what the blocks of a cluster have in
        common comes once for all of them.
    shared_bytes : float
        Bytes that its threads and matrix units read from shared memory.
    stages : int
        Stages, one after the other.
    sums : int
        Registers of a thread that hold sums.
    result_bytes : float
        Bytes that pass through shared memory after the last stage.
    remote_clocks : float
        Clocks by which a stage comes later because blocks wait for each other.
    """

    operations: float
    loaded_bytes: float
    shared_bytes: float
    stages: int
    sums: int
    result_bytes: float = 0.0
    remote_clocks: float = 0.0

    @property
    def intensity(self) -> float:
        """Operations for each byte that comes from outside."""
        return self.operations / self.loaded_bytes

    def clocks(self, operations: float, in_flight: float) -> float:
        """Return about how many clocks the block takes.

        Parameters
        ----------
        operations : float
            Operations that the multiprocessor does in a clock.
        in_flight : float
            Stages that are on their way at a time.
        """
        delay = (DELAY + self.remote_clocks) / in_flight
        return self.result_bytes / _SHARED_BYTES + max(
            self.operations / operations,
            self.loaded_bytes / L2_BYTES,
            self.shared_bytes / _SHARED_BYTES,
            self.stages * max(delay, _BARRIER),
        )
