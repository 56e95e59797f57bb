"""What the suite needs of a device, and the one of CUDA that provides it."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

import numpy as np

from benchmarks.gpu import bandwidth, correctness, peers
from benchmarks.gpu.correctness import Place
from rbgp_graphs.bench import Case, Peer, make_problem, random_matrix
from rbgp_graphs.bench.comparison import compare_on
from rbgp_graphs.bench.timing import Timer
from rbgp_graphs.gpu import tune
from rbgp_graphs.gpu.cuda import KernelCheck
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, PRECISIONS
from rbgp_graphs.gpu.cuda.machine import cupy_machine, why_missing

_STATE = "clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,temperature.gpu"


class Device(Protocol):
    """What the suite needs of a device."""

    @property
    def backend(self) -> str:
        """The backend of this package that computes there."""

    def describe(self) -> dict[str, Any]:
        """Return what it is, as a JSON-able dict."""

    def state(self) -> dict[str, str] | None:
        """Return clocks, power and temperature of this moment, or None if nobody tells."""

    def check_kernels(self) -> list[KernelCheck]:
        """Run every kernel."""

    def check_products(self, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
        """Compare products with the exact ones (see `correctness.check_integers`)."""

    def bandwidth(self) -> list[dict[str, float]]:
        """Measure how fast buffers of several sizes are read."""

    def sanitize(self, tool: str, seconds: float) -> dict[str, Any]:
        """Run every kernel under a tool of compute-sanitizer."""

    def tune(self, case: Case) -> dict[str, Any]:
        """Tune the product of a case, and return what was found as a JSON-able dict."""

    def measure(self, case: Case, rounds: int) -> list[dict[str, Any]]:
        """Time a case next to its peers; return what each timer found, as JSON-able dicts."""


class Measured:
    """The products of a device, checked and timed in this process."""

    #: Where products are checked.
    place: Place
    #: The product of this package, and what it is compared with.
    own: Peer
    peers: Sequence[Peer]
    #: What measures; every case is measured by each.
    timers: Sequence[Timer]

    @property
    def backend(self) -> str:
        """The backend of this package that computes there."""
        return self.place.backend

    def check_products(self, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
        """Compare products of small random integers with the exact ones."""
        return correctness.check_integers(self.place, kinds=[dtype])

    def measure(self, case: Case, rounds: int) -> list[dict[str, Any]]:
        """Time a case next to its peers."""
        assert case.product != "layers"
        precision = case.dtype if case.dtype in PRECISIONS else None
        matrix = random_matrix(case.pattern, "float32" if precision else case.dtype)
        problem = replace(
            make_problem(matrix, case.columns, product=case.product),
            operand_error=NUMBER_TYPES[case.dtype].operand_error,
        )
        found = []
        for timer in self.timers:
            compared = compare_on(problem, [self.own, *self.peers], rounds=rounds, timer=timer)
            found.append({**case.facts(), **compared.as_dict(), "predicted_milliseconds": None})
        return found


class CudaDevice(Measured):
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
        self._machine = cupy_machine(0)
        cupy = self._cupy = self._machine.xp
        self.place = Place(backend="cupy", put=cupy.asarray, fetch=cupy.asnumpy)
        self.own = peers.own()
        self.peers = peers.peers(tuned=tuned)

    @functools.cached_property
    def timers(self) -> Sequence[Timer]:  # type: ignore[override]
        """Events with a cold and a warm L2; they fill a buffer that only they need."""
        from benchmarks.gpu.timing import EventTimer

        return EventTimer(self._cupy, warm=False), EventTimer(self._cupy, warm=True)

    @property
    def _properties(self) -> dict[str, Any]:
        return dict(self._cupy.cuda.runtime.getDeviceProperties(0))

    def answers(self) -> bool:
        """Return whether anything runs on the device in this process."""
        try:
            self._machine.wait()
        except Exception:
            return False
        return True

    def describe(self) -> dict[str, Any]:
        """Return name, versions and sizes."""
        own = self._properties
        return {
            **self._machine.identity,
            "multiprocessors": int(own["multiProcessorCount"]),
            "l2_bytes": int(own["l2CacheSize"]),
            "memory_bytes": int(own["totalGlobalMem"]),
        }

    def bandwidth(self) -> list[dict[str, float]]:
        """Measure how fast buffers of several sizes are read."""
        own = self._properties
        multiprocessors = int(own["multiProcessorCount"])
        return bandwidth.measure(self._cupy, int(own["l2CacheSize"]), multiprocessors)

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
