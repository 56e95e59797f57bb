"""The layers of a pattern figure: cells or images, hover text, legend."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.products import TensorProduct
from rbgp_graphs.viz import png
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.level_lines import line_looks
from rbgp_graphs.viz.raster import Raster, Subject, densities, even_edges, tiles

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Cells with hover text that names their place in every factor.
_LARGEST_DETAIL = 64**2
#: Browsers smooth images that they enlarge, so small ones are enlarged here, by powers of two:
#: those are what browsers shrink again without beats.
_SMALLEST_IMAGE = 1000
_TILE_OPACITY = 0.3
_TILES = "tile that exists"
#: Opacity of the mask above which the tint of its tile cannot be told from it.
_COVERED = 0.6


def add_cells(figure: go.Figure, subject: Subject, raster: Raster) -> None:
    """Draw every cell: 0 where there is no tile, 1 for a zero in a tile, 2 for a nonzero."""
    coarse = tiles(subject)
    state = 2 * raster.density.astype(np.int8)
    if coarse is not None:
        here = densities(coarse, raster.row_edges, raster.col_edges) > 0
        state = np.maximum(state, here.astype(np.int8))
    first_row, first_col = int(raster.row_edges[0]), int(raster.col_edges[0])
    colors = ("rgba(0,0,0,0)", _rgba(style.ORANGE, _TILE_OPACITY), style.BLUE)
    scale = [(place / 3, color) for k, color in enumerate(colors) for place in (k, k + 1)]
    gap = 1 if max(state.shape) <= 64 else 0
    figure.add_heatmap(
        z=state,
        x0=first_col,
        y0=first_row,
        dx=1,
        dy=1,
        zmin=0,
        zmax=2,
        colorscale=scale,
        showscale=False,
        xgap=gap,
        ygap=gap,
        text=_cell_texts(subject, state, first_row, first_col),
        hovertemplate="row %{y}, column %{x}<br>%{text}<extra></extra>",
        name="mask",
    )
    _add_swatch(figure, "nonzero", colors[2])
    if (state == 1).any():
        _add_swatch(figure, "zero in a tile", colors[1])


def add_images(figure: go.Figure, subject: Subject, raster: Raster) -> None:
    """Draw densities as images, from 0 (transparent) to `Raster.top` (opaque)."""
    coarse = tiles(subject)
    if coarse is not None:
        share = densities(coarse, raster.row_edges, raster.col_edges)
        tint = dataclasses.replace(raster, density=share)
        is_seen = _is_seen(tint, raster)
        if is_seen:
            add_image(figure, tint, "tiles", style.ORANGE, _TILE_OPACITY)
        color = _rgba(style.ORANGE, _TILE_OPACITY)
        # A page shows it at the zooms where there is a tint to see.
        _add_swatch(figure, _TILES, color, is_shown=is_seen)
    add_image(figure, raster, "mask", style.BLUE)
    if raster.is_exact:
        _add_swatch(figure, "nonzero", style.BLUE)
    elif raster.density.any():
        _add_scale(figure, raster.top)


def _is_seen(tint: Raster, mask: Raster) -> bool:
    """Return whether a tint shows anywhere: not where the mask above it is nearly opaque."""
    return bool((tint.density * (_COVERED / tint.top) > mask.density / mask.top).any())


def add_image(
    figure: go.Figure,
    raster: Raster,
    name: str,
    color: str,
    opacity: float = 1.0,
    axes: tuple[str, str] = ("x", "y"),
) -> None:
    """Draw the densities of a raster as one image behind the plot."""
    image = np.rint(raster.density * (255 / raster.top)).astype(np.uint8)
    height, width = image.shape
    for axis in (0, 1):
        factor = 1
        while factor * image.shape[axis] < _SMALLEST_IMAGE:
            factor *= 2
        image = np.repeat(image, factor, axis=axis)
    top_row = int(raster.row_edges[0]) // raster.row_step * raster.row_step
    left_col = int(raster.col_edges[0]) // raster.col_step * raster.col_step
    # Of several images at the very same place plotly.js shows one: each stands apart a little.
    apart = 1e-6 * len(figure.layout.images) * raster.col_step
    figure.add_layout_image(
        source=png.data_uri(png.encode(image, color, opacity)),
        name=name,
        xref=axes[0],
        yref=axes[1],
        x=left_col - 0.5 + apart,
        y=top_row - 0.5,
        sizex=width * raster.col_step,
        sizey=height * raster.row_step,
        xanchor="left",
        yanchor="top",
        sizing="stretch",
        layer="below",
    )


def zoom_looks(subject: Subject) -> dict[str, Any]:
    """Return the colours, level lines and tint that finer levels of a figure are drawn with."""
    return {
        "color": style.BLUE,
        "tiles": None
        if tiles(subject) is None
        else {
            "color": style.ORANGE,
            "opacity": _TILE_OPACITY,
            "covered": _COVERED,
            "name": _TILES,
        },
        "levels": line_looks(subject),
    }


def add_hover(
    figure: go.Figure,
    subject: Subject,
    rows: tuple[int, int],
    cols: tuple[int, int],
    **place: int,
) -> None:
    """Add an invisible coarse heatmap, which gives an image its axes and its hover text."""
    row_edges, col_edges = even_edges(rows, 48), even_edges(cols, 48)
    figure.add_heatmap(
        x=(col_edges - 0.5).tolist(),
        y=(row_edges - 0.5).tolist(),
        z=densities(subject, row_edges, col_edges).astype(np.float32),
        opacity=0,
        showscale=False,
        hovertemplate="near row %{y:,.0f}, column %{x:,.0f}<br>%{z:.3%} nonzero<extra></extra>",
        name="share of nonzeros",
        **place,
    )


def _add_scale(figure: go.Figure, top: float) -> None:
    """Add a colour bar; the marker that carries it has no place."""
    bar = {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "xpad": 0,
        "y": 0,
        "yanchor": "bottom",
        "yref": "container",
        "len": 0.6,
        "thickness": 12,
        "tickvals": [0, top],
        "ticktext": ["0 %", f"{100 * top:.4g} % nonzero"],
        "outlinecolor": style.GREY,
    }
    figure.add_scatter(
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
            "colorbar": bar,
        },
    )
    figure.layout.margin.b = 95
    style.set_height(figure, figure.layout.height + 35)


def _add_swatch(figure: go.Figure, name: str, color: str, *, is_shown: bool = True) -> None:
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        visible=is_shown,
        marker={
            "symbol": "square",
            "size": 12,
            "color": color,
            "line": {"color": style.GREY, "width": 1},
        },
        name=name,
        hoverinfo="skip",
    )


def _rgba(color: str, opacity: float) -> str:
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return f"rgba({red},{green},{blue},{opacity})"


def _cell_texts(
    subject: Subject, state: NDArray[np.int8], first_row: int, first_col: int
) -> list[list[str]]:
    """Say for every cell what it is, and in small windows where it stands in every factor."""
    no_tile = "zero" if tiles(subject) is None else "zero, there is no tile"
    words = (no_tile, "zero inside a tile", "nonzero")
    texts = [[words[cell] for cell in line] for line in state.tolist()]
    if not isinstance(subject, TensorProduct) or state.size > _LARGEST_DETAIL:
        return texts
    for i, line in enumerate(texts):
        for j, word in enumerate(line):
            places: Any = subject.factor_positions(first_row + i, first_col + j)
            named = zip(subject.factor_names, places, strict=True)
            line[j] = "<br>".join([word, *(f"{name}: vertices {u}, {v}" for name, (u, v) in named)])
    return texts
