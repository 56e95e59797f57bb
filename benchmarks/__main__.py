"""Run the measurements and write them down: ``python -m benchmarks [--out FILE]``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks import foundation, machine


def main() -> None:
    """Measure, print a table, and write one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/foundation.json"))
    out: Path = parser.parse_args().out
    result = {"machine": machine.describe(), **foundation.measure()}
    for name, seconds in result["seconds"].items():
        print(f"{name:<52}{1e3 * seconds:>14.4f} ms")
    for name, size in result["bytes"].items():
        print(f"{name:<52}{size:>14,} bytes")
    for timing in result["product_4096_n256_float32"]:
        label = f"A @ X, 4096 x 4096, N = 256: {timing['name']}"
        print(f"{label:<52}{timing['milliseconds']:>14.4f} ms")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written: {out}")


main()
