"""The visible part never leaves the pattern."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import ArgumentError
from rbgp_graphs.viz.dashboard.navigation import MOVES, check_range, dragged, moved

_sizes = st.integers(1, 10**6)


def _ranges(size: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(0, size - 1).flatmap(
        lambda start: st.tuples(st.just(start), st.integers(start + 1, size))
    )


@given(_sizes, _sizes, st.lists(st.sampled_from(sorted(MOVES)), max_size=30))
def test_no_sequence_of_moves_leaves_the_pattern(rows: int, cols: int, names: list[str]) -> None:
    shown: tuple[Any, Any] = (None, None)
    for name in names:
        shown = moved(name, *shown, (rows, cols))
        check_range("rows", shown[0], rows)
        check_range("columns", shown[1], cols)


def test_moves_go_where_their_name_says() -> None:
    middle = (400, 600)
    shape = (1000, 1000)
    assert moved("in", middle, middle, shape) == ((450, 550), (450, 550))
    assert moved("out", middle, middle, shape) == ((300, 700), (300, 700))
    assert moved("up", middle, middle, shape) == ((300, 500), middle)
    assert moved("left", middle, (0, 200), shape) == (middle, (0, 200))
    assert moved("right", middle, middle, shape) == (middle, (500, 700))
    assert moved("out", (100, 900), (0, 1000), shape) == (None, None)
    assert moved("in", (0, 8), (0, 8), shape) == ((0, 8), (0, 8))


@given(_sizes, st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e7, 1e7))
def test_a_drag_is_cut_to_the_pattern(size: int, low: float, high: float) -> None:
    for shown in dragged([[low, high], [high, low]], (size, size)):
        check_range("columns", shown, size)


@given(st.integers(1, 1 << 20).flatmap(lambda size: st.tuples(st.just(size), _ranges(size))))
def test_what_is_drawn_stays_when_it_is_dragged_by_nothing(case: Any) -> None:
    size, (start, stop) = case
    shown = dragged([[stop - 0.5, start - 0.5], [start - 0.5, stop - 0.5]], (size, size))
    expected = None if (start, stop) == (0, size) else (start, stop)
    assert shown == (expected, expected)


def test_a_drag_shows_the_cells_that_it_touches() -> None:
    assert dragged([[30.5, 9.5], [9.6, 20.4]], (100, 100)) == ((10, 31), (10, 21))


@pytest.mark.parametrize("ends", [["a", 1], [None, 1], [float("nan"), 1], [float("inf"), 1], [1]])
def test_a_drag_to_nowhere_is_refused(ends: list[Any]) -> None:
    with pytest.raises(ArgumentError, match="the range"):
        dragged([ends, [0, 1]], (10, 10))


def test_an_absurd_range_is_told_the_nearest_that_works() -> None:
    with pytest.raises(ArgumentError, match="only 0:100; the nearest range is 90:100"):
        check_range("shown rows", (90, 10**9), 100)
    with pytest.raises(ArgumentError, match="the nearest range is 99:100"):
        check_range("shown rows", (500, 600), 100)
