"""Choice, check at first use and launch, on a CPU in the role of the device."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import check_kernels
from rbgp_graphs.gpu.cuda import products as cuda_products
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.trials import run_trials, trials_of
from rbgp_graphs.gpu.cuda.verdicts import Verdict, Verdicts
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.gpu.cuda.host import HostMachine, OneAtATime
from tests.gpu.cuda.problems import activated, needs_compiler
from tests.gpu.oracle import assert_close, dense, matrix_of, normal


class WithoutKernels(HostMachine):
    """A device where no kernel can be launched."""

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        raise RuntimeError("no kernel image is available")


class WithWrongKernels(HostMachine):
    """A device whose kernels leave one number wrong."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong
        # Where a newer kernel does not take the place of the wrong one.
        self.capability = (9, 0) if "hopper" in wrong else (8, 0)

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        super().run(launch, arguments)
        if launch.kernel == self.wrong:
            result = arguments[1 if launch.kernel == "transpose" else 2]
            getattr(result, "array", result).flat[-1] = 1000


def pattern(row_group: int = 4) -> RBGP4:
    outer, inner = random_biregular(3, 6, 4, rng=0), random_biregular(8, 8, 4, rng=1)
    shifts = np.arange(outer.num_edges) % 8
    return RBGP4(outer, (row_group, 1), inner, (1, 2), shifts)


def products(machine: HostMachine) -> Products:
    return Products(machine, Verdicts(None))


def forward(
    own: Products, A: Any, X: Any, *, transposed: bool = False, **options: Any
) -> np.ndarray[Any, Any]:
    rows = A.pattern.cols if transposed else A.pattern.rows
    Y = np.full((*X.shape[:-2], rows, X.shape[-1]), np.nan, X.dtype)
    own.forward(A.pattern, A.values, X, Y, transposed=transposed, **options)
    return Y


@given(rbgp4_patterns(), st.integers(0, 2**32 - 1), st.sampled_from(("f2", "f4", "f8")))
def test_tier_0_agrees_with_float64_for_all_products(pattern: RBGP4, seed: int, dtype: str) -> None:
    rng, A = np.random.default_rng(seed), matrix_of(pattern, seed, dtype)
    own = products(WithoutKernels())
    X, dY = normal(rng, (pattern.cols, 3), dtype), normal(rng, (pattern.rows, 3), dtype)
    result = np.full_like(A.values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert_close(forward(own, A, X), dense(A), X)
        assert_close(forward(own, A, dY, transposed=True), dense(A).T, dY)
        assert (
            own.transpose_values(pattern, A.values) == transpose_values(pattern, A.values)
        ).all()
        own.sampled(pattern, dY, X, result)
    for i in range(pattern.rows):
        assert_close(result[i], X[pattern.row(i)], dY[i])


def test_tier_0_orders_values_in_bfloat16_by_their_bits() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = matrix_of(pattern(), 0, np.float32).values.astype(ml_dtypes.bfloat16)
    with pytest.warns(RuntimeWarning, match="transpose.* is switched off"):
        ordered = products(WithoutKernels()).transpose_values(pattern(), values)
    assert ordered.dtype == values.dtype
    assert (ordered == transpose_values(pattern(), values)).all()


@needs_compiler
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("n", [1, 48])
def test_the_planned_kernels_agree_with_float64(dtype: str, n: int) -> None:
    rng, machine = np.random.default_rng(1), HostMachine()
    own, A = products(machine), matrix_of(pattern(), 0, dtype)
    X, dY = normal(rng, (A.shape[1], n), dtype), normal(rng, (A.shape[0], n), dtype)
    result = np.full_like(A.values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(forward(own, A, X), dense(A), X)
        assert_close(forward(own, A, dY, transposed=True), dense(A).T, dY)
        own.sampled(A.pattern, dY, X, result)
    for i in range(A.shape[0]):
        assert_close(result[i], X[A.pattern.row(i)], dY[i])
    first = "tensor_core" if dtype == "float16" else "forward"
    assert machine.launched[0].kernel == first


@needs_compiler
def test_strides_batches_bias_and_activation_are_honoured() -> None:
    rng, own = np.random.default_rng(2), products(HostMachine())
    A = matrix_of(pattern(), 0, np.float32)
    rows, cols = A.shape
    bias = rng.standard_normal(rows)
    for X in (
        normal(rng, (2, 3, cols, 5), np.float32),
        normal(rng, (cols, 24), np.float32)[:, 3:17],
        normal(rng, (6, cols), np.float32).T,
        np.broadcast_to(normal(rng, (cols, 4), np.float32), (3, cols, 4)),
        normal(rng, (2 * cols, 9), np.float32)[::-2],
    ):
        buffer = np.full((*X.shape[:-2], X.shape[-1], rows), np.nan, np.float32)
        for out in (buffer.swapaxes(-1, -2), np.full((*X.shape[:-2], rows, X.shape[-1]), 0, "f4")):
            own.forward(A.pattern, A.values, X, out, bias, "silu")
            sums = dense(A) @ X.astype(np.float64) + bias[:, None]
            assert np.allclose(out, activated(sums, "silu"), rtol=1e-5, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("n", [5, 13])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_stands_between_the_rows_of_an_operand_takes_no_part(n: int, dtype: Any) -> None:
    # Rows begin at multiples of 16 bytes and end inside of a piece of 16.
    rng, own, A = np.random.default_rng(4), products(HostMachine()), matrix_of(pattern(), 0, dtype)
    X, dY = (np.full((count, 16), np.nan, dtype) for count in reversed(A.shape))
    X[:, :n], dY[:, :n] = (normal(rng, (len(a), n), dtype) for a in (X, dY))
    result = np.full_like(A.values, np.nan)
    own.sampled(A.pattern, dY[:, :n], X[:, :n], result)
    for i in range(A.shape[0]):
        assert_close(result[i], X[A.pattern.row(i), :n], dY[i, :n])
    assert_close(forward(own, A, X[:, :n]), dense(A), X[:, :n])
    assert_close(forward(own, A, dY[:, :n], transposed=True), dense(A).T, dY[:, :n])


@needs_compiler
def test_what_32_bits_cannot_count_is_computed_without_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine, A = HostMachine(), matrix_of(pattern(), 0, np.float32)
    own, X = products(machine), normal(np.random.default_rng(0), (A.shape[1], 9), "f4")
    monkeypatch.setattr(cuda_products, "_LARGEST_COUNT", 8)
    assert_close(forward(own, A, X), dense(A), X)
    assert not machine.launched
    assert_close(forward(own, A, X[:, :8]), dense(A), X[:, :8])
    assert machine.launched


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_call_of_a_product_is_prepared_once_for_all_operands_that_lie_alike(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, machine, A = np.random.default_rng(0), HostMachine(), matrix_of(pattern(), 0, dtype)
    own, (rows, cols), prepared = products(machine), A.shape, Counter[str]()

    def counting(name: str) -> Any:
        original = getattr(cuda_products, name)

        def prepare(*arguments: Any) -> Any:
            prepared[name] += 1
            return original(*arguments)

        return prepare

    for name in ("forward_call", "sampled_call", "transpose_call"):
        monkeypatch.setattr(cuda_products, name, counting(name))

    def all_products(n: int, step: int = 1) -> None:
        """Compute with new numbers at new addresses."""
        B = matrix_of(A.pattern, int(rng.integers(99)), dtype)
        X, dY = (normal(rng, (size, n * step), dtype)[:, ::step] for size in (cols, rows))
        result = np.full_like(B.values, np.nan)
        assert_close(forward(own, B, X), dense(B), X)
        assert_close(forward(own, B, dY, transposed=True), dense(B).T, dY)
        own.sampled(A.pattern, dY, X, result)
        for i in range(rows):
            assert_close(result[i], X[A.pattern.row(i)], dY[i])

    for _ in range(3):
        all_products(16)
    assert prepared == {"forward_call": 2, "sampled_call": 1, "transpose_call": 1}
    all_products(24)
    assert prepared == {"forward_call": 4, "sampled_call": 2, "transpose_call": 1}
    # Rows that are copied lie where the kernel can read them, and their place is not kept.
    for _ in range(2):
        all_products(16, step=2)
    assert prepared == {"forward_call": 8, "sampled_call": 4, "transpose_call": 1}


@needs_compiler
def test_empty_operands_need_no_kernel() -> None:
    machine = HostMachine()
    own, A = products(machine), matrix_of(pattern(), 0, np.float32)
    assert forward(own, A, np.zeros((A.shape[1], 0), np.float32)).shape == (A.shape[0], 0)
    assert forward(own, A, np.zeros((0, A.shape[1], 3), np.float32)).shape == (0, A.shape[0], 3)
    result = np.full_like(A.values, np.nan)
    own.sampled(A.pattern, np.zeros((A.shape[0], 0), "f4"), np.zeros((A.shape[1], 0), "f4"), result)
    assert (result == 0).all()
    assert not machine.launched


@needs_compiler
@pytest.mark.parametrize(
    "wrong",
    ["tensor_core", "forward", "sampled_hopper", "sampled_tensor_core", "sampled", "transpose"],
)
def test_a_kernel_with_wrong_results_is_switched_off_with_a_warning(wrong: str) -> None:
    dtype = np.float16 if wrong.endswith(("tensor_core", "hopper")) else np.float32
    rng, machine = np.random.default_rng(3), WithWrongKernels(wrong)
    own, A = products(machine), matrix_of(pattern(), 0, dtype)
    X, dY = normal(rng, (A.shape[1], 16), dtype), normal(rng, (A.shape[0], 16), dtype)
    result = np.full_like(A.values, np.nan)

    def all_products() -> None:
        assert_close(forward(own, A, X), dense(A), X)
        assert_close(forward(own, A, dY, transposed=True), dense(A).T, dY)
        own.sampled(A.pattern, dY, X, result)
        for i in range(A.shape[0]):
            assert_close(result[i], X[A.pattern.row(i)], dY[i])

    with pytest.warns(RuntimeWarning, match=rf"kernel {wrong}\(.*is switched off.*wrong|places"):
        all_products()
    machine.launched.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        all_products()
    used = {launch.kernel for launch in machine.launched}
    assert wrong not in used
    # The next one takes over: the portable kernel, or tier 0.
    next_one = {
        "tensor_core": "forward",
        "sampled_hopper": "sampled_tensor_core",
        "sampled_tensor_core": "sampled",
    }
    assert wrong not in next_one or next_one[wrong] in used
    assert "forward" in used or dtype == np.float16 or wrong == "forward"


@needs_compiler
def test_a_verdict_is_kept_for_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "verdicts.json"
    A = matrix_of(pattern(), 0, np.float32)
    X = np.ones((A.shape[1], 8), np.float32)
    first, second, third = HostMachine(), HostMachine(), WithWrongKernels("forward")
    forward(Products(first, Verdicts(file)), A, X)
    forward(Products(second, Verdicts(file)), A, X)
    # The first launch is the check, on random numbers.
    assert (len(first.launched), len(second.launched)) == (2, 1)
    # A verdict on another driver says nothing.
    third.identity = {"device": "host", "driver": "new"}
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="switched off"):
            forward(Products(third, Verdicts(file)), A, X)
    assert len(third.launched) == 1


@needs_compiler
def test_an_error_is_not_held_against_a_kernel_in_the_next_process(tmp_path: Path) -> None:
    file, A = tmp_path / "verdicts.json", matrix_of(pattern(), 0, np.float32)
    X = np.ones((A.shape[1], 8), np.float32)
    with pytest.warns(RuntimeWarning, match="switched off.*no kernel image"):
        forward(Products(WithoutKernels(), Verdicts(file)), A, X)
    machine = HostMachine()
    assert_close(forward(Products(machine, Verdicts(file)), A, X), dense(A), X)
    assert {launch.kernel for launch in machine.launched} == {"forward"}


class Lost(WithoutKernels):
    """A device that answers no more after a kernel."""

    lost = False

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        self.lost = True
        raise RuntimeError("an illegal memory access was encountered")

    def wait(self) -> None:
        if self.lost:
            raise RuntimeError("an illegal memory access was encountered")


@needs_compiler
def test_a_kernel_that_costs_the_device_is_not_used_by_the_next_process(tmp_path: Path) -> None:
    file, A = tmp_path / "verdicts.json", matrix_of(pattern(), 0, np.float16)
    X = np.ones((A.shape[1], 8), np.float16)
    own = Products(Lost(), Verdicts(file))
    with pytest.raises(BackendError, match=r"illegal memory.*kernel tensor_core\(.* start"):
        forward(own, A, X)
    # The kernels after it are not to blame.
    warned = pytest.warns(RuntimeWarning, match="tensor_core.* is switched off")
    with warned, pytest.raises(BackendError, match="something that this process did before"):
        forward(own, A, X)
    machine = HostMachine()
    with pytest.warns(RuntimeWarning, match=r"kernel tensor_core\(.* is switched off"):
        assert_close(forward(Products(machine, Verdicts(file)), A, X), dense(A), X)
    assert {launch.kernel for launch in machine.launched} == {"forward"}


def test_a_check_of_all_kernels_says_which_one_cost_the_device() -> None:
    found = check_kernels(Lost(), dtypes=["float32"])
    assert len(found) == 1
    assert found[0].variant.startswith("forward(")
    assert "illegal memory access was encountered; nothing runs" in str(found[0].problem)


class Recorder(HostMachine):
    """A device that counts how often something waits for it."""

    waits = 0

    def wait(self) -> None:
        assert not self.is_capturing
        self.waits += 1


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_has_run_once_can_be_recorded_and_waits_for_nothing(dtype: Any) -> None:
    rng, machine, A = np.random.default_rng(0), Recorder(), matrix_of(pattern(), 0, dtype)
    own = products(machine)
    X, dY = normal(rng, (A.shape[1], 16), dtype), normal(rng, (A.shape[0], 16), dtype)
    result = np.full_like(A.values, np.nan)

    def all_products() -> None:
        forward(own, A, X, activation="relu")
        forward(own, A, dY, transposed=True)
        own.sampled(A.pattern, dY, X, result)

    machine.is_capturing = True
    with pytest.raises(BackendError, match="make the same call once before the capture"):
        all_products()
    machine.is_capturing = False
    all_products()
    waits, machine.is_capturing = machine.waits, True
    assert waits > 0
    machine.launched.clear()
    all_products()
    assert machine.waits == waits
    # Four launches: the values are ordered before the transposed product.
    assert len(machine.launched) == 4
    with pytest.raises(BackendError, match="before the capture"):
        forward(own, A, X, activation="gelu")


@needs_compiler
def test_threads_share_the_kernels_and_check_each_once() -> None:
    machine, A = OneAtATime(), matrix_of(pattern(), 0, np.float32)
    own = products(machine)
    operands = [normal(np.random.default_rng(k), (A.shape[1], 8), np.float32) for k in range(6)]
    start = threading.Barrier(len(operands))

    def compute(X: Any) -> Any:
        start.wait()
        return forward(own, A, X)

    with ThreadPoolExecutor(len(operands)) as pool:
        for X, result in zip(operands, pool.map(compute, operands), strict=True):
            assert_close(result, dense(A), X)
    assert len(machine.launched) == 1 + len(operands)
    assert len(own._prepared) == 1


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 3, "b": {"variant": 1, "problem": null}}'])
def test_a_damaged_file_of_verdicts_counts_as_empty(content: str, tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    file.write_text(content)
    verdicts = Verdicts(file)
    assert verdicts.find("a") is None
    assert verdicts.find("b") is None
    good, bad = Verdict(variant="forward()", problem=None), Verdict(variant="x", problem="y")
    verdicts.add("good", good)
    Verdicts(file).add("bad", bad)
    again = Verdicts(file)
    assert (again.find("good"), again.find("bad")) == (good, bad)
    assert [*tmp_path.iterdir()] == [file]


def test_a_file_of_verdicts_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    verdicts = Verdicts(blocked / "verdicts.json")
    verdicts.add("key", Verdict(variant="forward()", problem=None))
    assert verdicts.find("key") is not None


@needs_compiler
def test_tables_leave_the_device_with_their_pattern() -> None:
    own = products(HostMachine())
    A = matrix_of(pattern(), 0, np.float32)
    forward(own, A, np.ones((A.shape[1], 1), np.float32))
    assert len(own._prepared) == 1
    del A
    assert not own._prepared


def tried(machine: HostMachine, dtype: Any) -> list[Verdict]:
    trials = trials_of("some", pattern(), np.dtype(dtype), 24, "relu", machine, set())
    return [*run_trials(machine, trials)]


@needs_compiler
def test_a_check_of_all_kernels_names_the_one_that_is_wrong() -> None:
    good = tried(WithWrongKernels("none"), np.float16)
    kernels = dict.fromkeys(verdict.variant.partition("(")[0] for verdict in good)
    assert [*kernels] == [
        *("tensor_core", "forward", "sampled_tensor_core", "sampled", "transpose")
    ]
    assert {verdict.problem for verdict in good} == {None}
    bad = tried(WithWrongKernels("sampled"), np.float16)
    wrong = {verdict.variant.partition("(")[0] for verdict in bad if verdict.problem}
    assert wrong == {"sampled"}


def test_a_check_without_a_working_device_reports_the_error() -> None:
    found = tried(WithoutKernels(), np.float32)
    assert None not in {verdict.problem for verdict in found}
    assert found[0].problem == "RuntimeError: no kernel image is available"
