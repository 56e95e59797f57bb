"""``rbgp verify``: whether a graph or a pattern is Ramanujan."""

from __future__ import annotations

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.files import read
from rbgp_graphs.cli.output import Result, Text, working
from rbgp_graphs.spectral import Verdict


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp verify graph.rbgp",
        "rbgp verify layer.rbgp --factors",
        "rbgp verify layer.rbgp --level proved --json",
    ),
)
@click.argument("file")
@click.option(
    "--level",
    type=click.Choice(["numeric", "proved"]),
    default="numeric",
    show_default=True,
    help="Rest on floating-point values, or on a proof.",
)
@click.option("--factors", is_flag=True, help="Ask about each factor, not about the product.")
def verify(file: str, level: str, factors: bool) -> Result:
    """Say whether a graph or a pattern is Ramanujan.

    Leaves with exit code 1 if it is not, or if that cannot be decided. A product of Ramanujan
    graphs is normally not Ramanujan: use --factors to ask about the factors of a pattern.
    """
    subject = read(file).obj
    with working("computing singular values"):
        verdict = rg.verify(subject, level=level)
    by_factor = factors and isinstance(subject, rg.TensorProduct)
    holds = _conjunction(verdict.factors if by_factor else (verdict,), level)
    data = {
        "file": file,
        "level": level,
        "checked": "factors" if by_factor else "whole",
        "holds": holds,
        "verdict": facts.verdict_data(subject, verdict),
    }
    words = facts.gap_words(verdict)
    words["method"] = verdict.method
    if factors and isinstance(subject, rg.TensorProduct):
        for name, factor in zip(subject.factor_names, verdict.factors, strict=True):
            words[f"method, {name}"] = factor.method
    words["answer"] = _answer(verdict, holds, by_factor, level)
    text: list[Text] = [facts.verdicts_table(subject, verdict), words]
    return Result(data=data, text=text, exit_code=0 if holds else 1)


def _conjunction(verdicts: tuple[Verdict, ...], level: str) -> bool | None:
    """Return whether all are Ramanujan: False if one is not, None if one is undecided."""
    answers = [
        None if level == "proved" and verdict.status == "numeric" else verdict.is_ramanujan
        for verdict in verdicts
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _answer(verdict: Verdict, holds: bool | None, by_factor: bool, level: str) -> str:
    if holds is None:
        if level == "proved":
            return "undecided: not proved and not refuted; the method says why"
        return "undecided: sigma2 is closer to the bound than its error; try --level proved"
    if by_factor:
        return "all factors are Ramanujan" if holds else "not all factors are Ramanujan"
    kind = "product" if verdict.factors else "graph"
    if holds:
        return f"the {kind} is Ramanujan"
    text = f"the {kind} is not Ramanujan"
    if verdict.factors and _conjunction(verdict.factors, level):
        text += ", as is normal for a product; all its factors are"
    return text
