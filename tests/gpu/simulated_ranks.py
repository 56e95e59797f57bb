"""All ranks of a product in one process, as threads that meet at barriers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

_TIMEOUT_SECONDS = 60


class Meeting:
    """Where the threads leave their arrays."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=_TIMEOUT_SECONDS)
        self.left: list[Any] = [None] * size

    def exchange(self, rank: int, array: Any) -> list[Any]:
        """Return what all ranks left, after all have left something."""
        self.left[rank] = array
        self.barrier.wait()
        found = list(self.left)
        self.barrier.wait()
        return found


class SimulatedRank:
    """One rank's communicator; refuses what the protocol does not promise to send."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.rank, self.size = rank, meeting.size
        self.sent = 0
        self._meeting = meeting

    def all_reduce(self, array: Any) -> Any:
        parts = self._exchange(array)
        assert array.dtype in (np.float32, np.float64)
        return np.sum(np.stack(parts), axis=0)

    def all_gather(self, array: Any) -> Any:
        return np.stack(self._exchange(array))

    def reduce_scatter(self, array: Any) -> Any:
        parts = self._exchange(array)
        assert array.dtype in (np.float32, np.float64)
        assert len(array) == self.size
        return np.sum(np.stack(parts)[:, self.rank], axis=0)

    def broadcast(self, data: bytes | None) -> bytes:
        found = self._meeting.exchange(self.rank, data)[0]
        assert isinstance(found, bytes)
        return found

    def _exchange(self, array: Any) -> list[Any]:
        self.sent += 1
        assert array.flags.c_contiguous
        parts = self._meeting.exchange(self.rank, array.copy())
        assert {(part.shape, part.dtype) for part in parts} == {(array.shape, array.dtype)}
        return parts


def on_all_ranks(size: int, function: Callable[[SimulatedRank], Any]) -> list[Any]:
    """Return what a function returns on each rank."""
    meeting = Meeting(size)

    def one(rank: int) -> Any:
        try:
            return function(SimulatedRank(meeting, rank))
        except BaseException:
            meeting.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        results = [pool.submit(one, rank) for rank in range(size)]
        errors = [r.exception() for r in results]
        # The rank that failed first says why; the others only say that the barrier broke.
        for error in sorted(
            (e for e in errors if e), key=lambda e: isinstance(e, threading.BrokenBarrierError)
        ):
            raise error
        return [r.result() for r in results]
