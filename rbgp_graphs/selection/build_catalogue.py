"""Build the catalogue of proved graphs: ``python -m rbgp_graphs.selection.build_catalogue``.

Each shape is searched with the groups that fit it, first briefly, then longer with the best of
them. Every record comes from one call of `search_abelian_cover` with the group, the seed and the
steps that it names, so that it can be found again alone. Records that are there already stay unless
a better graph is found; the file is replaced after every shape.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rbgp_graphs.constructions.recipes import rebuild
from rbgp_graphs.selection.best_cover import Shape, best_cover, find
from rbgp_graphs.selection.catalogue import SHIPPED, Catalogue, CatalogueRecord, record_of
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.selection.feasible import is_connectable
from rbgp_graphs.spectral.abelian_search import CoverSearchResult
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.composition import second_singular_value_of_graph

#: Powers of two first, then what else occurs as a width of a network.
_SIDES = (
    (8, 16, 32, 64, 128, 256, 512),
    (4, 6, 12, 24, 48, 96, 192, 384),
    (20, 36, 40, 60, 72, 80, 120, 144, 160, 320),
)
_DEGREES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
#: Shares of nonzeros whose degrees are wanted too, such as 5 of 20.
_DENSITIES = (2, 4, 8, 16, 32)
#: Left to right side, in lowest terms.
_ASPECTS = ((1, 1), (1, 2), (1, 4), (2, 3), (3, 4), (1, 3), (3, 8))
_LARGEST_SIDE = 512
#: A graph must be better than the explicit families by this share to be worth a record.
_WORTH = 0.998


def targets() -> Iterator[Shape]:
    """Yield the shapes that the catalogue is for, the most useful ones first."""
    seen = set()
    for sides, (a, b) in itertools.product(_SIDES, _ASPECTS):
        for left, right_degree in _right_degrees(sides):
            if left % a or right_degree % a:
                continue
            right, degree = left // a * b, right_degree // a * b
            shape = (left, right, degree)
            fits = right <= _LARGEST_SIDE and degree < right and degree <= 64
            is_cycle = (degree, right_degree) == (2, 2)
            if fits and not is_cycle and shape not in seen and is_connectable(*shape):
                seen.add(shape)
                yield shape


def _right_degrees(sides: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield left sides with the right degrees that are wanted for them."""
    yield from itertools.product(sides, _DEGREES)
    for left, share in itertools.product(sides, _DENSITIES):
        if left % share == 0 and left // share >= 2:
            yield left, left // share


def find_again(record: CatalogueRecord) -> CoverSearchResult:
    """Repeat the search that a record of this script comes from."""
    origin: Any = record.origin
    shape = (record.left, record.right, record.degree)
    return find(shape, tuple(origin["orders"]), origin["seed"], origin["steps"])


def explicit_sigma2(shape: Shape) -> float:
    """Return the second singular value that the explicit families reach, infinite if none fits."""
    member = explicit_member(*shape)
    if member is None:
        return math.inf
    return second_singular_value_of_graph(rebuild(member.recipe)).value


def main() -> None:
    """Search the shapes and keep what is better than the explicit families and the file."""
    parser = argparse.ArgumentParser(prog="python -m rbgp_graphs.selection.build_catalogue")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--effort", type=float, default=1.0, help="factor for all steps")
    parser.add_argument("--only", type=int, nargs=3, metavar=("LEFT", "RIGHT", "DEGREE"))
    parser.add_argument("--sides", type=int, nargs="+", help="only these left sides")
    parser.add_argument("--missing", action="store_true", help="skip shapes that have a record")
    parser.add_argument("--again", action="store_true", help="repeat the searches of the records")
    options = parser.parse_args()
    if options.again:
        sys.exit(_find_all_again(Catalogue.read(options.out), options.sides))
    shapes: list[Any] = [tuple(options.only)] if options.only else list(targets())
    for shape in shapes:
        if options.sides and shape[0] not in options.sides:
            continue
        catalogue = Catalogue.read(options.out) if options.out.exists() else Catalogue(())
        if options.missing and catalogue.record(*shape) is not None:
            continue
        start = time.monotonic()
        limit = explicit_sigma2(shape)
        best = best_cover(shape, options.effort)
        line = f"{shape}: explicit {limit:.4f}, bound {_bound(shape):.4f}"
        if best is not None:
            result, origin = best
            line += f", found {result.sigma2:.4f} with {origin}"
            worth = result.sigma2 <= min(limit * _WORTH, result.bound * (1 - 1e-6))
            if worth and result.graph.is_connected:
                record = record_of(result.graph, origin)
                catalogue.with_record(record).write(options.out)
        print(f"{line}, {time.monotonic() - start:.1f} s", flush=True)


def _find_all_again(catalogue: Catalogue, sides: list[int] | None) -> int:
    """Say which records their seeds do not lead to on this machine; return an exit code."""
    records = [r for r in catalogue.records if not sides or r.left in sides]
    others = [r for r in records if find_again(r).graph.digest != r.digest]
    for record in others:
        print(f"another graph: {record}")
    print(f"{len(records) - len(others)} of {len(records)} records found again")
    return min(len(others), 1)


def _bound(shape: Shape) -> float:
    left, right, degree = shape
    return ramanujan_bound(degree, left * degree // right)


if __name__ == "__main__":
    main()
