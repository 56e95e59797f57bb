"""``rbgp design``: the pattern for a layer."""

from __future__ import annotations

from typing import get_args

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples, force_option, rng_option, share_of_zeros
from rbgp_graphs.cli.files import check_output
from rbgp_graphs.cli.output import Result, Table, working
from rbgp_graphs.selection import ceilings_of
from rbgp_graphs.selection.design import Objective

_COLUMNS = 256


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp design 1024 1024 93.75% -o layer.rbgp",
        "rbgp design 4096 1024 0.875 --objective gap",
        "rbgp design 4096 4096 15/16 --row-group 64 --block 4 4",
        "rbgp design 4096 4096 15/16 --space",
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
    help="A large spectral gap, a fast product, small tables, or a balance.",
)
@click.option("--row-group", type=int, metavar="N", help="Rows that share one column list.")
@click.option("--block", type=int, nargs=2, metavar="M N", help="The dense element block.")
@click.option(
    "--device",
    metavar="NAME",
    help="Whose limits predict times: cpu, default, or another that doctor has stored.",
)
@click.option("--space", is_flag=True, help="List what there is to choose, and build nothing.")
@click.option(
    "--columns",
    type=click.IntRange(1, 2**31),
    metavar="N",
    help=f"With --space: columns of the operand that is timed; {_COLUMNS} by default.",
)
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
    device: str | None,
    space: bool,
    columns: int | None,
    rng: int,
    out: str | None,
    force: bool,
) -> Result:
    """Choose the factors of a pattern for a layer.

    ROWS and COLS are the outputs and inputs of the layer. SPARSITY is its share of zeros, as
    0.9375, 93.75% or 15/16. With --space the table holds the patterns that no other surpasses
    in gap, predicted time and index bytes at once; --json lists all.
    """
    if space:
        if out is not None:
            raise click.UsageError("-o goes without --space, which builds no pattern")
        groups = None if row_group is None else [row_group]
        layer = (rows, cols, sparsity, groups, block)
        return _space(layer, _COLUMNS if columns is None else columns, device)
    if columns is not None:
        raise click.UsageError("--columns goes with --space")
    if out is not None:
        check_output(out, force, ".rbgp")
    with working("choosing the factors"):
        pattern = rg.design(
            rows,
            cols,
            sparsity,
            objective=objective,
            row_group=row_group,
            block=block,
            device=device,
            rng=rng,
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


def _space(
    layer: tuple[int, int, float, list[int] | None, tuple[int, int] | None],
    columns: int,
    device: str | None,
) -> Result:
    rows, cols, sparsity, groups, block = layer
    with working("listing the patterns"):
        found = rg.design_space(
            rows,
            cols,
            sparsity,
            row_groups=groups,
            block=block,
            columns=columns,
            device=device,
        )
    limits = ceilings_of(device)
    best = [candidate for candidate in found if candidate.pareto]
    words = {
        "layer": f"{facts.size((rows, cols))}, sparsity {facts.percent(sparsity)}",
        "times": f"predicted for N = {columns}, float32, on {limits.device}: "
        + (f"measured {limits.measured}" if limits.measured else "assumed limits"),
        "patterns": f"{len(found):,}; {len(best):,} that no other surpasses",
    }
    table = Table(
        columns=(">row group", "tile", ">tiles there", ">gap", ">s2/s1", ">ms", ">index bytes"),
        rows=[
            (
                str(c.row_group),
                facts.size(c.tile_shape),
                facts.percent(c.tile_share),
                f"{c.normalized_gap:.3f}",
                f"{c.ratio:.3f}",
                f"{1e3 * c.seconds:.3f}",
                f"{c.index_bytes:,}",
            )
            for c in best
        ],
    )
    note = "gap: (sigma1 - sigma2) / (sigma1 - bound), at least 1 for a Ramanujan graph."
    data = {
        "rows": rows,
        "cols": cols,
        "sparsity": sparsity,
        "columns": columns,
        "ceilings": limits.as_dict(),
        "candidates": [candidate.as_dict() for candidate in found],
    }
    return Result(data=data, text=[words, table, note])
