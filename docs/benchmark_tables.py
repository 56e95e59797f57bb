"""Turns the committed results of ``make bench`` into the tables of the documentation."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmark_figures import best_dense, draw_benchmarks, model_error, of, predictions
from benchmark_rooflines import draw_roofline, fastest_peer

Case = dict[str, Any]

#: The suites whose rates are drawn under the limits of the machine.
_ROOFLINE = ("sparsity", "columns")


def write_all(results: Path, target: Path) -> None:
    """Write the tables and figures of all committed results into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    write_foundation(json.loads((results / "foundation.json").read_text("utf-8")), target)
    write_proofs(json.loads((results / "proofs.json").read_text("utf-8")), target)
    products = json.loads((results / "products.json").read_text("utf-8"))
    draw_benchmarks(products, target)
    suites = {name: [c for c in products["cases"] if c["suite"] == name] for name in _ROOFLINE}
    limits = products["suites"]["sparsity"]["ceilings"]
    draw_roofline(*suites.values(), limits, target / "cpu_roofline.svg")
    write_products(products, target)


def machine_line(machine: dict[str, Any]) -> str:
    """Return date, processor and versions as a sentence."""
    return f"{machine['date'][:10]}, {_hardware(machine)}, {_versions(machine)}."


def suites_lines(data: dict[str, Any]) -> list[str]:
    """Return the machine, and with which versions and by when each suite had been measured."""
    times: dict[str, dict[str, list[str]]] = {}
    for name, suite in sorted(data["suites"].items(), key=lambda item: item[1]["date"]):
        time = suite["date"][:16].replace("T", " ")
        times.setdefault(_versions(suite), {}).setdefault(time, []).append(name)
    lines = [f"{_hardware(data['machine'])}."]
    for versions, by_time in times.items():
        suites = "; ".join(f"{time} {', '.join(names)}" for time, names in by_time.items())
        lines += ["", f"{versions}. Suites, measured by (UTC): {suites}."]
    return lines


def _hardware(machine: dict[str, Any]) -> str:
    return f"{machine['processor']}, {machine['cores']} cores"


def _versions(conditions: dict[str, Any]) -> str:
    packages = (f"{name} {version}" for name, version in conditions["versions"].items() if version)
    return ", ".join([f"Python {conditions['python']}", *packages])


def write_foundation(data: dict[str, Any], target: Path) -> None:
    """Write the results of the foundation as Markdown tables."""
    lines = [
        machine_line(data["machine"]),
        "",
        "| what | milliseconds |",
        "|---|---:|",
        *(f"| `{name}` | {1e3 * value:,.3g} |" for name, value in data["seconds"].items()),
        "",
        "| pattern of 4096 × 4096 at 93.75 % | bytes |",
        "|---|---:|",
        *(f"| {name} | {size:,} |" for name, size in data["bytes"].items()),
        "",
    ]
    (target / "foundation.md").write_text("\n".join(lines), encoding="utf-8")


def write_proofs(data: dict[str, Any], target: Path) -> None:
    """Write the times of constructions and proofs as Markdown tables."""
    lines = [machine_line(data["machine"]), ""]
    for part, seconds in data["seconds"].items():
        lines += [f"| {part} | milliseconds |", "|---|---:|"]
        lines += [f"| {name} | {1e3 * value:,.3g} |" for name, value in seconds.items()]
        lines.append("")
    (target / "proof_times.md").write_text("\n".join(lines), encoding="utf-8")


def write_products(data: dict[str, Any], target: Path) -> None:
    """Write one table for each suite, and what they ran on."""
    cases: dict[str, list[Case]] = {}
    for case in data["cases"]:
        cases.setdefault(case["suite"], []).append(case)
    tables: dict[str, Callable[[list[Case]], list[str]]] = {
        "sparsity": sparsity_table,
        "size": lambda found: peer_table(
            found, ("size", "row group"), lambda c: (c["rows"], c["row_group"])
        ),
        "columns": lambda found: peer_table(found, ("N",), lambda c: (c["columns"],)),
        "row_group": lambda found: peer_table(found, ("row group",), lambda c: (c["row_group"],)),
        "dtype": lambda found: peer_table(
            found, ("dtype", "size"), lambda c: (c["dtype"], c["rows"])
        ),
        "threads": lambda found: peer_table(found, ("threads",), lambda c: (c["threads"],)),
        "training": lambda found: peer_table(
            found, ("product", "row group"), lambda c: (c["product"], c["row_group"])
        ),
        "layers": lambda found: peer_table(found, ("batch",), lambda c: (c["columns"],)),
        "tiles": tiles_table,
        "objectives": objectives_table,
    }
    lines = {
        name: write(cases[name]) if name in cases else ["Not yet measured."]
        for name, write in tables.items()
    }
    lines["machine"] = suites_lines(data)
    lines["targets"] = targets_table(cases["sparsity"], data["suites"]["sparsity"]["ceilings"])
    lines["roofline"] = roofline_table(cases["sparsity"])
    lines["packing"] = packing_table(cases["sparsity"])
    lines["model"] = model_lines(data)
    for name, text in lines.items():
        (target / f"bench_{name}.md").write_text("\n".join([*text, ""]), encoding="utf-8")


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[str]:
    """Return a Markdown table; columns that start with ``>`` align to the right."""
    names = list(columns)
    return [
        "| " + " | ".join(name.removeprefix(">") for name in names) + " |",
        "|" + "|".join("---:" if name.startswith(">") else "---" for name in names) + "|",
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]


def milliseconds(time: float | None) -> str:
    """Return a time with three digits."""
    if time is None:
        return "–"
    return f"{time:.0f}" if time >= 100 else f"{time:.3g}"


def sparsity_table(cases: list[Case]) -> list[str]:
    """Return time, rate and speedups at each sparsity."""
    rows = []
    for case in cases:
        own = case["measurements"][0]
        sparse = [m for m in case["measurements"] if m["kind"] == "same pattern"]
        masks = [m for m in case["measurements"] if m["kind"] in ("unstructured", "blocks")]
        rows.append(
            (
                f"{100 * case['sparsity']:.4g} %",
                case["row_group"],
                milliseconds(own["milliseconds"]),
                f"{own['high_milliseconds'] - own['low_milliseconds']:.2g}",
                f"{own['gflops']:.0f}",
                f"{own['gflops'] / best_dense(case, 'gflops'):.2f}",
                f"{best_dense(case) / own['milliseconds']:.1f}\N{NO-BREAK SPACE}×",
                f"{1 / (1 - case['sparsity']):.0f}\N{NO-BREAK SPACE}×",
                _fastest(sparse, own),
                _fastest(masks, own),
                "–" if case.get("other_load") is None else f"{case['other_load']:.2f}",
            )
        )
    columns = (
        ">sparsity",
        ">row group",
        ">ms",
        ">quartiles apart, ms",
        ">GFLOP/s",
        ">of the dense rate",
        ">faster than dense",
        ">1 / (1 − s)",
        "fastest other format of the same matrix",
        "fastest other mask of equal density",
        ">other load",
    )
    return table(columns, rows)


#: Share of zeros, how many times faster than what, and the kinds that this means.
TARGETS = (
    (0.9375, 8.0, "the fastest of NumPy, SciPy and PyTorch, dense or the same matrix"),
    (0.875, 5.0, "dense"),
    (0.75, 2.6, "dense"),
    (0.5, 1.3, "dense"),
)


def targets_table(cases: list[Case], limits: dict[str, Any]) -> list[str]:
    """Return what was to be reached, what was, and what arithmetic and memory leave."""
    rows = []
    for sparsity, target, what in TARGETS:
        for case in cases:
            if case["sparsity"] != sparsity:
                continue
            own = case["measurements"][0]
            kinds = ("dense",) if what == "dense" else ("dense", "same pattern")
            best = fastest_peer(case, kinds)
            # All operations at the dense rate, and every array once through the memory.
            compute = 2 * case["nnz"] * case["columns"] / best_dense(case, "gflops") / 1e6
            moved = 4 * (case["nnz"] + (case["rows"] + case["cols"]) * case["columns"])
            bound = compute + 1e3 * moved / limits["copy_bytes_per_second"]
            rows.append(
                (
                    f"{100 * sparsity:g} %",
                    case["row_group"],
                    what,
                    f"{target:g} ×",
                    f"{best['milliseconds'] / own['milliseconds']:.1f} × ({best['name']})",
                    f"{best['milliseconds'] / bound:.1f} ×",
                )
            )
    columns = (">sparsity", ">row group", "faster than", ">wanted", ">measured", ">bound")
    return table(columns, rows)


def roofline_table(cases: list[Case]) -> list[str]:
    """Return what eight times the speed of the fastest peer asks for, next to the dense rate."""
    sparsity, factor, _ = TARGETS[0]
    rows = []
    for case in (case for case in cases if case["sparsity"] == sparsity):
        own, best, dense = case["measurements"][0], fastest_peer(case), best_dense(case, "gflops")
        wanted = factor * best["useful_gflops"]
        rows.append(
            (
                case["row_group"],
                f"{best['name']}: {milliseconds(best['milliseconds'])} ms",
                milliseconds(best["milliseconds"] / factor),
                f"{wanted:.0f}",
                f"{dense:.0f}",
                f"{wanted / dense:.2f}",
                milliseconds(own["milliseconds"]),
                f"{own['gflops']:.0f}",
                f"{own['gflops'] / dense:.2f}",
            )
        )
    columns = (
        ">row group",
        "fastest peer",
        f">{factor:g} × as fast, ms",
        ">GFLOP/s for that",
        ">dense product, GFLOP/s",
        ">needed share of the dense rate",
        ">measured, ms",
        ">GFLOP/s",
        ">share of the dense rate",
    )
    return table(columns, rows)


def _fastest(measurements: list[Case], own: Case) -> str:
    if not measurements:
        return "–"
    best = min(measurements, key=lambda m: m["milliseconds"])
    factor = best["milliseconds"] / own["milliseconds"]
    return f"{best['name']}: {milliseconds(best['milliseconds'])} ms, {factor:.1f} ×"


def packing_table(cases: list[Case]) -> list[str]:
    """Return all peers of one case with their packing."""
    (case, *_) = [c for c in cases if (c["sparsity"], c["row_group"]) == (0.9375, 64)]
    columns = ("product", ">ms", ">quartiles, ms", ">GFLOP/s", ">first call, ms", ">packing, ms")
    rows = [
        (
            m["name"],
            milliseconds(m["milliseconds"]),
            f"{milliseconds(m['low_milliseconds'])} to {milliseconds(m['high_milliseconds'])}",
            f"{m['gflops']:.1f}",
            milliseconds(m["first_call_milliseconds"]),
            milliseconds(m["packing_milliseconds"]),
        )
        for m in case["measurements"]
    ]
    return table(columns, rows)


def peer_table(
    cases: list[Case], columns: tuple[str, ...], what: Callable[[Case], tuple[Any, ...]]
) -> list[str]:
    """Return the times of all peers, a case in each row."""
    names = list(dict.fromkeys(m["name"] for case in cases for m in case["measurements"]))
    rows = [(*what(case), *(milliseconds(of(case, name)) for name in names)) for case in cases]
    return table((*columns, *(f">{name}" for name in names)), rows)


def tiles_table(cases: list[Case]) -> list[str]:
    """Return the times of patterns that differ in their tiles only."""
    columns = ("tile", ">tiles there", ">ms", ">predicted, ms")
    rows = [
        (
            " × ".join(map(str, case["tile"])),
            f"{100 * case['tiles_present']:.4g} %",
            milliseconds(case["measurements"][0]["milliseconds"]),
            milliseconds(case["predicted_milliseconds"]),
        )
        for case in cases
    ]
    return table(columns, rows)


def objectives_table(cases: list[Case]) -> list[str]:
    """Return the times of what design chooses for each objective, and how they were predicted."""
    names = list(dict.fromkeys(case["objective"] for case in cases))
    layers: dict[tuple[int, float], dict[str, Case]] = {}
    for case in cases:
        layers.setdefault((case["rows"], case["sparsity"]), {})[case["objective"]] = case
    rows = []
    for (size, sparsity), found in layers.items():
        times = [
            f"{milliseconds(found[name]['measurements'][0]['milliseconds'])} "
            f"({milliseconds(found[name]['predicted_milliseconds'])})"
            for name in names
        ]
        speed = found["speed"]
        tile = " × ".join(map(str, speed["tile"]))
        rows.append((size, f"{100 * sparsity:.4g} %", *times, f"{speed['row_group']}, {tile}"))
    columns = (*(f'>`"{name}"`' for name in names), 'row group and tile for `"speed"`')
    return table((">rows", ">zeros", *columns), rows)


def model_lines(data: dict[str, Any]) -> list[str]:
    """Return the limits that were measured last, and how far the model is off."""
    limits = max(data["suites"].values(), key=lambda suite: suite["date"])["ceilings"]
    median, largest = model_error(data["cases"])
    columns = ("limit", ">measured")
    rows = (
        ("dense product, float32", f"{limits['operations_per_second'] / 1e9:.0f} GFLOP/s"),
        ("reads from the second cache", f"{limits['level2_bytes_per_second'] / 1e9:.0f} GB/s"),
        ("reads from the third cache", f"{limits['level3_bytes_per_second'] / 1e9:.0f} GB/s"),
        ("copy in memory", f"{limits['copy_bytes_per_second'] / 1e9:.1f} GB/s"),
        ("a call", f"{1e6 * limits['call_seconds']:.0f} µs"),
        ("a step to the next tile", f"{1e9 * limits['step_seconds']:.1f} ns"),
    )
    count = len(predictions(data["cases"]))
    return [
        *table(columns, rows),
        "",
        f"Over {count} cases the measured and the predicted time differ by a factor of "
        f"{median:.2f} in the median and of {largest:.2f} at most.",
    ]
