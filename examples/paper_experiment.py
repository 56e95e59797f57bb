"""The paper's experiment on scikit-learn's digits: accuracy against sparsity for each structure.

Trains VGG19 and WRN-40-4 with reduced widths, dense and with unstructured, block and RBGP4 layers.
Finished runs are kept in the result file, so that an interrupted experiment goes on. Run it with

    python examples/paper_experiment.py --out docs/benchmarks/training.json
    python examples/paper_experiment.py --out docs/benchmarks/training.json --time
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from rbgp_graphs.nn import Recipe, load_digits, sparsify, train, vgg19, wide_resnet
from rbgp_graphs.nn.initialization import initialize

SPARSITIES = (0.5, 0.75, 0.875, 0.9375)
STRUCTURES = ("unstructured", "block", "rbgp4")
#: Width and epochs of the reduced networks; batch and rate suit 1437 small images.
MODELS = {"vgg19": (0.125, 12), "wrn-40-4": (0.25, 6)}
BATCH, RATE = 64, 0.05
#: Rounds that are timed, after one that is not.
ROUNDS = 7


def build(
    model: str, structure: str, sparsity: float, seed: int, via: Any
) -> tuple[torch.nn.Module, str | None]:
    """Return a network with its first weights, and the report of its sparse layers."""
    torch.manual_seed(seed)
    width, _ = MODELS[model]
    network: torch.nn.Module
    if model == "vgg19":
        network = vgg19(width=width, in_channels=1, image_size=8)
    else:
        network = wide_resnet(width=width, in_channels=1)
    report = None
    if structure != "dense":
        kind: Any = structure
        found = sparsify(network, sparsity, structure=kind, infeasible="nearest", via=via, rng=seed)
        report = str(found)
    initialize(network)
    # The design of patterns can leave PyTorch with another number of threads.
    torch.set_num_threads(1)
    return network, report


def recipe_of(model: str) -> Recipe:
    """Return the paper's schedule, shortened; digits are not mirrored or shifted."""
    _, epochs = MODELS[model]
    paper = Recipe.of_paper(model).shortened(epochs)
    return replace(paper, batch=BATCH, learning_rate=RATE, augment=False)


def cases(models: list[str], seeds: int) -> Iterator[dict[str, Any]]:
    """Yield what to train, all structures of a seed before the next seed."""
    for model in models:
        for seed in range(seeds):
            yield {"model": model, "structure": "dense", "sparsity": 0.0, "seed": seed}
            for sparsity in SPARSITIES:
                for structure in STRUCTURES:
                    case = {"model": model, "structure": structure, "sparsity": sparsity}
                    yield {**case, "seed": seed}


def train_case(case: dict[str, Any]) -> dict[str, Any]:
    """Train one network; return the case with what came out."""
    start = time.process_time()
    # Small dense kernels are quicker than gathering patches here; the results are the same.
    network, _ = build(**case, via="dense")
    result = train(network, load_digits(), recipe_of(case["model"]), seed=case["seed"])
    return {
        **case,
        "test_accuracy": result.test_accuracy,
        "losses": [epoch.loss for epoch in result.epochs],
        "parameters": result.parameters,
        "state_bytes": result.state_bytes,
        "cpu_seconds": time.process_time() - start,
    }


def time_steps(cases: list[dict[str, Any]]) -> list[float]:
    """Return the median milliseconds of a training step of each network.

    The networks take turns, so that a machine that slows down slows all of them. Of the two
    steps of a turn the second is timed: in training the one before was of the same network.
    """
    images = load_digits()
    inputs, labels = images.train[:BATCH], images.train_labels[:BATCH]
    networks = [build(**case)[0] for case in cases]
    optimizers = [
        torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
        for network in networks
    ]
    times: list[list[float]] = [[] for _ in cases]
    for _ in range(ROUNDS + 1):
        for network, optimizer, found in zip(networks, optimizers, times, strict=True):
            for _ in range(2):
                start = time.perf_counter()
                optimizer.zero_grad()
                torch.autograd.backward(functional.cross_entropy(network(inputs), labels))
                optimizer.step()
                end = time.perf_counter()
            found.append(1000 * (end - start))
    return [statistics.median(found[1:]) for found in times]


def read(path: Path) -> dict[str, Any]:
    """Return the results so far."""
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {"runs": [], "steps": []}


def write(path: Path, result: dict[str, Any]) -> None:
    """Replace the result file in one step."""
    packages = ("rbgp-graphs", "torch", "numpy", "scikit-learn")
    result["machine"] = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
    }
    result["settings"] = {
        name: {"width": width, **recipe_of(name).as_dict()} for name, (width, _) in MODELS.items()
    }
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def main() -> None:
    """Train what is not trained yet, or time the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("training.json"))
    parser.add_argument("--models", nargs="+", choices=[*MODELS], default=[*MODELS])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time", action="store_true", help="time the steps instead")
    options = parser.parse_args()
    result = read(options.out)
    done = [
        {key: run[key] for key in ("model", "structure", "sparsity", "seed")}
        for run in result["runs"]
    ]
    if options.time:
        for model in options.models:
            timed = [
                {**case, "via": via}
                for case in cases([model], 1)
                for via in (("unfold", "dense") if case["structure"] == "rbgp4" else ("dense",))
            ]
            result["steps"] = [step for step in result["steps"] if step["model"] != model]
            for case, milliseconds in zip(timed, time_steps(timed), strict=True):
                result["steps"].append({**case, "step_milliseconds": milliseconds})
                print(result["steps"][-1], flush=True)
            write(options.out, result)
        return
    for case in cases(options.models, options.seeds):
        if case in done:
            continue
        run = train_case(case)
        result["runs"].append(run)
        accuracy, seconds = run["test_accuracy"], run["cpu_seconds"]
        print(case, f"accuracy {accuracy:.4f}", f"{seconds:.1f} s CPU", flush=True)
        write(options.out, result)


if __name__ == "__main__":
    main()
