"""Step time and peak memory of one layer: RBGP4, masked dense, and block sparse PyTorch.

Every contender runs in processes of its own, which take turns, and multiplies 256 vectors with a
matrix of 4096 x 4096 in float32. Convolutions follow, in both ways to compute them. Run it on a
machine that does nothing else:

    python examples/layer_benchmark.py --out docs/benchmarks/layers.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import rbgp_graphs as rg
from rbgp_graphs.bench.machine import describe
from rbgp_graphs.export import apply_mask
from rbgp_graphs.nn import RBGP4Conv2d, RBGP4Linear

SIDE, BATCH, SPARSITY = 4096, 256, 0.9375
#: Processes for each layer, and timed runs in each.
ROUNDS, REPEATS = 3, 5
#: Channels before and after, height and width of the images, and how many images.
CONVOLUTIONS = ((64, 8, 64), (128, 16, 64), (256, 8, 32), (256, 28, 8), (512, 4, 32))


def dense() -> torch.nn.Module:
    """Return PyTorch's layer."""
    return torch.nn.Linear(SIDE, SIDE)


def masked() -> torch.nn.Module:
    """Return PyTorch's layer with a mask on its weight."""
    layer: torch.nn.Module = apply_mask(dense(), rg.design(SIDE, SIDE, SPARSITY))
    return layer


def rbgp4(objective: str) -> Callable[[], torch.nn.Module]:
    """Return a maker of the package's layer."""

    def make() -> torch.nn.Module:
        return RBGP4Linear(SIDE, SIDE, sparsity=SPARSITY, objective=objective)

    return make


class BlockSparse(torch.nn.Module):
    """PyTorch's block sparse layout with blocks of 16 x 16, which has no backward pass on a CPU."""

    def __init__(self) -> None:
        super().__init__()
        pattern = rg.design(SIDE, SIDE, SPARSITY, row_group=16, block=(16, 16))
        weight = torch.from_numpy(pattern.mask()).float() * torch.randn(SIDE, SIDE) / 16
        self.weight = torch.nn.Parameter(weight.to_sparse_bsr((16, 16)))
        self.bias = torch.nn.Parameter(torch.zeros(SIDE))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product with the inputs."""
        return torch.nn.functional.linear(x, self.weight) + self.bias


MAKERS: dict[str, Callable[[], torch.nn.Module]] = {
    "torch dense": dense,
    "torch dense with a mask": masked,
    "torch BSR, 16 x 16 blocks": BlockSparse,
    "RBGP4Linear, row group 4": rbgp4("balanced"),
    "RBGP4Linear, objective speed": rbgp4("speed"),
}


def measure(name: str) -> dict[str, Any]:
    """Return the times of a layer, and the peak of the memory of this process."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    make = MAKERS[name]
    warm_up()
    x = torch.randn(BATCH, SIDE, requires_grad=True)
    dy = torch.randn(BATCH, SIDE)
    layer = make()
    torch.set_num_threads(threads)
    trains = not isinstance(layer, BlockSparse)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-4, momentum=0.9)

    def forward() -> None:
        with torch.no_grad():
            layer(x)

    def step() -> None:
        layer.zero_grad()
        x.grad = None
        torch.autograd.backward(layer(x), dy)
        optimizer.step()

    runs = {"forward": forward, "step": step} if trains else {"forward": forward}
    times: dict[str, list[float]] = {kind: [] for kind in runs}
    for _ in range(3):
        for run in runs.values():
            run()
    for _ in range(REPEATS):
        for kind, run in runs.items():
            start = time.perf_counter()
            run()
            times[kind].append(1000 * (time.perf_counter() - start))
    # The peak counts from here: building a layer can take more than training it.
    Path("/proc/self/clear_refs").write_text("5")
    for run in runs.values():
        run()
    return {"times": times, "peak_bytes": status_bytes("VmHWM")}


def measure_convolutions() -> list[dict[str, Any]]:
    """Return the median times of a step of 3 x 3 convolutions, dense and sparse."""
    threads = torch.get_num_threads()
    rows = []
    for channels, size, batch in CONVOLUTIONS:
        x = torch.randn(batch, channels, size, size, requires_grad=True)
        layers = {
            "torch": torch.nn.Conv2d(channels, channels, 3, padding=1),
            "unfold": RBGP4Conv2d(channels, channels, 3, sparsity=SPARSITY, padding=1),
            "dense": RBGP4Conv2d(channels, channels, 3, sparsity=SPARSITY, padding=1, via="dense"),
        }
        torch.set_num_threads(threads)
        row: dict[str, Any] = {"channels": channels, "size": size, "batch": batch}
        times: dict[str, list[float]] = {name: [] for name in layers}
        for _ in range(ROUNDS * REPEATS + 3):
            for name, layer in layers.items():
                layer.zero_grad()
                x.grad = None
                start = time.perf_counter()
                torch.autograd.backward(layer(x).sum())
                times[name].append(1000 * (time.perf_counter() - start))
        for name, found in times.items():
            row[f"{name}_milliseconds"] = statistics.median(found[3:])
        rows.append(row)
    return rows


def status_bytes(key: str) -> int:
    """Return an entry of Linux' account of this process' memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])


def warm_up() -> None:
    """Import and compile in every process what any of them needs, so that memory compares."""
    small = RBGP4Linear(64, 64, sparsity=0.75)
    torch.optim.SGD(small.parameters(), lr=1e-4, momentum=0.9)
    torch.autograd.backward(small(torch.randn(4, 64, requires_grad=True)).sum())


def imports_bytes() -> int:
    """Return the memory of a process that has all that is imported and compiled, and no layer."""
    warm_up()
    return status_bytes("VmRSS")


def main() -> None:
    """Measure all contenders one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("layers.json"))
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        special = {"": imports_bytes, "convolutions": measure_convolutions}
        run = special.get(options.only, lambda: measure(options.only))
        print(json.dumps(run()))
        return
    # A process that compiles kernels takes more memory than one that finds them in the cache.
    for name in ("", *(name for name in MAKERS if name.startswith("RBGP4"))):
        child(name)
    baseline = int(child(""))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in MAKERS}
    for _ in range(ROUNDS):
        for name in MAKERS:
            runs[name].append(json.loads(child(name)))
    rows = [summary(name, found, baseline) for name, found in runs.items()]
    for row in rows:
        print(row)
    shape = {"side": SIDE, "batch": BATCH, "sparsity": SPARSITY, "dtype": "float32"}
    machine = {**describe(), "torch_threads": torch.get_num_threads()}
    machine["versions"]["torch"] = torch.__version__
    convolutions = json.loads(child("convolutions"))
    result = {"machine": machine, "shape": shape, "layers": rows, "convolutions": convolutions}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def summary(name: str, runs: list[dict[str, Any]], baseline: int) -> dict[str, Any]:
    """Return the medians over all processes of a layer, and its memory above that of imports."""
    row: dict[str, Any] = {"name": name, "trains": "step" in runs[0]["times"]}
    for kind in runs[0]["times"]:
        values = [value for run in runs for value in run["times"][kind]]
        row[f"{kind}_milliseconds"] = statistics.median(values)
        row[f"{kind}_spread_milliseconds"] = max(values) - min(values)
    peak = statistics.median(run["peak_bytes"] for run in runs)
    row["peak_megabytes_above_imports"] = (peak - baseline) / 1e6
    return row


def child(name: str) -> str:
    """Run this file for one contender and return what it prints."""
    command = [sys.executable, __file__, "--only", name]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
