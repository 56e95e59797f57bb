"""The page of the demo: the report of the pattern, with what was trained and timed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rbgp_graphs.viz import Section, Table, report
from rbgp_graphs.viz.alternative import attach
from rbgp_graphs.viz.theme import graph_objects, new_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from rbgp_graphs.demo.run import DemoResult


def write_page(result: DemoResult, path: Path) -> None:
    """Write the report on the pattern of the demo, with sections on accuracy, size and time.

    Parameters
    ----------
    result : DemoResult
        What the demo measured.
    path : Path
        Where to write; an existing file is replaced.
    """
    accuracies = Table(
        ["hidden layer", "hidden weights", "test accuracy by seed", "mean", "seconds"],
        [
            [
                kind.name,
                f"{kind.num_weights:,}",
                ", ".join(f"{accuracy:.1%}" for accuracy in kind.accuracies),
                f"{kind.accuracy:.1%}",
                f"{kind.seconds:.1f}",
            ]
            for kind in result.comparisons
        ],
    )
    sizes = Table(
        ["form", "bytes"], [[name, f"{size:,}"] for name, size in result.storage_bytes.items()]
    )
    times = Table(
        ["product", "milliseconds", "spread", "useful GFLOP/s"],
        [
            [
                timing.name,
                f"{timing.milliseconds:.2f}",
                f"{timing.spread_milliseconds:.2f}",
                f"{timing.useful_gflops:.1f}",
            ]
            for timing in result.timings
        ],
    )
    report(
        result.pattern,
        path,
        title="A sparse hidden layer for handwritten digits",
        verdict=result.verdict,
        extra=[
            Section(
                "What the network learned",
                "The same network with three kinds of hidden layer. Differences of a percent are "
                "within what another seed or another split of the images changes.",
                _losses(result),
                table=accuracies,
            ),
            Section("Size on disk, without the weights", table=sizes),
            Section(
                "Time of one product",
                "Median wall time on the machine that ran the demo, results checked against "
                "float64 first. Useful operations are two for each nonzero and column.",
                table=times,
            ),
        ],
    )


def _losses(result: DemoResult) -> go.Figure:
    """Return the training loss against the epoch for each kind of layer."""
    figure = new_figure("Training loss", "light")
    dashes = ("solid", "dash", "dot")
    for kind, dash in zip(result.comparisons, dashes, strict=True):
        figure.add_trace(
            graph_objects().Scatter(
                x=list(range(1, len(kind.losses) + 1)),
                y=kind.losses,
                name=kind.name,
                mode="lines+markers",
                line={"dash": dash, "width": 2},
                hovertemplate="epoch %{x}: %{y:.4f}<extra>" + kind.name + "</extra>",
            )
        )
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="mean cross-entropy (log scale)", type="log")
    figure.update_layout(height=420)
    last = ", ".join(f"{kind.name} {kind.losses[-1]:.4f}" for kind in result.comparisons)
    epochs = range(len(result.comparisons[0].losses))
    table = Table(
        ["epoch", *(kind.name for kind in result.comparisons)],
        [
            [epoch + 1, *(f"{kind.losses[epoch]:.4f}" for kind in result.comparisons)]
            for epoch in epochs
        ],
    )
    attach(figure, f"Training loss per epoch; it ends at {last}.", table)
    return figure
