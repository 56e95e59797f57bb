"""The figure of the candidates for a layer: gap against time, and what they look like."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_int, require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.selection import Candidate
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, as_bytes, attach
from rbgp_graphs.viz.raster import rasterize

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Of more candidates that are not Pareto-optimal, evenly chosen ones are drawn.
_MOST_BEATEN = 2000
#: Pareto-optimal candidates in the list of a page.
_MOST_LISTED = 200
#: Rows and columns of a candidate that its picture shows.
_CORNER = 128


def design_space(
    candidates: Iterable[Candidate], pictures: int = 12, *, theme: style.Theme = "light"
) -> go.Figure:
    """Draw candidates for a layer by gap, predicted time and size, the Pareto front marked.

    Parameters
    ----------
    candidates : iterable of Candidate
        What `rbgp_graphs.design_space` returns, all for one shape.
    pictures : int
        How many Pareto-optimal candidates to build and to picture, from 0 to 64; they are spread
        evenly over the times. With 0 nothing is built, and there is no picture below.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        A dot for every candidate: predicted time against normalized gap, the colour tells the
        bytes of the index tables; the Pareto-optimal ones are diamonds. Below is a corner
        of the mask of the one with the largest gap; in a page that `save` or `report` writes, a
        click on a dot or the list above the figure chooses another. ``layout.meta`` holds a
        text alternative and a table of the Pareto-optimal candidates.

    Raises
    ------
    ArgumentTypeError
        If `candidates` is no iterable of candidates.
    ArgumentError
        If it is empty, holds several shapes, or no candidate has a finite gap.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    Candidates of degrees (2, 2) have no finite normalized gap and are left out. Of more than 2000
    that are not Pareto-optimal, evenly chosen ones are drawn.

    Examples
    --------
    >>> import rbgp_graphs as rg
    >>> figure = design_space(rg.design_space(64, 64, 0.75, device="default"), pictures=2)
    >>> figure.data[0].name
    'Pareto-optimal'
    """
    choices = _as_choices(candidates)
    pictures = as_int("pictures", pictures, minimum=0, maximum=64)
    panels = 2 if pictures else 1
    rows, cols = choices[0].shape
    figure = require("plotly.subplots", "viz").make_subplots(
        rows=panels,
        cols=1,
        row_heights=[0.5] * panels,
        vertical_spacing=0.22,
        subplot_titles=["", " "][:panels],
        figure=style.new_figure(f"Candidates for {rows:,} × {cols:,}", style.as_theme(theme)),
    )
    front = [choice for choice in choices if choice.pareto]
    beaten = [choice for choice in choices if not choice.pareto]
    listed = (front or beaten)[:_MOST_LISTED]
    chosen = max(range(len(listed)), key=lambda k: listed[k].normalized_gap)
    _add_dots(figure, listed, front, beaten[:: -(-len(beaten) // _MOST_BEATEN) or 1])
    figure.add_scatter(
        x=[1e3 * listed[chosen].seconds],
        y=[listed[chosen].normalized_gap],
        mode="markers",
        marker={"symbol": "circle-open", "size": 20, "color": style.GREEN, "line_width": 3},
        name="shown below",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    ring = len(figure.data) - 1
    if not pictures:
        figure.data[ring].name = "largest gap"
        figure.update_layout(width=760)
        style.set_height(figure, 480)
        attach(figure, _describe(choices), _table(listed))
        return figure
    spread = np.linspace(0, len(listed) - 1, min(pictures, len(listed))).round().astype(int)
    seen = {k: _corner(listed[k].build()) for k in sorted({chosen, *spread.tolist()})}
    _add_preview(figure, seen[chosen])
    figure.layout.annotations[-1].update(text=_title(listed[chosen]), font_size=12)
    figure.update_layout(width=760, margin_b=20)
    style.set_height(figure, 900)
    attach(
        figure,
        _describe(choices),
        _table(listed),
        {
            "kind": "candidates",
            "label": "Candidate",
            "chosen": chosen,
            "preview": len(figure.data) - 1,
            "ring": ring,
            "annotation": len(figure.layout.annotations) - 1,
            "choices": [_choice_data(choice, seen.get(k)) for k, choice in enumerate(listed)],
        },
    )
    return figure


def _as_choices(candidates: Any) -> list[Candidate]:
    """Return the candidates with a finite gap, by time."""
    if isinstance(candidates, (str, bytes)) or not hasattr(candidates, "__iter__"):
        raise ArgumentTypeError(f"candidates is {candidates!r}, expected what design_space returns")
    given = [*candidates]
    for number, each in enumerate(given):
        if not isinstance(each, Candidate):
            raise ArgumentTypeError(
                f"candidate {number} is a {type(each).__name__}, expected a Candidate"
            )
        if math.isnan(each.seconds):
            raise ArgumentError(f"candidate {number} has no predicted time; call its timed()")
    found = [each for each in given if math.isfinite(each.normalized_gap)]
    if not found:
        raise ArgumentError(
            "candidates holds no candidate with a finite gap, expected at least one"
        )
    if len({each.shape for each in found}) > 1:
        raise ArgumentError("candidates have several shapes, expected one")
    return sorted(found, key=lambda each: each.seconds)


def _label(choice: Candidate) -> str:
    height, width = choice.tile_shape
    twisted = ", twisted" if choice.twisted else ""
    return f"tile {height} × {width}, row group {choice.row_group}{twisted}"


def _numbers(choice: Candidate) -> str:
    return (
        f"normalized gap {choice.normalized_gap:.4g}, {1e3 * choice.seconds:.4g} ms, "
        f"{as_bytes(choice.index_bytes)} of indices"
    )


def _add_dots(
    figure: go.Figure, listed: list[Candidate], front: list[Candidate], beaten: list[Candidate]
) -> None:
    """Draw the candidates; `customdata` is the place in the list, or -1."""
    place = {id(choice): k for k, choice in enumerate(listed)}
    logs = [math.log10(max(1, choice.index_bytes)) for choice in (*front, *beaten)]
    low, high = min(logs), max(logs)
    ticks = [low, high] if high > low else [low]
    bar = {
        "title": {"text": "index<br>tables", "side": "top"},
        "tickvals": ticks,
        "ticktext": [as_bytes(10**tick) for tick in ticks],
        "len": 0.42,
        "y": 1,
        "yanchor": "top",
        "thickness": 12,
        "outlinecolor": style.GREY,
    }
    for choices, name, symbol, size in (
        (front, "Pareto-optimal", "diamond", 12),
        (beaten, "beaten by another one", "circle-open", 6),
    ):
        if not choices:
            continue
        figure.add_scatter(
            x=[1e3 * choice.seconds for choice in choices],
            y=[choice.normalized_gap for choice in choices],
            mode="markers",
            marker={
                "symbol": symbol,
                "size": size,
                "color": [math.log10(max(1, choice.index_bytes)) for choice in choices],
                "cmin": low,
                "cmax": high if high > low else low + 1,
                "colorscale": [[0, style.VERMILION], [1, style.BLUE]],
                "showscale": choices is front or not front,
                "colorbar": bar,
            },
            customdata=[place.get(id(choice), -1) for choice in choices],
            text=[f"{_label(choice)}<br>{_numbers(choice)}" for choice in choices],
            hovertemplate="%{text}<extra></extra>",
            name=name,
            row=1,
            col=1,
        )
    figure.update_xaxes(
        title_text="predicted time, ms", type="log", dtick="D2", tickformat="~g", row=1, col=1
    )
    figure.update_yaxes(title_text="normalized gap", row=1, col=1)


def _corner(pattern: TensorProduct) -> NDArray[np.uint8]:
    """Return the cells in the first rows and columns: 1 for a nonzero."""
    height, width = (min(_CORNER, size) for size in pattern.shape)
    return rasterize(pattern, (0, height), (0, width), _CORNER).density.astype(np.uint8)


def _add_preview(figure: go.Figure, levels: NDArray[np.uint8]) -> None:
    figure.add_heatmap(
        z=levels.astype(int).tolist(),
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(128,128,128,0.10)"], [1, style.BLUE]],
        showscale=False,
        hoverinfo="skip",
        row=2,
        col=1,
    )
    hidden = {"showgrid": False, "showticklabels": False, "ticks": "", "mirror": True}
    figure.update_xaxes(**hidden, showline=True, constrain="domain", row=2, col=1)
    figure.update_yaxes(
        **hidden,
        showline=True,
        constrain="domain",
        constraintoward="top",
        autorange="reversed",
        scaleanchor="x2",
        row=2,
        col=1,
    )


def _choice_data(choice: Candidate, levels: NDArray[np.uint8] | None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "label": f"{_label(choice)}: {_numbers(choice)}",
        "title": _title(choice),
        "x": 1e3 * choice.seconds,
        "y": choice.normalized_gap,
    }
    if levels is not None:
        data |= {
            "height": levels.shape[0],
            "width": levels.shape[1],
            "levels": base64.b64encode(levels.tobytes()).decode("ascii"),
        }
    return data


def _title(choice: Candidate) -> str:
    rows, cols = (min(_CORNER, size) for size in choice.shape)
    return (
        f"<b>{_label(choice)}</b><br>{_numbers(choice).replace(', ', '<br>', 1)}<br>"
        f"its first {rows} × {cols} cells"
    )


def _describe(choices: list[Candidate]) -> str:
    front = [choice for choice in choices if choice.pareto]
    text = (
        f"{len(choices):,} candidates, {len(front):,} of them Pareto-optimal: no other one is at "
        "least as good in gap, predicted time and bytes and better in one."
    )
    if front:
        wide = max(front, key=lambda choice: choice.normalized_gap)
        text += (
            f" The fastest: {_label(front[0])}, {_numbers(front[0])}. The largest gap: "
            f"{_label(wide)}, {_numbers(wide)}."
        )
    return text


def _table(choices: list[Candidate]) -> Table:
    rows = [
        (
            _label(choice),
            f"{choice.normalized_gap:.4f}",
            f"{1e3 * choice.seconds:.4g}",
            f"{choice.index_bytes:,}",
            f"{choice.ratio:.4f}",
        )
        for choice in choices
    ]
    return Table(["candidate", "normalized gap", "predicted ms", "index bytes", "σ₂/σ₁"], rows)
