"""The figure of a pattern: its mask at any window and zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.viz import layers
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, attach, percent
from rbgp_graphs.viz.level_lines import add_lines
from rbgp_graphs.viz.raster import (
    Raster,
    Subject,
    as_subject,
    as_window,
    densities,
    even_edges,
    levels,
    rasterize,
)
from rbgp_graphs.viz.zoom import zoom_data

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Up to this many cells a side every cell is a mark of its own, with its own hover text.
_LARGEST_HEATMAP = 128
#: Side of the plot in screen pixels that level lines are spaced for.
_PLOT_SIDE = 520


def pattern(
    p: Any,
    rows: tuple[int, int] | None = None,
    cols: tuple[int, int] | None = None,
    max_pixels: int = 768,
    *,
    theme: style.Theme = "light",
    zoomable: bool = True,
) -> go.Figure:
    """Draw the mask of a pattern, whole or in part, with the levels of its product.

    Parameters
    ----------
    p : TensorProduct, BipartiteGraph or array_like, shape (rows, cols)
        The pattern; a graph or a dense or sparse mask is drawn without levels.
    rows, cols : (int, int), optional
        Half-open ranges of rows and of columns; all of them by default.
    max_pixels : int
        Largest height and width of the image, from 16 to 2048. A range that is no longer
        keeps one pixel a cell.
    theme : {"light", "dark"}
        Colours of text and background.
    zoomable : bool
        Whether a page that `save` or `report` writes draws finer levels when one zooms in, down
        to single cells, without a server. The figure then carries the edges of the factors, up
        to about a million of them; beyond that, the page shows this level alone.

    Returns
    -------
    plotly.graph_objects.Figure
        Row 0 at the top. Windows of at most 128 cells a side are a heatmap that tells for each
        cell why it is zero; larger ones are an image. ``layout.meta`` holds a text alternative
        and a table.

    Raises
    ------
    ArgumentTypeError
        If `p` is no pattern, graph or mask, or a range is no pair of integers.
    ArgumentError
        If a range is empty or lies outside the pattern, or another argument is out of range.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    Pixels are exact area averages, and nothing is materialised: the cost depends on the factors
    and on the number of pixels, not on the size of the pattern. Show the figure with
    ``figure.show(config=rbgp_graphs.viz.CONFIG)``, which leaves out the button that uploads it.

    Examples
    --------
    >>> from rbgp_graphs import RBGP4, projective_plane
    >>> huge = RBGP4(projective_plane(31), (1, 1), projective_plane(5), (32, 32))
    >>> figure = pattern(huge)
    >>> huge.shape, figure.layout.images[0].sizex >= huge.cols
    ((985056, 985056), True)
    """
    max_pixels = as_int("max_pixels", max_pixels, minimum=16, maximum=2048)
    subject = as_subject(p)
    height, width = subject.shape
    row_range = as_window("rows", rows, height)
    col_range = as_window("cols", cols, width)
    raster = rasterize(subject, row_range, col_range, max_pixels)
    title = f"Pattern, {height:,} × {width:,} cells"
    if (row_range, col_range) != ((0, height), (0, width)):
        title = f"Rows {_range_text(*row_range)}, columns {_range_text(*col_range)}"
    figure = style.new_figure(title, style.as_theme(theme))
    action = None
    if raster.is_exact and max(raster.density.shape) <= _LARGEST_HEATMAP:
        layers.add_cells(figure, subject, raster)
    else:
        action = zoom_data(subject, row_range, col_range) if zoomable else None
        layers.add_images(figure, subject, raster)
        layers.add_hover(figure, subject, row_range, col_range)
    add_lines(figure, subject, row_range, col_range, _pixels_per_cell(row_range, col_range))
    _set_axes(figure, row_range, col_range)
    if action is not None:
        action |= {"pixels": max_pixels, **layers.zoom_looks(subject)}
    attach(figure, _describe(subject, raster), _table(subject, row_range, col_range), action)
    return figure


def _set_axes(figure: go.Figure, rows: tuple[int, int], cols: tuple[int, int]) -> None:
    xaxis, yaxis = _axis("column", *cols), _axis("row", *rows)
    xaxis["range"], yaxis["range"] = [cols[0] - 0.5, cols[1] - 0.5], [rows[1] - 0.5, rows[0] - 0.5]
    if _has_square_cells(rows, cols):
        figure.layout.width = 640
        xaxis |= {"constrain": "domain", "constraintoward": "left"}
        yaxis |= {"scaleanchor": "x", "constrain": "domain", "constraintoward": "top"}
    # Assigned, not updated: plotly takes milliseconds to follow each path of an update.
    figure.layout.xaxis, figure.layout.yaxis = xaxis, yaxis
    # One kind of mark needs a legend too.
    figure.layout.showlegend = True


def _axis(name: str, start: int, stop: int) -> dict[str, Any]:
    return {
        "title": {"text": name},
        "showgrid": False,
        "showline": True,
        "mirror": True,
        "minallowed": start - 0.5,
        "maxallowed": stop - 0.5,
        "nticks": min(6, stop - start + 1),
        "tickformatstops": [
            {"dtickrange": [None, 9999], "value": ",~f"},
            {"dtickrange": [10000, None], "value": "~s"},
        ],
    }


def _has_square_cells(rows: tuple[int, int], cols: tuple[int, int]) -> bool:
    return 1 / 3 <= (rows[1] - rows[0]) / (cols[1] - cols[0]) <= 3


def _pixels_per_cell(rows: tuple[int, int], cols: tuple[int, int]) -> tuple[float, float]:
    """Return about how many screen pixels the height and the width of a cell take."""
    height, width = rows[1] - rows[0], cols[1] - cols[0]
    if _has_square_cells(rows, cols):
        height = width = max(height, width)
    return _PLOT_SIDE / height, _PLOT_SIDE / width


def _describe(subject: Subject, raster: Raster) -> str:
    (top, bottom), (left, right) = raster.row_edges[[0, -1]], raster.col_edges[[0, -1]]
    height, width = subject.shape
    area = np.outer(np.diff(raster.row_edges), np.diff(raster.col_edges))
    share = float((raster.density * area).sum() / area.sum())
    sentences = [
        f"Rows {top:,} to {bottom - 1:,} and columns {left:,} to {right - 1:,} of a mask of "
        f"{height:,} × {width:,} cells, with row 0 at the top.",
        f"{percent(share)} of these cells are nonzero.",
        "Each pixel is one cell." if raster.is_exact else
        f"Each pixel is the average of {raster.row_step:,} × {raster.col_step:,} cells.",
    ]  # fmt: skip
    parts = [f"{part.rows:,} × {part.cols:,} ({part.name})" for part in levels(subject)]
    if parts:
        sentences.append("Parts of the product, in cells: " + ", ".join(parts) + ".")
    return " ".join(sentences)


def _table(subject: Subject, rows: tuple[int, int], cols: tuple[int, int]) -> Table:
    """Return the share of nonzeros in at most 8 × 8 parts of a window."""
    row_edges, col_edges = even_edges(rows, 8), even_edges(cols, 8)
    share = densities(subject, row_edges, col_edges)
    body = [
        [name, *map(percent, line)]
        for name, line in zip(_ranges(row_edges), share.tolist(), strict=True)
    ]
    return Table(["rows \\ columns", *_ranges(col_edges)], body)


def _ranges(edges: NDArray[np.int64]) -> list[str]:
    return [_range_text(a, b) for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]


def _range_text(start: int, stop: int) -> str:
    return f"{start:,}" if stop == start + 1 else f"{start:,}–{stop - 1:,}"
