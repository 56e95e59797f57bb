"""Times are taken in turns and summarised by median and quartiles."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.bench.timing import WallClock, summarize, take_turns, wait_until_idle


class Script:
    """A timer that calls and returns what it was told."""

    name = "script"

    def __init__(self, *seconds: float) -> None:
        self.left = list(seconds)

    def seconds(self, call: Any, repeats: int) -> float:
        for _ in range(repeats):
            call()
        return self.left.pop(0)


def test_calls_take_turns_and_every_second_round_goes_backwards() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in "ab"}
    # One call each to see how long they take, then two rounds, each with a call to warm up.
    times = take_turns(calls, rounds=2, timer=Script(0.1, 0.1, 1, 2, 3, 4))
    assert order == ["a", "b", "a", "a", "b", "b", "b", "b", "a", "a"]
    assert (times["a"].smallest, times["a"].largest) == (1, 4)
    assert (times["b"].smallest, times["b"].largest) == (2, 3)


def test_a_long_call_is_not_warmed_up_and_a_short_one_is_repeated() -> None:
    counts = {"long": 0, "short": 0}

    def count(name: str) -> Any:
        return lambda: counts.update({name: counts[name] + 1})

    take_turns({"long": count("long")}, rounds=3, timer=Script(1, 1, 1, 1))
    take_turns({"short": count("short")}, rounds=1, timer=Script(0.001, 0.001))
    assert counts == {"long": 4, "short": 1 + 1 + 2}


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=9))
def test_the_summary_is_in_order(seconds: list[float]) -> None:
    found = summarize(seconds)
    assert found.rounds == len(seconds)
    assert found.smallest <= found.low <= found.median <= found.high <= found.largest
    assert (found.smallest, found.largest) == (min(seconds), max(seconds))


def test_the_wall_clock_measures_one_of_many_calls() -> None:
    calls: list[int] = []
    assert WallClock().seconds(lambda: calls.append(1), 5) > 0
    assert len(calls) == 5


def test_the_garbage_collector_goes_on_also_after_an_error() -> None:
    def fail() -> None:
        assert not gc.isenabled()
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        take_turns({"fail": fail}, rounds=1)
    assert gc.isenabled()


class Process:
    """A process whose other threads compute until a time, by a clock of its own."""

    def __init__(self, busy_until: float) -> None:
        self.now, self.busy_until = 0.0, busy_until

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return min(self.now, self.busy_until)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("busy_until", "returns_at"), [(0.0, 0.004), (0.1, 0.104), (0.102, 0.108), (9.0, 0.5)]
)
def test_waiting_ends_soon_after_the_busy_threads_do(
    busy_until: float, returns_at: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(busy_until)
    monkeypatch.setattr("rbgp_graphs.bench.timing.time", process)
    wait_until_idle()
    assert process.now == pytest.approx(returns_at)


def test_waiting_ends_with_the_clock_of_the_system() -> None:
    wait_until_idle()
