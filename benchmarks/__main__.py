"""Run the measurements and write them down: ``python -m benchmarks [SUITE ...]``.

Without a suite all are run that need no GPU. Products go to ``products.json``, where a suite that
is run again replaces its old results, and all results if they are from another machine or of
another form; each other suite has a file of its own. ``gpu`` checks and
measures an NVIDIA GPU; it leaves with 1 if a result is wrong and with 4 if there is no GPU.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu import suite as gpu
from benchmarks.gpu.device import CudaDevice, why_no_device
from benchmarks.gpu.worker import SeparateDevice
from rbgp_graphs.bench import cases, document, machine
from rbgp_graphs.bench.suites import SUITES
from rbgp_graphs.gpu.ceilings import measure_ceilings, store_ceilings

#: Suites about the rest of the package, each a module whose `measure` returns a JSON-able dict.
OTHERS = ("foundation",)
GPU = "gpu"


def main() -> None:
    """Measure what was asked for and write JSON documents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=", ".join([*OTHERS, *SUITES, GPU])
    )
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="small cases of the products")
    parser.add_argument("--rounds", type=int, default=7, help="times of each product")
    parser.add_argument("--check-only", action="store_true", help="gpu: time nothing")
    parser.add_argument(
        "--tune",
        action="store_true",
        help="gpu: tune each product first, and peers also with --quick or --minutes",
    )
    parser.add_argument(
        "--sanitize",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="gpu: run the kernels under compute-sanitizer, each tool for at most so long",
    )
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="gpu: begin no further case after so long"
    )
    options = parser.parse_args()
    unknown = set(options.suites) - {*OTHERS, *SUITES, GPU}
    if unknown:
        parser.error(
            f"there is no suite {unknown.pop()!r}, only {', '.join([*OTHERS, *SUITES, GPU])}"
        )
    if options.check_only and options.suites != [GPU]:
        parser.error("--check-only goes with the suite gpu alone")
    reason = why_no_device() if GPU in options.suites else None
    if reason is not None:
        print(f"the suite gpu needs an NVIDIA GPU: {reason}", file=sys.stderr)
        sys.exit(4)
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = options.suites or [*OTHERS, *SUITES]
    for name in chosen:
        if name in OTHERS:
            print(name)
            # On a machine that is lent for its GPU not every package is there.
            measure = importlib.import_module(f"benchmarks.{name}").measure
            found = {"machine": machine.describe(), **measure()}
            write_json(options.out / f"{name}.json", found)
    products = tuple(name for name in chosen if name in SUITES)
    if products:
        measure_products(options.out / "products.json", products, options.quick, options.rounds)
    if GPU in chosen:
        measure_gpu(options.out / "gpu.json", options)


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
        old = [document.read(path)] if path.exists() else []
        merged = document.merge([*old, found])
        document.write(path, merged)
        left_out = {name for one in old for name in one["suites"]} - {*merged["suites"]}
        if left_out:
            why = "measured on another machine, or in the other form"
            print(f"left out of {path}, as {why}: {', '.join(sorted(left_out))}")
    print(f"written: {path}")


def measure_gpu(path: Path, options: argparse.Namespace) -> None:
    """Check a GPU, measure what is right, and write down what was found."""
    start = time.monotonic()

    def place(found: dict[str, Any]) -> Path:
        # Checks alone do not replace times.
        return path if found["cases"] else path.with_name("gpu_check.json")

    # To tune a peer takes a minute or more for each shape.
    has_time = not options.quick and options.minutes is None
    found = gpu.run(
        SeparateDevice(functools.partial(CudaDevice, tuned=options.tune or has_time)),
        check_only=options.check_only,
        quick=options.quick,
        tuned=options.tune,
        sanitize_seconds=options.sanitize,
        minutes=options.minutes,
        rounds=options.rounds,
        say=lambda line: print(f"{time.monotonic() - start:6.0f} s  {line}", flush=True),
        keep=lambda found: document.write(place(found), found),
    )
    target = place(found)
    document.write(target, found)
    print(f"written: {target}")
    if not found["checks"]["passed"]:
        sys.exit(1)


def write_json(path: Path, found: dict[str, Any]) -> None:
    """Write a document and print where."""
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")


main()
