"""The GPU suite: correct first, then the roof of the L2, then times next to peers."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from benchmarks.gpu import bandwidth, correctness, peers, sanitizer
from benchmarks.gpu.correctness import Place
from rbgp_graphs.bench import Case, Peer, machine, make_problem, random_matrix
from rbgp_graphs.bench.comparison import compare_on
from rbgp_graphs.bench.document import SCHEMA
from rbgp_graphs.bench.timing import Timer
from rbgp_graphs.gpu import tune
from rbgp_graphs.gpu.cuda import KernelCheck, check_kernels
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, PRECISIONS
from rbgp_graphs.gpu.cuda.machine import cupy_machine, why_missing

_STATE = "clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,temperature.gpu"
Say = Callable[[str], None]


class Device(Protocol):
    """What the suite needs of a device; there is one of CUDA, and one in the tests."""

    @property
    def place(self) -> Place:
        """Where products are checked."""

    @property
    def own(self) -> Peer:
        """The product of this package."""

    @property
    def peers(self) -> Sequence[Peer]:
        """What it is compared with."""

    @property
    def timers(self) -> Sequence[Timer]:
        """What measures; every case is measured by each."""

    def describe(self) -> dict[str, Any]:
        """Return what it is, as a JSON-able dict."""

    def check_kernels(self) -> list[KernelCheck]:
        """Run every kernel."""

    def bandwidth(self) -> list[dict[str, float]]:
        """Measure how fast buffers of several sizes are read."""

    def sanitize(self, tool: str, seconds: float) -> dict[str, Any]:
        """Run every kernel under a tool of compute-sanitizer."""

    def tune(self, case: Case) -> dict[str, Any]:
        """Tune the product of a case, and return what was found as a JSON-able dict."""


class CudaDevice:
    """The first CUDA device of CuPy.

    Parameters
    ----------
    tuned : bool
        Whether peers that can be tuned are.

    Raises
    ------
    BackendError
        If there is none.
    """

    def __init__(self, *, tuned: bool = False) -> None:
        from benchmarks.gpu.timing import EventTimer

        self._machine = cupy_machine(0)
        cupy = self._cupy = self._machine.xp
        self.place = Place(backend="cupy", put=cupy.asarray, fetch=cupy.asnumpy)
        self.own = peers.own()
        self.peers = peers.peers(tuned=tuned)
        self.timers = (EventTimer(cupy, warm=False), EventTimer(cupy, warm=True))

    @property
    def _properties(self) -> dict[str, Any]:
        return dict(self._cupy.cuda.runtime.getDeviceProperties(0))

    def describe(self) -> dict[str, Any]:
        """Return name, versions, sizes, and clocks and power of this moment."""
        own = self._properties
        return {
            **self._machine.identity,
            "multiprocessors": int(own["multiProcessorCount"]),
            "l2_bytes": int(own["l2CacheSize"]),
            "memory_bytes": int(own["totalGlobalMem"]),
            "state": device_state(),
        }

    def check_kernels(self) -> list[KernelCheck]:
        """Run every kernel of the package on random numbers."""
        return check_kernels()

    def bandwidth(self) -> list[dict[str, float]]:
        """Measure how fast buffers of several sizes are read."""
        own = self._properties
        multiprocessors = int(own["multiProcessorCount"])
        return bandwidth.measure(self._cupy, int(own["l2CacheSize"]), multiprocessors)

    def sanitize(self, tool: str, seconds: float) -> dict[str, Any]:
        """Run every kernel under a tool of compute-sanitizer, in another process."""
        return sanitizer.run(tool, seconds)

    def tune(self, case: Case) -> dict[str, Any]:
        """Tune the product of a case, and return what was found as a JSON-able dict."""
        assert case.product != "layers"
        [found] = tune(case.pattern, case.columns, dtype=case.dtype, products=[case.product])
        return {**asdict(found), "gain": found.gain}


def why_no_device() -> str | None:
    """Return why the suite cannot run here, or None if it can."""
    return why_missing()


def device_state() -> dict[str, str] | None:
    """Return clocks, power and temperature by nvidia-smi, or None where it is not there."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, f"--query-gpu={_STATE}", "--format=csv,noheader", "--id=0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    values = [value.strip() for value in done.stdout.strip().split(",")]
    names = _STATE.split(",")
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else None


def cases(*, quick: bool = False) -> Iterator[Case]:
    """Return what is timed."""
    size = 1024 if quick else 4096

    def sparsities(dtype: str, row_group: int) -> Iterator[Case]:
        for sparsity in (0.5, 0.875) if quick else (0.5, 0.75, 0.875, 0.9375):
            yield Case(
                suite="gpu_sparsity",
                size=size,
                sparsity=sparsity,
                row_group=row_group,
                columns=size,
                dtype=dtype,
            )

    # What says most comes first: a machine may be taken away before the end.
    yield from sparsities("float16", 32 if quick else 128)
    yield from sparsities("float32", 16)
    if not quick:
        yield Case(
            suite="gpu_sparsity", size=2 * size, columns=size, dtype="float16", row_group=128
        )
    for product in ("forward", "transposed", "sampled"):
        for dtype in ("float16", "float32"):
            yield Case(
                suite="gpu_training",
                size=size,
                columns=size // 2,
                dtype=dtype,
                row_group=32,
                product=product,
            )
    for columns in (64, 256) if quick else (16, 64, 256, 1024, 8192):
        yield Case(suite="gpu_columns", size=size, columns=columns, dtype="float16", row_group=32)
    others = [("tf32", 128), ("float16", 64), ("float16", 16), ("float32", 64), ("float32", 4)]
    others += [("bfloat16", 128), ("tf32", 64)]
    for dtype, row_group in [("tf32", 32), ("float16", 16)] if quick else others:
        yield from sparsities(dtype, row_group)


def check(device: Device, say: Say) -> dict[str, Any]:
    """Run all checks and return what they found.

    ``passed`` says whether all are right, and ``wrong_dtypes`` for which dtypes a product came
    out wrong. A kernel that is wrong is switched off, so the products are right in spite of it.
    """
    say("kernels on random numbers, against tier 0")
    kernels = device.check_kernels()
    for entry in kernels:
        if entry.problem is not None:
            say(f"  WRONG {entry.variant}, {entry.pattern}, {entry.dtype}: {entry.problem}")
    say("products of random integers, against float64")
    integers = correctness.check_integers(device.place)
    wrong = [case for case in integers if case["wrong"] != 0]
    for case in wrong:
        say(f"  WRONG {case}")
    passed = all(e.problem is None for e in kernels) and not wrong
    say(f"{len(kernels)} kernels and {len(integers)} products: {'right' if passed else 'WRONG'}")
    return {
        "passed": passed,
        "wrong_dtypes": sorted({case["dtype"] for case in wrong}),
        "kernels": [asdict(e) for e in kernels],
        "integers": integers,
    }


def _sanitize(device: Device, seconds: float, say: Say) -> list[dict[str, Any]]:
    found = []
    for tool in sanitizer.TOOLS:
        say(f"compute-sanitizer, {tool}")
        one = device.sanitize(tool, seconds)
        words = {True: "clean", False: "FOUND ERRORS", None: "not known"}
        say(f"  {words[one['clean']]}" + ("" if one["clean"] else f"\n{one['output']}"))
        found.append(one)
    return found


def run(
    device: Device,
    *,
    check_only: bool = False,
    quick: bool = False,
    tuned: bool = False,
    sanitize_seconds: float = 0.0,
    minutes: float | None = None,
    rounds: int = 7,
    chosen: Iterable[Case] | None = None,
    say: Say = lambda _: None,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Check and measure a device.

    Parameters
    ----------
    device : Device
        What computes.
    check_only : bool
        Whether to time nothing.
    quick : bool
        Small and few cases.
    tuned : bool
        Whether to tune the products of a case before it is timed.
    sanitize_seconds : float
        How long each tool of compute-sanitizer may take; 0 for none.
    minutes : float, optional
        After how long no further case is begun.
    rounds : int
        How often each peer is timed.
    chosen : iterable of Case, optional
        What to time; `cases` by default.
    say : callable
        Told what goes on.
    keep : callable
        Given the document after each case: a machine may be taken away before the end.

    Returns
    -------
    dict
        A document as in `rbgp_graphs.bench.document`, with the additional keys ``checks`` and
        ``bandwidth``, ``sanitizers``, ``tuned``, ``failed`` and ``left_out``. Every case is
        there once for each timer. Cases of a dtype with wrong products are left out: a time of
        a wrong result is worth nothing.
    """
    start = time.monotonic()
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "machine": {**machine.describe(), "gpu": device.describe()},
        "backend": device.place.backend,
        "quick": quick,
        "ceilings": None,
        "checks": check(device, say),
        "sanitizers": [],
        "bandwidth": [],
        "tuned": [],
        "failed": [],
        "left_out": [],
        "cases": [],
    }
    keep(document)
    if sanitize_seconds > 0:
        document["sanitizers"] = _sanitize(device, sanitize_seconds, say)
        document["checks"]["passed"] &= not any(
            one["clean"] is not True for one in document["sanitizers"]
        )
        keep(document)
    if check_only:
        return document
    document["bandwidth"] = device.bandwidth()
    for read in document["bandwidth"]:
        rate, size = read["bytes_per_second"] / 1e12, read["buffer_bytes"] / 2**20
        say(f"reads of {size:.0f} MiB, {read['share_of_l2']:g} of the L2: {rate:.2f} TB/s")
    for case in cases(quick=quick) if chosen is None else chosen:
        is_late = minutes is not None and time.monotonic() - start > 60 * minutes
        if is_late or case.dtype in document["checks"]["wrong_dtypes"]:
            document["left_out"].append(str(case))
            say(f"left out, {'too late' if is_late else 'wrong results'}: {case}")
            continue
        say(str(case))
        try:
            if tuned:
                document["tuned"].append({"case": str(case), **device.tune(case)})
            document["cases"] += _measure(device, case, rounds, say)
        # One case that fails must not cost those after it.
        except Exception as error:
            document["failed"].append({"case": str(case), "error": f"{error!r}"})
            say(f"  FAILED: {error!r}")
        keep(document)
    for line in peers.absent_reasons(document["cases"]):
        say(f"not timed: {line}")
    return document


def _measure(device: Device, case: Case, rounds: int, say: Say) -> list[dict[str, Any]]:
    assert case.product != "layers"
    precision = case.dtype if case.dtype in PRECISIONS else None
    matrix = random_matrix(case.pattern, "float32" if precision else case.dtype)
    problem = replace(
        make_problem(matrix, case.columns, product=case.product),
        operand_error=NUMBER_TYPES[case.dtype].operand_error,
    )
    found = []
    for timer in device.timers:
        compared = compare_on(problem, [device.own, *device.peers], rounds=rounds, timer=timer)
        for one in compared.measurements:
            say(f"  {timer.name}: {one.name}: {one.milliseconds:.4f} ms, {one.gflops:.0f} GFLOP/s")
        found.append({**case.facts(), **compared.as_dict(), "predicted_milliseconds": None})
    return found
