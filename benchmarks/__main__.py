"""Run the measurements and write them down: ``python -m benchmarks [SUITE ...]``.

Without a suite all are run. Products go to ``products.json``, where a suite that is run again
replaces its old results; each other suite has a file of its own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import foundation
from rbgp_graphs.bench import cases, document, machine
from rbgp_graphs.bench.suites import SUITES
from rbgp_graphs.gpu.ceilings import measure_ceilings, store_ceilings

#: Suites about the rest of the package: each returns a JSON-able dict.
OTHERS: dict[str, Callable[[], dict[str, Any]]] = {"foundation": foundation.measure}


def main() -> None:
    """Measure what was asked for and write JSON documents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join([*OTHERS, *SUITES]))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="small cases of the products")
    parser.add_argument("--rounds", type=int, default=7, help="times of each product")
    options = parser.parse_args()
    unknown = set(options.suites) - {*OTHERS, *SUITES}
    if unknown:
        parser.error(f"there is no suite {unknown.pop()!r}, only {', '.join([*OTHERS, *SUITES])}")
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = options.suites or [*OTHERS, *SUITES]
    for name in chosen:
        if name in OTHERS:
            print(name)
            found = {"machine": machine.describe(), **OTHERS[name]()}
            write_json(options.out / f"{name}.json", found)
    products = tuple(name for name in chosen if name in SUITES)
    if products:
        measure_products(options.out / "products.json", products, options.quick, options.rounds)


def measure_products(path: Path, names: tuple[str, ...], quick: bool, rounds: int) -> None:
    """Measure suites of products, with the limits of the machine first, and write after each."""
    store_ceilings(measure_ceilings())
    start = time.monotonic()
    for name in names:
        found = document.run(
            cases((name,), quick=quick),
            rounds=rounds,
            quick=quick,
            say=lambda line: print(f"{time.monotonic() - start:6.0f} s  {line}", flush=True),
        )
        # What was measured before under another setting does not belong into one file.
        old = [document.read(path)] if path.exists() else []
        document.write(path, document.merge([*(d for d in old if d["quick"] == quick), found]))
    print(f"written: {path}")


def write_json(path: Path, found: dict[str, Any]) -> None:
    """Write a document and print where."""
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")


main()
