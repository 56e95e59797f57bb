"""Moves of the visible part of a pattern: drags, zooms, buttons."""

from __future__ import annotations

import math
from typing import Any

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.viz.dashboard.state import Range

#: The fewest cells that the buttons zoom to.
_FEWEST = 8
#: The buttons: share of the span to move by (down, right), and how the span changes.
MOVES = {
    "in": (0.0, 0.0, 0.5),
    "out": (0.0, 0.0, 2.0),
    "up": (-0.5, 0.0, 1.0),
    "down": (0.5, 0.0, 1.0),
    "left": (0.0, -0.5, 1.0),
    "right": (0.0, 0.5, 1.0),
}


def check_range(name: str, shown: Range | None, size: int) -> None:
    """Raise unless a range lies in a pattern with `size` rows or columns."""
    if shown is not None and not 0 <= shown[0] < shown[1] <= size:
        raise ArgumentError(
            f"{name} are {shown[0]:,}:{shown[1]:,}, but the pattern has only 0:{size:,}; "
            f"the nearest range is {_clipped(shown, size)}"
        )


def _clipped(shown: Range, size: int) -> str:
    stop = min(shown[1], size)
    return f"{min(shown[0], stop - 1):,}:{stop:,}"


def moved(
    name: str, rows: Range | None, cols: Range | None, shape: tuple[int, int]
) -> tuple[Range | None, Range | None]:
    """Return the visible part after a button.

    Examples
    --------
    >>> moved("in", None, None, (1024, 1024))
    ((256, 768), (256, 768))
    >>> moved("down", (256, 768), (256, 768), (1024, 1024))
    ((512, 1024), (256, 768))
    """
    down, right, factor = MOVES[name]
    return _shift(rows, shape[0], down, factor), _shift(cols, shape[1], right, factor)


def _shift(shown: Range | None, size: int, move: float, factor: float) -> Range | None:
    start, stop = shown or (0, size)
    span = stop - start
    wanted = min(size, max(min(_FEWEST, span), math.ceil(span * factor)))
    start += (span - wanted) // 2 + round(move * span)
    start = max(0, min(start, size - wanted))
    return None if wanted == size else (start, start + wanted)


def dragged(ends: Any, shape: tuple[int, int]) -> tuple[Range | None, Range | None]:
    """Return the visible part after a drag or a zoom in the figure.

    Parameters
    ----------
    ends : pair of pairs of float
        The ranges of the vertical and of the horizontal axis, in cells, half a cell outside.
    shape : (int, int)
        Of the pattern.

    Returns
    -------
    pair of ranges or None
        All cells that the ranges touch.

    Raises
    ------
    ArgumentError
        If `ends` are no finite numbers.

    Examples
    --------
    >>> dragged([[511.5, -0.5], [99.7, 202.1]], (512, 512))
    (None, (100, 203))
    """
    try:
        (bottom, top), (left, right) = ((float(a), float(b)) for a, b in ends)
    except (TypeError, ValueError):
        raise ArgumentError(f"the range {str(ends)[:60]} is no pair of numbers") from None
    return _as_cells(bottom, top, shape[0]), _as_cells(left, right, shape[1])


def _as_cells(one: float, other: float, size: int) -> Range | None:
    if not (math.isfinite(one) and math.isfinite(other)):
        raise ArgumentError("the range is not finite")
    start = max(0, min(size - 1, math.floor(min(one, other) + 0.5)))
    stop = max(start + 1, min(size, math.ceil(max(one, other) + 0.5)))
    return None if (start, stop) == (0, size) else (start, stop)
