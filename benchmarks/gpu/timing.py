"""Times by the events of a CUDA stream, with a cold or a warm L2."""

from __future__ import annotations

import statistics
from typing import Any

from rbgp_graphs.bench.timing import Call
from rbgp_graphs.gpu.cuda.event_timing import EventClock

#: More than the L2 of any device. It is filled at least so often before each call.
_FLUSH_BYTES = 1 << 29
_FLUSHES = 2


class EventTimer:
    """Measures by two events around a call, on CuPy's current stream.

    Before each call a large buffer is filled, which empties the L2, and so often that the host
    gets ahead of the device (see `EventClock`). With `warm` the call is made once after that and
    not timed, so that the L2 holds what fits of its operands.

    Parameters
    ----------
    cupy : module
        CuPy, or what behaves like it.
    warm : bool
        Whether the L2 is warm.
    flush_bytes : int
        Size of the buffer.
    """

    def __init__(self, cupy: Any, *, warm: bool, flush_bytes: int = _FLUSH_BYTES) -> None:
        self.name = f"CUDA events, {'warm' if warm else 'cold'} L2"
        self._cuda, self._warm = cupy.cuda, warm
        self._buffer = cupy.zeros(flush_bytes // 4, cupy.float32)

    def seconds(self, call: Call, repeats: int) -> float:
        """Return the mean time of `repeats` calls; waits for the device at the end."""
        clock = EventClock(self._cuda, lambda: self._buffer.fill(0), delays=_FLUSHES)
        first = call if self._warm else lambda: None
        pairs = [clock.record(call, first=first) for _ in range(repeats)]
        return statistics.fmean(map(clock.seconds, pairs))
