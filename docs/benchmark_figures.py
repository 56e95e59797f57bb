"""Draws the committed results of the product suites as SVG figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from figures import BLUE, GREY, LIGHT, ORANGE, Drawing

from rbgp_graphs.selection.blocking import register_block

Case = dict[str, Any]

GREEN, PURPLE, BROWN, SKY = "#009e73", "#aa4499", "#8c510a", "#56b4e9"
#: Peers that have a line in figures, with their colours.
PEERS = {
    "numpy dense": GREY,
    "torch dense": "#333333",
    "scipy CSR": BROWN,
    "torch CSR": GREEN,
    "MKL CSR": PURPLE,
    "MKL CSR, unstructured": SKY,
    "torch BSR, blocks": "#cc9900",
}


class LogPlot:
    """A plot with logarithmic axes and its legend beside it."""

    def __init__(
        self, x: list[float], y: list[float], x_name: str, y_name: str, *, legend: bool = True
    ) -> None:
        self.x_ticks, self.y_ticks = x, y
        self.names = (x_name, y_name)
        self.x_labels = [f"{tick:g}" for tick in x]
        self.drawing = Drawing(760 if legend else 640, 380)
        self.num_names = 0
        for tick in x:
            self.drawing.line(*self.at(tick, y[0]), *self.at(tick, y[-1]), color=LIGHT)
        for tick in y:
            left, right = self.at(x[0], tick), self.at(x[-1], tick)
            self.drawing.line(*left, *right, color=LIGHT)
            self.drawing.text(left[0] - 8, left[1] + 4, f"{tick:g}", size=12, anchor="end")

    def at(self, x: float, y: float) -> tuple[float, float]:
        def share(value: float, ticks: list[float]) -> float:
            low, high = math.log(ticks[0]), math.log(ticks[-1])
            return (math.log(value) - low) / (high - low)

        return 70 + 440 * share(x, self.x_ticks), 310 - 270 * share(y, self.y_ticks)

    def curve(
        self, points: Iterable[tuple[float, float]], name: str, color: str, *, width: float = 2
    ) -> None:
        placed = [self.at(x, y) for x, y in points]
        if not placed:
            return
        self.drawing.polyline(placed, color=color, width=width)
        for x, y in placed:
            self.drawing.dot(x, y, 3.5, color=color)
        self.label(name, color)

    def dots(self, points: Iterable[tuple[float, float]], name: str, color: str) -> None:
        for x, y in points:
            self.drawing.dot(*self.at(x, y), 4.5, color=color)
        self.label(name, color)

    def label(self, name: str, color: str) -> None:
        self.num_names += 1
        top = 20 + 21.0 * self.num_names
        self.drawing.line(530, top, 552, top, color=color, width=3)
        self.drawing.text(558, top + 4, name, size=12, anchor="start")

    def guide(self, points: list[tuple[float, float]], name: str, color: str = "#1b2733") -> None:
        self.drawing.polyline([self.at(x, y) for x, y in points], color=color, width=1)
        self.label(name, color)

    def save(self, path: Path, title: str) -> None:
        for tick, text in zip(self.x_ticks, self.x_labels, strict=True):
            x, y = self.at(tick, self.y_ticks[0])
            self.drawing.text(x, y + 18, text, size=12)
        self.drawing.text(290, 360, self.names[0])
        self.drawing.text(70, 24, self.names[1], anchor="start")
        self.drawing.save(path, title)


def draw_benchmarks(results: dict[str, Any], folder: Path) -> None:
    """Draw the figures of the suites that a document has."""
    by_suite: dict[str, list[Case]] = {}
    for case in results["cases"]:
        by_suite.setdefault(case["suite"], []).append(case)
    draw_speedup(by_suite["sparsity"], folder / "speedup.svg")
    draw_rate(by_suite["sparsity"], folder / "rate.svg")
    draw_scaling(by_suite["size"], folder / "scaling.svg")
    # Those of a fast time: a roof is what no product exceeds.
    known = (suite["ceilings"] for suite in results["suites"].values())
    limits = max(known, key=lambda ceilings: float(ceilings["operations_per_second"]))
    draw_row_groups(by_suite["row_group"], limits, folder / "row_groups.svg")
    draw_model(results["cases"], folder / "model.svg")


def of(case: Case, name: str, key: str = "milliseconds") -> float | None:
    """Return a number of a peer, or None where it was not measured."""
    found = [m[key] for m in case["measurements"] if m["name"] == name]
    return found[0] if found else None


def best_dense(case: Case, key: str = "milliseconds") -> float:
    """Return a number of the fastest dense product."""
    dense = [m for m in case["measurements"] if m["kind"] == "dense"]
    return float(min(dense, key=lambda m: m["milliseconds"])[key])


def _groups(cases: list[Case]) -> dict[int, list[Case]]:
    groups: dict[int, list[Case]] = {}
    for case in cases:
        groups.setdefault(case["row_group"], []).append(case)
    return groups


def powers(values: Iterable[float]) -> list[float]:
    """Return powers of two around some values."""
    found = [math.log2(value) for value in values]
    return [2.0**k for k in range(math.floor(min(found)), math.ceil(max(found)) + 1)]


def _lines(
    cases: list[Case],
    x: Callable[[Case], float],
    y: Callable[[Case, str], float | None],
    names: Iterable[str],
) -> dict[str, list[tuple[float, float]]]:
    lines = {}
    for name in names:
        points = [(x(case), y(case, name)) for case in cases]
        lines[name] = [(a, b) for a, b in points if b is not None]
    return {name: points for name, points in lines.items() if points}


def draw_speedup(cases: list[Case], path: Path) -> None:
    """Draw how many times faster than the dense product each peer is."""

    def density(case: Case) -> float:
        return 1 / (1 - case["sparsity"])

    def speedup(case: Case, name: str) -> float | None:
        time = of(case, name)
        return None if time is None else best_dense(case) / time

    groups = _groups(cases)
    fine, coarse = min(groups), max(groups)
    own = {g: _lines(groups[g], density, speedup, ["rbgp_graphs"])["rbgp_graphs"] for g in groups}
    peers = _lines(groups[fine], density, speedup, [n for n in PEERS if "dense" not in n])
    every = [y for line in (*own.values(), *peers.values()) for _, y in line]
    factors = sorted({density(case) for case in cases})
    plot = LogPlot(
        factors, powers([*every, factors[-1]]), "share of zeros", "times faster than dense"
    )
    plot.x_labels = [f"{100 * (1 - 1 / factor):.4g} %" for factor in factors]
    plot.guide([(factor, factor) for factor in factors], "1 / (1 − s)")
    plot.curve(own[coarse], f"rbgp_graphs, row group {coarse}", BLUE, width=3)
    plot.curve(own[fine], f"rbgp_graphs, row group {fine}", ORANGE, width=3)
    for name, line in peers.items():
        plot.curve(line, name, PEERS[name], width=1.5)
    plot.save(path, "Speedup over the dense product against the share of zeros")


def draw_rate(cases: list[Case], path: Path) -> None:
    """Draw the operations a second next to those of the dense product."""

    def density(case: Case) -> float:
        return 1 / (1 - case["sparsity"])

    groups = _groups(cases)
    fine, coarse = min(groups), max(groups)
    names = [*(n for n in PEERS if "dense" not in n)]
    peers = _lines(groups[fine], density, lambda case, name: of(case, name, "gflops"), names)
    own = {
        g: [(density(case), float(of(case, "rbgp_graphs", "gflops") or 0)) for case in groups[g]]
        for g in groups
    }
    dense = [(density(case), best_dense(case, "gflops")) for case in groups[fine]]
    every = [y for line in (*own.values(), *peers.values(), dense) for _, y in line]
    factors = sorted({density(case) for case in cases})
    plot = LogPlot(factors, powers(every), "share of zeros", "GFLOP/s")
    plot.x_labels = [f"{100 * (1 - 1 / factor):.4g} %" for factor in factors]
    plot.curve(dense, "fastest dense product", "#1b2733")
    plot.curve(own[coarse], f"rbgp_graphs, row group {coarse}", BLUE, width=3)
    plot.curve(own[fine], f"rbgp_graphs, row group {fine}", ORANGE, width=3)
    for name, line in peers.items():
        plot.curve(line, name, PEERS[name], width=1.5)
    plot.save(path, "Rate of operations against the share of zeros")


def draw_scaling(cases: list[Case], path: Path) -> None:
    """Draw times against the side of the matrix."""
    fine = [case for case in cases if case["row_group"] == 4]
    coarse = [case for case in cases if case["row_group"] != 4]
    peers = _lines(fine, lambda case: case["rows"], of, PEERS)
    own = [
        (name, _lines(found, lambda case: case["rows"], of, ["rbgp_graphs"])["rbgp_graphs"], color)
        for name, found, color in (
            ("rbgp_graphs, row group 16 to 64", coarse, BLUE),
            ("rbgp_graphs, row group 4", fine, ORANGE),
        )
        if found
    ]
    every = [y for line in (*(line for _, line, _ in own), *peers.values()) for _, y in line]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    plot = LogPlot(
        sorted({float(case["rows"]) for case in cases}),
        [10.0**k for k in range(low, high + 1)],
        "rows and columns of the matrix",
        "milliseconds",
    )
    for name, line, color in own:
        plot.curve(line, name, color, width=3)
    for name, line in peers.items():
        plot.curve(line, name, PEERS[name], width=1.5)
    plot.save(path, "Time of a product against the size of the matrix")


def cache_roof(case: Case, limits: dict[str, Any]) -> float:
    """Return the GFLOP/s at which the caches deliver the rows of X for a row group."""
    vectors = case["columns"] * 4 // limits["vector_bytes"]
    rows, _ = register_block(case["row_group"], vectors, limits["registers"])
    caches = limits["level2_bytes_per_second"] * 2 * rows / 4
    return float(min(limits["operations_per_second"], caches)) / 1e9


def draw_row_groups(cases: list[Case], limits: dict[str, Any], path: Path) -> None:
    """Draw the rate against the row group, under the limits of the caches."""
    own = [(case["row_group"], float(of(case, "rbgp_graphs", "gflops") or 0)) for case in cases]
    dense = [(case["row_group"], best_dense(case, "gflops")) for case in cases]
    names = [name for name in PEERS if "dense" not in name]
    peers = _lines(
        cases, lambda case: case["row_group"], lambda case, name: of(case, name, "gflops"), names
    )
    roof = [(case["row_group"], cache_roof(case, limits)) for case in cases]
    every = [y for line in (own, dense, roof, *peers.values()) for _, y in line]
    plot = LogPlot(
        sorted(float(case["row_group"]) for case in cases),
        powers(every),
        "rows in a group",
        "GFLOP/s",
    )
    plot.guide(roof, "limit of caches and units", GREY)
    plot.curve(dense, "fastest dense product", "#1b2733")
    plot.curve(own, "rbgp_graphs", BLUE, width=3)
    for name, line in peers.items():
        plot.curve(line, name, PEERS[name], width=1.5)
    plot.save(path, "Rate of operations against the row group")


def predictions(cases: list[Case]) -> list[tuple[Case, float, float]]:
    """Return cases with predicted and measured milliseconds."""
    return [
        (case, case["predicted_milliseconds"], case["measurements"][0]["milliseconds"])
        for case in cases
        if case["predicted_milliseconds"] is not None
    ]


def draw_model(cases: list[Case], path: Path) -> None:
    """Draw measured against predicted times."""
    found = predictions(cases)
    every = [time for _, *times in found for time in times]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    ticks = [10.0**k for k in range(low, high + 1)]
    plot = LogPlot(ticks, ticks, "predicted milliseconds", "measured milliseconds")
    ends = (ticks[0], ticks[-1])
    plot.guide([(end, end) for end in ends], "as predicted")
    colors = dict(zip(dict.fromkeys(c["suite"] for c, _, _ in found), _COLORS, strict=False))
    for case, predicted, measured in found:
        plot.drawing.dot(*plot.at(predicted, measured), 4, color=colors[case["suite"]])
    for suite, color in colors.items():
        plot.label(f"suite {suite}", color)
    plot.save(path, "Measured against predicted times")


_COLORS = (BLUE, ORANGE, GREEN, PURPLE, BROWN, SKY, GREY, "#cc9900")


def model_error(cases: list[Case]) -> tuple[float, float]:
    """Return the median and the largest factor between measured and predicted time."""
    factors = [max(a / b, b / a) for _, a, b in predictions(cases)]
    return float(np.median(factors)), max(factors)
