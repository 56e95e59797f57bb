"""``rbgp tune``: finds the fastest CUDA kernels for a pattern, and keeps them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

import rbgp_graphs as rg
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.files import read_rbgp4
from rbgp_graphs.cli.output import Result, Table, Text, working
from rbgp_graphs.gpu import Tuned
from rbgp_graphs.gpu.cuda.choices import Choice, Choices, choices_file
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES
from rbgp_graphs.gpu.cuda.tuning import PRODUCTS

_BATCH, _CANDIDATES = 256, 8


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp tune layer.rbgp --batch 1024 --dtype float16",
        "rbgp tune layer.rbgp --product forward",
        "rbgp tune --show",
    ),
)
@click.argument("file", required=False)
@click.option(
    "--batch", type=int, default=_BATCH, show_default=True, metavar="N", help="Columns of X."
)
@click.option(
    "--dtype",
    type=click.Choice([*NUMBER_TYPES]),
    default="float32",
    show_default=True,
    help="Of values and operands.",
)
@click.option(
    "--product",
    "products",
    type=click.Choice(PRODUCTS),
    multiple=True,
    help="Only this product; may be given several times.",
)
@click.option(
    "--candidates",
    type=int,
    default=_CANDIDATES,
    show_default=True,
    metavar="N",
    help="Plans to time besides the usual ones.",
)
@click.option("--show", is_flag=True, help="List what was found before; needs no GPU.")
def tune(
    file: str | None,
    batch: int,
    dtype: str,
    products: tuple[Any, ...],
    candidates: int,
    show: bool,
) -> Result:
    """Find the fastest CUDA kernels for a pattern on this GPU.

    Compiles, checks and times some plans for each product, and keeps the fastest. From then on
    products with these sizes use it, also in other processes. The CPU needs no tuning: its plan
    follows from the caches of the processor.
    """
    if show != (file is None):
        raise click.UsageError("give either FILE, to tune its pattern, or --show")
    if file is None:
        return _show()
    pattern = read_rbgp4(file)
    with working("compiling and timing CUDA kernels"):
        found = rg.gpu.tune(
            pattern,
            batch,
            dtype=dtype,
            products=products or PRODUCTS,
            candidates=candidates,
        )
    data = {"file": file, "kept_in": _kept_in(), "products": [_as_data(t) for t in found]}
    text: list[Text] = [part for tuned in found for part in _as_text(tuned)]
    return Result(data=data, text=[*text, _place()])


def _kept_in() -> str | None:
    file = choices_file()
    return None if file is None else str(file)


def _place() -> Text:
    return {"kept in": _kept_in() or "no file, because there is no folder for caches"}


def _as_data(tuned: Tuned) -> dict[str, Any]:
    return {**asdict(tuned), "gain": tuned.gain}


def _as_text(tuned: Tuned) -> list[Text]:
    """Return a table of the plans, the fastest first."""
    timed = sorted(
        tuned.timings,
        key=lambda timing: (timing.milliseconds is None, timing.milliseconds or 0.0),
    )
    usual = tuned.timings[0].plan if tuned.timings else None
    rows = [
        (
            "switched off" if timing.milliseconds is None else f"{timing.milliseconds:.4f}",
            " ".join(
                ["chosen"] * (timing.plan == tuned.chosen) + ["usual"] * (timing.plan == usual)
            ),
            timing.plan,
        )
        for timing in timed
    ]
    gain = "no kernel runs here" if tuned.gain is None else f"{tuned.gain:.2f} x the usual plan"
    return [
        {tuned.product: f"{tuned.dtype}, {tuned.columns} columns: {gain}"},
        Table(columns=(">median ms", "", "plan"), rows=rows),
    ]


def _show() -> Result:
    """List what is kept, of all devices and versions."""
    kept = [*Choices(choices_file()).entries().values()]
    data = {"kept_in": _kept_in(), "choices": [asdict(choice) for choice in kept]}
    if not kept:
        return Result(data=data, text=["Nothing was tuned here yet.", _place()])
    return Result(data=data, text=[*map(_row, kept), _place()])


def _row(choice: Choice) -> Text:
    return {
        "product": choice.problem,
        "device": choice.device,
        "plan": f"{choice.plan}, {choice.milliseconds:.4f} ms",
    }
