"""What is said about kernels, and the errors where CuPy, a driver or a device is missing."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import itertools
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs._version import package_version
from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import ArgumentTypeError, BackendError
from rbgp_graphs.gpu.cuda import (
    check_kernels,
    cupy_backend,
    machine,
    plans,
    status,
    tensor_map,
)
from rbgp_graphs.gpu.cuda.hopper import COMPILE_OPTIONS
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.tables import Dimensions, dimensions
from rbgp_graphs.gpu.cuda.trials import trials_of
from rbgp_graphs.gpu.cuda.verdicts import verdict_key
from rbgp_graphs.gpu.cuda.ways import Way, ways
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.host import HostMachine
from tests.gpu.cuda.problems import needs_compiler

# The package gives the function of this name.
status_module = importlib.import_module("rbgp_graphs.gpu.cuda.status")


class DriverError(Exception):
    pass


def fake_cupy(devices: int | str, capability: tuple[int, int] = (9, 0)) -> types.ModuleType:
    """Return a module that answers like CuPy with some devices, or with an error of the driver."""

    def count() -> int:
        if isinstance(devices, str):
            raise DriverError(devices)
        return devices

    def properties(device: int) -> dict[str, Any]:
        major, minor = capability
        name = b"Some GPU"
        return {"major": major, "minor": minor, "name": name, "sharedMemPerBlockOptin": 232448}

    module = types.ModuleType("cupy")
    runtime = types.SimpleNamespace(
        CUDARuntimeError=DriverError,
        getDeviceCount=count,
        getDeviceProperties=properties,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
    )
    cuda = types.SimpleNamespace(runtime=runtime, nvrtc=Compiler(), cublas=object())
    module.__dict__.update(cuda=cuda, __version__="14.0")
    return module


@pytest.fixture(autouse=True)
def _no_machine_is_remembered() -> Iterator[None]:
    machine.cupy_machine.cache_clear()
    yield
    machine.cupy_machine.cache_clear()


def test_without_cupy_the_reason_is_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    reasons = {kernel.reason for kernel in status()}
    assert len(reasons) == 1
    assert 'pip install "rbgp-graphs[gpu-cu13]"' in str(reasons.pop())
    assert not any(kernel.usable for kernel in status())
    with pytest.raises(BackendError, match="pip install"):
        check_kernels()
    with pytest.raises(BackendError, match="X lies on a CUDA device, and CuPy is not installed"):
        cupy_backend.as_device_array("X", object())


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("cudaErrorInsufficientDriver", "no usable CUDA driver .*InsufficientDriver"),
        ("cudaErrorInitializationError: initialization error", 'was forked, .*method "spawn"'),
        (0, "no CUDA"),
    ],
)
def test_without_a_driver_or_a_device_the_reason_says_so(
    devices: int | str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(devices))
    with pytest.raises(BackendError, match=message):
        machine.cupy_machine(0)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("nvrtc", r"compiler, NVRTC, .*: no libnvrtc.so\); .*pip install .*gpu-cu13.*gpu-cu12"),
        ("cublas", r"library cuBLAS \(AttributeError: .*cublas.*\); run: pip install"),
    ],
)
def test_without_a_library_of_cuda_the_reason_says_which_one(
    library: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no libnvrtc.so\n  listdir")

    cupy = fake_cupy(1)
    if library == "nvrtc":
        cupy.cuda.nvrtc.getVersion = fail
    else:
        del cupy.cuda.cublas
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(BackendError, match=message):
        machine.cupy_machine(0)
    assert not any(kernel.usable for kernel in status())


def test_verdicts_depend_on_the_build_of_the_driver_and_on_all_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "version"
    monkeypatch.setattr(machine, "_DRIVER_FILE", file)
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(1))
    found = []
    for text in (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build",
        "something else",
        None,
    ):
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)
        machine.cupy_machine.cache_clear()
        found.append(machine.cupy_machine(0).identity)
    drivers = [identity["driver"] for identity in found]
    builds = ("550.54.15", "570.86.15", "unknown", "unknown")
    assert drivers == [f"{build}, CUDA 13000" for build in builds]
    assert found[0]["nvrtc"] == "12.4"
    assert found[0]["rbgp_graphs"] == package_version()


def test_a_device_has_an_identity_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(1))
    own = machine.cupy_machine(0)
    assert own.shared_limit == 96 * 1024
    assert own.identity["device"] == "Some GPU"
    assert own.identity["capability"] == "9.0"
    monkeypatch.setattr(status_module, "driver_encoder", lambda: None)
    assert all(kernel.usable for kernel in status())


def test_a_driver_without_tensor_maps_is_why_the_kernels_of_hopper_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> Any:
        return types.SimpleNamespace()

    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(1))
    monkeypatch.setattr(ctypes, "CDLL", missing)
    tensor_map.driver_encoder.cache_clear()
    without = {kernel.kernel: kernel.reason for kernel in status() if not kernel.usable}
    assert without.keys() == {"hopper", "sampled_hopper"}
    assert all("the CUDA driver has no tensor maps" in str(why) for why in without.values())


def test_an_old_device_lacks_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(1, (7, 5)))
    by_name = {kernel.kernel: kernel for kernel in status()}
    assert by_name["tensor_core"].reason == ("the device has compute capability 7.5, needed is 8.0")
    assert by_name["forward"].usable
    machine.cupy_machine.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(1, (6, 1)))
    with pytest.raises(BackendError, match=r"6.1, expected at least 7.0"):
        machine.cupy_machine(0)


def test_a_launch_reaches_cupy_with_its_grid_and_its_macros(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cupy, seen = fake_cupy(1), list[Any]()

    class Kernel:
        max_dynamic_shared_size_bytes = 0

        def __call__(self, *arguments: Any, **options: Any) -> None:
            seen.append((arguments, options, self.max_dynamic_shared_size_bytes))

    class Module:
        def __init__(self, code: str, options: tuple[str, ...]) -> None:
            seen.append((code, options))

        def get_function(self, name: str) -> Kernel:
            assert name == "rbgp_transpose"
            return Kernel()

    cupy.__dict__["RawModule"] = Module
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    launch = Launch(
        kernel="transpose",
        structure={"RBGP_STORED": "float"},
        constants={"RBGP_UO": 3},
        blocks=7,
        batches=2,
        threads=64,
        shared_bytes=50_000,
    )
    own = machine.cupy_machine(0)
    own.run(launch, ["array", None])
    own.run(launch, ["other", np.int32(4)])
    (code, options), first, second = seen
    assert "rbgp_transpose" in code
    assert {*options} >= {"-DRBGP_STORED=float", "-DRBGP_UO=3", "-DRBGP_THREADS=64"}
    grid, block, arguments = first[0]
    assert (grid, block) == ((7, 1, 2), (64, 1, 1))
    # A null pointer takes eight bytes.
    assert arguments[0] == "array"
    assert arguments[1].nbytes == 8
    assert first[1:] == ({"shared_mem": 50_000}, 50_000)
    assert second[0][2] == ("other", 4)


def test_kernels_compile_side_by_side_and_one_that_fails_does_so_at_its_launch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cupy, compiled = fake_cupy(1), list[str]()
    cupy.cuda.Device = lambda device: contextlib.nullcontext()

    class Module:
        def __init__(self, code: str, options: tuple[str, ...]) -> None:
            self.name = next(o for o in options if "RBGP_UO" in o)

        def get_function(self, name: str) -> Any:
            compiled.append(self.name)
            if self.name == "-DRBGP_UO=2":
                raise DriverError("does not compile")
            return lambda *_, **__: None

    cupy.__dict__["RawModule"] = Module
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    own = machine.cupy_machine(0)
    launches = [
        Launch(kernel="transpose", structure={}, constants={"RBGP_UO": n}, blocks=1, threads=32)
        for n in range(4)
    ]
    own.compile(launches)
    assert sorted(compiled) == [f"-DRBGP_UO={n}" for n in range(4)]
    own.run(launches[0], [])
    assert len(compiled) == 4
    with pytest.raises(DriverError, match="does not compile"):
        own.run(launches[2], [])


def test_a_stream_that_records_or_may_not_be_asked_is_capturing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cupy = fake_cupy(1)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    own = machine.cupy_machine(0)
    log: list[str] = []

    def implicit() -> bool:
        raise DriverError("cudaErrorStreamCaptureImplicit")

    for answer, expected in ((lambda: False, False), (lambda: True, True), (implicit, True)):
        stream = types.SimpleNamespace(
            is_capturing=answer, synchronize=lambda: log.append("waited")
        )
        cupy.cuda.get_current_stream = lambda stream=stream: stream
        assert own.is_capturing is expected
    own.wait()
    assert log == ["waited"]


class Compiler:
    """What answers like ``cupy.cuda.nvrtc``."""

    NVRTCError = ValueError

    def __init__(self, *, works: bool = True) -> None:
        self.works, self.options = works, list[tuple[str, ...]]()

    def getVersion(self) -> tuple[int, int]:  # noqa: N802
        return 12, 4

    def createProgram(self, source: str, name: str, *headers: Any) -> str:  # noqa: N802
        assert headers == ((), ())
        return source

    def compileProgram(self, program: str, options: tuple[str, ...]) -> None:  # noqa: N802
        self.options.append(options)
        if not self.works:
            raise ValueError("NVRTC_ERROR_COMPILATION")

    def getCUBIN(self, program: str) -> bytes:  # noqa: N802
        return b"machine code"

    def getProgramLog(self, program: str) -> str:  # noqa: N802
        return "rbgp.cu(3): error\n"

    def destroyProgram(self, program: str) -> None:  # noqa: N802
        pass


@pytest.mark.parametrize("folder", ["cache", "file/cache"])
def test_an_architecture_of_its_own_is_given_to_the_compiler_once(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NVRTC 12 takes no second one, and CuPy always gives that of the device."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path / folder))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cupy, nvrtc, loaded = fake_cupy(1), Compiler(), list[bytes]()

    class Module:
        def __init__(self, path: str) -> None:
            loaded.append(Path(path).read_bytes())

        def get_function(self, name: str) -> Any:
            return lambda *_, **__: None

    cupy.__dict__["RawModule"] = Module
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    cupy.cuda.nvrtc = nvrtc
    launch = Launch(
        kernel="hopper",
        structure={"RBGP_STORED": "Half"},
        constants={"RBGP_UO": 3},
        blocks=7,
        threads=64,
        options=COMPILE_OPTIONS,
    )
    for _ in range(2):
        machine.cupy_machine.cache_clear()
        machine.cupy_machine(0).run(launch, [])
    assert loaded == [b"machine code"] * 2
    # The second process finds the file of the first, where one can be kept.
    assert len(nvrtc.options) == (1 if folder == "cache" else 2)
    for file in (tmp_path / folder).glob("cubins/*.cubin"):
        file.write_bytes(b"Machine code")
        machine.cupy_machine.cache_clear()
        machine.cupy_machine(0).run(launch, [])
        assert loaded.pop() == b"machine code"
        assert len(nvrtc.options) == 2
    assert [o for o in nvrtc.options[0] if "arch" in o] == ["-arch=sm_90a"]
    assert "-DRBGP_UO=3" in nvrtc.options[0]
    nvrtc.works = False
    with pytest.raises(BackendError, match=r"NVRTC: rbgp.cu\(3\): error"):
        machine.cupy_machine(0).run(replace(launch, threads=32), [])


class OnDevice:
    """An array of some library on a CUDA device."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


def test_arrays_on_a_device_are_recognised() -> None:
    assert cupy_backend.is_device_array(OnDevice())
    assert not cupy_backend.is_device_array(np.ones(3))
    assert not cupy_backend.is_device_array([1.0])
    interface = types.SimpleNamespace(__cuda_array_interface__={})
    assert cupy_backend.is_device_array(interface)


def test_an_array_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = fake_cupy(1)
    cupy.__dict__["ndarray"] = np.ndarray

    def refuse(value: Any) -> None:
        raise TypeError("no such type")

    cupy.__dict__["asarray"] = refuse
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(ArgumentTypeError, match="dY of type OnDevice cannot be read"):
        cupy_backend.as_device_array("dY", OnDevice())


def test_arrays_in_different_places_are_refused() -> None:
    first = types.SimpleNamespace(device=types.SimpleNamespace(id=0))
    second = types.SimpleNamespace(device=types.SimpleNamespace(id=1))
    with pytest.raises(BackendError, match="X on 0, out on 1; nothing is moved silently"):
        cupy_backend._common_device(X=first, out=second)
    with pytest.raises(BackendError, match="X on 0, out on the CPU"):
        cupy_backend._common_device(X=first, out=np.ones(1), bias=None)
    assert cupy_backend._common_device(X=second, out=second, bias=None) == 1


@needs_compiler
def test_all_kernels_pass_the_check_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """In all modes, but not with all numbers: here every new structure takes a compiler seconds."""

    def modes(launch: Launch) -> frozenset[Way]:
        return frozenset(way for way in ways(launch) if len(way) <= 3)

    monkeypatch.setattr(plans, "ways", modes)
    found = check_kernels(HostMachine(), dtypes=["float16"])
    assert {check.problem for check in found} == {None}
    kernels = {check.variant.partition("(")[0] for check in found}
    assert kernels == {kernel.kernel for kernel in status(HostMachine())}


small = st.sampled_from((1, 2, 3, 4, 8, 16, 32))


@st.composite
def problems(draw: st.DrawFn) -> plans.Problem:
    """Generate products as layers have them, with small graphs."""
    vo, vi = draw(small), draw(small)
    size = Dimensions(
        uo=draw(small),
        ur=draw(st.sampled_from((1, 2, 3, 4, 5, 7, 8, 16, 32, 64, 100, 128, 256))),
        ui=draw(small),
        ub=draw(st.sampled_from((1, 2, 4, 8, 16, 32, 64, 128))),
        vo=vo,
        vr=draw(st.integers(1, 4)),
        vi=vi,
        vb=draw(st.sampled_from((1, 2, 3, 4, 8, 16, 24, 32, 64, 80, 128))),
        do=min(vo, draw(small)),
        di=min(vi, draw(small)),
        twisted=draw(st.booleans()),
    )
    return plans.Problem(
        product=draw(st.sampled_from(("forward", "sampled"))),
        size=size,
        dtype=draw(st.sampled_from(("float16", "tf32", "float32"))),
        n=draw(st.one_of(st.integers(1, 300), st.integers(300, 5000))),
        batches=draw(st.integers(1, 4)),
        rows_aligned=draw(st.booleans()),
    )


@functools.cache
def checked_ways() -> frozenset[Way]:
    """Return what the check of all kernels takes in two dtypes, without running it."""
    taken: set[Way] = set()
    dtypes: tuple[np.dtype[Any], ...] = (np.dtype(np.float16), np.dtype(np.float32))
    for (name, pattern, n, ending), dtype in itertools.product(status_module._problems(), dtypes):
        trials_of(name, pattern, dtype, n, ending, HostMachine(), taken)
    return frozenset(taken)


@given(problems(), st.sampled_from((None, "relu", "gelu", "silu")))
def test_the_check_takes_every_way_that_a_plan_can_take(
    problem: plans.Problem, activation: str | None
) -> None:
    own, ending = HostMachine(), activation if problem.product == "forward" else None
    for plan in (*plans.usual_plans(problem, own), *plans.all_plans(problem, own)):
        launch = plan.launch(problem, ending)
        assert not launch.fits or not ways(launch) - checked_ways(), plan.name


@pytest.mark.parametrize("product", ["forward", "sampled"])
def test_every_tile_has_a_verdict_of_its_own(product: Any) -> None:
    sparse = random_biregular(4, 4, 2, rng=0)
    size = dimensions(RBGP4(random_biregular(4, 4, 2, rng=0), (16, 1), sparse, (1, 16)))
    problem = plans.Problem(product=product, size=size, dtype="float16", n=200)
    launches = [plan.launch(problem) for plan in plans.all_plans(problem, HostMachine())]
    compiled = {(one.kernel, *one.macros.items(), one.shared_bytes) for one in launches}
    assert len({verdict_key({}, one) for one in launches}) == len(compiled) > 100
    assert {one.kernel for one in launches} > {"hopper" if product == "forward" else "sampled"}


def test_importing_the_backend_loads_no_cupy() -> None:
    code = "import sys, rbgp_graphs.gpu.cuda.cupy_backend; print('cupy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
