"""Gap against tile structure at 4096 x 4096 and 93.75 %: ``python -m benchmarks.twisted``."""

from __future__ import annotations

import argparse
import time
from typing import Any

import rbgp_graphs as rg
from benchmarks import machine
from rbgp_graphs.selection import twist

#: Sides of the outer and of the inner graph, repetitions of a row, and nonzeros of a row.
OUTER, INNER, REPEAT, ROW_DEGREE = (32, 128), (32, 32), 4, 256


def ratio(pattern: Any) -> float:
    """Return sigma2/sigma1 of a graph or a pattern."""
    verdict = rg.verify(pattern)
    return verdict.sigma2 / verdict.sigma1


def trade_off(tries: int) -> list[dict[str, Any]]:
    """Return sigma2/sigma1, plain and twisted, for each way to share the density."""
    rows = []
    outer_degree = OUTER[1]
    while outer_degree * INNER[1] >= ROW_DEGREE:
        outer = rg.ramanujan(*OUTER, outer_degree)
        inner = rg.ramanujan(*INNER, ROW_DEGREE // outer_degree)
        plain = rg.RBGP4(outer, (REPEAT, 1), inner, (1, 1))
        start = time.perf_counter()
        twisted = twist(plain, tries=tries)
        rows.append(
            {
                "tiles": outer_degree / OUTER[1],
                "plain": ratio(plain),
                "twisted": ratio(twisted),
                "index_bytes": (plain.index_bytes, twisted.index_bytes),
                "seconds": time.perf_counter() - start,
            }
        )
        outer_degree //= 2
    return rows


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twisted", description=__doc__)
    parser.add_argument("--tries", type=int, default=16, help="random shifts for each pattern")
    tries = parser.parse_args().tries
    for name, value in machine.describe().items():
        print(f"{name}: {value}")
    print("tiles present   plain  twisted  index bytes      seconds")
    for row in trade_off(tries):
        plain, twisted = row["index_bytes"]
        print(
            f"{row['tiles']:13.2%}  {row['plain']:6.3f}  {row['twisted']:7.3f}  "
            f"{plain:6d} {twisted:6d}  {row['seconds']:9.2f}"
        )
    for seed in range(3):
        pattern = tower_pattern(seed)
        shifted = twist(pattern, tries=tries)
        print(f"random 2-lifts, seed {seed}: {ratio(pattern):.3f}, twisted {ratio(shifted):.3f}")
    for twisted in (False, True):
        designed = rg.design(4096, 4096, 0.9375, twist=twisted)
        print(f"design, twist={twisted}: {ratio(designed):.4f}, tiles {designed.tile_shape}")
    print(f"field_lift(256, 256, 1, 4): {ratio(rg.field_lift(256, 256, 1, 4)):.4f}")


def tower_pattern(seed: int) -> rg.RBGP4:
    """Return the product of two towers of two random 2-lifts of complete graphs."""
    outer, inner = rg.complete(8, 32), rg.complete(8, 8)
    for level in range(2):
        outer = rg.random_lift(outer, rng=2 * seed + level)
        inner = rg.random_lift(inner, rng=100 + 2 * seed + level)
    return rg.RBGP4(outer, (4, 1), inner, (1, 1))


if __name__ == "__main__":
    main()
