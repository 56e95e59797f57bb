"""What each control does to the state, and what each control shows in a state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.selection import Candidate
from rbgp_graphs.viz.dashboard.navigation import MOVES, dragged, moved
from rbgp_graphs.viz.dashboard.state import (
    LARGEST_SIDE,
    PEERS,
    SMALLEST_SIDE,
    VIEWS,
    Range,
    State,
    as_count,
    as_range,
)
from rbgp_graphs.viz.dashboard.subjects import candidates

#: The sliders of sizes go over powers of two, those of sparsity over 1 - 2**-k.
SIDE_EXPONENTS = (3, 20)
ZEROS_EXPONENTS = (0, 11)
GROUP_EXPONENTS = (0, 7)

_DESIGN = frozenset(
    ("rows", "rows-slider", "cols", "cols-slider", "zeros", "zeros-slider", "group",
     "group-slider", "inner-slider", "use-design")
)  # fmt: skip
#: The controls whose values make up a state, in the order in which the layout has them.
CONTROLS = (
    "rows", "rows-slider", "cols", "cols-slider", "zeros", "zeros-slider", "group",
    "group-slider", "inner-slider", "row-range", "col-range", "cell-row", "cell-col", "step",
)  # fmt: skip
VIEW_BUTTONS = {f"view-{name}": name for name in VIEWS}
PEER_BUTTONS = {f"peer-{name}": name for name in PEERS}
BUTTONS = (
    *("use-design", "use-start", "no-cell", "no-other", "whole"),
    *MOVES,
    *VIEW_BUTTONS,
    *PEER_BUTTONS,
)


def after(event: str, state: State, given: Mapping[str, Any], shape: tuple[int, int]) -> State:
    """Return the state after an event.

    Parameters
    ----------
    event : str
        The name of a control or button, ``drag``, ``click`` or ``candidate``.
    state : State
        What was shown before.
    given : mapping
        The values of the controls, and under the name of the event what came with it.
    shape : (int, int)
        Of the pattern that was shown before.

    Returns
    -------
    State
        The same if the event means nothing.

    Raises
    ------
    ArgumentError
        If a control holds what it should not.

    Examples
    --------
    >>> after("view-tiling", State(), {}, (1024, 1024)).view
    'tiling'
    """
    if event in _DESIGN:
        return _designed(event, state, given)
    if event in MOVES or event == "whole":
        rows, cols = (
            (None, None)
            if event == "whole"
            else moved(event, state.shown_rows, state.shown_cols, shape)
        )
        return replace(state, shown_rows=rows, shown_cols=cols)
    if event in VIEW_BUTTONS:
        return replace(state, view=VIEW_BUTTONS[event])
    if event in PEER_BUTTONS:
        chosen = {*state.peers} ^ {PEER_BUTTONS[event]}
        return replace(state, peers=tuple(peer for peer in PEERS if peer in chosen))
    if event in _OTHERS:
        changed: State = _OTHERS[event](state, given, shape)
        return changed
    raise ArgumentError(f"event is {event!r}, which this app does not have")


def _designed(event: str, state: State, given: Mapping[str, Any]) -> State:
    rows, cols = (
        2 ** as_count(f"{name} slider", given[f"{name}-slider"], *SIDE_EXPONENTS)
        if event == f"{name}-slider"
        else as_count(name, _blank(given[name]), SMALLEST_SIDE, LARGEST_SIDE)
        for name in ("rows", "cols")
    )
    if event == "zeros-slider":
        sparsity = 1 - 2.0 ** -as_count("zeros", given["zeros-slider"], *ZEROS_EXPONENTS)
    else:
        sparsity = as_percent("zeros", given["zeros"])
    if event == "group-slider":
        group = 2 ** as_count("row group", given["group-slider"], *GROUP_EXPONENTS)
    else:
        group = as_count("row group", _blank(given["group"]), 1, LARGEST_SIDE)
    inner = None
    if event == "inner-slider":
        choices = inner_choices(rows, cols, sparsity, group)
        place = as_count("inner graph", given["inner-slider"], 0, len(choices))
        inner = choices[place - 1].inner if place else None
    new = replace(state, rows=rows, cols=cols, sparsity=sparsity, row_group=group, inner=inner)
    return new.with_source("design")


def _blank(value: Any) -> str:
    return "" if value is None else str(value)


def as_percent(name: str, text: Any) -> float:
    """Return a share from percent: at least 0, less than 100."""
    try:
        share = Fraction(_blank(text).strip().removesuffix("%").strip()) / 100
    except (ValueError, ZeroDivisionError):
        share = Fraction(-1)
    if not 0 <= share < 1 or share.denominator > 10**18:
        raise ArgumentError(
            f"{name} is {str(text)[:40]!r}, expected percent from 0 up to but not including 100"
        )
    return float(share)


def _window(state: State, given: Mapping[str, Any], _: tuple[int, int]) -> State:
    return replace(
        state,
        shown_rows=as_range("rows shown", _blank(given["row-range"])),
        shown_cols=as_range("columns shown", _blank(given["col-range"])),
    )


def _drag(state: State, given: Mapping[str, Any], shape: tuple[int, int]) -> State:
    found = dragged(given["drag"] or {}, state.shown_rows, state.shown_cols, shape)
    if found is None:
        return state
    return replace(state, shown_rows=found[0], shown_cols=found[1])


def _cell(state: State, given: Mapping[str, Any], shape: tuple[int, int]) -> State:
    row, col = (_blank(given[name]).strip() for name in ("cell-row", "cell-col"))
    if not (row and col):
        return state
    cell = as_count("row", row, 0, shape[0] - 1), as_count("column", col, 0, shape[1] - 1)
    return replace(state, cell=cell)


def _click(state: State, given: Mapping[str, Any], shape: tuple[int, int]) -> State:
    try:
        point = given["click"]["points"][0]
        row, col = math.floor(point["y"] + 0.5), math.floor(point["x"] + 0.5)
    except (TypeError, KeyError, IndexError, ValueError, OverflowError):
        return state
    return replace(state, cell=(_inside(row, shape[0]), _inside(col, shape[1])))


def _inside(place: int, size: int) -> int:
    return max(0, min(place, size - 1))


def _candidate(state: State, given: Mapping[str, Any], _: tuple[int, int]) -> State:
    """Show the candidate whose dot was clicked: its time and gap tell which one."""
    try:
        point = given["candidate"]["points"][0]
        seconds, gap = float(point["x"]) / 1e3, float(point["y"])
    except (TypeError, KeyError, IndexError, ValueError):
        return state
    found = candidates(state.rows, state.cols, state.sparsity, None)
    best = min(
        found,
        key=lambda c: abs(c.seconds - seconds) / seconds + abs(c.normalized_gap - gap),
    )
    return replace(state, row_group=best.row_group, inner=best.inner).with_source("design")


_OTHERS: dict[str, Any] = {
    "row-range": _window,
    "col-range": _window,
    "drag": _drag,
    "cell-row": _cell,
    "cell-col": _cell,
    "click": _click,
    "candidate": _candidate,
    "step": lambda s, g, _: replace(s, step=as_count("step", g["step"], 0, LARGEST_SIDE)),
    "use-start": lambda s, g, _: s.with_source("start"),  # noqa: ARG005
    "no-cell": lambda s, g, _: replace(s, cell=None),  # noqa: ARG005
    "no-other": lambda s, g, _: replace(s, other=""),  # noqa: ARG005
}


# What the controls show ------------------------------------------------------------------------


def shown_by(state: State) -> dict[str, Any]:
    """Return the value of every control in a state."""
    row, col = state.cell or (None, None)
    values = {
        "rows": state.rows,
        "rows-slider": _nearest(math.log2(state.rows), SIDE_EXPONENTS),
        "cols": state.cols,
        "cols-slider": _nearest(math.log2(state.cols), SIDE_EXPONENTS),
        "zeros": f"{100 * state.sparsity:.12g}",
        "zeros-slider": _nearest(-math.log2(1 - state.sparsity), ZEROS_EXPONENTS),
        "group": state.row_group,
        "group-slider": _nearest(math.log2(state.row_group), GROUP_EXPONENTS),
        "inner-slider": _inner_place(state),
        "row-range": _range_text(state.shown_rows),
        "col-range": _range_text(state.shown_cols),
        "cell-row": row,
        "cell-col": col,
        "step": state.step,
    }
    return {name: values[name] for name in CONTROLS}


def pressed_by(state: State) -> dict[str, str]:
    """Return for every button that stays pressed whether it is."""
    pressed = {name: view == state.view for name, view in VIEW_BUTTONS.items()}
    pressed |= {name: peer in state.peers for name, peer in PEER_BUTTONS.items()}
    return {name: "true" if is_pressed else "false" for name, is_pressed in pressed.items()}


def _nearest(value: float, ends: tuple[int, int]) -> int:
    return max(ends[0], min(ends[1], round(value)))


def _range_text(shown: Range | None) -> str:
    return "all" if shown is None else "{}:{}".format(*shown)


def inner_choices(rows: int, cols: int, sparsity: float, row_group: int) -> list[Candidate]:
    """Return a candidate for each shape of the inner graph, the small ones first.

    Of several degrees, the one with the largest gap stands for the shape.
    """
    best: dict[tuple[int, int], Candidate] = {}
    for each in candidates(rows, cols, sparsity, row_group):
        shape = each.inner[:2]
        if shape not in best or each.ratio < best[shape].ratio:
            best[shape] = each
    return [best[shape] for shape in sorted(best, key=lambda s: (s[0] * s[1], s))]


def _inner_place(state: State) -> int:
    if state.inner is None or state.source != "design":
        return 0
    shapes = [c.inner[:2] for c in _choices_of(state)]
    return shapes.index(state.inner[:2]) + 1 if state.inner[:2] in shapes else 0


def _choices_of(state: State) -> list[Candidate]:
    return inner_choices(state.rows, state.cols, state.sparsity, state.row_group)


def num_inner_choices(state: State) -> int:
    """Return the highest place of the slider of inner graphs; 0 stands for the best one."""
    return len(_choices_of(state)) if state.source == "design" else 0
