"""Ways to compute one thing, side by side: packed, checked, then timed in turns."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from rbgp_graphs._machine import busy_seconds
from rbgp_graphs._validation import as_int
from rbgp_graphs.bench.peers import CPU_PEERS, Peer, Prepared, own
from rbgp_graphs.bench.problem import Kind, Problem, Product, make_problem
from rbgp_graphs.bench.threads import limit_threads
from rbgp_graphs.bench.timing import Timer, Times, take_turns
from rbgp_graphs.errors import RBGPError
from rbgp_graphs.gpu.matrix import RBGP4Matrix


class Workload(Protocol):
    """What is computed: a `Problem` or a sequence of layers."""

    @property
    def useful_operations(self) -> int:
        """Operations on nonzeros."""

    @property
    def dense_operations(self) -> int:
        """Operations of a dense way."""

    def check(self, name: str, result: NDArray[Any], kind: Kind) -> float:
        """Return the error of a result, or raise BackendError."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The time of one peer.

    Attributes
    ----------
    name : str
        The peer.
    kind : str
        See `Peer`.
    milliseconds : float
        The median.
    low_milliseconds, high_milliseconds : float
        The quartiles.
    smallest_milliseconds, largest_milliseconds : float
        The extremes.
    rounds : int
        How many times there are.
    packing_milliseconds : float
        Time to bring the matrix into the peer's form, once; not part of the others.
    first_call_milliseconds : float
        Time of the first call, which may compile or pack more.
    gflops : float
        Operations that the peer does, in 10**9 a second: two for each nonzero and column, for a
        dense peer two for each entry and column.
    useful_gflops : float
        Two operations for each nonzero and column, also for a dense peer.
    error : float
        Largest error of an entry against float64, as a share of what rounding can explain.
    """

    name: str
    kind: Kind
    milliseconds: float
    low_milliseconds: float
    high_milliseconds: float
    smallest_milliseconds: float
    largest_milliseconds: float
    rounds: int
    packing_milliseconds: float
    first_call_milliseconds: float
    gflops: float
    useful_gflops: float
    error: float

    @property
    def spread_milliseconds(self) -> float:
        """Largest minus smallest time."""
        return self.largest_milliseconds - self.smallest_milliseconds


@dataclass(frozen=True, kw_only=True)
class Absent:
    """A peer that was not timed.

    Attributes
    ----------
    name : str
        The peer.
    kind : str
        See `Peer`.
    reason : str
        Why.
    """

    name: str
    kind: Kind
    reason: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All peers on one workload.

    Attributes
    ----------
    measurements : tuple of Measurement
        This package first, then its peers.
    absent : tuple of Absent
        Peers that do not run here, and why.
    threads : int
        Number of threads that the libraries may use.
    timer : str
        What measured.
    other_load : float or None
        Cores that other processes kept busy while the peers were timed, where the system tells.
        Times with a share of a core or more are disturbed.
    """

    measurements: tuple[Measurement, ...]
    absent: tuple[Absent, ...]
    threads: int
    timer: str
    other_load: float | None

    @property
    def own(self) -> Measurement:
        """The measurement of this package."""
        return self.measurements[0]

    def fastest(self, *kinds: Kind) -> Measurement | None:
        """Return the fastest peer of some kinds, or of all; None if there is none."""
        found = [m for m in self.measurements[1:] if not kinds or m.kind in kinds]
        return min(found, key=lambda m: m.milliseconds, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {
            "threads": self.threads,
            "timer": self.timer,
            "other_load": self.other_load,
            "measurements": [asdict(measurement) for measurement in self.measurements],
            "absent": [asdict(absent) for absent in self.absent],
        }


def compare(
    matrix: RBGP4Matrix,
    num_columns: int,
    *,
    product: Product = "forward",
    backend: str = "auto",
    peers: Iterable[Peer] = CPU_PEERS,
    rounds: int = 7,
    threads: int | None = None,
    timer: Timer | None = None,
    rng: Any = 0,
) -> Comparison:
    """Time a product with a sparse matrix next to other ways to compute it.

    Parameters
    ----------
    matrix : RBGP4Matrix
        The sparse matrix A.
    num_columns : int
        Columns of the operands, at least 1; they hold random normal numbers.
    product : {"forward", "transposed", "sampled"}
        ``A @ X``, ``A.T @ dY`` or ``A.sampled_matmul(dY, X)``.
    backend : str
        What computes this package's own product, as for `rbgp_graphs.gpu.matmul`.
    peers : iterable of Peer
        What to compare with.
    rounds : int
        How often each is timed.
    threads : int, optional
        Threads that every library may use; by default what they choose.
    timer : Timer, optional
        What measures; the host's clock by default.
    rng : int, numpy.random.Generator or None
        Source of operands and of other masks.

    Returns
    -------
    Comparison
        This package first.

    Raises
    ------
    BackendError
        If a result differs from the product in float64 by more than rounding explains.

    Notes
    -----
    All peers are packed and checked before any is timed. A peer that is not installed, or that
    fails, is listed as absent with its reason.

    Examples
    --------
    >>> from rbgp_graphs import design
    >>> from rbgp_graphs.bench import random_matrix
    >>> found = compare(random_matrix(design(64, 64, 0.75)), 8, rounds=3)
    >>> found.own.name, found.own.error < 1
    ('rbgp_graphs', True)
    """
    problem = make_problem(matrix, num_columns, product=product, rng=rng)
    chosen = [own(backend), *peers]
    return compare_on(problem, chosen, rounds=rounds, threads=threads, timer=timer)


def compare_on(
    workload: Workload,
    peers: Iterable[Peer],
    *,
    rounds: int = 7,
    threads: int | None = None,
    timer: Timer | None = None,
) -> Comparison:
    """Time peers on a workload; the first is this package and has to work."""
    rounds = as_int("rounds", rounds, minimum=1)
    ready: list[tuple[Peer, Prepared, dict[str, float]]] = []
    absent: list[Absent] = []
    with limit_threads(threads) as count:
        for peer in peers:
            reason = _why_not(peer, workload)
            if reason is None:
                try:
                    ready.append((peer, *_prepare(peer, workload)))
                except RBGPError:
                    raise
                except (RuntimeError, TypeError, ValueError) as error:
                    if peer.kind == "own":
                        raise
                    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            if reason is not None:
                absent.append(Absent(name=peer.name, kind=peer.kind, reason=reason))
        calls = {peer.name: prepared.run for peer, prepared, _ in ready}
        start = time.perf_counter(), time.process_time(), busy_seconds()
        times = take_turns(calls, rounds=rounds, timer=timer)
        other_load = _other_load(*start)
    return Comparison(
        measurements=tuple(
            _measurement(peer, times[peer.name], workload, facts) for peer, _, facts in ready
        ),
        absent=tuple(absent),
        threads=count,
        timer="wall clock" if timer is None else timer.name,
        other_load=other_load,
    )


def _other_load(start: float, own_start: float, busy_start: float | None) -> float | None:
    """Return how many cores other processes have used since a point in time."""
    busy = busy_seconds()
    if busy is None or busy_start is None:
        return None
    others = busy - busy_start - (time.process_time() - own_start)
    return max(0.0, others) / max(1e-9, time.perf_counter() - start)


def _why_not(peer: Peer, workload: Workload) -> str | None:
    if isinstance(workload, Problem) and workload.product not in peer.products:
        return f"has no {workload.product} product"
    return peer.missing()


def _prepare(peer: Peer, workload: Workload) -> tuple[Prepared, dict[str, float]]:
    """Pack and check a peer."""
    start = time.perf_counter()
    prepared = peer.pack(workload)
    packed = time.perf_counter()
    result = prepared.run()
    done = time.perf_counter()
    facts = {
        "packing_milliseconds": 1e3 * (packed - start),
        "first_call_milliseconds": 1e3 * (done - packed),
        "error": workload.check(peer.name, prepared.fetch(result), peer.kind),
    }
    return prepared, facts


def _measurement(
    peer: Peer, times: Times, workload: Workload, facts: dict[str, float]
) -> Measurement:
    useful = workload.useful_operations
    done = workload.dense_operations if peer.kind == "dense" else useful
    return Measurement(
        name=peer.name,
        kind=peer.kind,
        milliseconds=1e3 * times.median,
        low_milliseconds=1e3 * times.low,
        high_milliseconds=1e3 * times.high,
        smallest_milliseconds=1e3 * times.smallest,
        largest_milliseconds=1e3 * times.largest,
        rounds=times.rounds,
        gflops=done / times.median / 1e9,
        useful_gflops=useful / times.median / 1e9,
        **facts,
    )
