"""``rbgp show``: the facts and a picture."""

from __future__ import annotations

from typing import Any

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples, force_option, half_open_range
from rbgp_graphs.cli.files import check_output, read
from rbgp_graphs.cli.output import Result, Text, can_print, text_width, working
from rbgp_graphs.cli.picture import Picture, draw
from rbgp_graphs.viz.raster import as_window

_FRAME = 4


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp show layer.rbgp",
        "rbgp show layer.rbgp --rows 0:64 --cols 0:64",
        "rbgp show layer.rbgp --html report.html",
        "rbgp show layer.rbgp --certificate",
    ),
)
@click.argument("file")
@click.option(
    "--rows", type=half_open_range, metavar="A:B", help="Rows of the picture; all by default."
)
@click.option(
    "--cols", type=half_open_range, metavar="A:B", help="Columns of the picture; all by default."
)
@click.option("--certificate", is_flag=True, help="Also print the proofs that the file holds.")
@click.option("--html", metavar="OUT", help="Also write a page with figures and verdicts.")
@force_option
def show(
    file: str,
    rows: tuple[int | None, int | None] | None,
    cols: tuple[int | None, int | None] | None,
    certificate: bool,
    html: str | None,
    force: bool,
) -> Result:
    """Print the facts of a file and a picture of its pattern.

    Ranges are half-open and count from 0. The picture takes the same time at every size.
    """
    if html is not None:
        check_output(html, force, ".html")
    loaded = read(file)
    subject = loaded.obj
    data, words = facts.describe(subject)
    data["values"] = None if loaded.values is None else str(loaded.values.dtype)
    words["values"] = data["values"] or "none"
    names = ", ".join(loaded.certificates)
    words["proofs"] = f"about {names}; not checked here" if names else "none"
    text: list[Text] = [words]
    data["certificates"] = list(loaded.certificates)
    if certificate:
        data["certificates"] = {
            name: facts.certificate_data(found) for name, found in loaded.certificates.items()
        }
        if loaded.certificates:
            text.append(facts.certificate_words(loaded.certificates))
            text.append("Nothing is checked here; rbgp verify --stored does that.")
    if isinstance(subject, rg.TensorProduct):
        text.append(facts.factors_table(subject))
    data["picture"] = None
    if 0 not in subject.shape:
        height, width = subject.shape
        row_window = as_window("--rows", _closed(rows, height), height)
        col_window = as_window("--cols", _closed(cols, width), width)
        picture = draw(subject, row_window, col_window, text_width() - _FRAME)
        data["picture"] = _picture_data(picture)
        lines = "\n".join(picture.lines())
        text.append(lines if can_print(lines) else "\n".join(picture.lines(ascii_only=True)))
    if html is not None:
        with working("writing the page"):
            rg.viz.report(subject, html, overwrite=force)
        words["page"] = html
    return Result(data={**data, "file": file, "page": html}, text=text)


def _closed(window: tuple[int | None, int | None] | None, size: int) -> tuple[int, int]:
    start, stop = window or (None, None)
    return 0 if start is None else start, size if stop is None else stop


def _picture_data(picture: Picture) -> dict[str, Any]:
    raster = picture.raster
    return {
        "row_edges": raster.row_edges.tolist(),
        "col_edges": raster.col_edges.tolist(),
        "density": raster.density.tolist(),
    }
