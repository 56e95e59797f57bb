"""The figure of the factors of a product, and of how they nest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, attach, percent
from rbgp_graphs.viz.raster import Subject, rasterize
from rbgp_graphs.viz.zoom import first_cell

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Pixels a side of each picture.
_PIXELS = 128
#: Screen pixels of a picture: its height at most, and its width; between two rows of them.
_PICTURE, _WIDEST, _BETWEEN = 190, 250, 80
_ROLES = {
    "outer": "which tiles exist",
    "repeat": "equal rows and columns of a tile",
    "inner": "the pattern inside a tile",
    "block": "dense element block",
}
_PARTS = ("the whole pattern", "one tile", "one repeated part", "one dense block")


def factors(p: Any, *, theme: style.Theme = "light") -> go.Figure:
    """Draw the factor graphs of a product, and the part of the pattern that each one fills.

    Parameters
    ----------
    p : TensorProduct
        The pattern, as a rule an `RBGP4` with its four factors.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        A row for every factor, the most significant first: its biadjacency matrix on the left,
        on the right the part of the pattern that it fills. A frame marks in each part the place
        of the next one, which is drawn below. ``layout.meta`` holds a text alternative and a
        table.

    Raises
    ------
    ArgumentTypeError
        If `p` is no product.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    Parts with more than 128 cells a side are drawn as exact area averages. The parts of a
    twisted pattern are those around its first nonzero.

    Examples
    --------
    >>> from rbgp_graphs import RBGP4, projective_plane
    >>> figure = factors(RBGP4(projective_plane(2), (4, 1), projective_plane(3), (2, 2)))
    >>> [row[0] for row in figure.layout.meta["rows"]]
    ['outer', 'repeat', 'inner', 'block']
    """
    if not isinstance(p, TensorProduct):
        raise ArgumentTypeError(
            f"p is a {type(p).__name__}, expected a TensorProduct or an RBGP4; "
            "graph() and pattern() draw single graphs"
        )
    count = len(p.factors)
    windows = _windows(p)
    titles = []
    for k, (name, factor) in enumerate(zip(p.factor_names, p.factors, strict=True)):
        (top, bottom), (left, right) = windows[k]
        titles.append(f"<b>{name}</b><br>{factor.left:,} × {factor.right:,}")
        titles.append(f"{_part_name(p, k)}<br>{bottom - top:,} × {right - left:,}")
    heights = [
        max(_picture_height(factor.shape), _picture_height((bottom - top, right - left)))
        for factor, ((top, bottom), (left, right)) in zip(p.factors, windows, strict=True)
    ]
    inside = sum(heights) + _BETWEEN * (count - 1)
    figure = require("plotly.subplots", "viz").make_subplots(
        rows=count,
        cols=2,
        subplot_titles=titles,
        horizontal_spacing=0.12,
        row_heights=heights,
        vertical_spacing=_BETWEEN / inside if count > 1 else 0,
        figure=style.new_figure(f"The factors of {_name(p)}", style.as_theme(theme)),
    )
    for k, factor in enumerate(p.factors):
        whole = ((0, factor.left), (0, factor.right))
        _add_matrix(figure, factor, *whole, k + 1, 1, style.GREEN)
        _add_matrix(figure, p, *windows[k], k + 1, 2, style.BLUE)
        if k + 1 < count:
            _add_frame(figure, windows[k + 1], k + 1, 2)
        u, v = p.factor_positions(*first_cell(p))[k]
        if max(factor.shape) > 1 and k + 1 < count:
            _add_frame(figure, ((u, u + 1), (v, v + 1)), k + 1, 1)
    margin = {"l": 44, "r": 8, "t": 96, "b": 30}
    figure.update_layout(width=640, showlegend=False, margin=margin)
    style.set_height(figure, inside + margin["t"] + margin["b"])
    figure.update_annotations(font_size=12)
    attach(figure, _describe(p), _table(p, windows))
    return figure


def _picture_height(shape: tuple[int, int]) -> int:
    """Return the screen pixels that a picture takes: of thin or small ones less."""
    rows, cols = shape
    if not _has_square_cells(rows, cols):
        return _PICTURE
    return round(min(_PICTURE, max(48 * rows, 60), max(_WIDEST * rows / cols, 40)))


def _has_square_cells(rows: int, cols: int) -> bool:
    """Return whether a picture keeps its proportions; cells of thin ones would vanish."""
    return 1 / 4 <= rows / cols <= 4


def _windows(p: TensorProduct) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return what each factor fills: nested ranges of rows and columns with the first nonzero."""
    row, col = first_cell(p)
    height, width = p.shape
    found = []
    for factor in p.factors:
        top, left = row // height * height, col // width * width
        found.append(((top, top + height), (left, left + width)))
        height, width = height // factor.left, width // factor.right
    return found


def _add_matrix(
    figure: go.Figure,
    subject: Subject,
    rows: tuple[int, int],
    cols: tuple[int, int],
    row: int,
    col: int,
    color: str,
) -> None:
    raster = rasterize(subject, rows, cols, _PIXELS)
    unit = "nonzero" if col == 2 else "edges"
    exact = raster.is_exact
    z = raster.density / (raster.density.max() or 1.0)
    gap = 1 if exact and max(z.shape) <= 32 else 0
    figure.add_heatmap(
        x=(raster.col_edges - 0.5).tolist(),
        y=(raster.row_edges - 0.5).tolist(),
        z=z.astype(np.float32),
        customdata=raster.density.astype(np.float32),
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(128,128,128,0.10)"], [1, color]],
        showscale=False,
        xgap=gap,
        ygap=gap,
        hovertemplate="row %{y:,.0f}, column %{x:,.0f}<br>"
        + ("%{z:.0f}" if exact else f"%{{customdata:.3%}} {unit}")
        + "<extra></extra>",
        row=row,
        col=col,
    )
    height, width = rows[1] - rows[0], cols[1] - cols[0]
    axis = {
        "showgrid": False,
        "showline": True,
        "mirror": True,
        "ticks": "",
        "tickangle": 0,
        "tickformat": ",",
    }
    figure.update_xaxes(
        range=[cols[0] - 0.5, cols[1] - 0.5], tickvals=_ticks(cols), row=row, col=col, **axis
    )
    figure.update_yaxes(
        range=[rows[1] - 0.5, rows[0] - 0.5], tickvals=_ticks(rows), row=row, col=col, **axis
    )
    if _has_square_cells(height, width):
        anchor = figure.get_subplot(row, col).xaxis.plotly_name.replace("axis", "")
        figure.update_xaxes(constrain="domain", row=row, col=col)
        figure.update_yaxes(
            scaleanchor=anchor, constrain="domain", constraintoward="top", row=row, col=col
        )


def _ticks(window: tuple[int, int]) -> list[int]:
    """Return all numbers of a short range, else the first, the middle and the last one."""
    start, stop = window
    if stop - start <= 4:
        return [*range(start, stop)]
    return [start, (start + stop - 1) // 2, stop - 1]


def _add_frame(
    figure: go.Figure, window: tuple[tuple[int, int], tuple[int, int]], row: int, col: int
) -> None:
    (top, bottom), (left, right) = window
    x = [left - 0.5, right - 0.5, right - 0.5, left - 0.5, left - 0.5]
    y = [top - 0.5, top - 0.5, bottom - 0.5, bottom - 0.5, top - 0.5]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": style.VERMILION, "width": 2},
        marker={"color": style.VERMILION, "size": 4, "symbol": "square"},
        hoverinfo="skip",
        row=row,
        col=col,
    )


def _name(p: TensorProduct) -> str:
    return f"{'an RBGP4' if isinstance(p, RBGP4) else 'a'} pattern, {p.rows:,} × {p.cols:,}"


def _part_name(p: TensorProduct, k: int) -> str:
    if isinstance(p, RBGP4):
        return _PARTS[k]
    return _PARTS[0] if k == 0 else f"one edge of {p.factor_names[k - 1]}"


def _describe(p: TensorProduct) -> str:
    parts = [
        f"{name}, {factor.left:,} × {factor.right:,} with {factor.num_edges:,} edges"
        + (f" ({_ROLES[name]})" if name in _ROLES else "")
        for name, factor in zip(p.factor_names, p.factors, strict=True)
    ]
    text = (
        f"The pattern of {p.rows:,} × {p.cols:,} cells is the Kronecker product of {len(parts)} "
        f"factors, the most significant first: {'; '.join(parts)}. Each edge of a factor is "
        "filled with the product of the factors after it; the frame marks the edge that the "
        "next row draws."
    )
    if isinstance(p, RBGP4) and p.is_twisted:
        text += " The pattern is twisted: the inner part of each tile is shifted by its own amount."
    return text


def _table(p: TensorProduct, windows: list[tuple[tuple[int, int], tuple[int, int]]]) -> Table:
    rows = []
    for k, (name, factor) in enumerate(zip(p.factor_names, p.factors, strict=True)):
        (top, bottom), (left, right) = windows[k]
        degrees = factor.degrees or (0, 0)
        rows.append(
            (
                name,
                f"{factor.left:,} × {factor.right:,}",
                f"{factor.num_edges:,}",
                f"{degrees[0]:,}, {degrees[1]:,}",
                percent(_density(factor)),
                f"{_part_name(p, k)}: {bottom - top:,} × {right - left:,}",
            )
        )
    columns = ["factor", "vertices", "edges", "degrees (left, right)", "density", "fills"]
    return Table(columns, rows)


def _density(graph: BipartiteGraph) -> float:
    return graph.num_edges / (graph.left * graph.right)
