"""Turns the committed results of ``make bench`` into the tables of the documentation."""

import json
from pathlib import Path


def write_tables(results: Path, target: Path) -> None:
    """Write the results of the foundation as Markdown tables."""
    data = json.loads(results.read_text(encoding="utf-8"))
    machine = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{machine['date'][:10]}, {machine['processor']}, {machine['cores']} cores, "
        f"Python {machine['python']}, {versions}.",
        "",
        "| what | milliseconds |",
        "|---|---:|",
        *(f"| `{name}` | {1e3 * value:,.3g} |" for name, value in data["seconds"].items()),
        "",
        "| pattern of 4096 × 4096 at 93.75 % | bytes |",
        "|---|---:|",
        *(f"| {name} | {size:,} |" for name, size in data["bytes"].items()),
        "",
        "| product, 4096 × 4096, 256 columns, float32 | milliseconds | spread | GFLOP/s |",
        "|---|---:|---:|---:|",
        *(
            f"| {timing['name']} | {timing['milliseconds']:.1f} | "
            f"{timing['spread_milliseconds']:.1f} | {timing['gflops']:.1f} |"
            for timing in data["product_4096_n256_float32"]
        ),
        "",
    ]
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8")


def write_proofs(results: Path, target: Path) -> None:
    """Write the times of constructions and proofs as Markdown tables."""
    data = json.loads(results.read_text(encoding="utf-8"))
    machine = data["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{machine['date'][:10]}, {machine['processor']}, {machine['cores']} cores, "
        f"Python {machine['python']}, {versions}.",
        "",
    ]
    for part, seconds in data["seconds"].items():
        lines += [f"| {part} | milliseconds |", "|---|---:|"]
        lines += [f"| {name} | {1e3 * value:,.3g} |" for name, value in seconds.items()]
        lines.append("")
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines), encoding="utf-8")
