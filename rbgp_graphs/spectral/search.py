"""Search for lifts with a small second singular value, on as many workers as there are."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from rbgp_graphs._validation import as_generator, as_int
from rbgp_graphs.constructions.recipes import MAX_EDGES, MAX_SIDE
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.checkpoint import Checkpoint, LevelRecord
from rbgp_graphs.spectral.composition import second_singular_value_of_graph
from rbgp_graphs.spectral.lift_trials import (
    Labels,
    LevelTask,
    Method,
    lift_by_labels,
    new_norm,
    one_thread,
    run_trials,
)
from rbgp_graphs.spectral.trials import Cancelled, run_all

Keep = Literal["best", "first"]
Progress = Callable[[int, int], Any]

#: Norms this close to the bound do not count as below it, so that rounding cannot matter.
_MARGIN = 1e-9
#: How far a norm in a checkpoint may be from the one that its labels have.
_TOLERANCE = 1e-6
#: Local search works on dense matrices; beyond this side a step takes seconds.
_LARGEST_LOCAL_SIDE = 2048
_LEAST_STEPS = 2000


@dataclass(frozen=True, kw_only=True)
class SearchLevel:
    """One level of a search.

    Attributes
    ----------
    norm : float
        The largest singular value that the lift adds to its base.
    ratio : float
        `norm` over the Ramanujan bound.
    tries : int
        How many tries were compared.
    accepted : int
        The number of the try that was taken, from 0.
    """

    norm: float
    ratio: float
    tries: int
    accepted: int


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What `search_lift` has found.

    Attributes
    ----------
    graph : BipartiteGraph
        The lift, connected.
    sigma2 : float
        Its second singular value: the largest of that of the base and the norms of the levels.
    bound : float
        The Ramanujan bound.
    levels : tuple of SearchLevel
        From the base upwards.
    method : {"reject", "local", "cyclic"}
        How labels were found.
    seed : int
        The seed that repeats the search.
    """

    graph: BipartiteGraph
    sigma2: float
    bound: float
    levels: tuple[SearchLevel, ...]
    method: Method
    seed: int

    @property
    def ratio(self) -> float:
        """Second singular value over the bound; at most 1 for a Ramanujan graph."""
        return self.sigma2 / self.bound

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratio of each level."""
        return tuple(level.ratio for level in self.levels)

    @property
    def tries(self) -> tuple[int, ...]:
        """The tries of each level."""
        return tuple(level.tries for level in self.levels)


def search_lift(
    base: BipartiteGraph,
    levels: int = 1,
    *,
    method: Method = "reject",
    tries: int | None = None,
    k: int = 2,
    keep: Keep = "best",
    steps: int | None = None,
    executor: Executor | None = None,
    rng: Any = 0,
    progress: Progress | None = None,
    checkpoint: Any = None,
    max_seconds: float | None = None,
) -> SearchResult:
    r"""Lift a graph level by level and keep the lift with the smallest new singular value.

    Parameters
    ----------
    base : BipartiteGraph
        Biregular and connected, with a cycle.
    levels : int
        How often to lift, at least 1.
    method : {"reject", "local", "cyclic"}
        "reject": random 2-lifts. "local": 2-lifts by local search on the power norm
        :math:`\operatorname{tr}(SS^T/\beta^2)^p` of the signed matrix, from random signs, with
        p = 4, 8, 16 in turn. "cyclic": random cyclic lifts to `k` copies.
    tries : int, optional
        Largest number of tries at a level; 64 by default, 3 for "local".
    k : int
        Copies at each level; other values than 2 need the method "cyclic".
    keep : {"best", "first"}
        The try with the smallest norm, or the first one below the Ramanujan bound (the best if
        there is none).
    steps : int, optional
        Steps of a local search; by default twice the number of edges, at least 2000.
    executor : concurrent.futures.Executor, optional
        Where the tries run; by default one after the other in this thread.
    rng : int, numpy.random.Generator or None
        The seed. From a generator one number is drawn.
    progress : callable, optional
        Called in this thread as ``progress(done, total)`` with numbers of tries. To stop the
        search it raises `Cancelled` or returns it.
    checkpoint : str or os.PathLike, optional
        A file that is kept up to date, at least every second. If it is there, the search goes on
        from it: with the same base, method, `k`, `steps` and seed, while `levels`, `tries`,
        `keep` and `executor` may differ. Needs an int as `rng`.
    max_seconds : float, optional
        After this time no further tries are started, except one chunk of each level that has
        none. Only with this limit does the result depend on the speed of the machine.

    Returns
    -------
    SearchResult
        The lift with its second singular value. It is not always below the bound: see `ratio`.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If an argument leaves its range, if `base` is empty, not biregular or not connected, or
        the result would be too large.
    InfeasibleError
        If `base` is a tree, or no try has given a connected lift.
    FormatError
        If the checkpoint is damaged or belongs to another search.
    BackendError
        If the executor fails. The checkpoint keeps what was done.
    Cancelled
        If `progress` wants it. The checkpoint keeps what was done.

    Notes
    -----
    The new singular values of a 2-lift are those of the signed matrix of the base, and those of
    a cyclic lift come from the :math:`k - 1` matrices with :math:`e^{2\pi i c s/k}` in place of
    the ones, so that a try costs norms of the size of the base. Tries are numbered, and each
    has a seed of its own, which is the child ``(level, number)`` of ``SeedSequence(seed)``.
    Ties go to the smaller number. So the result does not depend on how many workers there are,
    or which of them ends first. Norms are floating-point values; `verify` with
    ``level="proved"`` gives a proof.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> found = search_lift(complete(8, 8), levels=2, tries=16)
    >>> found.graph.shape, found.ratio < 1, found.tries
    ((32, 32), True, (16, 16))
    """
    search = _Search(base, method, tries, k, keep, steps, rng, checkpoint)
    levels = as_int("levels", levels, minimum=1, maximum=32)
    _check_size(base, levels, search.k)
    if executor is not None and not isinstance(executor, Executor):
        raise ArgumentTypeError(
            f"executor is a {type(executor).__name__}, expected a concurrent.futures.Executor "
            "(of dask: client.get_executor())"
        )
    if progress is not None and not callable(progress):
        raise ArgumentTypeError(f"progress is a {type(progress).__name__}, expected a callable")
    deadline = None if max_seconds is None else time.monotonic() + _as_seconds(max_seconds)
    with one_thread():
        found = search.run(levels, executor, progress, deadline)
    graph = found[-1][0]
    sigma2 = max(second_singular_value_of_graph(base).value, *(level.norm for _, level in found))
    return SearchResult(
        graph=graph,
        sigma2=sigma2,
        bound=search.bound,
        levels=tuple(level for _, level in found),
        method=search.method,
        seed=search.seed,
    )


class _Search:
    """The checked arguments of a search that decide about its result."""

    def __init__(
        self,
        base: BipartiteGraph,
        method: Method,
        tries: int | None,
        k: int,
        keep: Keep,
        steps: int | None,
        rng: Any,
        checkpoint: Any,
    ) -> None:
        _one_of("method", method, Method)
        _one_of("keep", keep, Keep)
        self.base = base
        self.bound = ramanujan_bound(*_check_base(base))
        self.method: Method = method
        self.keep: Keep = keep
        default = 3 if method == "local" else 64
        self.tries = as_int("tries", default if tries is None else tries, minimum=1, maximum=10**6)
        self.k = as_int("k", k, minimum=2, maximum=MAX_SIDE)
        if self.k != 2 and method != "cyclic":
            raise ArgumentError(f"k is {k}, but method {method!r} makes 2-lifts; use 'cyclic'")
        self.steps = None if steps is None else as_int("steps", steps, minimum=0, maximum=10**8)
        if checkpoint is not None and (rng is None or isinstance(rng, np.random.Generator)):
            raise ArgumentError("rng is no int, so a search with a checkpoint could not go on")
        is_seed = not (rng is None or isinstance(rng, np.random.Generator))
        self.seed = (
            as_int("rng", rng, minimum=0, maximum=2**64 - 1)
            if is_seed
            else int(as_generator(rng).integers(2**63))
        )
        parameters = {
            "base": base.digest,
            "method": method,
            "k": self.k,
            "steps": self.steps,
            "seed": self.seed,
        }
        self.checkpoint = Checkpoint(checkpoint, parameters)

    def run(
        self,
        levels: int,
        executor: Executor | None,
        progress: Progress | None,
        deadline: float | None,
    ) -> list[tuple[BipartiteGraph, SearchLevel]]:
        """Return the lift of each level."""
        found: list[tuple[BipartiteGraph, SearchLevel]] = []
        graph = self.base
        try:
            for level in range(levels):
                if self.method == "local" and min(graph.shape) > _LARGEST_LOCAL_SIDE:
                    raise ArgumentError(
                        f"level {level + 1} lifts a graph of {min(graph.shape)} vertices on its "
                        f"smaller side; method 'local' takes at most {_LARGEST_LOCAL_SIDE}, "
                        "use 'reject'"
                    )
                task = self._task(graph, level)
                record = self.checkpoint.level(level, graph.digest)
                report = _reporter(progress, level * self.tries, levels * self.tries)
                self._fill(record, task, executor, report, deadline)
                graph, facts = self._conclude(record, task, graph)
                found.append((graph, facts))
        finally:
            self.checkpoint.write(now=True)
        return found

    def _task(self, graph: BipartiteGraph, level: int) -> LevelTask:
        steps = max(_LEAST_STEPS, 2 * graph.num_edges) if self.steps is None else self.steps
        return LevelTask(
            recipe=graph.recipe,
            method=self.method,
            k=self.k,
            steps=steps,
            seed=self.seed,
            level=level,
        )

    def _fill(
        self,
        record: LevelRecord,
        task: LevelTask,
        executor: Executor | None,
        report: Callable[[int], None],
        deadline: float | None,
    ) -> None:
        """Run the tries that the record lacks, as far as they can matter."""
        missing = [number for number in range(self.tries) if number not in record.norms]
        # Chunks keep the way to the workers short; a long local search needs none.
        size = 1 if self.method == "local" or self.keep == "first" else -(-self.tries // 32)
        if deadline is not None and len(missing) < self.tries and time.monotonic() >= deadline:
            missing = []

        def is_wanted(number: int) -> bool:
            return self.keep == "best" or number < self._first_good(record)

        report(min(len(record.norms), self.tries))
        for trial in run_all(task, list(_split(missing, size)), executor, deadline, is_wanted):
            record.add(trial)
            self.checkpoint.write()
            report(min(len(record.norms), self.tries))

    def _first_good(self, record: LevelRecord) -> int:
        limit = self.bound * (1 - _MARGIN)
        return min((n for n, norm in record.norms.items() if norm <= limit), default=self.tries)

    def _conclude(
        self, record: LevelRecord, task: LevelTask, graph: BipartiteGraph
    ) -> tuple[BipartiteGraph, SearchLevel]:
        """Choose the try of a level, and build its lift."""
        norms = {number: norm for number, norm in record.norms.items() if number < self.tries}
        chosen = min(norms, key=lambda number: (norms[number], number))
        compared = len(norms)
        if self.keep == "first" and (good := self._first_good(record)) < self.tries:
            chosen, compared = good, sum(number <= good for number in norms)
        labels = self._labels(record, task, graph, chosen)
        norm = new_norm(graph, self.method, self.k, labels)
        if abs(norm - norms[chosen]) > _TOLERANCE * self.bound:
            raise FormatError(
                f"try {chosen + 1} of level {task.level + 1} has the norm {norm:.9g}, but the "
                f"checkpoint says {norms[chosen]:.9g}"
            )
        lifted = lift_by_labels(graph, self.method, self.k, labels)
        if not lifted.is_connected:
            raise InfeasibleError(
                f"none of {compared} tries at level {task.level + 1} has given a connected lift; "
                "try more, or another seed"
            )
        ratio = norm / self.bound
        return lifted, SearchLevel(norm=norm, ratio=ratio, tries=compared, accepted=chosen)

    def _labels(
        self, record: LevelRecord, task: LevelTask, graph: BipartiteGraph, number: int
    ) -> Labels:
        labels = record.labels if record.leader == number else None
        if labels is None:
            # Only the labels of the leader are kept; any other try can be repeated.
            return run_trials(task, [number])[0].labels
        allowed = np.arange(self.k) if self.method == "cyclic" else (-1, 1)
        if labels.shape != (graph.num_edges,) or not np.isin(labels, allowed).all():
            raise FormatError(f"the checkpoint has no valid labels at level {task.level + 1}")
        return labels


def _reporter(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    def report(done: int) -> None:
        answer = None if progress is None else progress(before + done, total)
        if answer is Cancelled or isinstance(answer, Cancelled):
            raise Cancelled("the search was stopped by its progress callback")

    return report


def _split(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _one_of(name: str, value: Any, choices: Any) -> None:
    if value not in get_args(choices):
        raise ArgumentError(f"{name} is {value!r}, expected one of {', '.join(get_args(choices))}")


def _as_seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise ArgumentTypeError(
            f"max_seconds is a {type(value).__name__}, expected a number of seconds"
        )
    if not 0 < value < math.inf:
        raise ArgumentError(f"max_seconds is {value}, expected more than 0")
    return float(value)


def _check_base(base: Any) -> tuple[int, int]:
    if not isinstance(base, BipartiteGraph):
        raise ArgumentTypeError(f"base is a {type(base).__name__}, expected a BipartiteGraph")
    if base.num_edges == 0:
        raise ArgumentError("base has no edges, expected a biregular graph with a cycle")
    if base.degrees is None:
        raise ArgumentError("base is not biregular, so there is no Ramanujan bound for it")
    if not base.is_connected:
        raise ArgumentError(
            f"base has {base.num_components} components; a lift of it is never connected"
        )
    if 1 in base.degrees:
        raise InfeasibleError(
            f"base has the degrees {base.degrees}, so it is a tree and no lift of it is "
            "connected; the smallest degrees that work are (2, 2)"
        )
    return base.degrees


def _check_size(base: BipartiteGraph, levels: int, k: int) -> None:
    copies = k**levels
    if base.num_edges * copies > MAX_EDGES or max(base.shape) * copies > MAX_SIDE:
        fitting = min(MAX_EDGES // base.num_edges, MAX_SIDE // max(base.shape))
        most = max(0, int(math.log(max(fitting, 1), k) + 1e-9))
        raise ArgumentError(
            f"{levels} levels of {k} copies make {base.num_edges * copies:,} edges, expected at "
            f"most {MAX_EDGES:,} edges and {MAX_SIDE:,} vertices a side; at most {most} levels fit"
        )
