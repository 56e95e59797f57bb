"""The figure of a benchmark: speedups, the roofline, and how times scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rbgp_graphs._validation import require
from rbgp_graphs.errors import FormatError
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, attach
from rbgp_graphs.viz.benchmark_points import (
    Point,
    all_points,
    fastest,
    forward_points,
    read_document,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PANEL_HEIGHT = 330
#: How each kind of measurement is called and drawn.
_KINDS: dict[str, tuple[str, str, str]] = {
    "own": ("this package", style.BLUE, "circle"),
    "dense": ("dense", style.GREY, "square"),
    "same pattern": ("CSR or BSR, same pattern", style.VERMILION, "diamond"),
    "blocks": ("BSR, random blocks", style.GREEN, "cross"),
    "unstructured": ("CSR, unstructured", style.PURPLE, "x"),
    "2:4": ("2:4", style.ORANGE, "star"),
}
_DASHES = ("solid", "dash", "dot", "dashdot")
#: Labels of an axis at most, so that they stand apart on a narrow screen too.
_MOST_TICKS = 7


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
        One panel for each suite and dtype that the results hold: speedup over the fastest dense
        product against sparsity, with the line of the best possible, ``1 / (1 - sparsity)``;
        operations a second against operations a byte (the roofline); time against size, against
        the columns of the operand and against the number of threads. Of each kind of peer the
        fastest is drawn, of several timers the first. ``layout.meta`` holds a text alternative
        and a table of all measurements.

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
    document = read_document(results)
    points = all_points(document)
    panels = _panels(forward_points(points), document)
    if not panels:
        raise FormatError("the results hold no forward products to draw")
    count = len(panels)
    figure = require("plotly.subplots", "viz").make_subplots(
        rows=count,
        cols=1,
        subplot_titles=[panel.title for panel in panels],
        vertical_spacing=90 / (_PANEL_HEIGHT * count) if count > 1 else 0,
        figure=style.new_figure("Benchmark", style.as_theme(theme), _PANEL_HEIGHT * count + 180),
    )
    shown: set[str] = set()
    for row, panel in enumerate(panels, start=1):
        for trace in panel.traces:
            # A name stands in the legend once.
            trace = {"legendgroup": trace["name"], "showlegend": trace["name"] not in shown} | trace
            shown.add(trace["name"])
            figure.add_trace(trace, row=row, col=1)
        figure.update_xaxes(
            title_text=panel.x_title, tickangle=0, tickfont_size=11, row=row, col=1, **panel.x_axis
        )
        figure.update_yaxes(
            title_text=panel.y_title, type="log", dtick="D2", tickformat="~g", row=row, col=1
        )
    figure.update_annotations(font_size=14, x=0, xanchor="left")
    # The border is room for the title of the first panel, which no margin knows of.
    border = {"borderwidth": 14, "bordercolor": "rgba(0,0,0,0)"}
    figure.update_layout(margin={"t": 90, "b": 50}, legend=border)
    attach(figure, _describe(points, document), _table(points))
    return figure


@dataclass(frozen=True, kw_only=True)
class _Panel:
    title: str
    x_title: str
    y_title: str
    x_axis: dict[str, Any]
    traces: list[dict[str, Any]]


def _panels(points: list[Point], document: Mapping[str, Any]) -> list[_Panel]:
    """Return the panels of the suites that are there, those of one dtype after the other."""
    found = []
    dtypes = sorted({p.dtype for p in points if p.suite == "sparsity"})
    for dtype in dtypes or sorted({p.dtype for p in points}):
        chosen = [p for p in points if p.dtype == dtype]
        suffix = f", {dtype}" if len(dtypes) > 1 else ""
        if dtypes:
            found.append(_speedup_panel([p for p in chosen if p.suite == "sparsity"], suffix))
        found.append(_roofline_panel(chosen, document if dtype == "float32" else {}, suffix))
    for suite, (title, x_title, key) in _SCALINGS.items():
        mine = [p for p in points if p.suite == suite]
        for dtype in sorted({p.dtype for p in mine}):
            chosen = [p for p in mine if p.dtype == dtype]
            suffix = "" if dtype == "float32" else f", {dtype}"
            found.append(_scaling_panel(chosen, title + suffix, x_title, key))
    return [panel for panel in found if panel.traces]


def _trace(
    kind: str, points: list[Point], x: list[Any], y: list[float], **extra: Any
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


def _speedup_panel(points: list[Point], suffix: str) -> _Panel:
    dense = fastest((p for p in points if p.kind == "dense"), lambda p: p.sparsity)
    shares = sorted({p.sparsity for p in points})
    labels = {share: f"{100 * share:.6g}" for share in shares}
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "x": [*labels.values()],
        "y": [1 / (1 - share) for share in shares],
        "name": "1 / (1 − sparsity)",
        "line": {"color": style.GREY, "dash": "dash", "width": 1.5},
        "hovertemplate": "best possible: %{y:,.4~g}<extra></extra>",
    }
    traces = [ideal]

    def add(kind: str, chosen: Iterable[Point], **look: Any) -> None:
        best = [p for share, p in fastest(chosen, lambda p: p.sparsity).items() if share in dense]
        if best:
            speedups = [dense[p.sparsity].milliseconds / p.milliseconds for p in best]
            traces.append(_trace(kind, best, [labels[p.sparsity] for p in best], speedups, **look))

    own = [p for p in points if p.kind == "own"]
    for place, group in enumerate(sorted({p.row_group for p in own})):
        name, color, _ = _KINDS["own"]
        line = {"color": color, "width": 3, "dash": _DASHES[place % len(_DASHES)]}
        mine = (p for p in own if p.row_group == group)
        add("own", mine, name=f"{name}, row group {group}", line=line)
    for kind in _KINDS:
        if kind != "own":
            add(kind, (p for p in points if p.kind == kind))
    return _Panel(
        title=f"Speedup over the fastest dense product{suffix}",
        x_title="sparsity, % of zeros",
        y_title="times as fast",
        x_axis={"type": "category"},
        traces=traces,
    )


def _roofline_panel(points: list[Point], document: Mapping[str, Any], suffix: str) -> _Panel:
    traces = []
    for kind in ("own", "dense", "same pattern"):
        chosen = (p for p in points if p.kind == kind)
        best = [*fastest(chosen, lambda p: (round(p.intensity, 6), p.row_group)).values()]
        if best:
            x, y = [p.intensity for p in best], [p.gflops for p in best]
            traces.append(_trace(kind, best, x, y, mode="markers"))
    rate, width = _ceilings(document)
    if traces and rate and width:
        reach = [x for trace in traces for x in trace["x"]]
        ends = sorted({min(*reach, rate / width) / 2, rate / width, 2 * max(reach)})
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": ends,
                "y": [min(rate, width * x) for x in ends],
                "name": f"cost model: {rate:,.4g} GFLOP/s, {width:,.4g} GB/s",
                "line": {"color": style.GREY, "width": 2},
                "hoverinfo": "skip",
            }
        )
    return _Panel(
        title=f"Roofline: rate against operations a byte{suffix}",
        x_title="FLOP a byte, if each byte moves once",
        y_title="GFLOP/s",
        x_axis={"type": "log", "dtick": 1, "tickformat": ",~g"},
        traces=traces,
    )


def _ceilings(document: Mapping[str, Any]) -> tuple[float, float]:
    """Return the most operations and bytes known to a suite, in 10**9 a second, or 0."""
    found = [suite.get("ceilings") for suite in _suites(document)]
    known = [limits for limits in found if isinstance(limits, Mapping)]

    def most(name: str) -> float:
        values = (limits.get(name) for limits in known)
        return max((v / 1e9 for v in values if isinstance(v, (int, float)) and v > 0), default=0.0)

    return most("operations_per_second"), most("copy_bytes_per_second")


def _suites(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a document says about its suites."""
    suites = document.get("suites")
    found = suites.values() if isinstance(suites, Mapping) else ()
    return [suite for suite in found if isinstance(suite, Mapping)]


#: Of each suite that varies a number: the title of its panel, that of the axis, and the number.
_SCALINGS: dict[str, tuple[str, str, Callable[[Point], int]]] = {
    "size": ("Time against size", "rows and columns", lambda p: p.rows),
    "columns": ("Time against columns of the operand", "columns of X", lambda p: p.columns),
    "threads": ("Time against threads", "threads", lambda p: p.threads),
}


def _scaling_panel(
    points: list[Point], title: str, x_title: str, key: Callable[[Point], int]
) -> _Panel:
    traces = []
    for kind in _KINDS:
        best = fastest((p for p in points if p.kind == kind), key)
        if best:
            times = [p.milliseconds for p in best.values()]
            traces.append(_trace(kind, [*best.values()], [*best], times))
    ticks = _ticks(sorted({key(p) for p in points}))
    labels = [str(tick) for tick in ticks]
    return _Panel(
        title=title,
        x_title=x_title,
        y_title="milliseconds",
        x_axis={"type": "log", "tickvals": ticks, "ticktext": labels},
        traces=traces,
    )


def _ticks(numbers: Sequence[int]) -> list[int]:
    """Return those of ascending numbers that stand apart on a logarithmic axis, and the ends."""
    first, last = numbers[0], numbers[-1]
    apart = (last / first) ** (1 / _MOST_TICKS)
    found = [first]
    for number in numbers[1:-1]:
        if number >= 0.999 * apart * found[-1] and last >= 0.999 * apart * number:
            found.append(number)
    return found if last == first else [*found, last]


def _describe(points: list[Point], document: Mapping[str, Any]) -> str:
    machine = document.get("machine")
    sentences = []
    if isinstance(machine, Mapping):
        gpu = machine.get("gpu")
        names = [machine.get("processor"), gpu.get("device") if isinstance(gpu, Mapping) else gpu]
        parts = [str(name) for name in names if name]
        dates = sorted({str(suite.get("date", ""))[:10] for suite in _suites(document)})
        where = ", ".join([", ".join(parts) or "an unnamed machine", " and ".join(dates)])
        sentences.append(f"Measured on {where.removesuffix(', ')}.")
    forward = forward_points(points)
    dtypes = sorted({p.dtype for p in forward if p.suite == "sparsity"})
    for dtype in dtypes:
        mine = [p for p in forward if p.suite == "sparsity" and p.dtype == dtype]
        dense = fastest((p for p in mine if p.kind == "dense"), lambda p: p.sparsity)
        own = fastest((p for p in mine if p.kind == "own"), lambda p: p.sparsity)
        place = f"In {dtype}, at" if len(dtypes) > 1 else "At"
        for share in sorted(own.keys() & dense.keys()):
            times = dense[share].milliseconds / own[share].milliseconds
            sentences.append(
                f"{place} {_percent(share)} zeros the sparse product takes "
                f"{own[share].milliseconds:.4g} ms, {times:.3g} times as fast as the fastest "
                f"dense one; {1 / (1 - share):.4g} is the most possible."
            )
    rate, _ = _ceilings(document)
    if rate and any(p.gflops > rate for p in forward if p.dtype == "float32"):
        sentences.append(
            f"The ceiling of {rate:.4g} GFLOP/s is the dense product that the cost model was "
            "measured with; products above it are faster than that one."
        )
    return " ".join(sentences)


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _table(points: list[Point]) -> Table:
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
