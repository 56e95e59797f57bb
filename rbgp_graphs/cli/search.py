"""``rbgp search``: a lift with a small second singular value."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, get_args

import click

import rbgp_graphs as rg
from rbgp_graphs.cli import facts
from rbgp_graphs.cli.command import Command, examples, force_option, rng_option
from rbgp_graphs.cli.files import InputError, check_output, read
from rbgp_graphs.cli.output import Result, Table, Text, working
from rbgp_graphs.selection import CatalogueRecord, add_to_catalogue, own_catalogue_path
from rbgp_graphs.selection.best_cover import best_cover
from rbgp_graphs.spectral import CoverSearchResult, SearchResult
from rbgp_graphs.spectral.lift_trials import Method
from rbgp_graphs.spectral.search import Keep


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp search 128 128 8 --method local -o graph.rbgp",
        "rbgp search graph.rbgp --levels 2 --tries 200 --workers 4",
        "rbgp search 512 512 8 --levels 3 --checkpoint search.json --max-seconds 600",
        "rbgp search 30 30 7 --method abelian --add",
    ),
)
@click.argument("target", nargs=-1, required=True, metavar="LEFT RIGHT DEGREE | FILE")
@click.option("--levels", type=int, default=1, show_default=True, help="How often to lift.")
@click.option(
    "--method",
    type=click.Choice((*get_args(Method), "abelian")),
    default="reject",
    show_default=True,
    help="Random 2-lifts, 2-lifts by local search, random cyclic lifts, or covers with abelian "
    "groups by local search.",
)
@click.option("--tries", type=int, help="Tries at each level: 64 by default, 3 for local.")
@click.option(
    "--k", type=int, default=2, show_default=True, help="Copies at each level, for cyclic."
)
@click.option(
    "--keep",
    type=click.Choice(get_args(Keep)),
    default="best",
    show_default=True,
    help="The best try, or the first below the bound.",
)
@click.option("--steps", type=int, help="Steps of each local search.")
@click.option(
    "--effort",
    type=click.FloatRange(0, 1000, min_open=True),
    default=1.0,
    show_default=True,
    help="Factor for the steps of the method abelian.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Processes. The result does not depend on their number.",
)
@rng_option
@click.option("--checkpoint", metavar="FILE", help="Keep what was done here, and go on from it.")
@click.option("--max-seconds", type=float, help="Start no more tries after this time.")
@click.option("-o", "--out", metavar="OUT", help="Write the graph to this .rbgp file.")
@click.option("--add", is_flag=True, help="Prove the graph and add it to your own catalogue.")
@click.option("--catalogue", metavar="FILE", help="Your own catalogue, instead of the usual place.")
@force_option
def search(
    target: tuple[str, ...],
    workers: int,
    rng: int,
    out: str | None,
    force: bool,
    effort: float,
    add: bool,
    catalogue: str | None,
    **options: Any,
) -> Result:
    """Lift a graph to one with a small second singular value.

    The graph to lift comes from FILE, or is the Ramanujan graph whose lift has the shape LEFT x
    RIGHT and the left degree DEGREE. An interrupted search goes on from its checkpoint. The method
    abelian takes LEFT RIGHT DEGREE, chooses groups and seeds itself, and has no levels.
    """
    numbers = _numbers(target)
    if out is not None:
        check_output(out, force, ".rbgp")
    if catalogue is not None and not add:
        raise click.UsageError("--catalogue says where --add puts the graph; give --add too")
    found: SearchResult | CoverSearchResult
    with working("searching"), _executor(workers) as executor:
        if options["method"] == "abelian":
            found, origin = _cover(numbers, effort, options["checkpoint"], workers)
        else:
            base = _read_graph(target[0]) if numbers is None else _base(*numbers, rng, options)
            found = rg.spectral.search_lift(base, executor=executor, rng=rng, **options)
            origin = {"search": found.method, "seed": found.seed}
        data, words = facts.describe(found.graph)
        data |= {"search": _search_data(found, origin), "file": out}
        words["sigma2"] = f"{found.sigma2:.6g}; {found.ratio:.4f} of the bound {found.bound:.6g}"
        if out is not None:
            data["file_bytes"] = rg.save(out, found.graph, overwrite=force)
            words["file"] = f"{out}, {data['file_bytes']:,} bytes"
        if add:
            place = own_catalogue_path() if catalogue is None else catalogue
            record = add_to_catalogue(place, found.graph, origin)
            data["catalogue"] = _catalogue_data(str(place), record, found.graph)
            words["catalogue"] = _catalogue_words(str(place), record, found.graph)
    if not isinstance(found, SearchResult):
        return Result(data=data, text=[words])
    rows = [
        (str(number), f"{level.norm:.6g}", f"{level.ratio:.4f}", str(level.tries))
        for number, level in enumerate(found.levels, 1)
    ]
    table = Table(columns=(">level", ">new sigma2", ">of the bound", ">tries"), rows=rows)
    text: list[Text] = [words, table]
    return Result(data=data, text=text)


def _numbers(target: tuple[str, ...]) -> tuple[int, int, int] | None:
    """Return LEFT, RIGHT and DEGREE, or None for a file."""
    if len(target) == 1:
        return None
    if len(target) != 3:
        raise click.UsageError(f"expected LEFT RIGHT DEGREE or one FILE, got {len(target)} words")
    try:
        left, right, degree = map(int, target)
    except ValueError:
        raise click.UsageError(f"{' '.join(target)!r} are not three integers") from None
    return left, right, degree


def _read_graph(path: str) -> rg.BipartiteGraph:
    subject = read(path).obj
    if not isinstance(subject, rg.BipartiteGraph):
        raise InputError(f"{path} holds a pattern, expected a graph")
    return subject


def _base(
    left: int, right: int, degree: int, rng: int, options: dict[str, Any]
) -> rg.BipartiteGraph:
    """Return the graph whose lift has the shape that is asked for."""
    levels, k = options["levels"], options["k"]
    if not 1 <= levels <= 32 or k < 2:
        raise rg.ArgumentError(f"levels is {levels} and k is {k}, expected 1 to 32 and at least 2")
    copies = k**levels
    if left % copies or right % copies:
        makers = "one level makes" if levels == 1 else f"{levels} levels make"
        raise rg.ArgumentError(
            f"shape ({left}, {right}) is no multiple of {copies}, the copies that {makers}; the "
            f"next shape that is one is ({-(-left // copies) * copies}, "
            f"{-(-right // copies) * copies})"
        )
    if degree > right // copies:
        raise rg.InfeasibleError(
            f"the graph to lift has the shape ({left // copies}, {right // copies}), so the degree "
            f"is at most {right // copies}, not {degree}; ask for fewer levels"
        )
    return rg.ramanujan(left // copies, right // copies, degree, rng=rng)


@contextlib.contextmanager
def _executor(workers: int) -> Iterator[Executor | None]:
    if workers == 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _cover(
    numbers: tuple[int, int, int] | None, effort: float, checkpoint: Any, workers: int
) -> tuple[CoverSearchResult, dict[str, Any]]:
    if numbers is None or checkpoint is not None or workers != 1:
        raise click.UsageError(
            "the method abelian takes LEFT RIGHT DEGREE, no checkpoint and one worker"
        )
    found = best_cover(numbers, effort)
    if found is None:
        left, right, degree = numbers
        raise rg.InfeasibleError(
            f"no abelian group fits shape ({left}, {right}) and left degree {degree}: its order "
            "divides both sides, with at most 16 orbits on the left"
        )
    return found


def _catalogue_data(
    place: str, record: CatalogueRecord, graph: rg.BipartiteGraph
) -> dict[str, Any]:
    return {
        "file": place,
        "added": _is_record_of(record, graph),
        "sigma2_squared": [record.square.numerator, record.square.denominator],
    }


def _catalogue_words(place: str, record: CatalogueRecord, graph: rg.BipartiteGraph) -> str:
    if _is_record_of(record, graph):
        return f"added to {place}, sigma2 squared proved to be at most {float(record.square):.9g}"
    return f"{place} holds a graph of this shape with sigma2 {record.sigma2:.6g}; not added"


def _is_record_of(record: CatalogueRecord, graph: rg.BipartiteGraph) -> bool:
    return record.digest in (graph.digest, graph.T.digest)


def _search_data(found: SearchResult | CoverSearchResult, origin: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(found, SearchResult):
        numbers = {"sigma2": found.sigma2, "bound": found.bound, "ratio": found.ratio}
        return {"method": "abelian", **origin, **numbers}
    return {
        "method": found.method,
        "seed": found.seed,
        "sigma2": found.sigma2,
        "bound": found.bound,
        "ratio": found.ratio,
        "levels": [
            {
                "norm": level.norm,
                "ratio": level.ratio,
                "tries": level.tries,
                "accepted": level.accepted,
            }
            for level in found.levels
        ],
    }
