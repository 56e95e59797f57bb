"""``rbgp bench``: products next to their peers, as tables or one JSON document."""

from __future__ import annotations

import sys
from typing import Any

import click

import rbgp_graphs as rg
from rbgp_graphs.bench import document as documents
from rbgp_graphs.bench.suites import DTYPES, SUITES, cases
from rbgp_graphs.cli.command import Command, examples, force_option
from rbgp_graphs.cli.facts import percent
from rbgp_graphs.cli.files import check_output
from rbgp_graphs.cli.output import Result, Table, Text, print_line

_ROUNDS, _QUICK_ROUNDS = 7, 5
#: What --quick measures when no suite is named.
_QUICK_SUITES = ("sparsity", "columns", "training", "layers")
#: Headings, and the kinds of peers whose fastest is shown.
_KINDS = (
    ("dense", ("dense",)),
    ("same", ("same pattern",)),
    ("random", ("unstructured",)),
    ("blocks", ("blocks",)),
)


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp bench --quick",
        "rbgp bench sparsity row_group -o results.json",
        "rbgp bench row_group --quick --dtype bfloat16",
        "rbgp bench --quick --json",
    ),
)
@click.argument("suites", nargs=-1, metavar="[SUITES]", type=click.Choice([*SUITES]))
@click.option("--quick", is_flag=True, help="Smaller matrices and fewer cases: under a minute.")
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    help=f"Times of each peer; {_ROUNDS} by default, {_QUICK_ROUNDS} with --quick.",
)
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="Of all arrays; by default float32 but in the suite dtype.",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", *(backend.name for backend in rg.gpu.backends())]),
    default="auto",
    show_default=True,
    help="What computes this package's products.",
)
@click.option("-o", "--out", metavar="FILE.json", help="Write the document to this file.")
@force_option
def bench(
    suites: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    dtype: str | None,
    backend: str,
    out: str | None,
    force: bool,
) -> Result:
    """Time products next to NumPy, SciPy, PyTorch and MKL.

    All suites take some minutes; --quick measures small cases of four of them. Columns of every
    result are first compared with float64. Peers take turns; packing is counted apart. Peers that
    are not installed are named with the reason.
    """
    if out is not None:
        check_output(out, force, ".json")
    chosen = suites or (_QUICK_SUITES if quick else ())
    say = _say if sys.stderr.isatty() else _be_silent
    rounds = rounds or (_QUICK_ROUNDS if quick else _ROUNDS)
    document = documents.run(
        cases(chosen, quick=quick, dtype=dtype),
        rounds=rounds,
        backend=backend,
        quick=quick,
        say=say,
    )
    if out is not None:
        documents.write(out, document, overwrite=force)
    return Result(data={**document, "file": out}, text=_text(document, out))


def _say(line: str) -> None:
    print_line(line, sys.stderr)


def _be_silent(_: str) -> None:
    pass


def _text(document: dict[str, Any], out: str | None) -> list[Text]:
    machine = document["machine"]
    words = {
        "machine": f"{machine['processor']}, {machine['cores']} cores",
        "backend": document["backend"],
        "times": "medians in ms; then how many times longer the fastest peer of a kind takes",
    }
    if out is not None:
        words["file"] = out
    text: list[Text] = [words]
    for suite in dict.fromkeys(case["suite"] for case in document["cases"]):
        found = [case for case in document["cases"] if case["suite"] == suite]
        columns = (suite, ">ms", ">GFLOP/s", *(f">{name}" for name, _ in _KINDS))
        text.append(Table(columns=columns, rows=[_row(case) for case in found]))
    absent = {
        f"{entry['name']}: {entry['reason']}"
        for case in document["cases"]
        for entry in case["absent"]
        if not entry["reason"].startswith("has no")
    }
    if absent:
        text.append("Not measured:\n" + "\n".join(f"  {line}" for line in sorted(absent)))
    return text


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    own, *others = case["measurements"]
    cells = []
    for _, kinds in _KINDS:
        times = [peer["milliseconds"] for peer in others if peer["kind"] in kinds]
        cells.append(f"{min(times) / own['milliseconds']:.2f} x" if times else "-")
    return (
        label(case),
        f"{own['milliseconds']:.3f}",
        f"{own['gflops']:.1f}",
        *cells,
    )


def label(case: dict[str, Any]) -> str:
    """Return what a case is, in at most 30 characters."""
    if case["product"] == "layers":
        return f"{case['layers']} layers of {case['rows']}, batch {case['columns']}"
    what = {
        "sparsity": f"{percent(case['sparsity'])}, ",
        "columns": f"N {case['columns']}, ",
        "objectives": f"{case['objective']}, ",
        "dtype": f"{case['dtype']}, ",
        "threads": f"{case['threads']} threads, ",
        "training": f"{case['product']}, ",
    }.get(case["suite"], "")
    return f"{case['rows']}, {what}group {case['row_group']}"
