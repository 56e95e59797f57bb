"""The figure of a spectrum: singular values against the Ramanujan bound."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs import spectral
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, attach
from rbgp_graphs.viz.origins import TRIVIAL, ZERO, origins
from rbgp_graphs.viz.raster import Subject, as_subject

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: With more distinct values the figure shows a histogram.
_MOST_STEMS = 96
_NUM_BINS = 64
#: Values below this part of the largest are drawn as 0.
_ZERO = 1e-12
#: How values are marked by the factors that they come from, in the order in which these appear.
_ORIGIN_LOOKS = (
    (style.BLUE, "circle"),
    (style.GREEN, "diamond"),
    (style.PURPLE, "square"),
    (style.ORANGE, "cross"),
    (style.VERMILION, "star"),
    (style.GREY, "hexagon"),
)
_LAW_POINTS = 200
#: Foot of the stems on the logarithmic axis, so that a multiplicity of 1 is visible.
_FOOT = 0.6


def spectrum(
    p: Any, *, theme: style.Theme = "light", verdict: spectral.Verdict | None = None
) -> go.Figure:
    r"""Draw the singular values of a graph or product, with the Ramanujan bound.

    Parameters
    ----------
    p : TensorProduct, BipartiteGraph or array_like, shape (rows, cols)
        A pattern, a graph, or a dense or sparse mask.
    theme : {"light", "dark"}
        Colours of text and background.
    verdict : Verdict, optional
        What `rbgp_graphs.verify` returned for `p`, if it is known already.

    Returns
    -------
    plotly.graph_objects.Figure
        Multiplicities over singular values: a stem for each value, or a histogram where there
        are more than 96 distinct ones. Marked are the trivial value
        :math:`\sigma_1=\sqrt{d_l d_r}`, the second value :math:`\sigma_2` with the factor it
        comes from, and the bound :math:`\sqrt{d_l-1}+\sqrt{d_r-1}`. For a graph that is not
        biregular the bound is not defined, and not drawn. ``layout.meta`` holds a text
        alternative and a table.

    Raises
    ------
    ArgumentTypeError
        If `p` is no pattern, graph or mask.
    ArgumentError
        If `p` has no cells, or is not biregular and too large for a dense SVD.
    MissingDependencyError
        If plotly is not installed.

    Notes
    -----
    Where not all singular values can be computed, only the marks are drawn. A value of a product
    comes from the factors that do not stand at their largest value there. Over stems the law has
    an axis of its own, on the right.

    Examples
    --------
    >>> from rbgp_graphs import lps
    >>> figure = spectrum(lps(3, 5))
    >>> figure.layout.xaxis.title.text
    'singular value'
    """
    subject = as_subject(p)
    height, width = subject.shape
    figure = style.new_figure(f"Singular values, {height:,} × {width:,}", style.as_theme(theme))
    if verdict is None and has_bound(subject):
        verdict = spectral.verify(subject)
    found = _values(subject, is_required=verdict is None)
    top = 1.0
    table = Table(["singular value", "multiplicity", "mark"], [])
    if found is not None:
        table = _add_values(figure, subject, found, verdict)
        top = float(max(figure.data[-1].y if _is_binned(found) else found.multiplicities))
        _add_law(figure, found, verdict)
    if verdict is not None:
        _add_marks(figure, verdict, top, origin(subject, verdict))
    figure.update_xaxes(title_text="singular value", rangemode="tozero")
    is_histogram = found is not None and _is_binned(found)
    figure.layout.yaxis.update(
        title_text="values in a bin" if is_histogram else "multiplicity",
        type="log",
        dtick=1 if top > 300 else "D2",
        tickformat=",",
        range=[np.log10(_FOOT), np.log10(3 * top)],
    )
    # The legend grows with the number of origins.
    named = sum(trace.showlegend is not False for trace in figure.data)
    style.set_height(figure, 440 + 10 * named)
    attach(figure, _describe(subject, found, verdict), table)
    return figure


def origin(subject: Subject, verdict: spectral.Verdict) -> tuple[str, ...]:
    """Return the names of the factors that the second singular value of a product comes from.

    Empty for a graph, and for a twisted pattern, whose values are no products of factors' values.
    """
    if not isinstance(subject, TensorProduct) or len(subject.factors) == 1:
        return ()
    if isinstance(subject, RBGP4) and subject.is_twisted:
        return ()
    ratios = [factor.sigma2 / factor.sigma1 for factor in verdict.factors]
    pairs = zip(subject.factor_names, ratios, strict=True)
    return tuple(name for name, ratio in pairs if ratio > 0 and ratio >= max(ratios) - 1e-9)


def has_bound(subject: Subject) -> bool:
    """Return whether the Ramanujan bound is defined: for all products, not for all graphs."""
    if isinstance(subject, BipartiteGraph):
        return subject.degrees is not None and subject.num_edges > 0
    return True


def _values(subject: Subject, *, is_required: bool) -> spectral.Spectrum | None:
    try:
        return spectral.spectrum(subject)
    except ArgumentError:
        if is_required:
            raise
        return None


def _add_values(
    figure: go.Figure,
    subject: Subject,
    found: spectral.Spectrum,
    verdict: spectral.Verdict | None,
) -> Table:
    """Draw the stems or the histogram; return what they show."""
    # A dense SVD finds a singular value 0 up to rounding.
    values = np.where(found.values > _ZERO * found.values[0], found.values, 0.0)
    counts = found.multiplicities
    sources = origins(subject, values)
    if _is_binned(found):
        return _add_histogram(figure, values, counts, sources)
    x = np.repeat(values, 3).astype(object)
    y = np.repeat(counts, 3).astype(object)
    x[2::3] = y[2::3] = None
    y[::3] = _FOOT / 10
    figure.add_scatter(
        x=x.tolist(),
        y=y.tolist(),
        mode="lines",
        line={"color": style.BLUE if sources is None else style.GREY, "width": 3},
        hoverinfo="skip",
        showlegend=False,
    )
    looks = dict(zip(dict.fromkeys(sources or ()), _looks(), strict=False))
    texts = sources or [""] * len(values)
    figure.add_scatter(
        x=values.tolist(),
        y=counts.tolist(),
        mode="markers",
        marker={
            "color": [looks[text][0] for text in sources] if sources else style.BLUE,
            "symbol": [looks[text][1] for text in sources] if sources else "circle",
            "size": 9,
        },
        name="singular value",
        showlegend=sources is None,
        cliponaxis=False,
        customdata=[_from(text) for text in texts],
        hovertemplate="singular value %{x:.6g}<br>multiplicity %{y:,}"
        + ("<br>%{customdata}" if sources else "")
        + "<extra></extra>",
    )
    for text, (color, symbol) in looks.items():
        if text == TRIVIAL:
            # It has a line with a name of its own.
            continue
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 9},
            name=_from(text),
            hoverinfo="skip",
        )
    marks = [_mark(value, verdict) for value in values.tolist()]
    rows = [
        (f"{value:.6g}", f"{count:,}", mark, *([] if sources is None else [_from(text)]))
        for value, count, mark, text in zip(
            values.tolist(), counts.tolist(), marks, texts, strict=True
        )
    ]
    columns = ["singular value", "multiplicity", "mark", *([] if sources is None else ["origin"])]
    return Table(columns, rows)


def _is_binned(found: spectral.Spectrum) -> bool:
    return len(found.values) > _MOST_STEMS


def _looks() -> Iterator[tuple[str, str]]:
    return itertools.cycle(_ORIGIN_LOOKS)


def _from(source: str) -> str:
    return source if source in (TRIVIAL, ZERO, "") else f"from {source}"


def _add_law(figure: go.Figure, found: spectral.Spectrum, verdict: spectral.Verdict | None) -> None:
    """Draw the limit law: as expected counts over a histogram, else on an axis of its own."""
    if verdict is None or min(verdict.degrees) < 2:
        return
    left, right = verdict.degrees
    low, high = abs(np.sqrt(left - 1) - np.sqrt(right - 1)), verdict.bound
    # The law of degrees (2, 2) is infinite at the end.
    x = low + (high - low) * (np.arange(_LAW_POINTS) + 0.5) / _LAW_POINTS
    y = spectral.limit_density(left, right, x)
    is_histogram = _is_binned(found)
    if is_histogram:
        y = y * found.count * float(found.values[0]) / _NUM_BINS
    figure.add_scatter(
        x=x.tolist(),
        y=y.tolist(),
        mode="lines",
        line={"color": style.ORANGE, "width": 2},
        name="limit law of random graphs",
        hovertemplate="limit law at %{x:.4g}: %{y:.4g}"
        + (" values in a bin" if is_histogram else "")
        + "<extra></extra>",
        yaxis="y" if is_histogram else "y2",
    )
    if not is_histogram:
        figure.update_layout(
            yaxis2={
                "overlaying": "y",
                "side": "right",
                "range": [0, 1.15 * float(y.max())],
                "title": {"text": "density of the law"},
                "showgrid": False,
                "tickmode": "auto",
                "nticks": 5,
            }
        )


def _mark(value: float, verdict: spectral.Verdict | None) -> str:
    if verdict is None:
        return ""
    near = 1e-8 * verdict.sigma1
    if abs(value - verdict.sigma1) <= near:
        return "trivial value" if verdict.connected else "trivial value, repeated"
    if abs(value - verdict.sigma2) <= near + verdict.error_bound:
        return "second value"
    return ""


def _add_histogram(
    figure: go.Figure,
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    sources: list[str] | None,
) -> Table:
    heights, edges = np.histogram(
        values, bins=_NUM_BINS, range=(0, float(values[0])), weights=counts
    )
    low, high = edges[:-1], edges[1:]
    filled = heights > 0
    ranges = [f"{a:.4g} to {b:.4g}" for a, b in zip(low[filled], high[filled], strict=True)]
    heights = heights[filled].astype(np.int64)
    parts = _parts(values, counts, sources, edges, filled)
    figure.add_bar(
        x=((low + high) / 2)[filled].tolist(),
        y=heights.tolist(),
        width=(high - low)[filled].tolist(),
        marker={"color": style.BLUE, "line": {"width": 0}},
        name="singular values in a bin",
        customdata=list(zip(ranges, parts, strict=True)),
        hovertemplate="singular values %{customdata[0]}<br>%{y:,} of them"
        + ("<br>%{customdata[1]}" if sources else "")
        + "<extra></extra>",
    )
    columns = ["singular value", "multiplicity", "mark"]
    rows: list[tuple[str, ...]] = [
        (text, f"{count:,}", "") for text, count in zip(ranges, heights.tolist(), strict=True)
    ]
    if sources is not None:
        columns.append("origin")
        rows = [(*row, part.replace("<br>", ", ")) for row, part in zip(rows, parts, strict=True)]
    return Table(columns, rows)


def _parts(
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    sources: list[str] | None,
    edges: NDArray[np.float64],
    filled: NDArray[np.bool_],
) -> list[str]:
    """Say for each filled bin how many of its values come from which factors."""
    texts: list[list[str]] = [[] for _ in range(int(filled.sum()))]
    for source in dict.fromkeys(sources or ()):
        mine = np.array([other == source for other in sources or ()])
        heights, _ = np.histogram(values[mine], bins=edges, weights=counts[mine])
        for text, count in zip(texts, heights[filled].astype(np.int64).tolist(), strict=True):
            if count:
                text.append(f"{count:,} {_from(source)}")
    return ["<br>".join(text) for text in texts]


def _add_marks(
    figure: go.Figure, verdict: spectral.Verdict, top: float, factors: tuple[str, ...]
) -> None:
    """Draw the bound, the trivial and the second value as lines from foot to top."""
    dashes = {"σ₁": "dot", "bound": "dash", "σ₂": "solid"}
    second = f"second value σ₂ = {verdict.sigma2:.6g}"
    if factors:
        second += ", from " + " and ".join(factors)
    if verdict.bound < verdict.sigma1:
        figure.add_vrect(
            x0=verdict.bound,
            x1=verdict.sigma1,
            fillcolor=style.VERMILION,
            opacity=0.1,
            line_width=0,
            layer="below",
            showlegend=True,
            name="beyond the bound",
        )
    for key, value, color, name in (
        ("bound", verdict.bound, style.GREEN, f"Ramanujan bound = {verdict.bound:.6g}"),
        ("σ₂", verdict.sigma2, style.VERMILION, second),
        ("σ₁", verdict.sigma1, style.GREY, f"trivial value σ₁ = {verdict.sigma1:.6g}"),
    ):
        figure.add_scatter(
            x=[value, value],
            y=[_FOOT / 10, 10 * top],
            mode="lines",
            line={"color": color, "width": 2, "dash": dashes[key]},
            name=name,
            hovertemplate=f"{name}<extra></extra>",
        )


def _describe(
    subject: Subject, found: spectral.Spectrum | None, verdict: spectral.Verdict | None
) -> str:
    sentences = []
    if found is None:
        sentences.append("Only the largest two singular values are known.")
    else:
        number = len(found.values)
        sentences.append(f"{found.count:,} singular values, {number:,} of them distinct.")
    if verdict is None:
        sentences.append("The degrees differ, so that no Ramanujan bound is defined.")
        return " ".join(sentences)
    left, right = verdict.degrees
    sentences.append(
        f"The trivial value is {verdict.sigma1:.6g} = √({left} · {right}), the second value "
        f"{verdict.sigma2:.6g}, the Ramanujan bound √({left} − 1) + √({right} − 1) = "
        f"{verdict.bound:.6g}."
    )
    sentences.append(f"σ₂/σ₁ is {verdict.sigma2 / verdict.sigma1:.4g}.")
    names = origin(subject, verdict)
    if names:
        sentences.append(f"The second value comes from {' and '.join(names)}.")
    if not verdict.connected:
        sentences.append("The graph is disconnected: the trivial value is repeated.")
    return " ".join(sentences)
