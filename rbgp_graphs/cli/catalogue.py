"""``rbgp catalogue``: the proved graphs that come with the package, or those of a user."""

from __future__ import annotations

from typing import Any

import click

from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.files import InputError
from rbgp_graphs.cli.output import Result, Table, Text, working
from rbgp_graphs.errors import FormatError
from rbgp_graphs.selection import Catalogue, CatalogueRecord, own_catalogue_path


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp catalogue --max-side 64",
        "rbgp catalogue --own",
        "rbgp catalogue --file found.jsonl --prove",
    ),
)
@click.option("--own", is_flag=True, help="Your own catalogue, in its usual place.")
@click.option("--file", "path", metavar="FILE", help="The catalogue in this file.")
@click.option(
    "--max-side", type=int, metavar="N", help="Only graphs with at most N vertices a side."
)
@click.option("--prove", is_flag=True, help="Build each graph and prove what its record says.")
def catalogue(own: bool, path: str | None, max_side: int | None, prove: bool) -> Result:
    """List proved graphs by shape and degree.

    Without --own or --file these are the graphs that come with the package, which `generate
    ramanujan` and `design` choose from. A record stands for its transpose too. With --prove the
    exit code is 1 if a record is not proved.
    """
    if own and path is not None:
        raise click.UsageError("give --own or --file, not both")
    found, place = _read(own, path)
    records = [r for r in found.records if max_side is None or r.right <= max_side]
    refused = dict(_refused(records)) if prove else {}
    words = {"catalogue": place, "graphs": f"{len(records):,}"}
    if prove:
        words["proved"] = f"{len(records) - len(refused):,} of {len(records):,}"
    text: list[Text] = [words]
    if records:
        text.append(_table(records))
    text += [{"refused": reason} for reason in refused.values()]
    data = {
        "file": place,
        "records": [_data(number, record, prove, refused) for number, record in enumerate(records)],
    }
    return Result(data=data, text=text, exit_code=1 if refused else 0)


def _read(own: bool, path: str | None) -> tuple[Catalogue, str]:
    if not own and path is None:
        return Catalogue.shipped(), "of the package"
    place = own_catalogue_path() if path is None else path
    if own and not own_catalogue_path().exists():
        return Catalogue(()), f"{place}, not there yet"
    try:
        return Catalogue.read(place), str(place)
    except FormatError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error


def _refused(records: list[CatalogueRecord]) -> list[tuple[int, str]]:
    found = []
    with working("proving"):
        for number, record in enumerate(records):
            try:
                record.prove()
            except FormatError as error:
                found.append((number, str(error)))
    return found


def _data(
    number: int, record: CatalogueRecord, prove: bool, refused: dict[int, str]
) -> dict[str, Any]:
    data = record.to_dict()
    data |= {"sigma2": record.sigma2, "bound": record.bound}
    if prove:
        data["proved"] = number not in refused
    return data


def _table(records: list[CatalogueRecord]) -> Table:
    rows = [
        (
            f"{record.left} x {record.right}",
            f"{record.degree}, {record.right_degree}",
            f"{record.sigma2:.6g}",
            f"{record.sigma2 / record.bound:.4f}" if record.bound else "0",
            _kind(record),
        )
        for record in records
    ]
    return Table(columns=(">vertices", ">degrees", ">sigma2", ">of the bound", "group"), rows=rows)


def _kind(record: CatalogueRecord) -> str:
    """Return the group of a cover, else the kind of the recipe."""
    orders = record.recipe.get("orders")
    if not isinstance(orders, list):
        return str(record.recipe.get("kind", ""))[:24]
    return " x ".join(f"Z{order}" for order in orders)
