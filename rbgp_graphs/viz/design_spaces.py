"""The figure of the candidates for a layer: gap against time, and what they look like."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, as_bytes, attach
from rbgp_graphs.viz.raster import densities, even_edges, rasterize

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MOST = 2000
#: Candidates with a picture in the page; each takes about three kilobytes there.
_MOST_PICTURES = 200
_PIXELS = 48


@dataclass(frozen=True, kw_only=True, eq=False)
class _Choice:
    pattern: TensorProduct
    gap: float
    seconds: float
    size: int
    is_pareto: bool

    @property
    def label(self) -> str:
        """What the candidate is called: by its tile and row group."""
        if not isinstance(self.pattern, RBGP4):
            return " ⊗ ".join(f"{f.left}×{f.right}" for f in self.pattern.factors)
        height, width = self.pattern.tile_shape
        twisted = ", twisted" if self.pattern.is_twisted else ""
        return f"tile {height} × {width}, row group {self.pattern.row_group}{twisted}"

    @property
    def numbers(self) -> str:
        return (
            f"normalized gap {self.gap:.4g}, {_milliseconds(self.seconds)}, "
            f"{as_bytes(self.size)} of indices"
        )


def design_space(candidates: Iterable[Any], *, theme: style.Theme = "light") -> go.Figure:
    """Draw candidates for a layer by gap, predicted time and size, the Pareto front marked.

    Parameters
    ----------
    candidates : iterable
        What `rbgp_graphs.design_space` returns: objects with the attributes ``pattern``,
        ``normalized_gap``, ``predicted_time`` (seconds), ``index_bytes`` and ``pareto``. At most
        2000.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        A dot for every candidate: predicted time against normalized gap, the colour tells the
        bytes of the index tables; those that no other one beats in all three are filled. Below
        is the mask of one of them; in a page that `save` or `report` writes, a click on a dot
        or the list above the figure chooses which. ``layout.meta`` holds a text alternative and
        a table.

    Raises
    ------
    ArgumentTypeError
        If a candidate lacks an attribute.
    ArgumentError
        If there is no candidate, there are more than 2000, or a number is not finite.
    MissingDependencyError
        If plotly is not installed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from rbgp_graphs import design
    >>> pattern = design(256, 256, 0.75)
    >>> one = SimpleNamespace(pattern=pattern, normalized_gap=0.9, predicted_time=1e-4,
    ...                       index_bytes=pattern.index_bytes, pareto=True)
    >>> design_space([one]).data[0].y
    (0.9,)
    """
    choices = _as_choices(candidates)
    if not choices:
        raise ArgumentError("candidates is empty, expected at least one")
    rows, cols = choices[0].pattern.shape
    figure = require("plotly.subplots", "viz").make_subplots(
        rows=2,
        cols=1,
        row_heights=[0.5, 0.5],
        vertical_spacing=0.18,
        subplot_titles=["", " "],
        figure=style.new_figure(f"Candidates for {rows:,} × {cols:,}", style.as_theme(theme)),
    )
    # Pareto-optimal ones come first, so that they have pictures and lead the list.
    order = sorted(range(len(choices)), key=lambda k: (not choices[k].is_pareto, choices[k].seconds))
    choices = [choices[k] for k in order]
    _add_dots(figure, choices)
    chosen = max(range(len(choices)), key=lambda k: (choices[k].is_pareto, choices[k].gap))
    figure.add_scatter(
        x=[1e3 * choices[chosen].seconds],
        y=[choices[chosen].gap],
        mode="markers",
        marker={"symbol": "circle-open", "size": 20, "color": style.GREEN, "line_width": 3},
        name="shown below",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    ring = len(figure.data) - 1
    shown = choices[: max(_MOST_PICTURES, chosen + 1)]
    _add_preview(figure, _thumbnail(choices[chosen].pattern))
    figure.layout.annotations[-1].update(text=_title(choices[chosen]), font_size=13)
    figure.update_layout(height=900, width=760, margin={"t": 110})
    attach(
        figure,
        _describe(choices),
        _table(choices),
        {
            "kind": "candidates",
            "label": "Candidate",
            "chosen": chosen,
            "preview": len(figure.data) - 1,
            "ring": ring,
            "annotation": len(figure.layout.annotations) - 1,
            "choices": [_choice_data(choice) for choice in shown],
        },
    )
    return figure


def _as_choices(candidates: Any) -> list[_Choice]:
    if isinstance(candidates, (str, bytes)) or not hasattr(candidates, "__iter__"):
        raise ArgumentTypeError(f"candidates is {candidates!r}, expected what design_space returns")
    found = []
    for number, each in enumerate(candidates):
        try:
            choice = _Choice(
                pattern=each.pattern,
                gap=float(each.normalized_gap),
                seconds=float(each.predicted_time),
                size=int(each.index_bytes),
                is_pareto=bool(each.pareto),
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise ArgumentTypeError(
                f"candidate {number} is a {type(each).__name__}, expected one of design_space: "
                f"{error}"
            ) from None
        if not isinstance(choice.pattern, TensorProduct):
            raise ArgumentTypeError(f"the pattern of candidate {number} is no product")
        if not (math.isfinite(choice.gap) and 0 < choice.seconds < math.inf):
            raise ArgumentError(
                f"candidate {number} has gap {choice.gap} and predicted time {choice.seconds}, "
                "expected finite numbers and a time above 0"
            )
        found.append(choice)
        if len(found) > _MOST:
            raise ArgumentError(f"there are more than {_MOST} candidates")
    return found


def _add_dots(figure: go.Figure, choices: list[_Choice]) -> None:
    sizes = [math.log10(max(1, choice.size)) for choice in choices]
    low, high = min(sizes), max(sizes)
    ticks = [low, high] if high > low else [low]
    bar = {
        "title": {"text": "index", "side": "top"},
        "tickvals": ticks,
        "ticktext": [as_bytes(10**tick) for tick in ticks],
        "len": 0.42,
        "y": 1,
        "yanchor": "top",
        "thickness": 12,
        "outlinecolor": style.GREY,
    }
    for is_pareto in (True, False):
        places = [k for k, choice in enumerate(choices) if choice.is_pareto == is_pareto]
        if not places:
            continue
        figure.add_scatter(
            x=[1e3 * choices[k].seconds for k in places],
            y=[choices[k].gap for k in places],
            mode="markers",
            marker={
                "symbol": "diamond" if is_pareto else "circle-open",
                "size": 13 if is_pareto else 8,
                "color": [sizes[k] for k in places],
                "cmin": low,
                "cmax": high if high > low else low + 1,
                "colorscale": [[0, style.VERMILION], [1, style.BLUE]],
                "showscale": is_pareto,
                "colorbar": bar,
            },
            customdata=places,
            text=[f"{choices[k].label}<br>{choices[k].numbers}" for k in places],
            hovertemplate="%{text}<extra></extra>",
            name="Pareto-optimal" if is_pareto else "beaten by another one",
            row=1,
            col=1,
        )
    figure.update_xaxes(title_text="predicted time, ms", type="log", row=1, col=1)
    figure.update_yaxes(title_text="normalized gap", row=1, col=1)


def _thumbnail(pattern: TensorProduct) -> NDArray[np.uint8]:
    """Return the mask at low resolution, from 0 to 255 for the densest pixel."""
    height, width = pattern.shape
    raster = rasterize(pattern, (0, height), (0, width), 2 * _PIXELS)
    share = raster.density
    if max(share.shape) > 2 * _PIXELS:
        rows, cols = even_edges((0, height), _PIXELS), even_edges((0, width), _PIXELS)
        share = densities(pattern, rows, cols)
    return np.rint(255 * share / (share.max() or 1.0)).astype(np.uint8)


def _add_preview(figure: go.Figure, levels: NDArray[np.uint8]) -> None:
    figure.add_heatmap(
        z=levels.astype(int).tolist(),
        zmin=0,
        zmax=255,
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
        autorange="reversed",
        scaleanchor="x2",
        row=2,
        col=1,
    )


def _choice_data(choice: _Choice) -> dict[str, Any]:
    levels = _thumbnail(choice.pattern)
    return {
        "label": ("★ " if choice.is_pareto else "") + f"{choice.label}: {choice.numbers}",
        "title": _title(choice),
        "x": 1e3 * choice.seconds,
        "y": choice.gap,
        "height": levels.shape[0],
        "width": levels.shape[1],
        "levels": base64.b64encode(levels.tobytes()).decode("ascii"),
    }


def _title(choice: _Choice) -> str:
    return f"<b>{choice.label}</b><br>{choice.numbers}"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.4g} ms"


def _describe(choices: list[_Choice]) -> str:
    front = [choice for choice in choices if choice.is_pareto]
    text = (
        f"{len(choices)} candidates, {len(front)} of them Pareto-optimal: no other one has at "
        "least the gap, at most the time and at most the bytes, and is better in one."
    )
    if front:
        fast = min(front, key=lambda choice: choice.seconds)
        wide = max(front, key=lambda choice: choice.gap)
        text += (
            f" The fastest: {fast.label}, {fast.numbers}. The largest gap: {wide.label}, "
            f"{wide.numbers}."
        )
    return text


def _table(choices: list[_Choice]) -> Table:
    rows = [
        (
            choice.label,
            f"{choice.gap:.4f}",
            f"{1e3 * choice.seconds:.4g}",
            f"{choice.size:,}",
            "yes" if choice.is_pareto else "no",
        )
        for choice in choices
    ]
    columns = ["candidate", "normalized gap", "predicted ms", "index bytes", "Pareto-optimal"]
    return Table(columns, rows)
