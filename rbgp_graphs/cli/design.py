"""``rbgp design``: the pattern for a layer."""

from __future__ import annotations

from typing import get_args

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples, force_option, rng_option, share_of_zeros
from rbgp_graphs.cli.files import check_output
from rbgp_graphs.cli.output import Result, working
from rbgp_graphs.selection.design import Objective


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp design 1024 1024 93.75% -o layer.rbgp",
        "rbgp design 4096 1024 0.875 --objective gap",
        "rbgp design 4096 4096 15/16 --row-group 64 --block 4 4",
    ),
)
@click.argument("rows", type=int)
@click.argument("cols", type=int)
@click.argument("sparsity", type=share_of_zeros)
@click.option(
    "--objective",
    type=click.Choice(get_args(Objective)),
    default="balanced",
    show_default=True,
    help="A large spectral gap, a fast product, or both.",
)
@click.option("--row-group", type=int, metavar="N", help="Rows that share one column list.")
@click.option("--block", type=int, nargs=2, metavar="M N", help="The dense element block.")
@rng_option
@click.option("-o", "--out", metavar="FILE", help="Write the pattern to this .rbgp file.")
@force_option
def design(
    rows: int,
    cols: int,
    sparsity: float,
    objective: Objective,
    row_group: int | None,
    block: tuple[int, int] | None,
    rng: int,
    out: str | None,
    force: bool,
) -> Result:
    """Choose the factors of a pattern for a layer.

    ROWS and COLS are the outputs and inputs of the layer. SPARSITY is its share of zeros, as
    0.9375, 93.75% or 15/16.
    """
    if out is not None:
        check_output(out, force, ".rbgp")
    with working("choosing the factors"):
        pattern = rg.design(
            rows, cols, sparsity, objective=objective, row_group=row_group, block=block, rng=rng
        )
        verdict = rg.verify(pattern)
    data, words = facts.describe(pattern)
    words |= facts.gap_words(verdict)
    if out is not None:
        data["file_bytes"] = rg.save(out, pattern, overwrite=force)
        words["file"] = f"{out}, {data['file_bytes']:,} bytes"
    return Result(
        data={**data, "file": out, "verdict": facts.verdict_data(pattern, verdict)},
        text=[words, facts.factors_table(pattern), facts.verdicts_table(pattern, verdict)],
    )
