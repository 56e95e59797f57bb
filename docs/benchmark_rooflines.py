"""Draws the measured rates of the products under the limits of the machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from benchmark_figures import GREEN, PURPLE, SKY, LogPlot, best_dense, powers
from figures import BLUE, GREY, ORANGE

Case = dict[str, Any]
Point = tuple[float, float]

INK, ROOF = "#1b2733", "#9aa5b1"

#: Bytes of a number in float32 and of an index.
_BYTES = 4
#: How many times faster than the fastest peer the product was meant to be, and where.
_AIM, _AIM_SPARSITY = 8.0, 0.9375


def draw_roofline(
    sparsity: list[Case], columns: list[Case], limits: dict[str, Any], path: Path
) -> None:
    """Draw useful rates against useful operations for each byte that has to move."""
    groups = sorted({case["row_group"] for case in sparsity})
    lines = [_points((c for c in sparsity if c["row_group"] == g), "own") for g in groups]
    by_columns = _points(columns, "own")
    dense = _points(sparsity, "dense")
    others = _points([*sparsity, *columns], "same pattern")
    aims = [_aim(case) for case in sparsity if case["sparsity"] == _AIM_SPARSITY]
    every = [*dense, *others, *aims, *by_columns, *(p for line in lines for p in line)]
    rate, width = (limits[f"{name}_per_second"] / 1e9 for name in ("operations", "copy_bytes"))
    plot = LogPlot(
        powers(x for x, _ in every),
        powers([*(y for _, y in every), rate]),
        "useful operations for each byte that has to move",
        "useful GFLOP/s",
    )
    left, right = plot.x_ticks[0], plot.x_ticks[-1]
    # The machine has fast and slow times; the peers of this suite were measured in the same ones.
    meanwhile = median(best_dense(case, "gflops") for case in sparsity)
    for top, color, name in (
        (rate, INK, f"{rate:.0f} GFLOP/s, {width:.1f} GB/s"),
        (meanwhile, ROOF, f"dense, meanwhile: {meanwhile:.0f}"),
    ):
        roof = [(x, min(top, width * x)) for x in (left, top / width, right)]
        plot.guide(roof, name, color)
    plot.dots(dense, "fastest dense product", GREY)
    plot.dots(others, "fastest other format", PURPLE)
    plot.curve(by_columns, "row group 64, 1 to 4096 columns", SKY, width=1.5)
    for group, line, color in zip(groups, lines, (ORANGE, BLUE), strict=True):
        plot.curve(line, f"row group {group}, 50 to 96.9 %", color, width=3)
    plot.dots(aims, f"{_AIM:g} × the fastest peer", GREEN)
    plot.save(path, "Rates of the products under the limits of the machine")


def _points(cases: Iterable[Case], kind: str) -> list[Point]:
    """Return useful operations a byte and the useful rate of the fastest of a kind."""
    found = []
    for case in cases:
        best = min(
            (m for m in case["measurements"] if m["kind"] == kind), key=lambda m: m["milliseconds"]
        )
        operations = 2 * case["nnz"] * case["columns"]
        found.append((operations / _bytes_moved(case, kind), best["useful_gflops"]))
    return found


def fastest_peer(case: Case, kinds: tuple[str, ...] = ("dense", "same pattern")) -> dict[str, Any]:
    """Return the fastest of NumPy, SciPy and PyTorch, dense or the same matrix."""
    peers = [m for m in case["measurements"] if m["kind"] in kinds and "MKL" not in m["name"]]
    best: dict[str, Any] = min(peers, key=lambda m: m["milliseconds"])
    return best


def _aim(case: Case) -> Point:
    """Return where the product would be at the speed that was aimed at."""
    best = fastest_peer(case)
    operations = 2 * case["nnz"] * case["columns"]
    return operations / _bytes_moved(case, "own"), _AIM * best["useful_gflops"]


def _bytes_moved(case: Case, kind: str) -> float:
    """Return the bytes of weights, indices, operand and result, each once."""
    is_dense = kind == "dense"
    entries = case["rows"] * case["cols"] if is_dense else case["nnz"]
    # CSR has the column of each nonzero; the rows of a product's factors are counted by it.
    index = 0 if is_dense else case["index_bytes"] if kind == "own" else _BYTES * case["nnz"]
    return float(_BYTES * (entries + (case["rows"] + case["cols"]) * case["columns"]) + index)
