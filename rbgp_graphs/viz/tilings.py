"""The figure of an output tile's way through the memory hierarchy, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int, require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, as_bytes, attach
from rbgp_graphs.viz.raster import rasterize
from rbgp_graphs.viz.tile_steps import TileSteps, tile_steps

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Steps that the slider stops at; of more tiles, evenly chosen ones.
_MOST_FRAMES = 40
#: Pixels a side of the picture of W.
_PIXELS = 128
_HEIGHT = 680
_SIZES = (1, 2, 4, 8)
#: Rows of the figure: X above, W and the output side by side, the bars below.
_ROW_SHARES = [0.33, 0.42, 0.25]


def tiling(
    p: Any,
    row: int = 0,
    tile_cols: int = 64,
    cols: int = 1024,
    itemsize: int = 4,
    *,
    theme: style.Theme = "light",
) -> go.Figure:
    """Draw what one output tile of ``W @ X`` loads and computes, tile after tile.

    Parameters
    ----------
    p : RBGP4
        The pattern of W.
    row : int
        The row of tiles, a left vertex of the outer graph.
    tile_cols : int
        Columns of the output tile.
    cols : int
        Columns of X, at least `tile_cols`.
    itemsize : {1, 2, 4, 8}
        Bytes of a value: 2 for float16 and bfloat16, 4 for float32.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        With a slider over the steps. Highlighted are the tile of W and the rows of X that are
        in shared memory; the bars tell the bytes read so far. ``layout.meta`` holds a text
        alternative with the reuse factors and a table of the steps.

    Raises
    ------
    ArgumentTypeError
        If `p` is no `RBGP4`, or a number is not an integer.
    ArgumentError
        If a number is out of range.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    The numbers are counted from the pattern and hold for a kernel that works as in [1]_: one
    tile of W is one step; its values, the matching rows of X and the index table of the inner
    graph lie in shared memory, the sums in registers. They are no measurement.

    References
    ----------
    .. [1] D. T. Vooturi, G. Varma and K. Kothapalli, Ramanujan bipartite graph products for
       efficient block sparse neural networks, arXiv:2006.13486.

    Examples
    --------
    >>> from rbgp_graphs import design
    >>> figure = tiling(design(1024, 1024, 0.9375))
    >>> len(figure.frames) == len(figure.layout.meta["rows"])
    True
    """
    if not isinstance(p, RBGP4):
        raise ArgumentTypeError(f"p is a {type(p).__name__}, expected an RBGP4, which has tiles")
    row = as_int("row", row, minimum=0, maximum=p.outer.left - 1)
    tile_cols = as_int("tile_cols", tile_cols, minimum=1, maximum=4096)
    cols = as_int("cols", cols, minimum=tile_cols, maximum=1 << 24)
    if as_int("itemsize", itemsize) not in _SIZES:
        raise ArgumentError(f"itemsize is {itemsize}, expected one of 1, 2, 4, 8")
    steps = tile_steps(p, row, tile_cols, itemsize)
    title = f"One output tile, {steps.tile_rows:,} × {tile_cols:,}, of {p.rows:,} × {cols:,}"
    figure = _panels(title, style.as_theme(theme))
    output_columns = -(-cols // tile_cols)
    _add_matrices(figure, p, steps, output_columns)
    first = len(figure.data)
    stops = _stops(len(steps.tiles))
    for trace, place in _marks(steps, stops[0]):
        figure.add_trace(trace, **place)
    moving = [*range(first, len(figure.data))]
    figure.frames = [
        {
            "name": str(step),
            "data": [trace for trace, _ in _marks(steps, step)],
            "traces": moving,
            "layout": {"annotations": [_caption(steps, step)]},
        }
        for step in stops
    ]
    figure.update_layout(
        annotations=[_caption(steps, stops[0])], sliders=[_slider(stops, len(steps.tiles))]
    )
    attach(figure, _describe(steps), _table(steps, stops), {"kind": "frames", "label": "Step"})
    return figure


def _panels(title: str, theme: style.Theme) -> go.Figure:
    figure: go.Figure = require("plotly.subplots", "viz").make_subplots(
        rows=3,
        cols=2,
        row_heights=_ROW_SHARES,
        column_widths=[0.68, 0.32],
        horizontal_spacing=0.1,
        vertical_spacing=0.11,
        specs=[[None, {}], [{}, {}], [{"colspan": 2}, None]],
        figure=style.new_figure(title, theme),
    )
    figure.update_layout(width=640, barmode="stack", showlegend=False)
    style.set_height(figure, _HEIGHT)
    figure.update_layout(margin={"l": 40, "r": 12, "t": 60, "b": 60})
    return figure


def _add_matrices(figure: go.Figure, p: RBGP4, steps: TileSteps, output_columns: int) -> None:
    """Draw the tiles of W, and X and the output as plain areas; axes count tiles."""
    raster = rasterize(p.outer, (0, p.outer.left), (0, p.outer.right), _PIXELS)
    gap = 1 if raster.is_exact and max(raster.density.shape) <= 40 else 0
    figure.add_heatmap(
        x=(raster.col_edges - 0.5).tolist(),
        y=(raster.row_edges - 0.5).tolist(),
        z=(raster.density / (raster.density.max() or 1.0)).astype(np.float32),
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(128,128,128,0.10)"], [1, style.GREY]],
        showscale=False,
        hovertemplate="tile row %{y:.0f}, tile column %{x:.0f}<extra></extra>",
        xgap=gap,
        ygap=gap,
        row=2,
        col=1,
    )
    for row, col, name, height, width in (
        (1, 2, "X", p.outer.right, output_columns),
        (2, 1, "W, in tiles", p.outer.left, p.outer.right),
        (2, 2, "output", p.outer.left, output_columns),
    ):
        look = {"showgrid": False, "showline": True, "mirror": True, "tickangle": 0}
        x, y = sorted({0, width - 1}), sorted({0, height // 2, height - 1})
        figure.update_xaxes(
            **look, range=[-0.5, width - 0.5], tickvals=x, title_text=name, row=row, col=col
        )
        figure.update_yaxes(**look, range=[height - 0.5, -0.5], tickvals=y, row=row, col=col)
    figure.update_yaxes(showticklabels=False, row=2, col=2)
    top = max(steps.dense_bytes, steps.loaded_bytes(len(steps.tiles)))
    figure.update_xaxes(
        range=[0, 1.02 * top / 1024],
        title_text="read from global memory, KiB",
        nticks=5,
        tickformat=",~g",
        row=3,
        col=1,
    )
    figure.update_yaxes(range=[1.4, -0.9], visible=False, row=3, col=1)
    figure.add_scatter(
        x=[0, 0],
        y=[-0.3, 0.7],
        mode="text",
        text=["this pattern, so far", "a dense product, in all"],
        textposition="top right",
        hoverinfo="skip",
        row=3,
        col=1,
    )


def _marks(steps: TileSteps, step: int) -> list[tuple[dict[str, Any], dict[str, int]]]:
    """Return the traces that move, and the panels they are in."""
    current = steps.tiles[step - 1]
    done = step - 1
    earlier = list(steps.tiles[:done])
    dense_tile = steps.tile_rows * steps.tile_depth * steps.itemsize
    columns = steps.tile_columns_of_w
    read = (
        ("values of W", step * steps.value_bytes, columns * dense_tile, style.BLUE),
        ("rows of X", step * steps.operand_bytes, columns * steps.operand_bytes, style.ORANGE),
        ("index table", steps.table_bytes, 0, style.PURPLE),
    )
    w, x, out, bars = ({"row": r, "col": c} for r, c in ((2, 1), (1, 2), (2, 2), (3, 1)))
    found = [
        (_area([(steps.row, tile) for tile in earlier], style.BLUE), w),
        (_area([(steps.row, current)], style.VERMILION), w),
        (_area([(tile, 0) for tile in earlier], style.ORANGE), x),
        (_area([(current, 0)], style.VERMILION), x),
        (_area([(steps.row, 0)], style.GREEN), out),
    ]
    for name, own, dense, color in read:
        bar = {
            "type": "bar",
            "orientation": "h",
            "y": [0, 1],
            "width": 0.5,
            "x": [own / 1024, dense / 1024],
            "name": name,
            "marker": {"color": color, "line": {"width": 0}},
            "hovertemplate": f"{name}: %{{x:,.4~g}} KiB<extra></extra>",
        }
        found.append((bar, bars))
    return found


def _area(cells: list[tuple[int, int]], color: str) -> dict[str, Any]:
    """Return filled squares around cells (row, column); their outline shows small ones."""
    x: list[float | None] = []
    y: list[float | None] = []
    for row, col in cells:
        x += [col - 0.5, col + 0.5, col + 0.5, col - 0.5, col - 0.5, None]
        y += [row - 0.5, row - 0.5, row + 0.5, row + 0.5, row - 0.5, None]
    return {
        "type": "scatter",
        "x": x or [None],
        "y": y or [None],
        "mode": "lines",
        "fill": "toself",
        "fillcolor": color,
        "line": {"color": color, "width": 2},
        "hoverinfo": "skip",
    }


def _caption(steps: TileSteps, step: int) -> dict[str, Any]:
    """Return the text of a step, which is the legend too; it fills the empty corner."""
    written = f", {as_bytes(steps.result_bytes)} written" if step == len(steps.tiles) else ""
    lines = [
        f"<b>Step {step} of {len(steps.tiles)}</b>, tile ({steps.row}, {steps.tiles[step - 1]})",
        f"{_square(style.VERMILION)} now in shared memory:",
        f"{_square(style.BLUE)} values of W, {as_bytes(steps.value_bytes)}",
        f"{_square(style.ORANGE)} rows of X, {as_bytes(steps.operand_bytes)}",
        f"{_square(style.PURPLE)} indices, {as_bytes(steps.table_bytes)}, they stay",
        f"{_square(style.GREEN)} sums in registers, {as_bytes(steps.accumulator_bytes)}",
        f"done: {step * steps.step_flops:,} FLOP,",
        f"{as_bytes(steps.loaded_bytes(step))} read{written}",
    ]
    return {
        "text": "<br>".join(lines),
        "x": 0,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "top",
        "align": "left",
        "showarrow": False,
    }


def _square(color: str) -> str:
    return f'<span style="color:{color}">■</span>'


def _slider(stops: list[int], count: int) -> dict[str, Any]:
    step = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    return {
        "active": 0,
        "pad": {"t": 50},
        "len": 1,
        "x": 0,
        "currentvalue": {"prefix": "Step ", "suffix": f" of {count}"},
        "steps": [
            {"label": str(stop), "method": "animate", "args": [[str(stop)], step]} for stop in stops
        ],
    }


def _stops(count: int) -> list[int]:
    """Return the steps that are shown, from 1 to the last."""
    shown: NDArray[np.int64] = np.unique(
        np.linspace(1, count, min(count, _MOST_FRAMES)).round().astype(np.int64)
    )
    return [int(step) for step in shown]


def _describe(steps: TileSteps) -> str:
    count, columns = len(steps.tiles), steps.tile_columns_of_w
    read = steps.loaded_bytes(count)
    return " ".join(
        (
            f"One output tile of {steps.tile_rows:,} × {steps.tile_cols:,} takes {count:,} steps, "
            f"one for each tile of W that exists in its row; a dense product takes {columns:,}.",
            f"In shared memory lie at any time {as_bytes(steps.shared_bytes)}: "
            f"{as_bytes(steps.value_bytes)} of values, {as_bytes(steps.operand_bytes)} of X and "
            f"{as_bytes(steps.table_bytes)} of indices; the sums take "
            f"{as_bytes(steps.accumulator_bytes)} of registers.",
            f"Reuse: a value of W serves {steps.tile_cols:,} columns, an entry of X in shared "
            f"memory {steps.tile_col_degree:,} rows, and one read of it into a register "
            f"{steps.row_group:,} rows, as does each index.",
            f"In all {count * steps.step_flops:,} FLOP for {as_bytes(read)} read and "
            f"{as_bytes(steps.result_bytes)} written, {steps.intensity:.4g} FLOP a byte; a dense "
            f"product reads {as_bytes(steps.dense_bytes)} for {steps.dense_flops:,} FLOP.",
        )
    )


def _table(steps: TileSteps, stops: list[int]) -> Table:
    rows = [
        (
            f"{step:,}",
            f"({steps.row:,}, {steps.tiles[step - 1]:,})",
            f"{steps.value_bytes:,}",
            f"{steps.operand_bytes:,}",
            f"{steps.loaded_bytes(step):,}",
            f"{step * steps.step_flops:,}",
        )
        for step in stops
    ]
    columns = [
        "step",
        "tile of W (row, column)",
        "bytes of values",
        "bytes of X",
        "bytes read so far",
        "FLOP so far",
    ]
    return Table(columns, rows)
