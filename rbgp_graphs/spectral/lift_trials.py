"""One numbered try of a search for lifts: draw or improve edge labels, and their new norm.

A try depends on its task and its number alone, so that it gives the same result in whatever
process, on whatever machine of the same kind, and in whatever order it runs.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.constructions import cyclic_lift, two_lift
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.graph import BipartiteGraph, Recipe
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.numeric import DENSE_SIDE, largest_singular_value
from rbgp_graphs.spectral.power_norm import reduce_power_norm

Method = Literal["reject", "local", "cyclic"]
Labels = NDArray[np.int64]

#: Powers of the local search, in turn from try to try. No single one is best for all graphs.
_POWERS = (4, 8, 16)
#: Entries of the character blocks whose singular values are computed at a time.
_BLOCK_ENTRIES = 1 << 20
_THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class LevelTask:
    """What all tries of a level share.

    Attributes
    ----------
    recipe : dict
        Recipe of the graph that is lifted.
    method : {"reject", "local", "cyclic"}
        How labels are found.
    k : int
        Number of copies; 2 unless the method is "cyclic".
    steps : int
        Steps of the local search.
    seed : int
        Seed of the whole search.
    level : int
        Number of the level, from 0.
    """

    recipe: Recipe
    method: Method
    k: int
    steps: int
    seed: int
    level: int


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The result of a try.

    Attributes
    ----------
    number : int
        The number of the try within its level, from 0.
    norm : float
        The largest of the singular values that the lift adds to its base.
    labels : ndarray of int64, shape (num_edges,)
        The signs (+1, -1) or the shifts (0 to k - 1), in the order of ``base.edges``.
    """

    number: int
    norm: float
    labels: Labels


def run_trials(task: LevelTask, numbers: Sequence[int]) -> list[Trial]:
    """Run tries one after the other, on one thread.

    Parameters
    ----------
    task : LevelTask
        The level.
    numbers : sequence of int
        The tries to run.

    Returns
    -------
    list of Trial
        In the order of `numbers`.
    """
    base = from_recipe(task.recipe)
    with one_thread():
        return [_run(task, base, number) for number in numbers]


def new_norm(base: BipartiteGraph, method: Method, k: int, labels: Labels) -> float:
    """Return the largest singular value that a lift adds to those of its base."""
    if method != "cyclic" or k == 2:
        signs = 1.0 - 2.0 * labels if method == "cyclic" else labels.astype(np.float64)
        return _weighted_norm(base, signs)
    per_chunk = max(1, _BLOCK_ENTRIES // (base.left * base.right))
    characters = np.arange(1, k // 2 + 1)
    return max(
        _character_norm(base, k, labels, characters[start : start + per_chunk])
        for start in range(0, len(characters), per_chunk)
    )


def lift_by_labels(base: BipartiteGraph, method: Method, k: int, labels: Labels) -> BipartiteGraph:
    """Return the lift that the labels describe."""
    return cyclic_lift(base, k, labels) if method == "cyclic" else two_lift(base, labels)


class _OneThread:
    """The limit that all threads of the process share: the last to leave takes it away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit = contextlib.ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._limit.enter_context(_limited())
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.close()


def _limited() -> contextlib.AbstractContextManager[Any]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return _environment(dict.fromkeys(_THREAD_VARIABLES, "1"))
    # Only BLAS: the limit of OpenMP would hold for the calling thread alone, and stay there.
    limit: contextlib.AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limit


_ONE_THREAD = _OneThread()


def one_thread() -> contextlib.AbstractContextManager[None]:
    """Keep BLAS to one thread: workers would fight for the cores, and rounding would vary.

    Without threadpoolctl the environment is set instead, which only reaches processes that
    start in the meantime.
    """
    return _ONE_THREAD


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run(task: LevelTask, base: BipartiteGraph, number: int) -> Trial:
    # The same stream as the child that SeedSequence.spawn would give.
    sequence = np.random.SeedSequence(task.seed, spawn_key=(task.level, number))
    generator = np.random.default_rng(sequence)
    if task.method == "cyclic":
        labels = generator.integers(task.k, size=base.num_edges)
    else:
        labels = generator.choice(np.array([-1, 1]), size=base.num_edges)
    if task.method == "local":
        bound = ramanujan_bound(*(base.degrees or (0, 0)))
        power = _POWERS[number % len(_POWERS)]
        labels = reduce_power_norm(base, labels, bound, power, task.steps, generator)
    norm = new_norm(base, task.method, task.k, labels)
    return Trial(number=number, norm=norm, labels=labels)


def _weighted_norm(base: BipartiteGraph, weights: NDArray[Any]) -> float:
    block = base.biadjacency(weights.dtype)
    block.data[:] = weights
    return largest_singular_value(block).value


def _character_norm(
    base: BipartiteGraph, k: int, shifts: Labels, characters: NDArray[np.int64]
) -> float:
    weights = np.exp(2j * np.pi * (np.outer(characters, shifts) % k) / k)
    if min(base.shape) > DENSE_SIDE:
        return max(_weighted_norm(base, row) for row in weights)
    blocks = np.zeros((len(characters), *base.shape), dtype=np.complex128)
    u, v = base.edges.T
    blocks[:, u, v] = weights
    return float(np.linalg.svd(blocks, compute_uv=False)[:, 0].max())
