"""Times by the events of a CUDA stream, with a cold or a warm L2."""

from __future__ import annotations

import statistics
from typing import Any

from rbgp_graphs.bench.timing import Call

#: More than the L2 of any device, and long enough to fill twice that the host gets ahead: what
#: is timed is in the queue before the device comes to it, so the host's time is not measured.
_FLUSH_BYTES = 1 << 29
_FLUSHES = 2


class EventTimer:
    """Measures by two events around a call, on CuPy's current stream.

    Before each call a large buffer is filled, which empties the L2. With `warm` the call is made
    once after that and not timed, so that the L2 holds what fits of its operands.

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
        pairs = []
        for _ in range(repeats):
            for _ in range(_FLUSHES):
                self._buffer.fill(0)
            if self._warm:
                call()
            start, stop = self._cuda.Event(), self._cuda.Event()
            start.record()
            call()
            stop.record()
            pairs.append((start, stop))
        pairs[-1][1].synchronize()
        return statistics.fmean(self._cuda.get_elapsed_time(*pair) for pair in pairs) / 1e3
