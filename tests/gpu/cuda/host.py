"""Runs the CUDA kernels on the CPU: compiles the very same sources as C++.

Types and register arrays are compiled in, as on a device. Sizes and offsets, which a device build
gets as macros too, are read from an array, so that one library serves many patterns.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.source import kernel_source, macro_options
from rbgp_graphs.gpu.cuda.tensor_map import TensorMap

HERE = Path(__file__).parent
COMPILER = shutil.which("g++")
_FLAGS = ("-std=c++17", "-O1", "-fno-strict-aliasing", "-ffp-contract=off", "-Wall", "-Werror")
_IGNORED = ("-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-unused-value")
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


class HostMachine:
    """A CPU in the role of a GPU: NumPy arrays, and kernels run by fibres.

    With `sanitized` each launch is a program of its own under AddressSanitizer and
    UndefinedBehaviorSanitizer. `order` 1 runs the threads of a block backwards.
    """

    xp: Any = np
    special: Any = special
    capability = (9, 0)
    shared_limit = 96 * 1024
    multiprocessors = 4
    is_capturing = False

    def __init__(self, *, sanitized: bool = False, order: int = 0) -> None:
        self.sanitized = sanitized
        self.order = order
        self.identity = {"device": "host", "driver": "none"}
        self.launched: list[Launch] = []

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def wait(self) -> None:
        pass

    def compile(self, launches: Iterable[Launch]) -> None:
        pass

    def to_host(self, array: Any) -> NDArray[Any]:
        return np.array(array)

    def seconds(self, work: Callable[[], None], repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        return (time.perf_counter() - start) / repeats

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        assert launch.fits
        assert launch.threads <= 1024
        self.launched.append(launch)
        names = (*launch.constants, "RBGP_THREADS")
        built = _build(launch.kernel, tuple(launch.structure.items()), tuple(names), self.sanitized)
        constants = [launch.macros[name] for name in names]
        shape = [launch.blocks, launch.batches, launch.threads, launch.shared_bytes]
        shape.append(int(launch.structure.get("RBGP_CLUSTER", 1)))
        if self.sanitized:
            _run_program(built, arguments, shape, constants, self.order)
        else:
            _run_library(built, arguments, shape, constants, self.order)


class OneAtATime(HostMachine):
    """The fibres of the CPU run one kernel at a time, whatever threads do."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        with self._lock:
            super().run(launch, arguments)


def _run_library(
    path: Path, arguments: Sequence[Any], shape: list[int], constants: list[Any], order: int
) -> None:
    cells = [_address(argument) for argument in arguments]
    pointers = (ctypes.c_void_p * len(cells))(*(ctypes.addressof(cell) for cell in cells))
    _load(path).rbgp_entry(
        pointers,
        (ctypes.c_int * 5)(*shape),
        (ctypes.c_int * len(constants))(*constants),
        order,
    )


@functools.cache
def _load(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))


def _address(argument: Any) -> Any:
    if argument is None:
        return ctypes.c_void_p(0)
    if isinstance(argument, TensorMap):
        encoded = _encoded(argument)
        return (ctypes.c_char * len(encoded)).from_buffer_copy(encoded)
    if isinstance(argument, np.ndarray):
        return ctypes.c_void_p(argument.ctypes.data)
    return {4: ctypes.c_int32, 8: ctypes.c_int64}[argument.itemsize](int(argument))


def _encoded(tensor: TensorMap) -> bytes:
    """Return a tensor map as the kernels know it on the CPU."""
    layout = tensor.layout
    assert layout.problem is None, layout.problem
    padding = [0] * (5 - len(layout.extents))
    return struct.pack(
        "=Q5q4q5i2i4x",
        getattr(tensor.array, "host", tensor.array).ctypes.data,
        *(*layout.extents, *padding),
        *(*layout.strides, *padding),
        *(*layout.box, *padding),
        *(len(layout.extents), layout.swizzle_bytes),
    )


def _run_program(
    path: Path, arguments: Sequence[Any], shape: list[int], constants: list[Any], order: int
) -> None:
    numbers = [*shape, order, len(constants), *constants, len(arguments)]
    pieces = [struct.pack(f"{len(numbers)}i", *numbers)]
    for argument in arguments:
        if isinstance(argument, TensorMap):
            data, array = _encoded(argument), argument.array.tobytes()
            kind = 3 if argument.array.flags.writeable else 2
            pieces += [struct.pack("=iqq", kind, len(data), len(array)), data, array]
            continue
        if argument is None:
            pieces.append(struct.pack("=iq", 1, -1))
            continue
        data = argument.tobytes()
        pieces += [struct.pack("=iq", int(isinstance(argument, np.ndarray)), len(data)), data]
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"".join(pieces))
        # Leaks cannot be found in containers that forbid ptrace.
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run(
            [path, name], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        result = memoryview(Path(name).read_bytes())
    finally:
        Path(name).unlink()
    for argument in arguments:
        is_map = isinstance(argument, TensorMap)
        array = argument.array if is_map else argument
        if isinstance(array, np.ndarray) and (array.flags.writeable or not is_map):
            # What the kernel may not write to is not written back either.
            if array.flags.writeable:
                array[...] = np.frombuffer(result[: array.nbytes], dtype=array.dtype).reshape(
                    array.shape
                )
            result = result[array.nbytes :]


@functools.cache
def build_folder() -> Path:
    """Return where libraries lie: one folder for all test processes of a user and version."""
    sources = b"".join(file.read_bytes() for file in sorted(HERE.glob("*.c[pu]*")))
    digest = hashlib.sha256(sources + b"\n".join(flag.encode() for flag in _FLAGS)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"rbgp_graphs_host_{os.getuid()}_{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    assert folder.stat().st_uid == os.getuid()
    return folder


@functools.cache
def _build(
    kernel: str, structure: tuple[tuple[str, Any], ...], names: tuple[str, ...], sanitized: bool
) -> Path:
    lines = [f"#define {name} (host::constants[{i}])" for i, name in enumerate(names)]
    source = "\n".join(
        [
            '#include "host.cuh"',
            *lines,
            kernel_source(kernel),
            "static void start(void **arguments) {",
            f"    host::call(&rbgp_{kernel}, arguments);",
            "}",
            'extern "C" void rbgp_entry(void **arguments, const int *shape,',
            "                           const int *constants, int order) {",
            "    host::run(start, arguments, shape, constants, order);",
            "}",
            "",
        ]
    )
    options = ("-DRBGP_HOST", f"-I{HERE}", *macro_options(dict(structure)))
    kernel_object = str(_compile(source, options, sanitized))
    if not sanitized:
        # One scheduler for all libraries: it holds the stacks of the fibres.
        scheduler = _link(("-shared", str(_part("host.cpp", sanitized))), ".so")
        where = (f"-L{scheduler.parent}", f"-l:{scheduler.name}", "-Wl,-rpath,$ORIGIN")
        return _link(("-shared", kernel_object, *where), ".so")
    parts = (str(_part(name, sanitized)) for name in ("host.cpp", "main.cpp"))
    return _link((*_SANITIZE, kernel_object, *parts), ".exe")


def _part(name: str, sanitized: bool) -> Path:
    return _compile((HERE / name).read_text(), (f"-I{HERE}",), sanitized)


@functools.cache
def _link(arguments: tuple[str, ...], suffix: str) -> Path:
    digest = hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:24]
    target = build_folder() / f"{digest}{suffix}"
    if not target.exists():
        _call(arguments, target)
    return target


@functools.cache
def _compile(source: str, options: tuple[str, ...], sanitized: bool) -> Path:
    flags = (*_FLAGS, *_IGNORED, *(_SANITIZE if sanitized else ("-fPIC",)), *options)
    digest = hashlib.sha256("\0".join((source, *flags)).encode()).hexdigest()[:24]
    target = build_folder() / f"{digest}.o"
    if not target.exists():
        text = build_folder() / f"{digest}-{os.getpid()}.cpp"
        text.write_text(source)
        try:
            _call((*flags, "-c", str(text)), target)
        finally:
            text.unlink()
    return target


def _call(arguments: tuple[str, ...], target: Path) -> None:
    """Run the compiler and put its result in place in one step, for other processes."""
    assert COMPILER is not None
    draft = target.with_suffix(f".{os.getpid()}")
    subprocess.run([COMPILER, *arguments, "-o", str(draft)], check=True)
    draft.replace(target)
