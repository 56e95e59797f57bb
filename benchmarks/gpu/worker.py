"""A device behind another process, which a kernel or a peer may cost: the suite goes on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks.gpu import sanitizer
from benchmarks.gpu.device import CudaDevice, device_state
from rbgp_graphs.bench import Case
from rbgp_graphs.gpu.cuda import KernelCheck, check_kernels

#: The device of the process that this is imported in, once it was used.
_device: CudaDevice | None = None


class SeparateDevice:
    """A device whose work is done by one process after the other.

    After a call that fails, or after which nothing runs on the device any more, the next call
    gets a new process. Where others use the device it has none: a device may take one at a time.

    Parameters
    ----------
    make : callable
        Returns the device; called in each process.
    """

    backend = "cupy"

    def __init__(self, make: Callable[[], CudaDevice]) -> None:
        self._make = make
        self._pool: ProcessPoolExecutor | None = None

    def describe(self) -> dict[str, Any]:
        """Return name, versions and sizes."""
        return dict(self._call("describe"))

    def state(self) -> dict[str, str] | None:
        """Return clocks, power and temperature of this moment."""
        return device_state()

    def check_kernels(self) -> list[KernelCheck]:
        """Run every kernel of the package on random numbers, in processes of their own."""
        self.close()
        return check_kernels()

    def sanitize(self, tool: str, seconds: float) -> dict[str, Any]:
        """Run every kernel under a tool of compute-sanitizer, in a process of its own."""
        self.close()
        return sanitizer.run(tool, seconds)

    def check_products(self, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
        """Compare products of small random integers with the exact ones."""
        return list(self._call("check_products", dtype))

    def bandwidth(self) -> list[dict[str, float]]:
        """Measure how fast buffers of several sizes are read."""
        return list(self._call("bandwidth"))

    def tune(self, case: Case) -> dict[str, Any]:
        """Tune the product of a case."""
        return dict(self._call("tune", case))

    def measure(self, case: Case, rounds: int) -> list[dict[str, Any]]:
        """Time a case next to its peers."""
        return list(self._call("measure", case, rounds))

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _call(self, method: str, *arguments: Any) -> Any:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=context)
        try:
            found, answers = self._pool.submit(_call, self._make, method, arguments).result()
        except Exception:
            self.close()
            raise
        if not answers:
            self.close()
        return found


def _call(
    make: Callable[[], CudaDevice], method: str, arguments: tuple[Any, ...]
) -> tuple[Any, bool]:
    """Return what a method of the device returns, and whether the device still answers."""
    global _device
    if _device is None:
        _device = make()
    found = getattr(_device, method)(*arguments)
    return found, _device.answers()
