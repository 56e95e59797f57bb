"""Turns the committed results of the training studies into tables and figures."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from figures import BLUE, GREY, LIGHT, ORANGE, Drawing

GREEN = "#009e73"
STRUCTURES = {
    "unstructured": ("random entries", GREY),
    "block": ("random 4 × 4 blocks", GREEN),
    "rbgp4": ("RBGP4", ORANGE),
}
MODELS = {"vgg19": "VGG19", "wrn-40-4": "WRN-40-4"}
DEGREES = {4: ORANGE, 8: BLUE, 16: GREEN}
#: What the axis of gaps shows; its scale is that of the square root, so that rings are not at 0.
GAPS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
NAMED = {"8 parts": "start", "ring": "start", "2 parts": "start", "field lift": "end"}

Rows = list[dict[str, Any]]


def write_all(results: Path, target: Path) -> None:
    """Write the tables and figures of all committed studies into a folder."""
    training = json.loads((results / "training.json").read_text("utf-8"))
    for model in MODELS:
        draw_training(training, model, target / f"training_{model}.svg")
    write_training(training, target / "training.md")
    topology = json.loads((results / "topology.json").read_text("utf-8"))
    for setting, title in (("narrow", "narrow networks"), ("dense_ends", "dense ends")):
        draw_topology(topology, setting, title, target / f"topology_{setting}.svg")
    write_topology(topology, target)
    layers = json.loads((results / "layers.json").read_text("utf-8"))
    write_layers(layers, target / "layers.md")
    write_convolutions(layers, target / "convolutions.md")


def machine_line(machine: dict[str, Any]) -> str:
    """Return date, machine and versions as a sentence."""
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items() if text)
    where = machine.get("processor") or machine["system"]
    return f"{machine['date'][:10]}, {where}, Python {machine['python']}, {versions}."


def save_table(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def frame(x_name: str, y_name: str, low: float) -> Drawing:
    """Return a drawing with the axis of accuracies from `low` to 1."""
    drawing = Drawing(640, 360)
    for k in range(6):
        y = 300 - 52 * k
        drawing.line(70, y, 610, y, color=LIGHT)
        drawing.text(62, y + 4, f"{low + (1 - low) * k / 5:.2f}", size=12, anchor="end")
    drawing.line(70, 300, 610, 300)
    drawing.line(70, 300, 70, 40)
    drawing.text(340, 346, x_name)
    drawing.text(70, 22, y_name, anchor="start")
    return drawing


def height(accuracy: float, low: float) -> float:
    return 300 - 260 * (accuracy - low) / (1 - low)


# The paper's experiment ---------------------------------------------------------------------


def runs_of(data: dict[str, Any], model: str, structure: str, sparsity: float) -> Rows:
    """Return the runs of all seeds."""
    wanted = (model, structure, sparsity)
    return [r for r in data["runs"] if (r["model"], r["structure"], r["sparsity"]) == wanted]


def sparsities(data: dict[str, Any]) -> list[float]:
    return sorted({run["sparsity"] for run in data["runs"]} - {0.0})


def draw_training(data: dict[str, Any], model: str, path: Path) -> None:
    """Draw accuracy against sparsity: means over the seeds, and every seed as a dot."""
    found = [run["test_accuracy"] for run in data["runs"] if run["model"] == model]
    low = min(0.9, int(20 * min(found)) / 20)
    drawing = frame("sparsity", "test accuracy", low)
    shares = sparsities(data)
    places = [170 + 120 * k for k in range(len(shares))]
    drawing.text(90, 318, "dense", size=12, anchor="start")
    dense = [run["test_accuracy"] for run in runs_of(data, model, "dense", 0.0)]
    level = height(statistics.fmean(dense), low)
    drawing.line(70, level, 610, level, color=LIGHT, width=4)
    for accuracy in dense:
        drawing.dot(105, height(accuracy, low), 3, color="#333333")
    for x, share in zip(places, shares, strict=True):
        drawing.text(x, 318, f"{100 * share:g} %", size=12)
    for k, (structure, (name, color)) in enumerate(STRUCTURES.items()):
        points = []
        for x, share in zip(places, shares, strict=True):
            runs = [run["test_accuracy"] for run in runs_of(data, model, structure, share)]
            if not runs:
                continue
            at = x + 12 * (k - 1)
            points.append((at, height(statistics.fmean(runs), low)))
            for accuracy in runs:
                drawing.dot(at, height(accuracy, low), 3, color=color)
        drawing.polyline(points, color=color)
        drawing.line(100, 210 + 22 * k, 130, 210 + 22 * k, color=color, width=3)
        drawing.text(138, 215 + 22 * k, name, anchor="start")
    drawing.save(path, f"Test accuracy of reduced {MODELS[model]} against sparsity")


def spread(values: list[float]) -> str:
    """Return mean and range of some accuracies in per cent."""
    mean, low, high = (100 * f(values) for f in (statistics.fmean, min, max))
    return f"{mean:.1f} ({low:.1f} to {high:.1f})" if len(values) > 1 else f"{mean:.1f}"


def write_training(data: dict[str, Any], path: Path) -> None:
    """Write one table for each model, and what it ran on."""
    lines = [machine_line(data["machine"]), ""]
    for model, title in MODELS.items():
        lines += [
            f"| {title} | sparsity | seeds | test accuracy, % | numbers | state, kB | step, ms |",
            "|---|---:|---:|---|---:|---:|---:|",
        ]
        for share in (0.0, *sparsities(data)):
            for structure in ("dense",) if not share else STRUCTURES:
                runs = runs_of(data, model, structure, share)
                if not runs:
                    continue
                name = "dense" if not share else STRUCTURES[structure][0]
                timed = " / ".join(
                    f"{step['step_milliseconds']:.0f}"
                    for step in data["steps"]
                    if (step["model"], step["structure"], step["sparsity"])
                    == (model, structure, share)
                )
                lines.append(
                    f"| {name} | {100 * share:g} % | {len(runs)} | "
                    f"{spread([run['test_accuracy'] for run in runs])} | "
                    f"{runs[0]['parameters']:,} | {runs[0]['state_bytes'] / 1000:,.0f} | {timed} |"
                )
        lines.append("")
    save_table(path, lines)


# The topology study -------------------------------------------------------------------------


def cases_of(data: dict[str, Any]) -> dict[tuple[str, int], Rows]:
    """Return the networks of each family at each degree, in the order of the study."""
    cases: dict[tuple[str, int], Rows] = {}
    for row in data["networks"]:
        cases.setdefault((row["family"], row["degree"]), []).append(row)
    return cases


def draw_topology(data: dict[str, Any], setting: str, title: str, path: Path) -> None:
    """Draw accuracy against the gap, one dot with its range for each family and degree."""
    low = 0.5 if setting == "narrow" else 0.9
    drawing = frame("relative spectral gap, 1 − σ2/σ1 (square-root scale)", "test accuracy", low)

    def across(gap: float) -> float:
        return 85 + 510 * (max(gap, 0.0) / 0.56) ** 0.5

    for gap in GAPS:
        drawing.text(across(gap), 318, f"{gap:g}", size=12)
        drawing.line(across(gap), 300, across(gap), 304)
    for (family, degree), rows in cases_of(data).items():
        x = across(statistics.fmean(row["gap"] for row in rows))
        found = [row[setting] for row in rows]
        color = DEGREES[degree]
        drawing.line(x, height(min(found), low), x, height(max(found), low), color=color)
        y = height(statistics.fmean(found), low)
        drawing.dot(x, y, 5, color=color)
        if degree == 8 and family in NAMED and setting == "narrow":
            side = 8 if NAMED[family] == "start" else -8
            drawing.text(x + side, y + 16, family, size=12, anchor=NAMED[family])
    for k, (degree, color) in enumerate(DEGREES.items()):
        drawing.dot(440, 220 + 22 * k, 5, color=color)
        drawing.text(454, 225 + 22 * k, f"degree {degree}", anchor="start")
    drawing.save(path, f"Test accuracy against the spectral gap, {title}")


def write_topology(data: dict[str, Any], target: Path) -> None:
    """Write the table of the families and that of the correlations."""
    settings = data["settings"]
    lines = [
        f"{machine_line(data['machine'])} {settings['seeds']} seeds, {settings['epochs']} epochs.",
        "",
        "| family | degree | gap | connectivity | narrow, % | dense ends, % |",
        "|---|---:|---:|---:|---|---|",
    ]
    for (family, degree), rows in cases_of(data).items():
        gap, connectivity = (
            max(0.0, statistics.fmean(row[key] for row in rows)) for key in ("gap", "connectivity")
        )
        narrow, ends = (spread([row[key] for row in rows]) for key in ("narrow", "dense_ends"))
        lines.append(
            f"| {family} | {degree} | {gap:.3f} | {connectivity:.3f} | {narrow} | {ends} |"
        )
    save_table(target / "topology.md", lines)
    names = {"narrow": "narrow", "dense_ends": "dense ends"}
    parts = {"equal_density": "degree 8 only", "all_densities": "all densities"}
    lines = [
        "| networks | graphs | measure | Spearman's ρ | 95 % interval |",
        "|---|---|---|---:|---|",
    ]
    for part, rows_name in parts.items():
        for row in data[part]:
            lines.append(
                f"| {names[row['accuracy']]} | {rows_name}, {row['points']} points | "
                f"{row['measure']} | {row['rho']:+.2f} | {row['low']:+.2f} to {row['high']:+.2f} |"
            )
    save_table(target / "topology_correlations.md", lines)


# The layer ----------------------------------------------------------------------------------


def write_layers(data: dict[str, Any], path: Path) -> None:
    """Write times and memory of the layers."""
    lines = [
        f"{machine_line(data['machine'])} {data['machine']['torch_threads']} threads.",
        "",
        "| layer | forward, ms | spread | step, ms | spread | peak memory, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in data["layers"]:
        kinds = ("forward", "step") if row["trains"] else ("forward",)
        times = [
            f"{row[f'{kind}_milliseconds']:.1f} | {row[f'{kind}_spread_milliseconds']:.1f}"
            for kind in kinds
        ]
        cells = [row["name"], *times, *(() if row["trains"] else ("– | –",))]
        lines.append(f"| {' | '.join(cells)} | {row['peak_megabytes_above_imports']:.0f} |")
    save_table(path, lines)


def write_convolutions(data: dict[str, Any], path: Path) -> None:
    """Write the times of convolutions in both ways to compute them."""
    lines = [
        "| channels | images | torch.nn.Conv2d, ms | via dense, ms | via unfold, ms |",
        "|---:|---|---:|---:|---:|",
    ]
    for row in data["convolutions"]:
        times = [f"{row[f'{way}_milliseconds']:.1f}" for way in ("torch", "dense", "unfold")]
        images = f"{row['batch']} of {row['size']} × {row['size']}"
        lines.append(f"| {row['channels']} | {images} | {' | '.join(times)} |")
    save_table(path, lines)
