"""Times by events, on a host and a device whose times are numbers."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.gpu.cuda.event_timing import EventClock
from rbgp_graphs.gpu.cuda.machine import CuPyMachine


class Simulated:
    """A host that fills a queue, and a device that empties it; times in microseconds."""

    def __init__(self) -> None:
        self.host = self.busy_until = 0

    def put(self, host: int, device: int) -> None:
        """Let the host send work to the device."""
        self.host += host
        self.busy_until = max(self.host, self.busy_until) + device

    def wait(self) -> None:
        self.host = max(self.host, self.busy_until)

    def event(self) -> SimulatedEvent:
        return SimulatedEvent(self)

    def get_elapsed_time(self, start: SimulatedEvent, stop: SimulatedEvent) -> float:
        return (stop.time - start.time) / 1e3

    Event = property(lambda self: self.event)


class SimulatedEvent:
    def __init__(self, of: Simulated) -> None:
        self._of, self.time = of, 0

    def record(self) -> None:
        self._of.put(2, 0)
        self.time = self._of.busy_until

    @property
    def done(self) -> bool:
        return self.time <= self._of.host

    def synchronize(self) -> None:
        self._of.wait()


def clock(own: Simulated, delays: int = 1) -> EventClock:
    return EventClock(own, lambda: own.put(4, 60), delays=delays)


def working(own: Simulated, host: int, device: int) -> Callable[[], None]:
    return lambda: own.put(host, device)


@given(st.integers(1, 1500), st.integers(1, 500), st.integers(1, 3), st.booleans())
def test_the_time_of_the_host_is_not_in_the_result(
    host: int, device: int, delays: int, is_warm: bool
) -> None:
    own = Simulated()
    work = working(own, host, device)
    measuring = clock(own, delays)
    for _ in range(3):
        first = work if is_warm else lambda: None
        pair = measuring.record(work, first=first)
        assert measuring.seconds(pair) == pytest.approx(device * 1e-6)


def test_the_machine_fills_a_buffer_until_the_host_is_ahead() -> None:
    own = Simulated()
    machine: Any = object.__new__(CuPyMachine)
    buffer = types.SimpleNamespace(fill=lambda _: own.put(4, 60))
    machine._cupy = types.SimpleNamespace(cuda=own, empty=lambda *_: buffer, uint8=None)
    machine._delays = 1
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        own.put(150, 20)

    # It learns how often, and in the end the work runs once.
    for _ in range(3):
        runs.clear()
        assert machine.seconds(work, 3) == pytest.approx(20e-6)
    assert machine._delays > 1
    assert len(runs) == 3


def test_a_slow_host_delays_the_device_for_longer() -> None:
    own = Simulated()
    fast, slow = clock(own), clock(own)
    fast.record(working(own, 10, 20))
    slow.record(working(own, 500, 20))
    assert fast.delays == 1
    assert slow.delays == 16


def test_work_that_waits_for_the_device_is_timed_too() -> None:
    own = Simulated()
    measuring = clock(own)

    def work() -> None:
        own.put(10, 100)
        own.wait()

    # The second event comes when the host has seen the end.
    assert measuring.seconds(measuring.record(work)) == pytest.approx(102e-6)
    assert measuring.delays == 64
