"""``rbgp demo``: the main job on real data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rbgp_graphs.cli.command import Command, examples, force_option
from rbgp_graphs.cli.output import Result, print_line
from rbgp_graphs.encoding.atomic import as_path


@click.command(cls=Command, epilog=examples("rbgp demo", "rbgp demo --out results --force"))
@click.option("--out", default="demo", show_default=True, metavar="FOLDER", help="Where to write.")
@force_option
@click.pass_context
def demo(ctx: click.Context, out: str, force: bool) -> Result:
    """Train a network with a sparse layer on handwritten digits.

    Designs, verifies and stores a layer of 1024 x 1024 with 93.75 % zeros, trains networks with
    it, with a dense layer and with a random mask, times the product, and writes a folder with
    the files and a page of figures. Takes under a minute.
    """
    from rbgp_graphs import demo as job

    stream = sys.stderr if ctx.meta.get("as_json") else sys.stdout
    result = job.run(Path(as_path(out)), lambda line: print_line(line, stream), overwrite=force)
    return Result(data=result.as_dict())
