"""``rbgp detect``: the pattern behind a mask."""

from __future__ import annotations

from typing import Any

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples, force_option
from rbgp_graphs.cli.files import InputError, check_output
from rbgp_graphs.cli.output import Result, Text, working


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp detect mask.npz",
        "rbgp detect model.safetensors --name encoder.weight -o layer.rbgp",
        "rbgp detect graph.g6 --left 16",
    ),
)
@click.argument("file")
@click.option("--name", metavar="TENSOR", help="Which tensor of a file with several.")
@click.option(
    "--left", type=click.IntRange(min=0), metavar="N", help="Left vertices of a .g6 or .s6 file."
)
@click.option("-o", "--out", metavar="OUT", help="Write the pattern to this .rbgp file.")
@force_option
def detect(file: str, name: str | None, left: int | None, out: str | None, force: bool) -> Result:
    """Say whether a mask is an RBGP4 pattern, and of which factors.

    FILE is a mask or a weight matrix in any format that read_mask knows. Exit code 0: it is a
    pattern. Exit code 1: it is none; a near one is printed, and nothing is written.
    """
    if out is not None:
        check_output(out, force, ".rbgp")
    with working("reading"):
        try:
            graph = rg.export.read_mask(file, name=name, left=left)
        except rg.ArgumentError as error:
            raise InputError(str(error)) from error
    with working("looking for factors"):
        found = rg.export.detect(graph)
    data: dict[str, Any] = {
        "file": file,
        "shape": list(graph.shape),
        "num_edges": graph.num_edges,
        "density": found.density,
        "degrees": None if graph.degrees is None else list(graph.degrees),
        "block_shape": list(found.block_shape),
        "row_group": found.row_group,
        "is_pattern": found.pattern is not None,
        "distance": found.distance,
        "nearest": None if found.nearest is None else facts.describe(found.nearest)[0],
        "out": None,
    }
    words = {
        "mask": f"{facts.size(graph.shape)}, {graph.num_edges:,} nonzeros",
        "density": facts.percent(found.density),
        "degrees": "differ" if graph.degrees is None else facts.pair(graph.degrees),
        "block": f"{facts.size(found.block_shape)} dense",
    }
    text: list[Text] = [words]
    if found.nearest is None:
        words["pattern"] = "none, and none is near"
    else:
        _, described = facts.describe(found.nearest)
        text += [described, facts.factors_table(found.nearest)]
        words["pattern"] = "found, equal to the mask"
        if found.pattern is None:
            words["pattern"] = f"none; the one below differs in {found.distance:,} entries"
        elif out is not None:
            data["out"] = out
            words["file"] = f"{out}, {rg.save(out, found.pattern, overwrite=force):,} bytes"
    return Result(data=data, text=text, exit_code=int(found.pattern is None))
