"""The backend "cupy" on arrays that behave like CuPy's, computed on the CPU."""

from __future__ import annotations

import contextlib
import gc
import sys
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu import RBGP4Matrix, Sequential, matmul, torch_tensors
from rbgp_graphs.gpu.cuda import cupy_backend, gather, release_graphs
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.device import DeviceArray, DeviceMachine, to_host
from tests.gpu.cuda.problems import needs_compiler
from tests.gpu.oracle import assert_close, dense, matrix_of, normal

pytestmark = needs_compiler


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeviceMachine]:
    own = DeviceMachine()
    products = Products(own, Verdicts(None))
    monkeypatch.setitem(sys.modules, "cupy", own.xp)
    monkeypatch.setattr(cupy_backend, "_products", lambda device: products)
    yield own
    assert own.launched


def pattern() -> RBGP4:
    outer, inner = random_biregular(3, 6, 4, rng=0), random_biregular(8, 8, 4, rng=1)
    return RBGP4(outer, (4, 1), inner, (1, 2), np.arange(outer.num_edges) % 8)


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_all_products_of_numpy_and_of_device_arrays(dtype: Any, on_device: bool) -> None:
    rng, A = np.random.default_rng(0), matrix_of(pattern(), 0, dtype)
    rows, cols = A.shape
    X, dY = normal(rng, (cols, 16), dtype), normal(rng, (rows, 16), dtype)
    Y, Z = np.full((rows, 16), np.nan, dtype), np.full((cols, 16), np.nan, dtype)
    G = np.full(A.values.shape, np.nan, dtype)

    def place(array: Any) -> Any:
        return DeviceArray(array) if on_device else array

    cupy_backend.forward(A.pattern, place(A.values), place(X), place(Y), None, None)
    cupy_backend.transposed(A.pattern, place(A.values), place(dY), place(Z), None, None)
    cupy_backend.sampled(A.pattern, place(dY), place(X), place(G))
    assert_close(Y, dense(A), X)
    assert_close(Z, dense(A).T, dY)
    for i in range(rows):
        assert_close(G[i], X[A.pattern.row(i)], dY[i])


def test_operands_of_other_dtypes_are_converted_on_the_device() -> None:
    rng, A = np.random.default_rng(0), matrix_of(pattern(), 0, np.float32)
    X = rng.integers(-9, 9, (A.shape[1], 5))
    Y, bias = np.full((A.shape[0], 5), np.nan), rng.standard_normal(A.shape[0])
    values, operand, result, offset = map(DeviceArray, (A.values, X, Y, bias))
    cupy_backend.forward(A.pattern, values, operand, result, offset, "relu")
    assert np.allclose(Y, np.maximum(dense(A) @ X + bias[:, None], 0), rtol=1e-12, atol=1e-12)


def test_values_are_transposed_on_the_device() -> None:
    A = matrix_of(pattern(), 0, np.float32)
    result = cupy_backend.transpose_values(A.pattern, DeviceArray(A.values))
    assert (result.host == transpose_values(A.pattern, A.values)).all()


def on_device(A: RBGP4Matrix) -> Any:
    return RBGP4Matrix(A.pattern, DeviceArray(A.values.copy()))


def test_a_matrix_on_the_device_multiplies_there() -> None:
    rng, A = np.random.default_rng(1), matrix_of(pattern(), 0, np.float32)
    rows, cols = A.shape
    B, X, dY = on_device(A), normal(rng, (2, cols, 5), "f4"), normal(rng, (2, rows, 5), "f4")
    assert B.is_on_device
    assert not A.is_on_device
    assert isinstance(B @ DeviceArray(X), DeviceArray)
    exact = dense(A)
    assert np.allclose((B @ DeviceArray(X)).host, exact @ X, rtol=1e-5, atol=1e-5)
    assert np.allclose((B.T @ DeviceArray(dY)).host, exact.T @ dY, rtol=1e-5, atol=1e-5)
    assert np.allclose((B @ DeviceArray(X[0, :, 0])).host, exact @ X[0, :, 0], atol=1e-5)
    left = DeviceArray(normal(rng, (3, rows), "f4"))
    assert np.allclose((left @ B).host, left.host @ exact, rtol=1e-5, atol=1e-5)
    sampled = B.sampled_matmul(DeviceArray(dY), DeviceArray(X))
    assert np.allclose(sampled.host, A.sampled_matmul(dY, X), rtol=1e-5, atol=1e-5)
    sampled = B.T.sampled_matmul(DeviceArray(X), DeviceArray(dY))
    assert np.allclose(sampled.host, A.T.sampled_matmul(X, dY), rtol=1e-5, atol=1e-5)
    assert (B.T.values.host == A.T.values).all()
    assert (B.to_dense().host == A.to_dense()).all()
    assert (B.T.to_dense().host == A.T.to_dense()).all()


def test_the_result_can_be_written_to_an_array_on_the_device() -> None:
    rng, A = np.random.default_rng(1), matrix_of(pattern(), 0, np.float32)
    B, X = on_device(A), DeviceArray(normal(rng, (A.shape[1], 5), "f4"))
    out: Any = DeviceArray(np.full((A.shape[0], 5), np.nan, "f4"))
    bias = DeviceArray(rng.standard_normal(A.shape[0]))
    result: Any = matmul(B, X, out=out, bias=bias, activation="relu", backend="cupy")
    assert result is out
    expected = np.maximum(dense(A) @ X.host + bias.host[:, None], 0)
    assert np.allclose(out.host, expected, rtol=1e-5, atol=1e-5)


def test_layers_on_the_device_stay_there(machine: DeviceMachine) -> None:
    rng, A = np.random.default_rng(1), matrix_of(pattern(), 0, np.float32)
    biases = [normal(rng, (rows,), "f4") for rows in (A.shape[0], A.shape[1], A.shape[0])]
    layers = [(A, biases[0], "relu"), (A.T, biases[1], None), (A, biases[2], "silu")]
    B = on_device(A)
    own = [
        (B.T if k == 1 else B, DeviceArray(bias), activation)
        for k, (_, bias, activation) in enumerate(layers)
    ]
    network: Any = Sequential(own)
    for shape in ((A.shape[1], 5), (A.shape[1],), (2, A.shape[1], 3)):
        X = normal(rng, shape, "f4")
        first, result = network(DeviceArray(X)), network(DeviceArray(X))
        assert isinstance(result, DeviceArray)
        # A result does not share memory with that of the call before.
        assert not np.shares_memory(first.host, result.host)
        assert np.allclose(result.host, Sequential(layers)(X), rtol=1e-4, atol=1e-4)
    out = DeviceArray(np.full((2, A.shape[0], 3), np.nan, "f4"))
    assert network(DeviceArray(X), out) is out
    assert np.array_equal(out.host, result.host)
    with pytest.raises(BackendError, match="values on 0, X on the CPU"):
        network(X)
    with pytest.raises(BackendError, match="values on the CPU, X on 0"):
        Sequential(layers)(DeviceArray(X))
    with pytest.raises(BackendError, match="'numpy' works on the CPU"):
        Sequential(own, backend="numpy")(DeviceArray(X))
    assert {launch.kernel for launch in machine.launched} == {"forward", "transpose"}


@pytest.mark.parametrize("product", ["forward", "transposed", "sampled"])
def test_float32_is_rounded_to_tf32_only_on_request(product: str, machine: DeviceMachine) -> None:
    rng, A = np.random.default_rng(1), matrix_of(pattern(), 0, np.float32)
    B: Any = on_device(A)
    exact = dense(A)
    X, dY = (normal(rng, (count, 21), "f4") for count in reversed(A.shape))

    def compute(precision: Any = None) -> Any:
        machine.launched.clear()
        result: Any = matmul(B, DeviceArray(X), precision=precision)
        if product == "sampled":
            result = B.sampled_matmul(DeviceArray(dY), DeviceArray(X), precision=precision)
        elif product == "transposed":
            result = matmul(B.T, DeviceArray(dY), precision=precision)
        return result.host

    possible = ("forward", "tensor_core")
    if product == "sampled":
        possible = ("sampled", "sampled_tensor_core")

    def kernels() -> set[str]:
        return {launch.kernel for launch in machine.launched if launch.kernel in possible}

    if product == "sampled":
        columns = pattern().columns(max_bytes=1 << 20)
        expected, size = dY.astype(float) @ X.T, np.abs(dY) @ np.abs(X).T
        expected, size = (np.take_along_axis(one, columns, 1) for one in (expected, size))
    elif product == "transposed":
        expected, size = exact.T @ dY, np.abs(exact).T @ np.abs(dY)
    else:
        expected, size = exact @ X, np.abs(exact) @ np.abs(X)
    assert (np.abs(compute() - expected) <= 1e-5 * size).all()
    assert kernels() == {"sampled" if product == "sampled" else "forward"}
    error = np.abs(compute("tf32") - expected) / size
    assert kernels() == {"sampled_tensor_core" if product == "sampled" else "tensor_core"}
    # Two operands with 10 bits of fraction; and there would be no point if nothing was rounded.
    assert 1e-5 < error.max() <= 1e-3


def test_a_precision_that_is_not_known_is_refused_and_the_cpu_takes_the_known_one() -> None:
    A = matrix_of(pattern(), 0, np.float32)
    X: Any = np.ones((A.shape[1], 3), np.float32)
    unknown: Any = "fp8"
    with pytest.raises(ArgumentError, match="precision is 'fp8', expected None or 'tf32'"):
        matmul(on_device(A), DeviceArray(X), precision=unknown)
    with pytest.raises(ArgumentError, match="precision is 'fp8'"):
        A.sampled_matmul(np.ones((A.shape[0], 3)), X, precision=unknown)
    with pytest.raises(ArgumentError, match="precision is 'fp8'"):
        Sequential([A], precision=unknown)
    assert np.array_equal(matmul(A, X, precision="tf32"), matmul(A, X))
    # What the fixture asks for: a launch.
    on_device(A) @ DeviceArray(X)


def tensor_on_device(host: Any) -> Any:
    """Return a tensor in bfloat16 that says it lies on the device."""
    torch = pytest.importorskip("torch")

    class Tensor(torch.Tensor):  # type: ignore[misc, name-defined]
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0

        def __dlpack__(self, **_: Any) -> None:
            raise AssertionError("CuPy 13 dies of this")

        def view(self, dtype: Any) -> Any:
            assert dtype == torch.int16
            return DeviceArray(host.view(np.int16))

    return torch.from_numpy(host.view(np.int16)).view(torch.bfloat16).as_subclass(Tensor)


def test_a_tensor_in_bfloat16_shares_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    # PyTorch takes no memory of a device that it does not have.
    monkeypatch.setattr(torch_tensors, "as_tensor", lambda array: array)
    A, rng = matrix_of(pattern(), 0, np.float32), np.random.default_rng(0)
    X, values = (
        normal(rng, shape, "f4").astype(ml_dtypes.bfloat16)
        for shape in ((A.shape[1], 8), A.values.shape)
    )
    B = RBGP4Matrix(A.pattern, tensor_on_device(values))
    assert np.shares_memory(to_host(B.values), values)
    result: Any = B @ tensor_on_device(X)
    exact = RBGP4Matrix(A.pattern, values.astype(np.float32)).to_dense() @ X.astype(np.float32)
    assert result.host.dtype == values.dtype
    assert np.allclose(result.host.astype(np.float32), exact, rtol=1e-2, atol=1e-2)


def test_a_full_memory_is_an_error_that_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    A = on_device(matrix_of(pattern(), 0, np.float32))
    X: Any = DeviceArray(np.ones((A.shape[1], 3), np.float32))
    A @ X

    def full(*_: Any, **__: Any) -> None:
        raise MemoryError("Out of memory allocating 4,096 bytes")

    monkeypatch.setattr(DeviceMachine, "run", full)
    with pytest.raises(BackendError, match=r"too little free memory: Out of .* 4,096 bytes; use"):
        A @ X


class Watched:
    """The arrays that were used by launches, and which of them are still there."""

    def __init__(self, machine: DeviceMachine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrays: list[weakref.ref[Any]] = []
        run = machine.run

        def watching(launch: Launch, arguments: Sequence[Any]) -> None:
            seen = (getattr(argument, "array", argument) for argument in arguments)
            self.arrays += (weakref.ref(a.host) for a in seen if isinstance(a, DeviceArray))
            run(launch, arguments)

        monkeypatch.setattr(machine, "run", watching)

    @property
    def lost(self) -> int:
        gc.collect()
        return sum(array() is None for array in self.arrays)


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_what_a_recorded_graph_uses_stays_there_until_it_is_released(
    dtype: str, machine: DeviceMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, mine = np.random.default_rng(0), [on_device(matrix_of(pattern(), 0, dtype))]
    rows, cols = mine[0].shape
    X, dY = (DeviceArray(normal(rng, (size, 16), dtype)) for size in (cols, rows))
    # Not of the dtype of sums, and rows that have to be copied.
    bias, left = DeviceArray(np.ones(rows, np.float16)), DeviceArray(normal(rng, (16, rows), dtype))

    def all_products() -> None:
        [A] = mine
        matmul(A, X, bias=bias, activation="relu")
        A.T @ dY
        left @ A
        A.sampled_matmul(dY, X)
        A.T.sampled_matmul(X, dY)

    all_products()
    watched = Watched(machine, monkeypatch)
    all_products()
    assert watched.lost
    watched.arrays.clear()
    monkeypatch.setattr(machine, "is_capturing", True)
    all_products()
    with pytest.raises(BackendError, match=r"cannot hold copies of NumPy arrays.* cupy\.asarray"):
        matmul(matrix_of(pattern(), 0, dtype), X.host, backend="cupy")
    monkeypatch.setattr(machine, "is_capturing", False)
    count = len(watched.arrays)
    all_products()
    del watched.arrays[count:]
    mine.clear()
    assert count > 20
    assert watched.lost == 0
    release_graphs()
    # The operands are still there, the values and the results are not.
    assert 0 < watched.lost < count


def test_tier_0_can_be_recorded_too(
    machine: DeviceMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    A = on_device(matrix_of(pattern(), 0, np.float32))
    X: Any = DeviceArray(np.ones((A.shape[1], 3), np.float32))
    gathered: list[weakref.ref[Any]] = []
    take_rows = gather.forward

    def watching(*arguments: Any) -> Any:
        result = take_rows(*arguments)
        gathered.append(weakref.ref(result.host))
        return result

    def fails(*_: Any) -> None:
        raise RuntimeError("no kernel image is available")

    A @ X
    monkeypatch.setattr(machine, "run", fails)
    monkeypatch.setattr(gather, "forward", watching)
    other = on_device(matrix_of(pattern(), 1, np.float32))
    for launch in ("warm", "recorded"):
        monkeypatch.setattr(machine, "is_capturing", launch == "recorded")
        gathered.clear()
        with contextlib.ExitStack() as stack:
            if launch == "warm":
                stack.enter_context(pytest.warns(RuntimeWarning, match="switched off"))
            matmul(other, X, activation="silu")
        gc.collect()
        assert [array() is None for array in gathered[-1:]] == [launch == "warm"]
    release_graphs()
    gc.collect()
    assert gathered[-1]() is None


def test_a_result_can_lie_between_the_columns_of_its_operand() -> None:
    rng, A = np.random.default_rng(1), matrix_of(pattern(), 0, np.float32)
    buffer = np.full((max(A.shape), 10), np.nan, np.float32)
    buffer[: A.shape[1], ::2] = normal(rng, (A.shape[1], 5), "f4")
    whole: Any = DeviceArray(buffer)
    X, out = whole[: A.shape[1], ::2], whole[: A.shape[0], 1::2]
    matmul(on_device(A), X, out=out)
    assert_close(out.host, dense(A), X.host)
    with pytest.raises(ArgumentError, match="out overlaps X"):
        matmul(on_device(A), X, out=whole[: A.shape[0], :5])


def test_a_numpy_operand_is_copied_to_the_device_on_request() -> None:
    rng, A = np.random.default_rng(1), matrix_of(pattern(), 0, np.float32)
    X = normal(rng, (A.shape[1], 5), "f4")
    result = matmul(A, X, backend="cupy")
    assert isinstance(result, np.ndarray)
    assert_close(result, dense(A), X)


def test_arrays_in_different_places_are_refused_and_not_moved(machine: DeviceMachine) -> None:
    A = matrix_of(pattern(), 0, np.float32)
    B, X = on_device(A), np.ones((A.shape[1], 5), np.float32)
    B @ DeviceArray(X)
    count = len(machine.launched)
    short: Any = DeviceArray(np.zeros((1, 5), np.float32))
    with pytest.raises(BackendError, match="values on 0, X on the CPU"):
        B @ X
    with pytest.raises(BackendError, match="values on the CPU, X on 0"):
        A @ DeviceArray(X)
    with pytest.raises(BackendError, match="'numpy' works on the CPU and an array lies on a CUDA"):
        matmul(B, DeviceArray(X), backend="numpy")
    with pytest.raises(ArgumentTypeError, match="expected an array on that device"):
        matmul(B, DeviceArray(X), out=np.zeros((A.shape[0], 5), np.float32))
    with pytest.raises(ArgumentError, match="out has shape"):
        matmul(B, DeviceArray(X), out=short)
    whole: Any = DeviceArray(np.zeros(2 * max(A.shape) * 5, np.float32))
    overlapping = whole[: A.shape[1] * 5].reshape(A.shape[1], 5)
    with pytest.raises(ArgumentError, match="out overlaps X"):
        matmul(B, overlapping, out=whole[: A.shape[0] * 5].reshape(A.shape[0], 5))
    with pytest.raises(ArgumentError, match=r"values has shape \(2,\), expected"):
        RBGP4Matrix(A.pattern, DeviceArray(np.ones(2)))
    with pytest.raises(BackendError, match=r"cupy\.asnumpy"):
        B.to_csr()
    with pytest.raises(BackendError, match="W lies on a CUDA device"):
        RBGP4Matrix.from_dense(A.pattern, DeviceArray(dense(A)))
    assert len(machine.launched) == count
