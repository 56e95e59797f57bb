"""The figure that sets patterns side by side, with their measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral import MaskMeasures, mask_measures
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, as_bytes, attach, percent
from rbgp_graphs.viz.layers import add_hover, add_image
from rbgp_graphs.viz.raster import Subject, as_subject, rasterize

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PIXELS = 256
_MOST = 9
#: Pictures in a row.
_COLUMNS = 3
_ROW_HEIGHT = 240
#: What the bars take: each one with its name above it.
_BAR_HEIGHT = 38


@dataclass(frozen=True, kw_only=True, eq=False)
class _Entry:
    name: str
    subject: Subject
    measures: MaskMeasures

    @property
    def index_bytes(self) -> int:
        """Bytes of the index tables: the product's own, else those of CSR."""
        if isinstance(self.subject, TensorProduct):
            return self.subject.index_bytes
        rows, cols = self.subject.shape
        edges = self.subject.num_edges
        return (edges + rows + 1) * (4 if max(edges, cols) < 2**31 else 8)


def compare(
    *patterns: Any, names: Sequence[str] | None = None, theme: style.Theme = "light"
) -> go.Figure:
    r"""Draw patterns side by side, with their spectral measures and index sizes.

    Parameters
    ----------
    *patterns : TensorProduct, BipartiteGraph or array_like, shape (rows, cols)
        One to nine patterns, graphs, or dense or sparse masks such as those of a pruned network.
        `rbgp_graphs.products` has the usual ones to compare with: `unstructured`,
        `block_sparse`, `n_of_m`, `butterfly` and `banded`.
    names : sequence of str, optional
        What to call them.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        A picture of each mask; below, bars of :math:`\sigma_2/\sigma_1` (small is good) and of
        the bytes of the index tables: those of a product, and of CSR for everything else.
        ``layout.meta`` holds a text alternative and a table with all measures.

    Raises
    ------
    ArgumentTypeError
        If a pattern is none, or a name is not a str.
    ArgumentError
        If there is no pattern or there are more than nine, the number of names differs, or a
        product is too large to measure.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    The measures are those of `rbgp_graphs.spectral.mask_measures`.

    Examples
    --------
    >>> from rbgp_graphs import design, products
    >>> figure = compare(design(128, 128, 0.75), products.n_of_m(128, 128, 1, 4))
    >>> [row[0] for row in figure.layout.meta["rows"]]
    ['RBGP4', 'mask 2']
    """
    if not 1 <= len(patterns) <= _MOST:
        raise ArgumentError(f"{len(patterns)} patterns were given, expected 1 to {_MOST}")
    subjects = [as_subject(each) for each in patterns]
    entries = [
        _Entry(name=name, subject=subject, measures=mask_measures(subject))
        for name, subject in zip(_as_names(names, subjects), subjects, strict=True)
    ]
    figure = _panels(entries, style.as_theme(theme))
    for k, entry in enumerate(entries):
        _add_mask(figure, entry.subject, k // _COLUMNS + 1, k % _COLUMNS + 1)
    _add_bars(figure, entries)
    attach(figure, _describe(entries), _table(entries))
    return figure


def _as_names(names: Any, subjects: Sequence[Subject]) -> list[str]:
    if names is None:
        return [_name(k, subject) for k, subject in enumerate(subjects, start=1)]
    if isinstance(names, (str, bytes)) or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(f"names is {names!r}, expected a sequence of str")
    if len(names) != len(subjects):
        raise ArgumentError(f"names has {len(names)} entries, expected {len(subjects)}")
    return [*names]


def _name(number: int, subject: Subject) -> str:
    if isinstance(subject, RBGP4):
        return "RBGP4, twisted" if subject.is_twisted else "RBGP4"
    return "product" if isinstance(subject, TensorProduct) else f"mask {number}"


def _panels(entries: Sequence[_Entry], theme: style.Theme) -> go.Figure:
    """Return a figure with a grid of pictures above two rows of bars."""
    grid_rows = -(-len(entries) // _COLUMNS)
    columns = min(_COLUMNS, len(entries))
    bars = 20 + _BAR_HEIGHT * len(entries)
    heights = [_ROW_HEIGHT] * grid_rows + [bars] * 2
    specs: list[list[Any]] = [
        [{} if row * columns + col < len(entries) else None for col in range(columns)]
        for row in range(grid_rows)
    ]
    specs += [[{"colspan": columns}, *[None] * (columns - 1)] for _ in range(2)]
    titles = [_title(entry) for entry in entries]
    figure: go.Figure = require("plotly.subplots", "viz").make_subplots(
        rows=len(heights),
        cols=columns,
        row_heights=heights,
        specs=specs,
        subplot_titles=[*titles, "σ₂/σ₁, small is good", "index tables, small is good"],
        horizontal_spacing=0.06,
        vertical_spacing=70 / (sum(heights) + 100),
        figure=style.new_figure("Patterns side by side", theme),
    )
    figure.update_annotations(font_size=12)
    figure.update_layout(width=760, showlegend=False, margin={"l": 12, "r": 12, "t": 90, "b": 50})
    style.set_height(figure, sum(heights) + 140)
    return figure


def _title(entry: _Entry) -> str:
    rows, cols = entry.subject.shape
    name = entry.name if len(entry.name) <= 14 else entry.name[:13] + "…"
    return f"<b>{_escape(name)}</b><br>{rows:,} × {cols:,}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _add_mask(figure: go.Figure, subject: Subject, row: int, col: int) -> None:
    height, width = subject.shape
    raster = rasterize(subject, (0, height), (0, width), _PIXELS)
    add_hover(figure, subject, (0, height), (0, width), row=row, col=col)
    hover = figure.data[-1]
    add_image(figure, raster, "mask", style.BLUE, axes=(hover.xaxis, hover.yaxis))
    look = {"showgrid": False, "showline": True, "mirror": True, "ticks": ""}
    figure.update_xaxes(**look, range=[-0.5, width - 0.5], showticklabels=False, row=row, col=col)
    figure.update_yaxes(**look, range=[height - 0.5, -0.5], showticklabels=False, row=row, col=col)
    if 1 / 3 <= height / width <= 3:
        figure.update_xaxes(constrain="domain", row=row, col=col)
        figure.update_yaxes(
            scaleanchor=hover.xaxis,
            constrain="domain",
            constraintoward="top",
            row=row,
            col=col,
        )


def _add_bars(figure: go.Figure, entries: Sequence[_Entry]) -> None:
    grid_rows = -(-len(entries) // _COLUMNS)
    names = [_escape(entry.name) for entry in entries]
    ratios = [entry.measures.ratio for entry in entries]
    sizes = [entry.index_bytes / 1024 for entry in entries]
    for row, values, texts, color in (
        (grid_rows + 1, ratios, [f"{value:.3f}" for value in ratios], style.BLUE),
        (grid_rows + 2, sizes, [as_bytes(entry.index_bytes) for entry in entries], style.GREEN),
    ):
        labels = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
        figure.add_bar(
            x=values,
            y=[*range(len(entries))],
            orientation="h",
            width=0.4,
            marker={"color": color, "line": {"width": 0}},
            customdata=labels,
            hovertemplate="%{customdata}<extra></extra>",
            row=row,
            col=1,
        )
        figure.add_scatter(
            x=[0] * len(entries),
            y=[place - 0.24 for place in range(len(entries))],
            mode="text",
            text=labels,
            textposition="top right",
            hoverinfo="skip",
            row=row,
            col=1,
        )
        figure.update_yaxes(
            range=[len(entries) - 0.6, -0.95], visible=False, fixedrange=True, row=row, col=1
        )
    figure.update_xaxes(range=[0, 1.02], row=grid_rows + 1, col=1)
    figure.update_xaxes(
        range=[0, 1.02 * (max(sizes) or 1)],
        nticks=6,
        tickformat=",~g",
        title_text="KiB",
        row=grid_rows + 2,
        col=1,
    )


def _describe(entries: Sequence[_Entry]) -> str:
    best = min(entries, key=lambda entry: entry.measures.ratio)
    smallest = min(entries, key=lambda entry: entry.index_bytes)
    text = (
        f"{len(entries)} masks. The smallest σ₂/σ₁ is {best.measures.ratio:.4g}, of {best.name}; "
        f"the smallest index tables take {as_bytes(smallest.index_bytes)}, of {smallest.name}."
    )
    apart = [entry.name for entry in entries if entry.measures.ratio >= 1 - 1e-9]
    if apart:
        text += f" A ratio of 1 means that the mask falls apart: {', '.join(apart)}."
    return text


def _table(entries: Sequence[_Entry]) -> Table:
    rows = []
    for entry in entries:
        found = entry.measures
        height, width = entry.subject.shape
        is_product = isinstance(entry.subject, TensorProduct)
        rows.append(
            (
                entry.name,
                f"{height:,} × {width:,}",
                percent(1 - found.density),
                f"{found.ratio:.4f}",
                f"{found.cover_ratio:.4f}",
                _number(found.delta_r),
                _number(None if found.imdb is None else found.imdb.delta_r),
                _number(found.narc),
                f"{entry.index_bytes:,} ({'product' if is_product else 'CSR'})",
            )
        )
    columns = [
        "pattern",
        "shape",
        "sparsity",
        "σ₂/σ₁",
        "σ₂ / bound of the universal cover",
        "Δ_R",
        "IMDB",
        "NaRC",
        "index bytes",
    ]
    return Table(columns, rows)


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"
