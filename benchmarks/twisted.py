"""Gap against tile structure at 4096 x 4096 and 93.75 %: ``python -m benchmarks.twisted``."""

from __future__ import annotations

import argparse
import time
from typing import Any

import rbgp_graphs as rg
from benchmarks import machine
from rbgp_graphs.selection import twist

#: Left and right side of the outer and of the inner graph, repetitions, and nonzeros of a row.
LARGE = ((32, 128), (32, 32), 4, 256)
SMALL = ((32, 32), (16, 32), 2, 128)
Setting = tuple[tuple[int, int], tuple[int, int], int, int]


def ratio(pattern: Any) -> float:
    """Return sigma2/sigma1 of a graph or a pattern."""
    verdict = rg.verify(pattern)
    return verdict.sigma2 / verdict.sigma1


def regular(left: int, right: int, degree: int) -> rg.BipartiteGraph:
    """Return a Ramanujan graph, or disjoint complete graphs where none is connected."""
    if left * degree >= left + right - 1:
        return rg.ramanujan(left, right, degree)
    parts = right // degree
    whole = [(u, v) for u in range(left) for v in range(right) if u * parts // left == v // degree]
    return rg.BipartiteGraph.from_edges(whole, shape=(left, right))


def trade_off(setting: Setting, tries: int) -> list[dict[str, Any]]:
    """Return sigma2/sigma1, plain and twisted, for each way to share the density."""
    outer_shape, inner_shape, repeat, row_degree = setting
    rows = []
    outer_degree = outer_shape[1]
    while outer_degree * inner_shape[1] >= row_degree:
        outer = regular(*outer_shape, outer_degree)
        inner = regular(*inner_shape, row_degree // outer_degree)
        plain = rg.RBGP4(outer, (repeat, 1), inner, (1, 1))
        start = time.perf_counter()
        twisted = twist(plain, tries=tries)
        rows.append(
            {
                "tiles": outer_degree / outer_shape[1],
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
    parser.add_argument("--small", action="store_true", help="1024 x 1024 and 87.5 %% instead")
    parser.add_argument("--tries", type=int, default=16)
    options = parser.parse_args()
    for name, value in machine.describe().items():
        print(f"{name}: {value}")
    print("tiles present   plain  twisted  index bytes      seconds")
    for row in trade_off(SMALL if options.small else LARGE, options.tries):
        plain, twisted = row["index_bytes"]
        print(
            f"{row['tiles']:13.2%}  {row['plain']:6.3f}  {row['twisted']:7.3f}  "
            f"{plain:6d} {twisted:6d}  {row['seconds']:9.2f}"
        )
    if not options.small:
        for seed in range(3):
            pattern = tower_pattern(seed)
            print(f"random 2-lifts, seed {seed}: plain {ratio(pattern):.3f}, ", end="")
            print(f"twisted {ratio(twist(pattern, tries=options.tries)):.3f}")
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
