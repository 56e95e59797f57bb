"""The lines of a pattern figure: where the parts of each level of a product meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.raster import Level, Subject, densities, levels, lines, step_edges, tiles

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.VERMILION, "width": 2.0, "dash": "solid"},
    {"color": style.GREEN, "width": 1.5, "dash": "dash"},
    {"color": style.PURPLE, "width": 1.2, "dash": "dot"},
    {"color": style.GREY, "width": 1.0, "dash": "dashdot"},
)
#: Screen pixels between neighbouring lines below which a level is left out: tiles, then the rest.
_LEAST_DISTANCE = (8, 16, 16, 16)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tiles:
    """The tiles of a window: where they meet, and which ones exist."""

    row_edges: NDArray[np.int64]
    col_edges: NDArray[np.int64]
    exist: NDArray[np.bool_]


def add_lines(
    figure: go.Figure,
    subject: Subject,
    rows: tuple[int, int],
    cols: tuple[int, int],
    pixels_per_cell: tuple[float, float],
) -> None:
    """Draw where the parts of each level meet, as far as the lines stay apart on the screen.

    Lines between tiles cross the window; those of finer levels stay in the tiles that exist.
    """
    found = levels(subject)
    coarser = subject.shape
    here = _Tiles(row_edges=np.array(rows), col_edges=np.array(cols), exist=np.ones((1, 1), bool))
    for level, look, least in zip(found, _LOOKS, _LEAST_DISTANCE, strict=False):
        sizes = (level.rows, level.cols)
        spacing = min(
            size * pixels
            for size, above, pixels in zip(sizes, coarser, pixels_per_cell, strict=True)
            if size < above
        )
        if spacing < least:
            break
        across, down = (
            lines(window, size, above)
            for window, size, above in zip((rows, cols), sizes, coarser, strict=True)
        )
        x, y = _points(here, across, down)
        if x:
            figure.add_scatter(
                x=x,
                y=y,
                mode="lines",
                line={**look, "width": min(look["width"], spacing / 20)},
                name=_label(level),
                hoverinfo="skip",
            )
        if level is found[0]:
            here = _tiles_in(subject, level, rows, cols)
        coarser = sizes


def line_looks(subject: Subject) -> list[dict[str, Any]]:
    """Return the levels and the looks of their lines as ``figures.js`` needs them."""
    return [
        {
            "rows": level.rows,
            "cols": level.cols,
            "label": _label(level),
            "look": look,
            "least": least,
        }
        for level, look, least in zip(levels(subject), _LOOKS, _LEAST_DISTANCE, strict=False)
    ]


def _label(level: Level) -> str:
    return f"{level.name}, {level.rows:,} × {level.cols:,}"


def _tiles_in(
    subject: Subject, tile: Level, rows: tuple[int, int], cols: tuple[int, int]
) -> _Tiles:
    row_edges, col_edges = step_edges(rows, tile.rows), step_edges(cols, tile.cols)
    coarse = tiles(subject)
    if coarse is None:
        exist = np.ones((len(row_edges) - 1, len(col_edges) - 1), bool)
    else:
        exist = densities(coarse, row_edges, col_edges) > 0
    return _Tiles(row_edges=row_edges, col_edges=col_edges, exist=exist)


def _points(
    here: _Tiles, across: NDArray[np.int64], down: NDArray[np.int64]
) -> tuple[list[float | None], list[float | None]]:
    """Return the points of lines across and down, as far as they run through tiles that exist."""
    x: list[float | None] = []
    y: list[float | None] = []
    for places, own, other, exist, along, beside in (
        (across, here.row_edges, here.col_edges, here.exist, x, y),
        (down, here.col_edges, here.row_edges, here.exist.T, y, x),
    ):
        numbers = np.searchsorted(own, places, side="right") - 1
        for place, number in zip((places - 0.5).tolist(), numbers.tolist(), strict=True):
            for start, stop in _runs(exist[number], other):
                along += [start - 0.5, stop - 0.5, None]
                beside += [place, place, None]
    return x, y


def _runs(exist: NDArray[np.bool_], edges: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield where runs of neighbouring tiles begin and end."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], exist, [False]))))
    for start, stop in changes.reshape(-1, 2).tolist():
        yield int(edges[start]), int(edges[stop])
