"""What the products need of a GPU, and CuPy as the one that provides it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._machine import usable_cores
from rbgp_graphs._validation import require
from rbgp_graphs._version import package_version
from rbgp_graphs.errors import BackendError, MissingDependencyError
from rbgp_graphs.gpu.cuda.cubin import cubin_file
from rbgp_graphs.gpu.cuda.event_timing import EventClock
from rbgp_graphs.gpu.cuda.launch import LARGE_SHARED_BYTES, STANDARD_SHARED_BYTES, Launch
from rbgp_graphs.gpu.cuda.source import kernel_source, macro_options
from rbgp_graphs.gpu.cuda.tensor_map import TensorMap

#: The oldest devices that the kernels are written for.
OLDEST_CAPABILITY = (7, 0)
#: What the driver says of itself on Linux.
_DRIVER_FILE = Path("/proc/driver/nvidia/version")
_NULL = np.uint64(0)
#: Arguments that CuPy does not take as they are.
_TRANSLATED = (TensorMap, type(None))
#: What delays work that is timed: the fastest devices need some 60 microseconds to fill it.
_FILLED_BYTES = 1 << 28


class Machine(Protocol):
    """A device that compiles and runs kernels, and the array module that goes with it."""

    @property
    def xp(self) -> Any:
        """The array module: its arrays lie in the memory of the device."""

    @property
    def special(self) -> Any:
        """The module with ``ndtr`` and ``expit`` for these arrays."""

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability."""

    @property
    def shared_limit(self) -> int:
        """Bytes of shared memory that a block can ask for."""

    @property
    def multiprocessors(self) -> int:
        """How many multiprocessors the device has."""

    @property
    def identity(self) -> dict[str, str]:
        """What a verdict on a kernel depends on: device, driver, versions."""

    @property
    def is_capturing(self) -> bool:
        """Whether work is recorded for a CUDA graph, and not done."""

    def wait(self) -> None:
        """Wait for the work on the current stream; an error of the device is raised here."""

    def address(self, array: Any) -> int:
        """Return where an array begins."""

    def to_host(self, array: Any) -> NDArray[Any]:
        """Return a copy of an array in the memory of the CPU."""

    def compile(self, launches: Iterable[Launch]) -> None:
        """Compile kernels side by side; one that fails does so again when it is launched."""

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        """Compile a kernel if need be and launch it.

        None is passed as a null pointer, a `TensorMap` as the device's own form of it.
        """

    def seconds(self, work: Callable[[], None], repeats: int) -> float:
        """Return the mean time that the device takes for some work, by its own clock."""


class CuPyMachine:
    """A CUDA device behind CuPy, used on CuPy's current stream.

    Kernels are compiled by NVRTC at their first launch, and kept in memory and on disk.
    Nothing waits for the device that does not say so.

    Parameters
    ----------
    device : int
        Number of the device.

    Raises
    ------
    MissingDependencyError
        If CuPy is not installed.
    BackendError
        If CuPy finds no driver or no such device, or the device is too old.
    """

    def __init__(self, device: int) -> None:
        reason = why_missing()
        if reason is not None:
            raise BackendError(reason)
        self._cupy = require("cupy", "gpu-cu13")
        self._device = device
        properties = self._cupy.cuda.runtime.getDeviceProperties(device)
        self.capability = (int(properties["major"]), int(properties["minor"]))
        if self.capability < OLDEST_CAPABILITY:
            raise BackendError(
                f"device {device} has compute capability {self.capability[0]}."
                f"{self.capability[1]}, expected at least 7.0"
            )
        most = int(properties.get("sharedMemPerBlockOptin", STANDARD_SHARED_BYTES))
        self.shared_limit = min(most, LARGE_SHARED_BYTES)
        self.multiprocessors = int(properties.get("multiProcessorCount", 1))
        name = properties["name"]
        self._name = name.decode() if isinstance(name, bytes) else str(name)
        self._kernels: dict[str, Any] = {}
        self._delays = 1

    @property
    def xp(self) -> Any:
        """CuPy."""
        return self._cupy

    @property
    def special(self) -> Any:
        """CuPy's part of SciPy's special functions."""
        return require("cupyx.scipy.special", "gpu-cu13")

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """Name of the device, its capability, and the versions of all that compiles and runs."""
        cuda = self._cupy.cuda
        return {
            "device": self._name,
            "capability": "{}.{}".format(*self.capability),
            "driver": f"{_driver_build()}, CUDA {cuda.runtime.driverGetVersion()}",
            "runtime": str(cuda.runtime.runtimeGetVersion()),
            "nvrtc": "{}.{}".format(*cuda.nvrtc.getVersion()),
            "cupy": str(self._cupy.__version__),
            "rbgp_graphs": package_version(),
        }

    @property
    def is_capturing(self) -> bool:
        """Whether the current stream records a CUDA graph."""
        try:
            return bool(self._cupy.cuda.get_current_stream().is_capturing())
        except self._cupy.cuda.runtime.CUDARuntimeError:
            # The default stream may not even be asked while another one records.
            return True

    def wait(self) -> None:
        """Wait for the work on the current stream."""
        self._cupy.cuda.get_current_stream().synchronize()

    def address(self, array: Any) -> int:
        """Return where an array begins."""
        return int(array.data.ptr)

    def to_host(self, array: Any) -> NDArray[Any]:
        """Return a copy of an array in the memory of the CPU; waits for the device."""
        copy: NDArray[Any] = self._cupy.asnumpy(array)
        return copy

    def compile(self, launches: Iterable[Launch]) -> None:
        """Compile kernels side by side, in as many threads as there are cores."""

        def compile_one(launch: Launch) -> None:
            with self._cupy.cuda.Device(self._device):
                self._kernel(launch)

        with ThreadPoolExecutor(usable_cores()) as pool:
            for launch in launches:
                pool.submit(compile_one, launch)

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        """Launch a kernel on the current stream of the device."""
        ready = [
            self._ready(argument) if isinstance(argument, _TRANSLATED) else argument
            for argument in arguments
        ]
        self._kernel(launch)(
            (launch.blocks, 1, launch.batches),
            (launch.threads, 1, 1),
            tuple(ready),
            shared_mem=launch.shared_bytes,
        )

    def seconds(self, work: Callable[[], None], repeats: int) -> float:
        """Return the mean time of some work between two events of the current stream.

        A buffer is filled first, so often that all work is in the queue when the device comes to
        it and the time of the host does not count. Waits for the device.
        """
        buffer = self._cupy.empty(_FILLED_BYTES, self._cupy.uint8)
        clock = EventClock(self._cupy.cuda, lambda: buffer.fill(0), delays=self._delays)

        def all_work() -> None:
            for _ in range(repeats):
                work()

        events = clock.record(all_work)
        # The next work is most likely as long for the host.
        self._delays = clock.delays
        return clock.seconds(events) / repeats

    def _ready(self, argument: TensorMap | None) -> Any:
        """Return an argument as CuPy takes it."""
        if argument is None:
            return _NULL
        return argument.layout.at(self.address(argument.array))

    def _kernel(self, launch: Launch) -> Any:
        kernel = self._kernels.get(launch.key)
        if kernel is None:
            source, options = kernel_source(launch.kernel), compiler_options(launch)
            if not launch.options:
                module = self._cupy.RawModule(code=source, options=options)
            else:
                path = cubin_file(self._cupy.cuda.nvrtc, source, options)
                module = self._cupy.RawModule(path=str(path))
            kernel = module.get_function(f"rbgp_{launch.kernel}")
            if launch.shared_bytes > STANDARD_SHARED_BYTES:
                kernel.max_dynamic_shared_size_bytes = launch.shared_bytes
            self._kernels[launch.key] = kernel
        return kernel


def compiler_options(launch: Launch) -> tuple[str, ...]:
    """Return what NVRTC is told, besides what CuPy adds where the launch names no architecture."""
    return (*launch.options, "-std=c++17", *macro_options(launch.macros))


def why_missing() -> str | None:
    """Return why no CUDA device can be used here and what would help, or None if one can."""
    try:
        cupy = require("cupy", "gpu-cu13")
    except MissingDependencyError:
        return (
            'CuPy is not installed; run: pip install "rbgp-graphs[gpu-cu13]" '
            "(gpu-cu12 for a driver of CUDA 12)"
        )
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if "cudaErrorInitializationError" in str(error):
            return (
                "CUDA was used before this process was forked, and does not work in it "
                '(cudaErrorInitializationError); start it with the method "spawn" of '
                "multiprocessing"
            )
        return f"CuPy finds no usable CUDA driver ({error}); install or update NVIDIA's driver"
    return _missing_library(cupy) if count else "CuPy finds no CUDA device"


@functools.cache
def _missing_library(cupy: Any) -> str | None:
    """Return which library of CUDA that is no part of the driver is missing, or None."""
    libraries: dict[str, Callable[[], Any]] = {
        "compiler, NVRTC,": lambda: cupy.cuda.nvrtc.getVersion(),
        "library cuBLAS": lambda: cupy.cuda.cublas,
    }
    for name, load in libraries.items():
        try:
            load()
        # Each version of CuPy and of its loader has errors of its own.
        except Exception as error:
            first = str(error).partition("\n")[0]
            return (
                f"CuPy cannot load CUDA's {name} ({type(error).__name__}: {first}); run: "
                'pip install "rbgp-graphs[gpu-cu13]" (gpu-cu12 for a driver of CUDA 12), or '
                "install the CUDA toolkit"
            )
    return None


def _driver_build() -> str:
    """Return the version of NVIDIA's kernel module, "unknown" where no file tells."""
    try:
        text = _DRIVER_FILE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown"
    found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", text)
    return found[1] if found else "unknown"


@functools.cache
def cupy_machine(device: int) -> CuPyMachine:
    """Return the machine of a device; there is one for each number."""
    return CuPyMachine(device)
