"""What each control does to the state, and what each control shows in a state."""

from __future__ import annotations

import math
from collections.abc import Callable
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

#: The controls that show a state, in the order in which the page has them.
CONTROLS = (
    "rows", "rows-slider", "cols", "cols-slider", "zeros", "zeros-slider", "group",
    "group-slider", "inner-slider", "row-range", "col-range", "inspected", "step",
)  # fmt: skip
VIEW_BUTTONS = {f"view-{name}": name for name in VIEWS}
PEER_BUTTONS = {f"peer-{name}": name for name in PEERS}


def after(event: str, value: Any, state: State, shape: tuple[int, int]) -> State:
    """Return the state after an event.

    Parameters
    ----------
    event : str
        The name of a control or button, ``drag``, ``click`` or ``candidate``.
    value : object
        What came with it: the text of a control, or a place in a figure.
    state : State
        What was shown before.
    shape : (int, int)
        Of the pattern that was shown before.

    Returns
    -------
    State
        The same if the event means nothing.

    Raises
    ------
    ArgumentError
        If a control holds what it should not, or there is no such event.

    Examples
    --------
    >>> after("view-tiling", None, State(), (1024, 1024)).view
    'tiling'
    >>> after("rows", "4096", State(), (1024, 1024)).rows
    4096
    """
    if event in DESIGN:
        changes = {"inner": None, **DESIGN[event](value, state)}
        return replace(state, **changes).with_source("design")
    if event in MOVES:
        rows, cols = moved(event, state.shown_rows, state.shown_cols, shape)
        return replace(state, shown_rows=rows, shown_cols=cols)
    if event in VIEW_BUTTONS:
        return replace(state, view=VIEW_BUTTONS[event])
    if event in PEER_BUTTONS:
        chosen = {*state.peers} ^ {PEER_BUTTONS[event]}
        return replace(state, peers=tuple(peer for peer in PEERS if peer in chosen))
    if event in _OTHERS:
        return _OTHERS[event](value, state, shape)
    raise ArgumentError(f"event is {event[:40]!r}, which this app does not have")


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


def _power(name: str, value: Any, ends: tuple[int, int]) -> int:
    return 1 << as_count(f"{name} slider", value, *ends)


def _side(name: str, value: Any) -> int:
    return as_count(name, _blank(value), SMALLEST_SIDE, LARGEST_SIDE)


def _sparsity(value: Any) -> float:
    return 1 - 2.0 ** -as_count("zeros slider", value, *ZEROS_EXPONENTS)


def _inner(value: Any, state: State) -> tuple[int, int, int] | None:
    choices = inner_choices(state)
    place = as_count("inner graph", value, 0, len(choices))
    return choices[place - 1].inner if place else None


#: The controls of a design: what each changes in it. A new layer starts at its best inner graph.
DESIGN: dict[str, Callable[[Any, State], dict[str, Any]]] = {
    "rows": lambda v, _: {"rows": _side("rows", v)},
    "rows-slider": lambda v, _: {"rows": _power("rows", v, SIDE_EXPONENTS)},
    "cols": lambda v, _: {"cols": _side("cols", v)},
    "cols-slider": lambda v, _: {"cols": _power("cols", v, SIDE_EXPONENTS)},
    "zeros": lambda v, _: {"sparsity": as_percent("zeros", v)},
    "zeros-slider": lambda v, _: {"sparsity": _sparsity(v)},
    "group": lambda v, _: {"row_group": as_count("row group", _blank(v), 1, LARGEST_SIDE)},
    "group-slider": lambda v, _: {"row_group": _power("row group", v, GROUP_EXPONENTS)},
    "inner-slider": lambda v, state: {"inner": _inner(v, state)},
    "use-design": lambda _, state: {"inner": state.inner},
}


def _drag(value: Any, state: State, shape: tuple[int, int]) -> State:
    rows, cols = dragged(value, shape)
    return replace(state, shown_rows=rows, shown_cols=cols)


def _inspected(value: Any, state: State, shape: tuple[int, int]) -> State:
    text = _blank(value).strip()
    if not text:
        return replace(state, cell=None)
    parts = text.split(",")
    if len(parts) != 2:
        raise ArgumentError(f"the cell is {text[:40]!r}, expected a row and a column as in 5, 12")
    ends = (shape[0] - 1, shape[1] - 1)
    row, col = (
        as_count(name, part, 0, end)
        for name, part, end in zip(("row", "column"), parts, ends, strict=True)
    )
    return replace(state, cell=(row, col))


def _click(value: Any, state: State, shape: tuple[int, int]) -> State:
    x, y = _point(value)
    row, col = math.floor(y + 0.5), math.floor(x + 0.5)
    return replace(state, cell=(_inside(row, shape[0]), _inside(col, shape[1])))


def _point(value: Any) -> tuple[float, float]:
    try:
        x, y = (float(each) for each in value)
    except (TypeError, ValueError):
        raise ArgumentError(f"the point is {str(value)[:40]!r}, expected two numbers") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ArgumentError("the point is not finite")
    return x, y


def _inside(place: int, size: int) -> int:
    return max(0, min(place, size - 1))


def _candidate(value: Any, state: State, _: tuple[int, int]) -> State:
    """Show the candidate whose dot was clicked: its time and gap tell which one."""
    milliseconds, gap = _point(value)
    found = candidates(state.rows, state.cols, state.sparsity, None)
    best = min(
        found,
        key=lambda c: abs(milliseconds / (1e3 * c.seconds) - 1) + abs(c.normalized_gap - gap),
    )
    return replace(state, row_group=best.row_group, inner=best.inner).with_source("design")


_OTHERS: dict[str, Callable[[Any, State, tuple[int, int]], State]] = {
    "row-range": lambda v, s, _: replace(s, shown_rows=as_range("rows shown", _blank(v))),
    "col-range": lambda v, s, _: replace(s, shown_cols=as_range("columns shown", _blank(v))),
    "whole": lambda _v, s, _: replace(s, shown_rows=None, shown_cols=None),
    "drag": _drag,
    "inspected": _inspected,
    "no-cell": lambda _v, s, _: replace(s, cell=None),
    "click": _click,
    "candidate": _candidate,
    "step": lambda v, s, _: replace(s, step=as_count("step", v, 0, LARGEST_SIDE)),
    "use-start": lambda _v, s, _: s.with_source("start"),
    "no-other": lambda _v, s, _: replace(s, other=""),
}


# What the controls show ------------------------------------------------------------------------


def shown_by(state: State, draft: State) -> dict[str, Any]:
    """Return the value of every control in a state, of those of the design in a draft."""
    values = {
        "rows": draft.rows,
        "rows-slider": _nearest(math.log2(draft.rows), SIDE_EXPONENTS),
        "cols": draft.cols,
        "cols-slider": _nearest(math.log2(draft.cols), SIDE_EXPONENTS),
        "zeros": f"{100 * draft.sparsity:.12g}",
        "zeros-slider": _nearest(-math.log2(1 - draft.sparsity), ZEROS_EXPONENTS),
        "group": draft.row_group,
        "group-slider": _nearest(math.log2(draft.row_group), GROUP_EXPONENTS),
        "inner-slider": _inner_place(state),
        "row-range": _range_text(state.shown_rows),
        "col-range": _range_text(state.shown_cols),
        "inspected": "" if state.cell is None else "{}, {}".format(*state.cell),
        "step": state.step,
    }
    return {name: str(values[name]) for name in CONTROLS}


def pressed_by(state: State) -> dict[str, str]:
    """Return for every button that stays pressed whether it is."""
    pressed = {name: view == state.view for name, view in VIEW_BUTTONS.items()}
    pressed |= {name: peer in state.peers for name, peer in PEER_BUTTONS.items()}
    return {name: "true" if is_pressed else "false" for name, is_pressed in pressed.items()}


def _nearest(value: float, ends: tuple[int, int]) -> int:
    return max(ends[0], min(ends[1], round(value)))


def _range_text(shown: Range | None) -> str:
    return "all" if shown is None else "{}:{}".format(*shown)


def inner_choices(state: State) -> list[Candidate]:
    """Return a candidate for each shape of the inner graph, the small ones first.

    Of several degrees, the one with the largest gap stands for the shape. The place 0 of their
    slider stands for the best one.
    """
    best: dict[tuple[int, int], Candidate] = {}
    for each in candidates(state.rows, state.cols, state.sparsity, state.row_group):
        shape = each.inner[:2]
        if shape not in best or each.ratio < best[shape].ratio:
            best[shape] = each
    return [best[shape] for shape in sorted(best, key=lambda s: (s[0] * s[1], s))]


def _inner_place(state: State) -> int:
    if state.inner is None or state.source != "design":
        return 0
    shapes = [each.inner[:2] for each in inner_choices(state)]
    return shapes.index(state.inner[:2]) + 1 if state.inner[:2] in shapes else 0
