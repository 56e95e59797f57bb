"""``rbgp families``: the explicit families and their members."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import click

import rbgp_graphs as rg
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.output import Result, Table, Text
from rbgp_graphs.selection import Family, FamilyMember

#: Members of one family that are shown; JSON says whether there are more.
_MOST_MEMBERS = 12
_MOST_MEMBERS_IN_JSON = 1000


@click.command(
    cls=Command,
    epilog=examples("rbgp families", "rbgp families --max-side 500", "rbgp families --json"),
)
@click.option(
    "--max-side",
    type=int,
    metavar="N",
    help="Also list the members with at most N vertices a side.",
)
def families(max_side: int | None) -> Result:
    """List the explicit families of graphs.

    For each: the shapes and degrees it has, its second singular value, and who proved it.
    """
    text: list[Text] = []
    entries = []
    for family in rg.families():
        entry = _family_data(family)
        entries.append(entry)
        text.append(_words(family))
        if max_side is None:
            continue
        found = list(itertools.islice(family.members(max_side), _MOST_MEMBERS_IN_JSON + 1))
        entry["more_members"] = len(found) > _MOST_MEMBERS_IN_JSON
        entry["members"] = [dataclasses.asdict(m) for m in found[:_MOST_MEMBERS_IN_JSON]]
        if found:
            text.append(_members_table(family, found))
    return Result(data={"families": entries, "max_side": max_side}, text=text)


def _family_data(family: Family) -> dict[str, Any]:
    return {
        item.name: getattr(family, item.name)
        for item in dataclasses.fields(family)
        if item.name not in ("constructor", "_walk")
    }


def _words(family: Family) -> dict[str, str]:
    return {
        "family": family.name,
        "parameters": family.parameters,
        "vertices": family.shape,
        "degrees": family.degrees,
        "sigma2": family.sigma2,
        "Ramanujan": f"{'yes' if family.is_ramanujan else 'no'}: {family.theorem}",
        "reference": family.reference,
    }


def _members_table(family: Family, members: list[FamilyMember]) -> Table:
    shown = members[:_MOST_MEMBERS]
    rows = [
        (
            ", ".join(f"{name}={value}" for name, value in m.parameters.items()),
            f"{m.left} x {m.right}",
            "differ" if m.degree is None else str(m.degree),
            "unknown" if m.sigma2 is None else f"{m.sigma2:.6g}",
        )
        for m in shown
    ]
    if len(members) > len(shown):
        rows.append(("and more, see --json", "", "", ""))
    value = "sigma2" if family.sigma2_is_exact else "sigma2 at most"
    return Table(columns=("members", ">vertices", ">left degree", f">{value}"), rows=rows)
