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
    asked = verdict.factors if factors and verdict.factors else (verdict,)
    holds = _conjunction(asked)
    data = {
        "file": file,
        "checked": "factors" if asked is verdict.factors else "whole",
        "holds": holds,
        "verdict": facts.verdict_data(subject, verdict),
    }
    words = facts.gap_words(verdict)
    words["method"] = verdict.method
    words["answer"] = _answer(asked, verdict, holds)
    text: list[Text] = [facts.verdicts_table(subject, verdict), words]
    return Result(data=data, text=text, exit_code=0 if holds else 1)


def _conjunction(verdicts: tuple[Verdict, ...]) -> bool | None:
    """Return whether all are Ramanujan: False if one is not, None if one is undecided."""
    answers = [verdict.is_ramanujan for verdict in verdicts]
    if False in answers:
        return False
    return None if None in answers else True


def _answer(asked: tuple[Verdict, ...], verdict: Verdict, holds: bool | None) -> str:
    kind = "graph"
    if verdict.factors:
        kind = "product" if asked == (verdict,) else "factors"
    if holds is None:
        return (
            f"undecided: sigma2 of the {kind} is closer to the bound than its error; "
            "--level proved may tell"
        )
    verb = "are" if kind == "factors" else "is"
    what = "all " if kind == "factors" and holds else ""
    negation = "" if holds else "not all " if kind == "factors" else "not "
    text = f"{what}the {kind} {verb} {negation}Ramanujan"
    if kind == "product" and not holds and _conjunction(verdict.factors):
        text += ", as is normal for a product; all its factors are"
    return text
