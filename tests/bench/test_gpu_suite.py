"""The GPU suite without a GPU: its checks, its timer and its document, on the CPU in that role."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import rbgp_graphs as rg
from benchmarks.gpu import bandwidth, correctness, peers, sanitizer, suite
from benchmarks.gpu.device import Measured
from benchmarks.gpu.timing import EventTimer
from rbgp_graphs.bench import Case, Peer, Prepared, document, make_problem, random_matrix
from rbgp_graphs.bench.problem import Problem
from rbgp_graphs.bench.timing import WallClock
from rbgp_graphs.gpu.cuda import KernelCheck
from rbgp_graphs.gpu.cuda.checks import DeviceLostError
from tests.gpu.cuda.compiler import compiled, needs_gpu_compiler, options_of_cupy
from tests.gpu.cuda.device import DeviceArray, DeviceModule

ON_CPU = correctness.Place(backend="numpy", put=np.array, fetch=np.asarray)
#: One pattern with tails.
SMALL = ((64, 128, 0.75, 4, 37),)
RIGHT = KernelCheck(variant="forward()", pattern="p", dtype="float32", columns=8, problem=None)


class HostDevice(Measured):
    """What the suite needs of a device, on the CPU."""

    place = ON_CPU
    timers = (WallClock(),)

    def __init__(self, *others: Peer, check: KernelCheck = RIGHT) -> None:
        self.own, self.peers, self._check = peers.own("numpy"), others, check

    def describe(self) -> dict[str, Any]:
        return {"device": "none"}

    def state(self) -> dict[str, str] | None:
        return {"clocks.sm": "1980 MHz"}

    def check_kernels(self) -> list[KernelCheck]:
        return [self._check]

    def sanitize(self, tool: str, seconds: float) -> dict[str, Any]:
        return {"tool": tool, "clean": tool != "racecheck", "output": f"{seconds:g} s"}

    def tune(self, case: Case) -> dict[str, Any]:
        return {"chosen": f"plan for {case.dtype}"}

    def bandwidth(self) -> list[dict[str, float]]:
        return [{"buffer_bytes": 1 << 20, "share_of_l2": 0.5, "bytes_per_second": 2e12}]


@pytest.fixture(autouse=True)
def _few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correctness, "_SHAPES", SMALL)


def small_case(product: Any = "forward", dtype: str = "float32") -> Case:
    return Case(
        suite="gpu_training", size=64, sparsity=0.75, row_group=4, columns=9, product=product,
        dtype=dtype,
    )  # fmt: skip


def problem(product: Any = "forward", dtype: str = "float32", sparsity: float = 0.75) -> Problem:
    pattern = rg.design(64, 128, sparsity, row_group=4)
    return make_problem(random_matrix(pattern, dtype), 9, product=product)


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> DeviceModule:
    module = DeviceModule()
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def test_products_of_integers_are_exact_in_all_dtypes() -> None:
    found = correctness.check_integers(ON_CPU)
    assert {case["wrong"] for case in found} == {0}
    assert {case["product"] for case in found} == {"forward", "transposed", "sampled"}
    assert {case["dtype"] for case in found} >= {"float16", "float32", "float64"}


def test_an_entry_that_is_not_written_is_found() -> None:
    """The outputs hold NaN before, so a backend that leaves one out is wrong."""

    def fetch(array: NDArray[Any]) -> NDArray[Any]:
        array[0, 0] = np.nan
        return array

    place = replace(ON_CPU, fetch=fetch)
    found = correctness.check_integers(place, kinds=[np.dtype(np.float32)])
    assert [(case["dtype"], case["wrong"]) for case in found] == [
        *[("float32", 1)] * 3,
        *[("tf32", 1)] * 3,
    ]


def test_the_document_is_one_that_benchmarks_read(tmp_path: Path) -> None:
    dense = Peer(name="numpy dense", kind="dense", pack=dense_of_numpy)
    wrong = peers._guarded(replace(dense, name="wrong", pack=lambda p: twice(dense_of_numpy(p))))
    kept: list[int] = []
    lines: list[str] = []
    found = suite.run(
        HostDevice(dense, wrong),
        chosen=[small_case(), small_case("transposed", "float16")],
        rounds=1,
        say=lines.append,
        keep=lambda part: kept.append(len(part["cases"])),
    )
    document.write(tmp_path / "gpu.json", found)
    assert document.read(tmp_path / "gpu.json") == json.loads(json.dumps(found))
    assert kept == [0, 1, 2]
    first = found["cases"][0]
    assert [one["name"] for one in first["measurements"]] == ["rbgp_graphs", "numpy dense"]
    assert [one["name"] for one in first["absent"]] == ["wrong"]
    assert any(line.startswith("not timed: wrong: ValueError: wrong by") for line in lines)
    assert any("2.00 TB/s" in line for line in lines)
    assert any("rbgp_graphs" in line and "GFLOP/s" in line for line in lines)
    own = found["machine"]["gpu"]
    assert own["state"] == own["state_after"] == {"clocks.sm": "1980 MHz"}
    assert found["checks"]["passed"]


def dense_of_numpy(given: Problem) -> Any:
    dense = given.matrix.to_dense()
    dense, operand = (
        (dense.T, given.gradient) if given.product == "transposed" else (dense, given.X)
    )
    return Prepared(run=lambda: dense @ operand)


def twice(prepared: Any) -> Any:
    return Prepared(run=lambda: 2 * prepared.run())


def test_nothing_is_timed_if_so_wished() -> None:
    found = suite.run(HostDevice(), chosen=[small_case()], check_only=True)
    assert found["cases"] == []
    assert found["bandwidth"] == []


def test_a_kernel_that_is_wrong_is_reported_and_the_products_without_it_are_timed() -> None:
    bad = replace(RIGHT, problem="wrong results")
    found = suite.run(HostDevice(check=bad), chosen=[small_case()], rounds=1)
    assert not found["checks"]["passed"]
    assert found["checks"]["wrong_dtypes"] == []
    assert len(found["cases"]) == 1


class WrongInHalf(HostDevice):
    """A device whose products are wrong in float16, and cannot be computed in float64."""

    @property
    def place(self) -> correctness.Place:  # type: ignore[override]
        def fetch(array: NDArray[Any]) -> NDArray[Any]:
            if array.dtype == np.float64:
                raise NotImplementedError("no float64 here")
            return array + 1 if array.dtype == np.float16 else array

        return replace(ON_CPU, fetch=fetch)


def test_a_dtype_with_wrong_products_is_not_timed_and_the_others_are() -> None:
    lines: list[str] = []
    chosen = [small_case(dtype="float16"), small_case()]
    found = suite.run(WrongInHalf(), chosen=chosen, rounds=1, say=lines.append)
    assert found["checks"]["wrong_dtypes"] == ["float16", "float64"]
    assert [case["dtype"] for case in found["cases"]] == ["float32"]
    assert found["left_out"] == [str(small_case(dtype="float16"))]
    assert any("NotImplementedError: no float64 here" in line for line in lines)


def test_a_case_that_fails_is_reported_and_costs_no_other() -> None:
    class Failing(HostDevice):
        def tune(self, case: Case) -> dict[str, Any]:
            if case.product == "sampled":
                raise RuntimeError("out of luck")
            return super().tune(case)

    chosen = [small_case("sampled"), small_case()]
    found = suite.run(Failing(), chosen=chosen, rounds=1, tuned=True)
    assert [one["error"] for one in found["failed"]] == ["RuntimeError('out of luck')"]
    assert [one["chosen"] for one in found["tuned"]] == ["plan for float32"]
    assert len(found["cases"]) == 1


def test_what_costs_the_device_is_begun_again_and_a_bandwidth_that_fails_costs_nothing() -> None:
    class Fragile(HostDevice):
        costs = 2

        def bandwidth(self) -> list[dict[str, float]]:
            raise RuntimeError("out of luck")

        def check_products(self, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
            self.lose()
            return super().check_products(dtype)

        def tune(self, case: Case) -> dict[str, Any]:
            self.lose()
            return super().tune(case)

        def lose(self) -> None:
            if self.costs:
                self.costs -= 1
                raise DeviceLostError("nothing runs on this device any more")

    device, lines = Fragile(), list[str]()
    found = suite.run(device, chosen=[small_case()], rounds=1, tuned=True, say=lines.append)
    assert [one["case"] for one in found["failed"]] == ["bandwidth"]
    assert [one["chosen"] for one in found["tuned"]] == ["plan for float32"]
    assert len(found["cases"]) == 1
    assert sum("once more without a kernel: nothing runs" in line for line in lines) == 2
    assert found["checks"]["passed"]


def test_products_that_cannot_be_checked_are_wrong() -> None:
    class Fragile(HostDevice):
        def check_products(self, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
            if dtype == np.float16:
                raise DeviceLostError("nothing runs on this device any more")
            return super().check_products(dtype)

        def tune(self, case: Case) -> dict[str, Any]:
            raise DeviceLostError("nothing runs on this device any more")

    chosen = [small_case(dtype="float16"), small_case()]
    found = suite.run(Fragile(), chosen=chosen, rounds=1)
    assert found["checks"]["wrong_dtypes"] == ["float16"]
    assert [case["dtype"] for case in found["cases"]] == ["float32"]
    # It is not begun again for ever.
    found = suite.run(Fragile(), chosen=chosen, rounds=1, tuned=True)
    assert [one["case"] for one in found["failed"]] == [str(small_case())]


def test_after_the_time_is_up_no_case_is_begun() -> None:
    found = suite.run(HostDevice(), chosen=[small_case()], minutes=-1)
    assert found["left_out"] == [str(small_case())]
    assert found["cases"] == []


def test_what_a_sanitizer_finds_counts_as_wrong() -> None:
    found = suite.run(HostDevice(), check_only=True, sanitize_seconds=7)
    assert [one["clean"] for one in found["sanitizers"]] == [True, False, True]
    assert not found["checks"]["passed"]
    assert suite.run(HostDevice(), check_only=True)["sanitizers"] == []


@pytest.mark.parametrize(
    ("script", "seconds", "clean", "output"),
    [
        ('echo "$@"', 60.0, True, "--tool memcheck --error-exitcode 97"),
        ("echo ERROR; exit 97", 60.0, False, "ERROR"),
        ("echo Device not supported; exit 1", 60.0, None, "Device not supported"),
        ("exec sleep 600", 0.2, None, "not done after 0.2 s"),
    ],
)
def test_the_exit_code_of_the_sanitizer_decides(
    script: str, seconds: float, clean: bool | None, output: str, tmp_path: Path
) -> None:
    program = tmp_path / "compute-sanitizer"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    found = sanitizer.run("memcheck", seconds, str(program))
    assert found["clean"] is clean
    assert output in found["output"]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes there")
def test_what_a_sanitizer_has_started_ends_with_it(tmp_path: Path) -> None:
    seconds = f"600.{os.getpid()}"
    program = tmp_path / "compute-sanitizer"
    program.write_text(f"#!/bin/sh\nsleep {seconds} &\nwait\n")
    program.chmod(0o700)
    assert sanitizer.run("memcheck", 0.5, str(program))["clean"] is None
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert seconds not in file.read_text()


def test_without_a_sanitizer_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert sanitizer.run("memcheck", 1.0)["clean"] is None


@pytest.mark.parametrize("quick", [False, True])
def test_all_cases_have_a_pattern(quick: bool) -> None:
    names = {case.suite for case in suite.cases(quick=quick)}
    assert names == {"gpu_sparsity", "gpu_columns", "gpu_training"}
    for case in suite.cases(quick=quick):
        if quick:
            assert case.pattern.row_group == case.row_group


def test_the_timer_measures_the_call_alone_with_a_cold_or_a_warm_l2() -> None:
    log: list[str] = []

    class Event:
        done = False

        def record(self) -> None:
            log.append("event")

        def synchronize(self) -> None:
            log.append("wait")

    buffer = types.SimpleNamespace(fill=lambda _: log.append("fill"))
    cuda = types.SimpleNamespace(Event=Event, get_elapsed_time=lambda start, stop: 3.0)
    module = types.SimpleNamespace(cuda=cuda, float32="f", zeros=lambda *_: buffer)
    call: Callable[[], None] = lambda: log.append("call")  # noqa: E731
    assert EventTimer(module, warm=False).seconds(call, 2) == 3e-3
    cold = ["fill", "fill", "event", "call", "event"]
    assert log == [*cold, *cold, "wait", "wait"]
    log.clear()
    timer = EventTimer(module, warm=True)
    timer.seconds(call, 1)
    assert log == ["fill", "fill", "call", "event", "call", "event", "wait"]
    assert timer.name == "CUDA events, warm L2"


@pytest.mark.parametrize("product", ["forward", "transposed", "sampled"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_peers_of_cupy_are_right(product: Any, dtype: str, cupy: DeviceModule) -> None:
    given = problem(product, dtype)
    found = {peer.name: peer for peer in peers.peers()}
    for name in ("cupy dense", "gathered, batched cuBLAS"):
        if product not in found[name].products:
            continue
        assert found[name].missing() is None
        prepared = found[name].pack(given)
        # A wrong result would have been refused by now.
        assert isinstance(prepared.run(), DeviceArray)
        assert prepared.fetch(prepared.run()).dtype == np.dtype(dtype)


def test_the_peers_of_torch_are_right_on_the_cpu() -> None:
    pytest.importorskip("torch")
    found = {peer.name: peer for peer in peers.peers("cpu")}
    for product in ("forward", "transposed", "sampled"):
        prepared = found["torch dense"].pack(problem(product))
        assert problem(product).error(prepared.fetch(prepared.run()), "dense") <= 1


def test_what_a_peer_cannot_do_is_a_reason() -> None:
    pytest.importorskip("torch")
    found = {peer.name: peer for peer in peers.peers("cpu")}
    with pytest.raises(ValueError, match="no sparse matrix of float16"):
        found["cuSPARSE CSR"].pack(problem(dtype="float16"))
    with pytest.raises(ValueError, match="50 % sparse"):
        found["torch 2:4"].pack(problem(dtype="float16"))
    with pytest.raises(ValueError, match="not float32"):
        found["torch 2:4"].pack(problem(sparsity=0.5))


def test_a_matrix_of_2_4_has_two_of_every_four() -> None:
    matrix = problem(dtype="float16", sparsity=0.5).two_of_four_csr.toarray()
    assert np.array_equal(np.count_nonzero(matrix.reshape(64, 32, 4), axis=2), np.full((64, 32), 2))
    assert np.array_equal(matrix, matrix.astype(np.float16))


@pytest.mark.parametrize("product", ["forward", "transposed"])
def test_groups_make_the_matrix(product: Any) -> None:
    given = problem(product)
    matrix = given.matrix.T if product == "transposed" else given.matrix
    values, columns, order = peers.by_groups(given)
    made = np.zeros(matrix.shape, np.float32)
    places = np.repeat(columns, values.shape[1], axis=0)
    made[order[:, None], places] = values.reshape(places.shape)
    assert np.array_equal(made, matrix.to_dense())


def test_every_read_of_the_bandwidth_is_counted() -> None:
    """The kernel is replaced; the sizes and the number of rounds are the real ones."""
    reads: list[int] = []

    class Event:
        record = synchronize = lambda self: None

    def kernel(grid: Any, block: Any, arguments: Any) -> None:
        assert grid == (40, 1, 1)
        reads.append(int(arguments[1]) * 16 * int(arguments[2]))

    module = types.SimpleNamespace(
        cuda=types.SimpleNamespace(Event=Event, get_elapsed_time=lambda *_: 2.0),
        RawModule=lambda **_: types.SimpleNamespace(get_function=lambda name: kernel),
        zeros=np.zeros,
        ones=lambda *_: None,
        float32=np.float32,
        uint32=np.uint32,
        int32=np.int32,
    )
    found = bandwidth.measure(module, 1 << 25, 10)
    assert [read["share_of_l2"] for read in found] == [0.125, 0.25, 0.5, 16.0]
    for read, counted in zip(found, reads[::6], strict=True):
        assert read["bytes_per_second"] == pytest.approx(counted / 2e-3)


@needs_gpu_compiler
def test_the_kernel_of_the_bandwidth_compiles() -> None:
    found = compiled(bandwidth.SOURCE, ("-std=c++17", *options_of_cupy("sm_80")))
    # Loads that pass by the L1, all 16 bytes at once.
    loads = {name for name in found.instructions if name.startswith("LDG")}
    assert loads == {"LDG.E.128.STRONG.GPU"}


def test_without_a_gpu_the_command_says_why_and_leaves_with_4(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.modules['cupy'] = None; "
        f"sys.argv[1:] = ['gpu', '--check-only', '--out', {str(tmp_path / 'out')!r}]; "
        "runpy.run_module('benchmarks', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith("the suite gpu needs an NVIDIA GPU: CuPy is not installed")
    assert not (tmp_path / "out").exists()
