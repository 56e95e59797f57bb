"""The figure of a pattern: its mask at any window and zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz import png, theme as style
from rbgp_graphs.viz.alternative import Table, attach
from rbgp_graphs.viz.raster import (
    Raster,
    Subject,
    as_subject,
    as_window,
    densities,
    even_edges,
    levels,
    lines,
    rasterize,
    tiles,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Up to this many cells a side every cell is a mark of its own, with its own hover text.
_LARGEST_HEATMAP = 128
#: Cells with hover text that names their place in every factor.
_LARGEST_DETAIL = 64**2
#: Browsers smooth images that they enlarge, so small ones are enlarged here.
_SMALLEST_IMAGE = 1024
#: Lines of a level are drawn from this many screen pixels of distance.
_LEAST_DISTANCE = 7
_HEIGHT = 640
_TILE_OPACITY = 0.3
_LINE_STYLES = (
    {"color": style.VERMILION, "width": 1.6},
    {"color": style.GREEN, "width": 1.2, "dash": "dash"},
    {"color": style.PURPLE, "width": 1.0, "dash": "dot"},
    {"color": style.GREY, "width": 0.8, "dash": "dashdot"},
)


def pattern(
    p: Any,
    rows: tuple[int, int] | None = None,
    cols: tuple[int, int] | None = None,
    max_pixels: int = 768,
    *,
    theme: style.Theme = "light",
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
    >>> huge = RBGP4(projective_plane(31), (32, 32), projective_plane(5), (32, 32))
    >>> figure = pattern(huge)
    >>> huge.shape, figure.layout.images[0].sizex > 1_000_000
    ((1016832, 1016832), True)
    """
    max_pixels = as_int("max_pixels", max_pixels, minimum=16, maximum=2048)
    subject = as_subject(p)
    row_range = as_window("rows", rows, subject.shape[0])
    col_range = as_window("cols", cols, subject.shape[1])
    height, width = subject.shape
    figure = style.new_figure(f"Pattern, {height:,} × {width:,}", style.as_theme(theme), _HEIGHT)
    raster = rasterize(subject, row_range, col_range, max_pixels)
    if raster.is_exact and max(raster.density.shape) <= _LARGEST_HEATMAP:
        _add_cells(figure, subject, raster)
    else:
        _add_images(figure, subject, raster)
        _add_hover(figure, subject, row_range, col_range)
    _add_lines(figure, subject, row_range, col_range)
    _set_axes(figure, row_range, col_range)
    attach(figure, _describe(subject, raster), _table(subject, row_range, col_range))
    return figure


def _add_cells(figure: go.Figure, subject: Subject, raster: Raster) -> None:
    """Draw every cell: 0 where there is no tile, 1 for a zero in a tile, 2 for a nonzero."""
    go = style.graph_objects()
    coarse = tiles(subject)
    is_tile = 0.0 if coarse is None else densities(coarse, raster.row_edges, raster.col_edges)
    state = (is_tile + raster.density + (raster.density if coarse is None else 0)).astype(np.int8)
    faint = _rgba(style.ORANGE, _TILE_OPACITY)
    colors = ["rgba(0,0,0,0)", faint, style.BLUE]
    first_row, first_col = int(raster.row_edges[0]), int(raster.col_edges[0])
    figure.add_heatmap(
        z=state,
        x0=first_col,
        y0=first_row,
        dx=1,
        dy=1,
        zmin=0,
        zmax=2,
        colorscale=[
            [place, colors[k]] for k in range(3) for place in (k / 3, (k + 1) / 3)
        ],
        showscale=False,
        xgap=1 if max(state.shape) <= 64 else 0,
        ygap=1 if max(state.shape) <= 64 else 0,
        text=_cell_texts(subject, state, first_row, first_col),
        hovertemplate="row %{y}, column %{x}<br>%{text}<extra></extra>",
        name="mask",
    )
    _add_swatch(figure, go, "nonzero", style.BLUE)
    if coarse is not None and (state == 1).any():
        _add_swatch(figure, go, "zero inside a tile", faint)


def _add_images(figure: go.Figure, subject: Subject, raster: Raster) -> None:
    """Draw densities as images, from 0 (transparent) to the largest (opaque)."""
    go = style.graph_objects()
    coarse = tiles(subject)
    if coarse is not None:
        share = densities(coarse, raster.row_edges, raster.col_edges)
        if share.min() < share.max():
            _add_image(figure, raster, share, 1.0, style.ORANGE, _TILE_OPACITY, "tiles")
            _add_swatch(figure, go, "tile", _rgba(style.ORANGE, _TILE_OPACITY))
    top = float(raster.density.max())
    _add_image(figure, raster, raster.density, top, style.BLUE, 1.0, "mask")
    if raster.is_exact:
        _add_swatch(figure, go, "nonzero", style.BLUE)
    elif top > 0:
        _add_scale(figure, go, top)


def _add_image(
    figure: go.Figure,
    raster: Raster,
    density: NDArray[np.float64],
    top: float,
    color: str,
    opacity: float,
    name: str,
) -> None:
    levels_ = np.rint(density * (255 / top if top else 0)).astype(np.uint8)
    enlarged = levels_
    for axis in (0, 1):
        factor = max(1, _SMALLEST_IMAGE // levels_.shape[axis])
        enlarged = np.repeat(enlarged, factor, axis=axis)
    row_origin = int(raster.row_edges[0]) // raster.row_step * raster.row_step
    col_origin = int(raster.col_edges[0]) // raster.col_step * raster.col_step
    figure.add_layout_image(
        source=png.data_uri(png.encode(enlarged, color, opacity)),
        name=name,
        xref="x",
        yref="y",
        x=col_origin - 0.5,
        y=row_origin - 0.5,
        sizex=levels_.shape[1] * raster.col_step,
        sizey=levels_.shape[0] * raster.row_step,
        xanchor="left",
        yanchor="top",
        sizing="stretch",
        layer="below",
    )


def _add_hover(
    figure: go.Figure, subject: Subject, rows: tuple[int, int], cols: tuple[int, int]
) -> None:
    row_edges, col_edges = even_edges(rows, 48), even_edges(cols, 48)
    figure.add_heatmap(
        x=(col_edges - 0.5).tolist(),
        y=(row_edges - 0.5).tolist(),
        z=densities(subject, row_edges, col_edges).astype(np.float32),
        opacity=0,
        showscale=False,
        hovertemplate="near row %{y:,.0f}, column %{x:,.0f}<br>%{z:.3%} nonzero<extra></extra>",
        name="share of nonzeros",
    )


def _add_scale(figure: go.Figure, go: Any, top: float) -> None:
    figure.add_trace(
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            marker={
                "color": [0],
                "cmin": 0,
                "cmax": top,
                "colorscale": [[0, _rgba(style.BLUE, 0)], [1, style.BLUE]],
                "showscale": True,
                "colorbar": {
                    "title": {"text": "share of nonzeros in a pixel", "side": "top"},
                    "orientation": "h",
                    "x": 0,
                    "xanchor": "left",
                    "y": 0,
                    "yanchor": "bottom",
                    "yref": "container",
                    "len": 0.6,
                    "thickness": 12,
                    "tickformat": ".2~%",
                    "nticks": 5,
                    "outlinecolor": style.GREY,
                },
            },
        )
    )
    figure.update_layout(margin_b=130)


def _add_lines(
    figure: go.Figure, subject: Subject, rows: tuple[int, int], cols: tuple[int, int]
) -> None:
    go = style.graph_objects()
    heights, widths = _pixels_per_cell(rows, cols)
    coarser_row = coarser_col = None
    for level, look in zip(levels(subject), _LINE_STYLES, strict=False):
        across = down = np.empty(0, dtype=np.int64)
        if level.rows * heights >= _LEAST_DISTANCE:
            across = lines(rows, level.rows, coarser_row)
        if level.cols * widths >= _LEAST_DISTANCE:
            down = lines(cols, level.cols, coarser_col)
        coarser_row, coarser_col = level.rows, level.cols
        if not across.size + down.size:
            continue
        x, y = [], []
        for place in (across - 0.5).tolist():
            x += [cols[0] - 0.5, cols[1] - 0.5, None]
            y += [place, place, None]
        for place in (down - 0.5).tolist():
            x += [place, place, None]
            y += [rows[0] - 0.5, rows[1] - 0.5, None]
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                line=look,
                name=f"{level.name}, {level.rows:,} × {level.cols:,}",
                hoverinfo="skip",
            )
        )


def _set_axes(figure: go.Figure, rows: tuple[int, int], cols: tuple[int, int]) -> None:
    common = {
        "showgrid": False,
        "showline": True,
        "mirror": True,
        "tickformatstops": [
            {"dtickrange": [None, 9999], "value": ",~f"},
            {"dtickrange": [10000, None], "value": "~s"},
        ],
    }
    for update, name, (start, stop) in (
        (figure.update_xaxes, "column", cols),
        (figure.update_yaxes, "row", rows),
    ):
        update(
            title_text=name,
            minallowed=start - 0.5,
            maxallowed=stop - 0.5,
            nticks=min(12, stop - start + 1),
            **common,
        )
    figure.update_xaxes(range=[cols[0] - 0.5, cols[1] - 0.5])
    figure.update_yaxes(range=[rows[1] - 0.5, rows[0] - 0.5])
    if _is_square(rows, cols):
        figure.update_xaxes(constrain="domain", constraintoward="left")
        figure.update_yaxes(scaleanchor="x", scaleratio=1, constrain="domain", constraintoward="top")


def _is_square(rows: tuple[int, int], cols: tuple[int, int]) -> bool:
    ratio = (rows[1] - rows[0]) / (cols[1] - cols[0])
    return 1 / 3 <= ratio <= 3


def _pixels_per_cell(rows: tuple[int, int], cols: tuple[int, int]) -> tuple[float, float]:
    """Return about how many screen pixels the height and the width of a cell take."""
    height, width = rows[1] - rows[0], cols[1] - cols[0]
    if _is_square(rows, cols):
        height = width = max(height, width)
    return 0.75 * _HEIGHT / height, 0.75 * _HEIGHT / width


def _add_swatch(figure: go.Figure, go: Any, name: str, color: str) -> None:
    marker = {"symbol": "square", "size": 12, "color": color}
    marker["line"] = {"color": style.GREY, "width": 1}
    figure.add_trace(
        go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=name, hoverinfo="skip")
    )


def _rgba(color: str, opacity: float) -> str:
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return f"rgba({red},{green},{blue},{opacity})"


# Words ------------------------------------------------------------------------------------------


def _cell_texts(
    subject: Subject, state: NDArray[np.int8], first_row: int, first_col: int
) -> list[list[str]]:
    graph = not isinstance(subject, TensorProduct)
    words = ("zero" if graph or tiles(subject) is None else "zero, no tile here",
             "zero inside a tile", "nonzero")  # fmt: skip
    if graph or state.size > _LARGEST_DETAIL:
        return [[words[cell] for cell in row] for row in state.tolist()]
    texts = []
    names = _factor_names(subject)
    for i, row in enumerate(state.tolist(), start=first_row):
        texts.append([])
        for j, cell in enumerate(row, start=first_col):
            places = zip(names, subject.factor_positions(i, j), strict=True)
            edges = "<br>".join(f"{name}: vertices {u}, {v}" for name, (u, v) in places)
            texts[-1].append(f"{words[cell]}<br>{edges}")
    return texts


def _factor_names(subject: TensorProduct) -> list[str]:
    if isinstance(subject, RBGP4):
        return ["outer", "repeat", "inner", "block"]
    return [f"factor {k}" for k in range(1, len(subject.factors) + 1)]


def _describe(subject: Subject, raster: Raster) -> str:
    (top, bottom), (left, right) = raster.row_edges[[0, -1]], raster.col_edges[[0, -1]]
    height, width = subject.shape
    area = np.outer(np.diff(raster.row_edges), np.diff(raster.col_edges))
    share = float((raster.density * area).sum() / area.sum())
    parts = [
        f"Rows {top:,} to {bottom - 1:,} and columns {left:,} to {right - 1:,} of a mask of "
        f"{height:,} × {width:,} cells; row 0 is at the top. {share:.4%} of the cells are nonzero."
    ]
    return " ".join(parts)


def _table(subject: Subject, rows: tuple[int, int], cols: tuple[int, int]) -> Table:
    """Return the share of nonzeros in at most 8 × 8 parts of a window."""
    row_edges, col_edges = even_edges(rows, 8), even_edges(cols, 8)
    share = densities(subject, row_edges, col_edges)
    columns = ["rows, columns", *_ranges(col_edges)]
    body = [
        [name, *(f"{value:.2%}" for value in line)]
        for name, line in zip(_ranges(row_edges), share.tolist(), strict=True)
    ]
    return Table(columns, body)


def _ranges(edges: NDArray[np.int64]) -> list[str]:
    pairs = zip(edges[:-1].tolist(), (edges[1:] - 1).tolist(), strict=True)
    return [f"{a:,}" if a == b else f"{a:,}–{b:,}" for a, b in pairs]
