"""The figure of a benchmark: speedups, the roofline, and how times scale."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rbgp_graphs._validation import require
from rbgp_graphs.encoding.atomic import as_path
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, attach

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LARGEST_FILE = 1 << 26
_PANEL_HEIGHT = 330
_ITEMSIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}
#: How each kind of measurement is called and drawn.
_KINDS: dict[str, tuple[str, str, str]] = {
    "own": ("this package", style.BLUE, "circle"),
    "dense": ("dense", style.GREY, "square"),
    "same pattern": ("CSR or BSR, same pattern", style.VERMILION, "diamond"),
    "blocks": ("BSR, random blocks", style.GREEN, "cross"),
    "unstructured": ("CSR, unstructured", style.PURPLE, "x"),
}
_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A measurement of one case."""

    suite: str
    name: str
    kind: str
    rows: int
    cols: int
    columns: int
    sparsity: float
    row_group: int
    threads: int
    dtype: str
    product: str
    milliseconds: float
    gflops: float
    nnz: int
    index_bytes: int

    @property
    def intensity(self) -> float:
        """Operations per byte of weights, indices, operand and result, each moved once."""
        itemsize = _ITEMSIZES.get(self.dtype, 4)
        is_dense = self.kind == "dense"
        entries = self.rows * self.cols if is_dense else self.nnz
        index = 0 if is_dense else self.index_bytes
        moved = itemsize * (entries + (self.rows + self.cols) * self.columns) + index
        return 2 * entries * self.columns / moved


def benchmark(results: Any, *, theme: style.Theme = "light") -> go.Figure:
    """Draw the results of a benchmark.

    Parameters
    ----------
    results : mapping, str or os.PathLike
        What ``python -m benchmarks`` writes, or the path of that JSON file.
    theme : {"light", "dark"}
        Colours of text and background.

    Returns
    -------
    plotly.graph_objects.Figure
        One panel for each suite that the results hold: speedup over the fastest dense product
        against sparsity, with the line of the best possible, ``1 / (1 - sparsity)``; operations
        a second against operations a byte (the roofline); time against size, and against the
        number of threads. Of each kind of peer the fastest is drawn. ``layout.meta`` holds a text
        alternative and a table of all measurements.

    Raises
    ------
    ArgumentTypeError
        If `results` is neither a mapping nor a path.
    ArgumentError
        If a file cannot be read.
    FormatError
        If the results are not what the benchmark writes.
    MissingDependencyError
        If plotly is not installed.

    Examples
    --------
    >>> case = {
    ...     "suite": "sparsity",
    ...     "rows": 64,
    ...     "cols": 64,
    ...     "columns": 8,
    ...     "sparsity": 0.75,
    ...     "row_group": 4,
    ...     "threads": 1,
    ...     "dtype": "float32",
    ...     "product": "forward",
    ...     "nnz": 1024,
    ...     "index_bytes": 64,
    ...     "measurements": [
    ...         {"name": "rbgp_graphs", "kind": "own", "milliseconds": 1.0, "gflops": 0.016},
    ...         {"name": "numpy", "kind": "dense", "milliseconds": 3.0, "gflops": 0.022},
    ...     ],
    ... }
    >>> figure = benchmark({"cases": [case]})
    >>> figure.data[1].name, figure.data[1].y
    ('this package, row group 4', (3.0,))
    """
    document = _read(results)
    points = _points(document)
    chosen = [panel for panel in _PANELS if panel.accepts(points)]
    if not chosen:
        raise FormatError("the results hold no forward products to draw")
    figure = require("plotly.subplots", "viz").make_subplots(
        rows=len(chosen),
        cols=1,
        subplot_titles=[panel.title for panel in chosen],
        vertical_spacing=90 / (_PANEL_HEIGHT * len(chosen) + 100) if len(chosen) > 1 else 0,
        figure=style.new_figure("Benchmark", style.as_theme(theme)),
    )
    shown: set[str] = set()
    for row, panel in enumerate(chosen, start=1):
        for trace in panel.traces(points, document):
            # A name stands in the legend once.
            trace = {"legendgroup": trace["name"], "showlegend": trace["name"] not in shown} | trace
            shown.add(trace["name"])
            figure.add_trace(trace, row=row, col=1)
        figure.update_xaxes(title_text=panel.x_title, row=row, col=1, **panel.x_axis)
        if panel.suite not in (None, "sparsity"):
            # The numbers that were measured, instead of round ones.
            ticks = sorted({x for trace in figure.select_traces(row=row, col=1) for x in trace.x})
            figure.update_xaxes(tickvals=ticks, row=row, col=1)
        figure.update_yaxes(
            title_text=panel.y_title, type="log", dtick="D2", tickformat="~g", row=row, col=1
        )
    figure.update_annotations(font_size=14, x=0, xanchor="left")
    figure.update_layout(
        height=_PANEL_HEIGHT * len(chosen) + 200,
        legend={"y": -70 / (_PANEL_HEIGHT * len(chosen)), "yanchor": "top"},
        margin={"t": 90, "b": 140},
    )
    attach(figure, _describe(points, document), _table(points))
    return figure


def _read(results: Any) -> Mapping[str, Any]:
    if isinstance(results, (str, os.PathLike)):
        path = as_path(results)
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise FormatError(f"{path} is larger than {_LARGEST_FILE:,} bytes")
            results = json.loads(path.read_bytes())
        except OSError as error:
            raise ArgumentError(f"cannot read {path}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is no JSON document: {error}") from None
        if not isinstance(results, dict):
            raise FormatError(f"{path} holds a {type(results).__name__}, expected an object")
    if not isinstance(results, Mapping):
        raise ArgumentTypeError(
            f"results is a {type(results).__name__}, expected a mapping or a path"
        )
    return results


def _points(document: Mapping[str, Any]) -> list[_Point]:
    cases = document.get("cases")
    if not isinstance(cases, list) or not cases:
        raise FormatError("the results hold no list of cases; python -m benchmarks writes one")
    found = []
    for number, case in enumerate(cases):
        try:
            found += [_point(case, measured) for measured in case["measurements"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                f"case {number} of the results is not what the benchmark writes: "
                f"{type(error).__name__} {error}"
            ) from None
    return found


def _point(case: Mapping[str, Any], measured: Mapping[str, Any]) -> _Point:
    point = _Point(
        suite=str(case["suite"]),
        dtype=str(case["dtype"]),
        product=str(case["product"]),
        rows=int(case["rows"]),
        cols=int(case["cols"]),
        columns=int(case["columns"]),
        row_group=int(case["row_group"]),
        nnz=int(case["nnz"]),
        index_bytes=int(case["index_bytes"]),
        threads=int(case.get("threads") or 1),
        sparsity=float(case["sparsity"]),
        name=str(measured["name"]),
        kind=str(measured["kind"]),
        milliseconds=float(measured["milliseconds"]),
        gflops=float(measured["gflops"]),
    )
    if not (0 < point.milliseconds < math.inf and 0 < point.gflops < math.inf):
        raise ValueError(f"{point.name} has no positive finite time and rate")
    if not 0 <= point.sparsity < 1 or min(point.rows, point.cols, point.columns) < 1:
        raise ValueError("a size or the sparsity is out of range")
    return point


# Panels ---------------------------------------------------------------------------------------


def _select(points: Iterable[_Point], suite: str) -> list[_Point]:
    return [p for p in points if p.suite == suite and p.product == "forward"]


def _fastest(points: Iterable[_Point], key: Callable[[_Point], Any]) -> dict[Any, _Point]:
    """Return the fastest point for each key, in ascending order of the keys."""
    best: dict[Any, _Point] = {}
    for point in points:
        where = key(point)
        if where not in best or point.milliseconds < best[where].milliseconds:
            best[where] = point
    return dict(sorted(best.items()))


def _trace(
    kind: str, points: list[_Point], x: list[Any], y: list[float], **extra: Any
) -> dict[str, Any]:
    name, color, symbol = _KINDS.get(kind, (kind, style.ORANGE, "star"))
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": y,
        "name": name,
        "line": {"color": color, "width": 3 if kind == "own" else 1.5},
        "marker": {"color": color, "symbol": symbol, "size": 9},
        "customdata": [
            [p.name, p.milliseconds, p.gflops, f"{p.rows:,} × {p.cols:,}, N = {p.columns:,}"]
            for p in points
        ],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[3]}<br>%{customdata[1]:,.4~g} ms, "
        "%{customdata[2]:,.4~g} GFLOP/s<extra></extra>",
    } | extra


def _own_groups(points: list[_Point]) -> list[tuple[int, dict[str, Any]]]:
    """Return the row groups of the own product, and how their lines differ."""
    groups = sorted({p.row_group for p in points if p.kind == "own"})
    name = _KINDS["own"][0]
    return [
        (
            group,
            {
                "name": f"{name}, row group {group}",
                "line": {
                    "color": style.BLUE,
                    "width": 3,
                    "dash": _DASHES[place % len(_DASHES)],
                },
            },
        )
        for place, group in enumerate(groups)
    ]


def _speedups(points: list[_Point], _: Mapping[str, Any]) -> list[dict[str, Any]]:
    mine = _select(points, "sparsity")
    dense = _fastest((p for p in mine if p.kind == "dense"), lambda p: p.sparsity)
    shares = sorted({p.sparsity for p in mine})
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "x": [_percent(share) for share in shares],
        "y": [1 / (1 - share) for share in shares],
        "name": "1 / (1 − sparsity)",
        "line": {"color": style.GREY, "dash": "dash", "width": 1.5},
        "hovertemplate": "best possible: %{y:,.4~g}<extra></extra>",
    }
    traces = [ideal]

    def add(kind: str, chosen: list[_Point], extra: dict[str, Any]) -> None:
        best = [p for share, p in _fastest(chosen, lambda p: p.sparsity).items() if share in dense]
        if best:
            speedups = [dense[p.sparsity].milliseconds / p.milliseconds for p in best]
            traces.append(
                _trace(kind, best, [_percent(p.sparsity) for p in best], speedups) | extra
            )

    for group, look in _own_groups(mine):
        add("own", [p for p in mine if p.kind == "own" and p.row_group == group], look)
    for kind in _KINDS:
        if kind != "own":
            add(kind, [p for p in mine if p.kind == kind], {})
    return traces


def _roofline(points: list[_Point], document: Mapping[str, Any]) -> list[dict[str, Any]]:
    traces = []
    mine = [p for p in points if p.product == "forward" and p.dtype == "float32"]
    for kind in ("own", "dense", "same pattern"):
        chosen = [p for p in mine if p.kind == kind]
        best = [*_fastest(chosen, lambda p: (round(p.intensity, 6), p.row_group)).values()]
        if best:
            x, y = [p.intensity for p in best], [p.gflops for p in best]
            traces.append(_trace(kind, best, x, y, mode="markers"))
    ceilings = document.get("ceilings")
    if isinstance(ceilings, Mapping) and traces:
        rate, width = _ceiling(ceilings)
        if rate and width:
            reach = [x for trace in traces for x in trace["x"]]
            ends = sorted({min(*reach, rate / width) / 2, rate / width, 2 * max(reach)})
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": ends,
                    "y": [min(rate, width * x) for x in ends],
                    "name": f"machine: {rate:,.4g} GFLOP/s, {width:,.4g} GB/s",
                    "line": {"color": style.GREY, "width": 2},
                    "hoverinfo": "skip",
                }
            )
    return traces


def _ceiling(ceilings: Mapping[str, Any]) -> tuple[float, float]:
    """Return the operations and the bytes of the machine, in 10**9 a second, or 0."""
    found = []
    for name in ("operations_per_second", "copy_bytes_per_second"):
        value = ceilings.get(name)
        found.append(value / 1e9 if isinstance(value, (int, float)) and value > 0 else 0.0)
    return found[0], found[1]


def _scaling(suite: str, key: Callable[[_Point], int]) -> Callable[..., list[dict[str, Any]]]:
    """Return the function that draws times of a suite against a number."""

    def traces(points: list[_Point], _: Mapping[str, Any]) -> list[dict[str, Any]]:
        mine = _select(points, suite)
        found = []
        for kind in _KINDS:
            best = _fastest((p for p in mine if p.kind == kind), key)
            if best:
                times = [p.milliseconds for p in best.values()]
                found.append(_trace(kind, [*best.values()], [*best], times))
        return found

    return traces


@dataclass(frozen=True, kw_only=True)
class _Panel:
    title: str
    suite: str | None
    x_title: str
    y_title: str
    x_axis: dict[str, Any]
    traces: Callable[[list[_Point], Mapping[str, Any]], list[dict[str, Any]]]

    def accepts(self, points: list[_Point]) -> bool:
        chosen = points if self.suite is None else _select(points, self.suite)
        return any(p.product == "forward" and p.dtype == "float32" for p in chosen)


_TIME = "milliseconds"
_PANELS = (
    _Panel(
        title="Speedup over the fastest dense product",
        suite="sparsity",
        x_title="sparsity (share of zeros)",
        y_title="times as fast",
        x_axis={"type": "category"},
        traces=_speedups,
    ),
    _Panel(
        title="Roofline: rate against operations a byte",
        suite=None,
        x_title="FLOP a byte, if each byte moves once",
        y_title="GFLOP/s",
        x_axis={"type": "log", "dtick": 1, "tickformat": "~g"},
        traces=_roofline,
    ),
    _Panel(
        title="Time against size",
        suite="size",
        x_title="rows and columns",
        y_title=_TIME,
        x_axis={"type": "log"},
        traces=_scaling("size", lambda p: p.rows),
    ),
    _Panel(
        title="Time against columns of the operand",
        suite="columns",
        x_title="columns of X",
        y_title=_TIME,
        x_axis={"type": "log"},
        traces=_scaling("columns", lambda p: p.columns),
    ),
    _Panel(
        title="Time against threads",
        suite="threads",
        x_title="threads",
        y_title=_TIME,
        x_axis={},
        traces=_scaling("threads", lambda p: p.threads),
    ),
)


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _describe(points: list[_Point], document: Mapping[str, Any]) -> str:
    machine = document.get("machine")
    sentences = []
    if isinstance(machine, Mapping):
        parts = [str(machine[key]) for key in ("processor", "gpu") if machine.get(key)]
        date = str(machine.get("date", ""))[:10]
        sentences.append(f"Measured on {', '.join(parts) or 'an unnamed machine'}, {date}.")
    mine = _select(points, "sparsity")
    dense = _fastest((p for p in mine if p.kind == "dense"), lambda p: p.sparsity)
    own = _fastest((p for p in mine if p.kind == "own"), lambda p: p.sparsity)
    for share in own.keys() & dense.keys():
        times = dense[share].milliseconds / own[share].milliseconds
        sentences.append(
            f"At {_percent(share)} zeros the sparse product takes "
            f"{own[share].milliseconds:.4g} ms, {times:.3g} times as fast as the fastest "
            f"dense one; {1 / (1 - share):.4g} is the most possible."
        )
    return " ".join(sentences[:1] + sorted(sentences[1:]))


def _table(points: list[_Point]) -> Table:
    rows = [
        (
            p.suite,
            f"{p.rows} × {p.cols}",
            f"{p.columns}",
            _percent(p.sparsity),
            f"{p.row_group}",
            p.dtype,
            p.product,
            f"{p.threads}",
            p.name,
            f"{p.milliseconds:.4g}",
            f"{p.gflops:.4g}",
        )
        for p in points
    ]
    columns = [
        *("suite", "shape", "columns of X", "sparsity", "row group", "dtype", "product"),
        *("threads", "by", "milliseconds", "GFLOP/s"),
    ]
    return Table(columns, rows)
