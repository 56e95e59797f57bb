"""The figures and tables of a state."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.products import (
    RBGP4,
    TensorProduct,
    banded,
    block_sparse,
    butterfly,
    n_of_m,
    unstructured,
)
from rbgp_graphs.selection import Candidate, predicted_seconds
from rbgp_graphs.viz import summary
from rbgp_graphs.viz.alternative import Table
from rbgp_graphs.viz.comparisons import compare
from rbgp_graphs.viz.dashboard.navigation import check_range
from rbgp_graphs.viz.dashboard.state import PEERS, State
from rbgp_graphs.viz.dashboard.subjects import Shelf, candidates, verdict_of
from rbgp_graphs.viz.design_spaces import design_space
from rbgp_graphs.viz.drawings import graph, is_drawable
from rbgp_graphs.viz.nesting import factors
from rbgp_graphs.viz.patterns import pattern
from rbgp_graphs.viz.raster import Subject
from rbgp_graphs.viz.spectra import spectrum
from rbgp_graphs.viz.theme import Theme
from rbgp_graphs.viz.tilings import tiling

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Measuring masks without structure takes some seconds up to this side, whatever their density,
#: and up to the larger one with so few nonzeros. Beyond, a reader would wait for too long.
_COMPARED_SIDE, _COMPARED_SPARSE_SIDE, _COMPARED_NONZEROS = 512, 2048, 1 << 16
#: Pixels a side of the visible part: what a zoom takes grows with them.
_PIXELS = 512
#: Columns of the dense operand whose product is timed.
_COLUMNS = 256


def check(subject: Subject, state: State) -> None:
    """Raise `ArgumentError` if a range or the cell of a state lies outside its pattern."""
    rows, cols = subject.shape
    check_range("shown rows", state.shown_rows, rows)
    check_range("shown columns", state.shown_cols, cols)
    if state.cell is not None and not (state.cell[0] < rows and state.cell[1] < cols):
        raise ArgumentError(
            f"the cell is row {state.cell[0]:,}, column {state.cell[1]:,}, but rows end at "
            f"{rows - 1:,} and columns at {cols - 1:,}"
        )


def shown_part(subject: Subject, state: State, theme: Theme) -> go.Figure:
    """Return the visible part of the pattern, as a figure whose axes reach over the whole."""
    figure = pattern(
        subject, state.shown_rows, state.shown_cols, _PIXELS, theme=theme, zoomable=False
    )
    rows, cols = subject.shape
    # Margins that follow the labels cost a second layout at each zoom.
    for axis, size in ((figure.layout.xaxis, cols), (figure.layout.yaxis, rows)):
        axis.minallowed, axis.maxallowed, axis.automargin = -0.5, size - 0.5, False
    figure.layout.margin.l, figure.layout.margin.r = 84, 24
    if state.cell is not None:
        figure.add_scatter(
            x=[state.cell[1]],
            y=[state.cell[0]],
            mode="markers",
            marker={
                "symbol": "circle-open",
                "size": 16,
                "line": {"width": 3},
                "color": figure.layout.template.layout.font.color,
            },
            name="inspected cell",
            hoverinfo="skip",
        )
    return figure


def key_numbers(subject: Subject) -> Table:
    """Return sizes, degrees, bytes and the predicted time."""
    rows = [*summary.key_numbers(subject).rows]
    if isinstance(subject, RBGP4):
        milliseconds = 1e3 * predicted_seconds(subject, _COLUMNS, device="default")
        rows.append(
            (
                f"Predicted product with {_COLUMNS} columns, float32",
                f"{milliseconds:.3g} ms (cost model, assumed limits of two cores)",
            )
        )
    return Table(["quantity", "value"], rows)


def view_figures(shelf: Shelf, state: State, theme: Theme) -> list[go.Figure]:
    """Return the figures of the section that a state shows.

    Raises
    ------
    RBGPError
        If there is no such figure for the pattern; the message says why.
    """
    subject = shelf.subject(state.source, state)
    return _VIEWS[state.view](shelf, subject, state, theme)


def _spectrum(_: Shelf, subject: Subject, state: State, theme: Theme) -> list[go.Figure]:  # noqa: ARG001
    return [spectrum(subject, verdict=verdict_of(subject), theme=theme)]


def _factors(_: Shelf, subject: Subject, state: State, theme: Theme) -> list[go.Figure]:  # noqa: ARG001
    if not isinstance(subject, TensorProduct):
        raise ArgumentError("this is a single graph or mask, which has no factors")
    return [factors(subject, theme=theme)]


def _graphs(_: Shelf, subject: Subject, state: State, theme: Theme) -> list[go.Figure]:  # noqa: ARG001
    named = {"the graph": subject}
    if isinstance(subject, TensorProduct):
        pairs = zip(subject.factor_names, subject.factors, strict=True)
        named = {name: each for name, each in pairs if not each.is_complete}
    figures = []
    for name, each in named.items():
        if is_drawable(each):  # type: ignore[arg-type]
            figure = graph(each, theme=theme)
            title = f"{name.capitalize()}, {each.shape[0]} + {each.shape[1]} vertices"
            figures.append(figure.update_layout(title_text=title))
    if not figures:
        raise ArgumentError(
            "no graph here can be drawn as one: they are complete, or have too many vertices or "
            "edges to tell apart"
        )
    return figures


def _tiling(_: Shelf, subject: Subject, state: State, theme: Theme) -> list[go.Figure]:
    if not isinstance(subject, RBGP4):
        raise ArgumentError("this pattern has no tiles; only RBGP4 patterns have")
    figure = tiling(subject, theme=theme)
    frame = figure.frames[min(state.step, len(figure.frames) - 1)]
    for place, trace in zip(frame.traces, frame.data, strict=True):
        figure.data[place].update(trace, overwrite=True)
    figure.layout.annotations = frame.layout.annotations
    figure.layout.sliders = []
    figure.frames = []
    return [figure]


def num_steps(subject: Subject) -> int:
    """Return how many steps the tiling of a pattern has, 1 if it has no tiles."""
    return _num_steps(subject) if isinstance(subject, RBGP4) else 1


@functools.lru_cache(maxsize=8)
def _num_steps(subject: RBGP4) -> int:
    return len(tiling(subject).frames)


def _space(_: Shelf, subject: Subject, state: State, theme: Theme) -> list[go.Figure]:
    if state.source != "design":
        raise ArgumentError(
            "an opened pattern is one point; choose a design to see what else its layer can have"
        )
    found = candidates(state.rows, state.cols, state.sparsity, None)
    figure = design_space(found, 0, theme=theme)
    return [_with_current(figure, subject, found)]


def _with_current(figure: go.Figure, subject: Any, found: tuple[Candidate, ...]) -> go.Figure:
    """Put the ring of the figure around the pattern that is shown."""
    ring = next(figure.select_traces(selector={"name": "largest gap"}))
    current = _candidate_of(subject, found)
    if current is None or not math.isfinite(current.normalized_gap):
        ring.update(x=[None], y=[None])
    else:
        ring.update(x=[1e3 * current.seconds], y=[current.normalized_gap])
    ring.name = "shown above"
    return figure


def _candidate_of(subject: Any, found: tuple[Candidate, ...]) -> Candidate | None:
    inner = (*subject.inner.shape, subject.inner.degrees[0])
    return next((c for c in found if c.inner == inner and c.row_group == subject.row_group), None)


def _compare(shelf: Shelf, subject: Subject, state: State, theme: Theme) -> list[go.Figure]:
    named: dict[str, Any] = {"this pattern": subject}
    rows, cols = subject.shape
    if state.peers:
        _check_is_quick(rows, cols, _sparsity(subject))
        for peer in state.peers:
            named[PEERS[peer]] = _PEERS[peer](rows, cols, _sparsity(subject))
    if state.other:
        named["the other file"] = shelf.subject(state.other, state)
    return [compare(*named.values(), names=[*named], theme=theme)]


def _check_is_quick(rows: int, cols: int, sparsity: float) -> None:
    """Raise `ArgumentError` unless masks without structure are measured in some seconds."""
    side, nonzeros = max(rows, cols), round(rows * cols * (1 - sparsity))
    if side <= _COMPARED_SIDE or (side <= _COMPARED_SPARSE_SIDE and nonzeros <= _COMPARED_NONZEROS):
        return
    raise ArgumentError(
        f"this pattern has {rows:,} × {cols:,} cells and {nonzeros:,} nonzeros; masks without "
        f"structure are measured up to {_COMPARED_SIDE} × {_COMPARED_SIDE}, or up to "
        f"{_COMPARED_SPARSE_SIDE} × {_COMPARED_SPARSE_SIDE} with at most {_COMPARED_NONZEROS:,} "
        "nonzeros; larger ones take too long. Choose a smaller shape, more zeros, or none of "
        "these masks."
    )


def _sparsity(subject: Subject) -> float:
    if isinstance(subject, TensorProduct):
        return subject.sparsity
    return min(1 - subject.num_edges / (subject.left * subject.right), 1 - 1e-9)


def _blocks(rows: int, cols: int, sparsity: float) -> Any:
    return block_sparse(rows, cols, sparsity, (math.gcd(rows, 16), math.gcd(cols, 16)))


def _groups(rows: int, cols: int, sparsity: float) -> Any:
    m = math.gcd(cols, 16)
    return n_of_m(rows, cols, max(1, round(m * (1 - sparsity))), m)


def _band(rows: int, cols: int, sparsity: float) -> Any:
    return banded(rows, cols, max(1, round(cols * (1 - sparsity))))


def _butterfly(rows: int, cols: int, sparsity: float) -> Any:
    """Return the butterfly whose share of zeros is nearest: its levels say how many blocks."""
    side = math.gcd(rows, cols)
    side &= -side
    if side < 2:
        raise ArgumentError(
            f"a butterfly needs a power of two that divides {rows} and {cols}, which is 1 here"
        )
    wanted = (1 - sparsity) * side
    levels = min(max(0, round(wanted) - 1), side.bit_length() - 1)
    return butterfly(rows, cols, (rows // side, cols // side), levels=levels)


_PEERS: dict[str, Callable[[int, int, float], Any]] = {
    "unstructured": unstructured,
    "blocks": _blocks,
    "n-of-m": _groups,
    "banded": _band,
    "butterfly": _butterfly,
}
_VIEWS: dict[str, Callable[[Shelf, Subject, State, Theme], list[go.Figure]]] = {
    "spectrum": _spectrum,
    "factors": _factors,
    "graphs": _graphs,
    "tiling": _tiling,
    "space": _space,
    "compare": _compare,
}
