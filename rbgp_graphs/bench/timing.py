"""How long calls take: by the clock of the host, in turns, with median and spread."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Call = Callable[[], Any]

#: A shorter call is repeated inside one measurement until it takes about this long.
_SHORTEST_SECONDS = 0.002
_MOST_REPEATS = 1000
#: A longer call needs no other before it to warm the caches.
_LONG_SECONDS = 0.25
#: Threads of libraries wait for work in a loop after a call, those of OpenBLAS for 0.1 s. They
#: count as asleep when the process used less than this share of a core for a step.
_STEP_SECONDS, _BUSY_SHARE, _LONGEST_WAIT_SECONDS = 0.004, 0.2, 0.5


class Timer(Protocol):
    """What measures: the host's clock here, events of a stream on a GPU.

    Attributes
    ----------
    name : str
        What stands in the results.
    """

    name: str

    def seconds(self, call: Call, repeats: int) -> float:
        """Return the mean time of `repeats` calls, work that they started included."""


class WallClock:
    """Measures by the clock of the host; for calls that return when they are done."""

    name = "wall clock"

    def seconds(self, call: Call, repeats: int) -> float:
        """Return the mean time of `repeats` calls."""
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - start) / repeats


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times of one call over all rounds, in seconds.

    Attributes
    ----------
    median, low, high, smallest, largest : float
        The median, the quartiles, and the extremes.
    rounds : int
        How many times there are.
    """

    median: float
    low: float
    high: float
    smallest: float
    largest: float
    rounds: int


def take_turns(
    calls: Mapping[str, Call],
    *,
    rounds: int,
    timer: Timer | None = None,
) -> dict[str, Times]:
    """Time some calls in turns, so that a change of the machine's speed meets all of them.

    Parameters
    ----------
    calls : mapping of str to callable
        What to time; their results are dropped.
    rounds : int
        How often each is timed, at least 1. Every second round goes backwards.
    timer : Timer, optional
        What measures; the host's clock by default.

    Returns
    -------
    dict of str to Times
        In the order of `calls`.

    Notes
    -----
    Before each turn all threads of the last one get time to fall asleep: those of some libraries
    wait in a loop and would take a core from the next. Each turn starts with a call that is not
    timed and brings the operands back to the caches (not if it takes more than 0.25 seconds).
    Calls of less than 2 milliseconds are repeated in a turn. The garbage collector rests
    meanwhile.

    Examples
    --------
    >>> times = take_turns({"sum": lambda: sum(range(1000))}, rounds=3)
    >>> times["sum"].rounds, times["sum"].smallest <= times["sum"].median
    (3, True)
    """
    clock = WallClock() if timer is None else timer
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        first = {name: clock.seconds(call, 1) for name, call in calls.items()}
        repeats = {name: _repeats(seconds) for name, seconds in first.items()}
        found: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(rounds):
            for name in list(calls) if number % 2 == 0 else reversed(list(calls)):
                wait_until_idle()
                if first[name] < _LONG_SECONDS:
                    calls[name]()
                found[name].append(clock.seconds(calls[name], repeats[name]))
    finally:
        if was_enabled:
            gc.enable()
    return {name: summarize(seconds) for name, seconds in found.items()}


def wait_until_idle() -> None:
    """Return when no other thread of this process computes, or after half a second."""
    end = time.perf_counter() + _LONGEST_WAIT_SECONDS
    while time.perf_counter() < end:
        used, start = time.process_time(), time.perf_counter()
        time.sleep(_STEP_SECONDS)
        if time.process_time() - used < _BUSY_SHARE * (time.perf_counter() - start):
            return


def summarize(seconds: list[float]) -> Times:
    """Return median, quartiles and extremes of at least one time."""
    low, high = seconds[0], seconds[0]
    if len(seconds) > 1:
        low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Times(
        median=statistics.median(seconds),
        low=low,
        high=high,
        smallest=min(seconds),
        largest=max(seconds),
        rounds=len(seconds),
    )


def _repeats(seconds: float) -> int:
    if seconds >= _SHORTEST_SECONDS:
        return 1
    return min(_MOST_REPEATS, math.ceil(_SHORTEST_SECONDS / max(seconds, 1e-9)))
