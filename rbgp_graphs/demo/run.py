"""The steps of the demo, from the shape of a layer to a page of figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs import encoding, export
from rbgp_graphs._validation import as_int, require
from rbgp_graphs.bench import CPU_PEERS, Measurement, compare
from rbgp_graphs.demo.network import DenseLayer, Layer, SparseLayer, Training, train
from rbgp_graphs.demo.page import write_page
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.products import RBGP4, unstructured
from rbgp_graphs.selection import design
from rbgp_graphs.spectral import Verdict, verify
from rbgp_graphs.viz.summary import built_by

WIDTH, SPARSITY = 1024, 0.9375
_EPOCHS = 12
_TEST_SHARE = 0.2
_TIMED_COLUMNS = 256

_PATTERN_FILE, _LAYER_FILE = "hidden.rbgp", "hidden_trained.rbgp"
_MASK_FILE, _REPORT_FILE = "mask.npz", "report.html"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One kind of hidden layer, trained from several seeds.

    Attributes
    ----------
    name : str
        The kind of layer.
    num_weights : int
        Nonzero weights of the hidden layer.
    accuracies : list of float
        Share of test images classified correctly at the end, for each seed.
    losses : list of float
        Training loss after each epoch of the first seed.
    seconds : float
        Time of one training, on average.
    """

    name: str
    num_weights: int
    accuracies: list[float]
    losses: list[float]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.accuracies))


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo found and where it wrote.

    Attributes
    ----------
    pattern : RBGP4
        The pattern of the hidden layer.
    verdict : Verdict
        Its spectral verdict, with those of the factors.
    storage_bytes : dict
        Bytes of the pattern in several forms.
    comparisons : list of Comparison
        Accuracy of the RBGP4, dense and unstructured layers.
    timings : tuple of Measurement
        Time of one product by several means.
    files : list of Path
        What was written.
    """

    pattern: RBGP4
    verdict: Verdict
    storage_bytes: dict[str, int]
    comparisons: list[Comparison]
    timings: tuple[Measurement, ...]
    files: list[Path]

    def as_dict(self) -> dict[str, Any]:
        """Return the result as a JSON-able dict."""
        return {
            "shape": list(self.pattern.shape),
            "sparsity": self.pattern.sparsity,
            "verdict": self.verdict.as_dict(),
            "storage_bytes": self.storage_bytes,
            "training": [{**asdict(c), "accuracy": c.accuracy} for c in self.comparisons],
            "timings": [asdict(timing) for timing in self.timings],
            "files": [str(path) for path in self.files],
        }


def run(
    out: Path | str = "demo",
    say: Callable[[str], None] = print,
    *,
    overwrite: bool = False,
    num_seeds: int = 2,
    epochs: int = _EPOCHS,
) -> DemoResult:
    """Run the main job on the handwritten digits that come with scikit-learn.

    Designs a 1024 x 1024 hidden layer at 93.75 % sparsity, verifies it, stores it, trains a
    network with it through the package's own products, next to a dense and an unstructured
    sparse layer, times the product, and writes a page of figures.

    Parameters
    ----------
    out : path
        Folder for the files; made if missing.
    say : callable
        Takes each line of the story.
    overwrite : bool
        Replace files of an earlier run.
    num_seeds : int
        Trainings of each kind.
    epochs : int
        Passes over the images in each training.

    Returns
    -------
    DemoResult
        Everything that was measured.

    Raises
    ------
    ArgumentError
        If a file is in the way and `overwrite` is not set, or `out` is no folder.
    MissingDependencyError
        If scikit-learn or plotly is not installed.
    """
    num_seeds, epochs = (
        as_int("num_seeds", num_seeds, minimum=1),
        as_int("epochs", epochs, minimum=1),
    )
    require("plotly", "demo")
    data = load_digits()
    files = _prepare(Path(out), overwrite)

    say(f"1. Data: {data[0].shape[1]} training and {data[2].shape[1]} test images, 8 x 8, real.")
    pattern = design(WIDTH, WIDTH, SPARSITY)
    verdict = verify(pattern, level="proved")
    for line in (*_describe_design(pattern), *_describe_verdict(pattern, verdict)):
        say(line)

    stored = encoding.save(files[0], pattern)
    export.write(files[2], pattern)
    storage = _storage(pattern, stored)
    say("4. Size of the pattern on disk, without the weights:")
    for name, size in storage.items():
        say(f"     {name:<28}{size:>12,} bytes")

    say(f"5. Training, {num_seeds} seeds, {epochs} epochs; input and output layers dense:")
    comparisons, trained = _train_all(pattern, data, num_seeds, epochs, say)
    encoding.save(files[1], pattern, trained)

    say(f"6. One product with {_TIMED_COLUMNS} columns, float32, median of 7 (checked first):")
    peers = [peer for peer in CPU_PEERS if peer.name in ("scipy CSR", "numpy dense")]
    timings = compare(RBGP4Matrix(pattern, trained), _TIMED_COLUMNS, peers=peers).measurements
    for timing in timings:
        say(f"     {timing.name:<28}{timing.milliseconds:>9.2f} ms")

    result = DemoResult(
        pattern=pattern,
        verdict=verdict,
        storage_bytes=storage,
        comparisons=comparisons,
        timings=timings,
        files=files,
    )
    write_page(result, files[3])
    say("7. Written:")
    for path in files:
        say(f"     {path}")
    return result


def load_digits() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the digits of scikit-learn, split once and for all.

    Returns
    -------
    images, labels, test_images, test_labels
        Images are float32 of shape (64, count) from 0 to 1; labels are integers.
    """
    datasets = require("sklearn.datasets", "demo")
    selection = require("sklearn.model_selection", "demo")
    digits = datasets.load_digits()
    images = (digits.data / 16).astype(np.float32)
    train_images, test_images, labels, test_labels = selection.train_test_split(
        images, digits.target, test_size=_TEST_SHARE, random_state=0, stratify=digits.target
    )
    return train_images.T.copy(), labels, test_images.T.copy(), test_labels


def _prepare(out: Path, overwrite: bool) -> list[Path]:
    """Make the folder and return the files, before any work is done."""
    if out.exists() and not out.is_dir():
        raise ArgumentError(f"{out} is not a folder")
    files = [out / name for name in (_PATTERN_FILE, _LAYER_FILE, _MASK_FILE, _REPORT_FILE)]
    existing = [path for path in files if path.exists()]
    if existing and not overwrite:
        raise ArgumentError(
            f"{existing[0]} exists; name another folder, or allow overwriting (rbgp demo --force)"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"cannot make the folder {out}: {error.strerror}") from error
    return files


def _describe_design(pattern: RBGP4) -> list[str]:
    tile_rows, tile_cols = pattern.tile_shape
    share = pattern.outer.num_edges / (pattern.outer.left * pattern.outer.right)
    return [
        f"2. Design: a {pattern.rows} x {pattern.cols} layer at {pattern.sparsity:.2%} sparsity, "
        "the",
        "   smallest sigma2/sigma1 of the patterns whose tiles fit fast memory and whose",
        "   rows share indices in fours.",
        *(
            f"     {name:<7} {graph.left} x {graph.right}: {built_by(graph.recipe)}"
            for name, graph in zip(pattern.factor_names, pattern.factors, strict=True)
        ),
        f"     tiles of {tile_rows} x {tile_cols}; {share:.0%} of them are there; "
        f"{pattern.row_group} rows share one column list",
    ]


def _describe_verdict(pattern: RBGP4, verdict: Verdict) -> list[str]:
    lines = ["3. Verdicts (sigma2 against the Ramanujan bound):"]
    named = [*zip(pattern.factor_names, verdict.factors, strict=True), ("product", verdict)]
    for name, part in named:
        answer = {True: "Ramanujan", False: "not Ramanujan", None: "undecided"}[part.is_ramanujan]
        lines.append(
            f"     {name:<8} sigma2 {part.sigma2:8.4f}, bound {part.bound:8.4f}: "
            f"{answer} ({part.status})"
        )
    lines.append("   A product of Ramanujan graphs is normally not Ramanujan. What it keeps is the")
    lines.append(
        f"   gap of its worst factor: sigma2/sigma1 = {verdict.sigma2 / verdict.sigma1:.3f}."
    )
    return lines


def _storage(pattern: RBGP4, stored: int) -> dict[str, int]:
    return {
        ".rbgp file": stored,
        "CSR, 32-bit indices": 4 * (pattern.nnz + pattern.rows + 1),
        "bitmask": pattern.rows * pattern.cols // 8,
    }


def _train_all(
    pattern: RBGP4, data: Any, num_seeds: int, epochs: int, say: Callable[[str], None]
) -> tuple[list[Comparison], NDArray[np.float32]]:
    """Train each kind of layer from each seed; return also the first trained RBGP4 weights."""

    def masked(generator: np.random.Generator) -> Layer:
        mask = unstructured(*pattern.shape, pattern.sparsity, rng=generator)
        return DenseLayer(WIDTH, WIDTH, generator, export.to_numpy(mask))

    kinds: dict[str, Callable[[np.random.Generator], Layer]] = {
        "RBGP4": lambda generator: SparseLayer(pattern, generator),
        "unstructured random mask": masked,
        "dense": lambda generator: DenseLayer(WIDTH, WIDTH, generator),
    }
    comparisons = []
    trained: list[NDArray[np.float32]] = []
    for name, make in kinds.items():
        runs: list[Training] = []
        start = time.perf_counter()
        for seed in range(num_seeds):
            generator = np.random.default_rng(seed)
            hidden = make(generator)
            runs.append(train(hidden, WIDTH, data, epochs=epochs, generator=generator))
            if name == "RBGP4" and not trained:
                trained.append(hidden.weights)
        comparison = Comparison(
            name=name,
            num_weights=runs[0].num_weights,
            accuracies=[run.accuracies[-1] for run in runs],
            losses=runs[0].losses,
            seconds=(time.perf_counter() - start) / num_seeds,
        )
        comparisons.append(comparison)
        say(
            f"     {name:<25}{comparison.num_weights:>9,} weights, test accuracy "
            f"{comparison.accuracy:.1%}, {comparison.seconds:.1f} s"
        )
    return comparisons, trained[0]
