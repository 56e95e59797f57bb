"""Times of work on a device by the events of a stream, without the time of the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Delays after which work counts as timed though the host is not ahead: it waits for the device.
_MOST_DELAYS = 64


class EventClock:
    """Records work between two events while the host is ahead of the device.

    A delay is work that keeps the device busy until all that is timed is in its queue. How often
    it is needed is measured: if the device comes to the work before the host has sent all of it,
    the times are dropped and the delay is doubled.

    Parameters
    ----------
    cuda : module
        ``cupy.cuda``, or what behaves like it.
    delay : callable
        Puts some work into the current stream.
    delays : int
        How often it is called at least.
    """

    def __init__(self, cuda: Any, delay: Callable[[], None], *, delays: int = 1) -> None:
        self._cuda, self._delay, self.delays = cuda, delay, delays

    def record(
        self, work: Callable[[], Any], *, first: Callable[[], Any] = lambda: None
    ) -> tuple[Any, Any]:
        """Return events before and after some work. What comes `first` is not timed."""
        while True:
            for _ in range(self.delays):
                self._delay()
            first()
            start, stop = self._cuda.Event(), self._cuda.Event()
            start.record()
            work()
            stop.record()
            if not start.done or self.delays >= _MOST_DELAYS:
                return start, stop
            self.delays *= 2

    def seconds(self, pair: tuple[Any, Any]) -> float:
        """Return the time between two events, after waiting for the second."""
        pair[1].synchronize()
        return float(self._cuda.get_elapsed_time(*pair)) / 1e3
