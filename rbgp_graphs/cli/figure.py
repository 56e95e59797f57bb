"""``rbgp figure``: every figure as a page or an image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import rbgp_graphs as rg
from rbgp_graphs.cli.command import (
    Command,
    Group,
    examples,
    force_option,
    half_open_range,
    share_of_zeros,
)
from rbgp_graphs.cli.files import InputError, check_output, read, read_pattern_or_mask
from rbgp_graphs.cli.output import Result, working
from rbgp_graphs.viz.images import SUFFIXES

if TYPE_CHECKING:
    import plotly.graph_objects as go

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group("figure", cls=Group, epilog=examples("rbgp figure pattern layer.rbgp -o layer.html"))
def figure() -> None:
    """Draw a figure as a page, an image or JSON.

    A page opens offline; there one can zoom in, and read the data in a table. Images (PNG, SVG,
    PDF) need kaleido and Chrome or Chromium.
    """


def _output(function: _F) -> _F:
    """Add what all figures share: where to write, and the theme."""
    function = force_option(function)
    function = click.option(
        "--theme",
        type=click.Choice(["light", "dark"]),
        default="light",
        show_default=True,
        help="Colours of an image; a page follows its reader.",
    )(function)
    return click.option(
        "-o", "--out", required=True, metavar="OUT", help=f"Name in {', '.join(SUFFIXES)}."
    )(function)


def _command(name: str, *lines: str) -> Callable[[Callable[..., Any]], click.Command]:
    return figure.command(
        name, cls=Command, epilog=examples(*(f"rbgp figure {name} {line}" for line in lines))
    )


def _write(name: str, out: str, force: bool, draw: Callable[[], go.Figure]) -> Result:
    """Check the name, draw, write, and say in words what the figure shows."""
    check_output(out, force)
    if Path(out).suffix.lower() not in SUFFIXES:
        raise rg.ArgumentError(f"{out} is no name for a figure, expected {', '.join(SUFFIXES)}")
    with working("drawing"):
        drawn = draw()
        rg.viz.save(drawn, out, overwrite=force)
    meta = drawn.layout.meta
    data = {"figure": name, "file": out, "text": meta["text"]}
    table = {"columns": meta["columns"], "rows": meta["rows"]}
    text = [{"figure": f"{name}, {drawn.layout.title.text}", "file": out}, meta["text"]]
    return Result(data={**data, "table": table}, text=text)


@_command("pattern", "layer.rbgp -o layer.html", "layer.rbgp --rows 0:512 -o part.png")
@click.argument("file")
@click.option("--rows", type=half_open_range, metavar="A:B", help="Rows; all by default.")
@click.option("--cols", type=half_open_range, metavar="A:B", help="Columns; all by default.")
@_output
def pattern(
    file: str,
    rows: tuple[int | None, int | None] | None,
    cols: tuple[int | None, int | None] | None,
    out: str,
    theme: Any,
    force: bool,
) -> Result:
    """Draw the mask, with the levels of the product.

    FILE is a .rbgp file, or a mask in .npz, .npy, .mtx and others.
    """
    subject = read_pattern_or_mask(file)
    height, width = subject.shape
    row_range, col_range = _closed(rows, height), _closed(cols, width)
    return _write(
        "pattern",
        out,
        force,
        lambda: rg.viz.pattern(subject, row_range, col_range, theme=theme),
    )


def _closed(window: tuple[int | None, int | None] | None, size: int) -> tuple[int, int]:
    start, stop = window or (None, None)
    return 0 if start is None else start, size if stop is None else stop


@_command("factors", "layer.rbgp -o factors.html")
@click.argument("file")
@_output
def factors(file: str, out: str, theme: Any, force: bool) -> Result:
    """Draw the factors of a product, and how they nest."""
    subject = read(file).obj
    return _write("factors", out, force, lambda: rg.viz.factors(subject, theme=theme))


@_command("graph", "graph.rbgp -o graph.html", "layer.rbgp --factor inner -o inner.svg")
@click.argument("file")
@click.option("--factor", metavar="NAME", help="Of a product, the factor to draw.")
@click.option(
    "--order",
    type=click.Choice(["index", "spectral"]),
    default="index",
    show_default=True,
    help="Order of the vertices.",
)
@_output
def graph(file: str, factor: str | None, order: Any, out: str, theme: Any, force: bool) -> Result:
    """Draw a small graph: its vertices and edges."""
    subject = read(file).obj
    if factor is not None:
        subject = _factor(subject, factor)
    return _write("graph", out, force, lambda: rg.viz.graph(subject, order, theme=theme))


def _factor(subject: Any, name: str) -> Any:
    if not isinstance(subject, rg.TensorProduct):
        raise rg.ArgumentError("the file holds a graph, which has no factors; leave out --factor")
    if name not in subject.factor_names:
        raise rg.ArgumentError(
            f"--factor is {name!r}, expected one of {', '.join(subject.factor_names)}"
        )
    return subject.factors[subject.factor_names.index(name)]


@_command("spectrum", "layer.rbgp -o spectrum.html")
@click.argument("file")
@_output
def spectrum(file: str, out: str, theme: Any, force: bool) -> Result:
    """Draw the singular values, with the Ramanujan bound.

    FILE is a .rbgp file, or a mask in .npz, .npy, .mtx and others.
    """
    subject = read_pattern_or_mask(file)
    return _write("spectrum", out, force, lambda: rg.viz.spectrum(subject, theme=theme))


@_command("tiling", "layer.rbgp -o tiling.html", "layer.rbgp --itemsize 2 -o tiling.html")
@click.argument("file")
@click.option("--row", type=int, default=0, show_default=True, help="Row of tiles.")
@click.option(
    "--tile-cols", type=int, default=64, show_default=True, help="Columns of the output tile."
)
@click.option("--cols", type=int, default=1024, show_default=True, help="Columns of the operand.")
@click.option(
    "--itemsize", type=int, default=4, show_default=True, help="Bytes of a value: 1, 2, 4 or 8."
)
@_output
def tiling(
    file: str,
    row: int,
    tile_cols: int,
    cols: int,
    itemsize: int,
    out: str,
    theme: Any,
    force: bool,
) -> Result:
    """Draw what one output tile of a product loads, step by step."""
    subject = read(file).obj
    numbers = (row, tile_cols, cols, itemsize)
    return _write("tiling", out, force, lambda: rg.viz.tiling(subject, *numbers, theme=theme))


@_command("compare", "layer.rbgp pruned.npz -o compare.html")
@click.argument("files", nargs=-1, required=True, metavar="FILES")
@_output
def compare(files: tuple[str, ...], out: str, theme: Any, force: bool) -> Result:
    """Draw patterns side by side, with their measures.

    Each of FILES is a .rbgp file, or a mask in .npz, .npy, .mtx and others.
    """
    subjects = [read_pattern_or_mask(file) for file in files]
    names = [Path(file).stem for file in files]
    return _write(
        "compare", out, force, lambda: rg.viz.compare(*subjects, names=names, theme=theme)
    )


@_command("design-space", "1024 1024 93.75% -o space.html")
@click.argument("rows", type=int)
@click.argument("cols", type=int)
@click.argument("sparsity", type=share_of_zeros)
@click.option("--device", metavar="NAME", help="Whose limits the predicted times take.")
@click.option("--pictures", type=int, default=12, show_default=True, help="Patterns to picture.")
@_output
def design_space(
    rows: int,
    cols: int,
    sparsity: float,
    device: str | None,
    pictures: int,
    out: str,
    theme: Any,
    force: bool,
) -> Result:
    """Draw all patterns for a layer by gap, time and size."""

    def draw() -> go.Figure:
        found = rg.design_space(rows, cols, sparsity, device=device)
        return rg.viz.design_space(found, pictures, theme=theme)

    return _write("design-space", out, force, draw)


@_command("benchmark", "results.json -o benchmark.html")
@click.argument("file")
@_output
def benchmark(file: str, out: str, theme: Any, force: bool) -> Result:
    """Draw what `rbgp bench --out` wrote."""
    if not Path(file).is_file():
        raise InputError(f"cannot read {file}: there is no such file")
    return _write("benchmark", out, force, lambda: rg.viz.benchmark(file, theme=theme))
