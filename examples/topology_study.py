"""Does accuracy follow the spectral gap of the layers? A study on scikit-learn's digits.

Trains many small networks at once. All have three sparse layers of 128 x 128, drawn from
families of graphs with equal numbers of edges but very different gaps. Run it with

    python examples/topology_study.py --out docs/benchmarks/topology.json
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch.nn import functional

import rbgp_graphs as rg
from rbgp_graphs.nn import Images, load_digits
from rbgp_graphs.products import banded, unstructured

SIDE, LAYERS, CLASSES = 128, 3, 10
SEEDS, EPOCHS, BATCH, RATE = 6, 15, 64, 0.1
RESAMPLES = 2000
#: Units that the last layer of the narrow networks has for each class.
UNITS = SIDE // 16


# Families -----------------------------------------------------------------------------------


def ring(degree: int, _rng: Any) -> rg.BipartiteGraph:
    """Join every vertex to those around its place on a ring."""
    return banded(SIDE, SIDE, degree)


def rewired(share: float) -> Callable[[int, Any], rg.BipartiteGraph]:
    """Return the family of rings in which a share of the edges was exchanged in pairs."""

    def family(degree: int, rng: Any) -> rg.BipartiteGraph:
        mask = ring(degree, rng).biadjacency(np.int8).toarray()
        switches = round(share * SIDE * degree / 2)
        while switches > 0:
            edges = np.argwhere(mask)
            (a, b), (c, d) = edges[rng.integers(0, len(edges), 2)]
            if a != c and b != d and not mask[a, d] and not mask[c, b]:
                mask[a, b] = mask[c, d] = 0
                mask[a, d] = mask[c, b] = 1
                switches -= 1
        return rg.BipartiteGraph.from_biadjacency(mask)

    return family


def disconnected(parts: int) -> Callable[[int, Any], rg.BipartiteGraph]:
    """Return the family of several random regular graphs side by side."""

    def family(degree: int, rng: Any) -> rg.BipartiteGraph:
        side = SIDE // parts
        edges = [
            rg.random_biregular(side, side, degree, rng=rng).edges + part * side
            for part in range(parts)
        ]
        return rg.BipartiteGraph.from_edges(np.concatenate(edges), shape=(SIDE, SIDE))

    return family


def blocks(side: int) -> Callable[[int, Any], rg.BipartiteGraph]:
    """Return the family of random regular graphs of dense blocks."""

    def family(degree: int, rng: Any) -> rg.BipartiteGraph:
        outer = rg.random_biregular(SIDE // side, SIDE // side, degree // side, rng=rng)
        mask = rg.TensorProduct(outer, rg.complete(side, side)).mask()
        return rg.BipartiteGraph.from_biadjacency(mask)

    return family


def random(degree: int, rng: Any) -> rg.BipartiteGraph:
    """Choose the edges uniformly among all pairs, so that degrees differ."""
    return unstructured(SIDE, SIDE, 1 - degree / SIDE, rng=rng)


def rbgp4(degree: int, rng: Any) -> rg.BipartiteGraph:
    """Return a designed product in which four rows share their columns."""
    pattern = rg.design(SIDE, SIDE, 1 - degree / SIDE, row_group=4, rng=rng)
    return rg.BipartiteGraph.from_biadjacency(pattern.mask())


def field_lift(degree: int, _rng: Any) -> rg.BipartiteGraph:
    """Return an explicit lift of the complete graph."""
    copies = (SIDE // degree).bit_length() - 1
    return rg.field_lift(degree, degree, -(-copies // (degree.bit_length() - 1)), copies)


FAMILIES: dict[str, Callable[[int, Any], rg.BipartiteGraph]] = {
    "8 parts": disconnected(8),
    "2 parts": disconnected(2),
    "ring": ring,
    "ring, 2 % rewired": rewired(0.02),
    "ring, 10 % rewired": rewired(0.1),
    "ring, 30 % rewired": rewired(0.3),
    "blocks 4 x 4": blocks(4),
    "blocks 2 x 2": blocks(2),
    "RBGP4": rbgp4,
    "random": random,
    "random regular": lambda degree, rng: rg.random_biregular(SIDE, SIDE, degree, rng=rng),
    "Ramanujan lift": lambda degree, rng: rg.ramanujan(SIDE, SIDE, degree, method="lift", rng=rng),
    "field lift": field_lift,
}
#: All families at one density, and some at twice and at half of it.
CASES = [(name, 8) for name in FAMILIES] + [
    (name, degree)
    for degree in (4, 16)
    for name in ("8 parts", "ring", "ring, 10 % rewired", "random regular", "Ramanujan lift")
]


def measures(graph: rg.BipartiteGraph) -> dict[str, float]:
    """Return the spectral gap and the algebraic connectivity of a graph.

    The gap is that of the biadjacency matrix, relative to its largest singular value; the
    connectivity is the second smallest eigenvalue of the normalised Laplacian. They agree for
    regular graphs.
    """
    matrix = graph.biadjacency(np.float64).toarray()
    left, right = (np.maximum(matrix.sum(axis=axis), 1) for axis in (1, 0))
    plain = np.linalg.svd(matrix, compute_uv=False)
    scaled = np.linalg.svd(matrix / np.sqrt(np.outer(left, right)), compute_uv=False)
    return {"gap": 1 - plain[1] / plain[0], "connectivity": 1 - scaled[1]}


# Networks -----------------------------------------------------------------------------------


def train_all(
    masks: torch.Tensor, images: Images, seeds: list[int], *, narrow: bool, epochs: int
) -> tuple[list[float], list[float]]:
    """Train one network for each row of masks, all at once.

    Parameters
    ----------
    masks : torch.Tensor of bool, shape (networks, layers, side, side)
        Which weights each network has.
    images : Images
        Digits.
    seeds : list of int
        One for each network: its first weights. The order of the images is the same for all.
    narrow : bool
        Whether information flows through the sparse layers alone: each pixel enters at its own
        units and each class is read from its own. Otherwise the first and the last layer are
        dense.
    epochs : int
        Passes over the images.

    Returns
    -------
    (list of float, list of float)
        Test accuracy and last training loss of each network.
    """
    count = len(masks)
    first = draw(seeds, (SIDE, 64), 64)
    last = draw(seeds, (CLASSES, SIDE), SIDE)
    hidden = draw(seeds, tuple(masks.shape[1:]), 1)
    hidden = hidden / masks.sum(-1, keepdim=True).clamp(min=1).sqrt() * masks
    offsets = torch.zeros(count, LAYERS, 1, SIDE)
    weights = [hidden, offsets] if narrow else [first, hidden, offsets, last]
    for weight in weights:
        weight.requires_grad_()
    optimizer = torch.optim.SGD(weights, lr=RATE, momentum=0.9, nesterov=True)

    def scores(x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        if narrow:
            y = flat.repeat_interleave(SIDE // 64, dim=1).expand(count, -1, -1)
        else:
            y = functional.relu(flat @ first.mT)
        for layer in range(LAYERS):
            y = torch.baddbmm(offsets[:, layer], y, (hidden[:, layer] * masks[:, layer]).mT)
            y = functional.relu(y) if layer < LAYERS - 1 or not narrow else y
        if narrow:
            read = y[..., : CLASSES * UNITS].reshape(count, -1, CLASSES, UNITS)
            means: torch.Tensor = UNITS**0.5 * read.mean(3)
            return means
        return torch.matmul(y, last.mT)

    losses = torch.zeros(count)
    steps = 0
    order = torch.Generator().manual_seed(0)
    total = epochs * (len(images.train) // BATCH)
    for _ in range(epochs):
        for part in torch.split(torch.randperm(len(images.train), generator=order), BATCH):
            if len(part) < BATCH:
                continue
            optimizer.param_groups[0]["lr"] = RATE * (1 + np.cos(np.pi * steps / total)) / 2
            labels = images.train_labels[part].repeat(count)
            each = functional.cross_entropy(
                scores(images.train[part]).flatten(0, 1), labels, reduction="none"
            )
            losses = each.view(count, -1).mean(1)
            optimizer.zero_grad()
            torch.autograd.backward(losses.sum())
            optimizer.step()
            steps += 1
    with torch.no_grad():
        found = scores(images.test).argmax(2) == images.test_labels
    return found.float().mean(1).tolist(), losses.detach().tolist()


def draw(seeds: list[int], shape: tuple[int, ...], fan_in: int) -> torch.Tensor:
    """Return normal weights for each seed, with He's variance for a fan-in."""
    drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    stacked: torch.Tensor = (2 / fan_in) ** 0.5 * torch.stack(drawn)
    return stacked


# Statistics ---------------------------------------------------------------------------------


def correlation(
    rows: list[dict[str, Any]], measure: str, accuracy: str, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Return Spearman's rank correlation with a 95 % interval.

    Each family at each density is one point, its mean over the seeds: networks of one family are
    not independent. The interval resamples these points and, inside each, its seeds.
    """
    cases = sorted({(row["family"], row["degree"]) for row in rows})
    table = {
        case: np.array(
            [
                (row[measure], row[accuracy])
                for row in rows
                if (row["family"], row["degree"]) == case
            ]
        )
        for case in cases
    }
    generator = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        points = []
        for place in generator.integers(0, len(cases), len(cases)):
            seeds = table[cases[place]]
            points.append(seeds[generator.integers(0, len(seeds), len(seeds))].mean(axis=0))
        rho = rank_correlation(np.array(points))
        if np.isfinite(rho):
            found.append(rho)
    rho = rank_correlation(np.array([table[case].mean(axis=0) for case in cases]))
    low, high = np.percentile(found, [2.5, 97.5])
    return {
        "measure": measure,
        "accuracy": accuracy,
        "points": len(cases),
        "rho": rho,
        "low": float(low),
        "high": float(high),
    }


def rank_correlation(points: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation of two columns, NaN if one of them is constant."""
    # Values that differ by rounding alone, as the zeros of disconnected graphs do, are ties.
    x, y = points.T.round(9)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.spearmanr(x, y).statistic)


def varies(rows: list[dict[str, Any]], measure: str) -> bool:
    """Return whether a measure has more than one value."""
    return len({round(row[measure], 9) for row in rows}) > 1


def study(seeds: int, epochs: int, cases: list[tuple[str, int]]) -> dict[str, Any]:
    """Draw the graphs, train the networks and correlate."""
    images = load_digits()
    rows: list[dict[str, Any]] = []
    for name, degree in cases:
        start = time.perf_counter()
        masks: list[NDArray[np.bool_]] = []
        own: list[dict[str, Any]] = []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, degree, list(FAMILIES).index(name)])
            graphs = [FAMILIES[name](degree, rng) for _ in range(LAYERS)]
            masks.append(np.stack([graph.biadjacency().toarray() for graph in graphs]))
            found = [measures(graph) for graph in graphs]
            means = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
            own.append({"family": name, "degree": degree, "seed": seed, **means})
        stacked = torch.from_numpy(np.stack(masks))
        # The design of patterns can leave PyTorch with another number of threads.
        torch.set_num_threads(1)
        for kind, narrow in (("dense_ends", False), ("narrow", True)):
            accuracies, losses = train_all(
                stacked, images, [*range(seeds)], narrow=narrow, epochs=epochs
            )
            for row, accuracy, loss in zip(own, accuracies, losses, strict=True):
                row |= {kind: accuracy, f"{kind}_loss": loss}
        rows += own
        print(
            f"{name:<20} degree {degree:>2}  gap {np.mean([r['gap'] for r in own]):.3f}  "
            f"dense ends {np.mean([r['dense_ends'] for r in own]):.4f}  "
            f"narrow {np.mean([r['narrow'] for r in own]):.4f}  "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
    for row in rows:
        row["density"] = row["degree"] / SIDE
    equal = [row for row in rows if row["degree"] == 8]
    return {
        "settings": {"side": SIDE, "layers": LAYERS, "seeds": seeds, "epochs": epochs},
        "networks": rows,
        "equal_density": [
            correlation(equal, measure, kind)
            for kind in ("dense_ends", "narrow")
            for measure in ("gap", "connectivity")
            if varies(equal, measure)
        ],
        "all_densities": [
            correlation(rows, measure, kind)
            for kind in ("dense_ends", "narrow")
            for measure in ("gap", "connectivity", "density")
            if varies(rows, measure)
        ],
    }


def machine() -> dict[str, Any]:
    """Return what the study ran on."""
    packages = ("rbgp-graphs", "torch", "numpy", "scipy", "scikit-learn")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
    }


def main() -> None:
    """Run the study and write its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("topology.json"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    result = {"machine": machine(), **study(options.seeds, options.epochs, CASES)}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for part in ("equal_density", "all_densities"):
        for row in result[part]:
            print(
                f"{part:<14} {row['accuracy']:<11} {row['measure']:<13} rho {row['rho']:+.2f} "
                f"[{row['low']:+.2f}, {row['high']:+.2f}]"
            )


if __name__ == "__main__":
    main()
