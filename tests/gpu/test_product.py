from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.gpu.oracle import DTYPES, dense, dtypes, matrix_of, normal, seeds


def _activate(name: str | None, x: float) -> float:
    if name == "relu":
        return max(x, 0.0)
    if name == "gelu":
        return x * 0.5 * math.erfc(-x / math.sqrt(2))
    if name == "silu":
        return x / (1 + math.exp(-x))
    return x


@pytest.fixture(name="A")
def small_matrix() -> RBGP4Matrix:
    outer, inner = random_biregular(3, 6, 2, rng=1), random_biregular(4, 4, 3, rng=2)
    return matrix_of(RBGP4(outer, (2, 1), inner, (2, 1)), 0, np.float32)


@given(
    rbgp4_patterns(),
    seeds,
    dtypes,
    st.sampled_from((None, "relu", "gelu", "silu")),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 2), max_size=2),
)
def test_bias_and_activation_come_after_the_sums(
    pattern: RBGP4,
    seed: int,
    dtype: Any,
    activation: Any,
    with_bias: bool,
    transpose: bool,
    batch: list[int],
) -> None:
    rng = np.random.default_rng(seed)
    A = matrix_of(pattern, seed, dtype)
    A = A.T if transpose else A
    X = normal(rng, (*batch, A.shape[1], 3), dtype)
    bias = normal(rng, (A.shape[0],), dtype) if with_bias else None
    result = matmul(A, X, bias=bias, activation=activation)
    sums = dense(A) @ X.astype(np.float64)
    if bias is not None:
        sums = sums + bias.astype(np.float64)[:, None]
    expected = np.vectorize(lambda x: _activate(activation, x), otypes=[np.float64])(sums)
    assert result.dtype == dtype
    tolerance = 64 * float(np.finfo(dtype).eps) * (1 + np.abs(sums).max(initial=0))
    np.testing.assert_allclose(result.astype(np.float64), expected, atol=tolerance)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_nan_passes_through_every_activation(A: RBGP4Matrix, activation: Any) -> None:
    result = matmul(A, np.full(A.shape[1], np.nan, np.float32), activation=activation)
    assert np.isnan(result).all()


def test_gelu_is_the_exact_form_and_keeps_small_results() -> None:
    pattern = RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1))
    A = RBGP4Matrix(pattern, np.ones((1, 1)))
    x = np.array([[-8.0, -1.0, 0.5, 3.0]])
    expected = [_activate("gelu", v) for v in x[0]]
    np.testing.assert_allclose(matmul(A, x, activation="gelu")[0], expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transpose", [False, True])
def test_the_result_is_written_to_out_whatever_its_strides(dtype: Any, transpose: bool) -> None:
    outer, inner = random_biregular(3, 6, 2, rng=1), random_biregular(4, 4, 3, rng=2)
    pattern = RBGP4(outer, (2, 4), inner, (2, 1))
    # Small integers, whose sums are exact in any order and dtype.
    rng = np.random.default_rng(1)
    A = RBGP4Matrix(pattern, rng.integers(-3, 4, (pattern.rows, pattern.row_degree)).astype(dtype))
    A = A.T if transpose else A
    rows, cols = A.shape
    X = rng.integers(-3, 4, (2, cols, 3)).astype(dtype)
    expected = A @ X
    storage = np.full((3, 2 * rows, 4), np.nan, dtype)
    for target in (storage[:2, ::2, :3], storage[1:, ::-2, 3:0:-1]):
        assert matmul(A, X, out=target) is target
        np.testing.assert_array_equal(target, expected)
    plane = np.full((3, rows), np.nan, dtype)
    assert matmul(A, X[0], plane.T).base is plane
    np.testing.assert_array_equal(plane.T, expected[0])
    vector = np.full(2 * rows, np.nan, dtype)
    matmul(A, X[0, :, 0], out=vector[1::2])
    np.testing.assert_array_equal(vector[1::2], A @ X[0, :, 0])
    assert np.isnan(vector[::2]).all()


def test_out_is_refused_where_the_result_would_not_fit(A: RBGP4Matrix) -> None:
    rows, cols = A.shape
    X = np.ones((cols, 2), np.float32)
    cases: list[tuple[Any, str]] = [
        (np.empty((rows, 3), np.float32), r"out has shape .* expected \(48, 2\) and float32"),
        (np.empty((rows, 2), np.float64), "dtype float64, expected"),
        (np.empty((rows, 2), ">f4"), "dtype >f4, expected"),
        (np.broadcast_to(np.float32(0), (rows, 2)), "out is read-only"),
    ]
    for out, message in cases:
        with pytest.raises(ArgumentError, match=message):
            matmul(A, X, out=out)
    with pytest.raises(ArgumentTypeError, match="out is a MaskedArray, expected a plain"):
        matmul(A, X, out=np.ma.zeros((rows, 2), np.float32))
    with pytest.raises(ArgumentTypeError, match="out is a list"):
        matmul(A, X, out=[[0.0, 0.0]] * rows)  # type: ignore[arg-type]


def test_out_may_not_overlap_an_input(A: RBGP4Matrix) -> None:
    rows, cols = A.shape
    shared = np.ones((rows + cols, 2), np.float32)
    with pytest.raises(ArgumentError, match="out overlaps X"):
        matmul(A, shared[:cols], out=shared[cols - 1 : cols - 1 + rows])
    with pytest.raises(ArgumentError, match="out overlaps the values"):
        matmul(A, np.ones((cols, 6), np.float32), out=A.values)
    with pytest.raises(ArgumentError, match="out overlaps bias"):
        matmul(A, shared[:cols, 0].copy(), out=shared[:rows, 1], bias=shared[:rows, 1])
    with pytest.raises(ArgumentError, match="out overlaps dY"):
        A.sampled_matmul(A.values[:, 0], np.ones(cols, np.float32), out=A.values)


@pytest.mark.parametrize("steps", [(0, 4), (4, 4), (8, 0), (8, -8), (8, 2)])
def test_out_may_not_overlap_itself(A: RBGP4Matrix, steps: tuple[int, int]) -> None:
    rows, cols = A.shape
    memory = np.zeros(2 * rows + 2, np.float32)
    out = np.lib.stride_tricks.as_strided(memory[2:], (rows, 2), steps)
    with pytest.raises(ArgumentError, match="overlaps itself in memory"):
        matmul(A, np.ones((cols, 2), np.float32), out=out)
    assert not memory.any()


def test_sizes_beyond_all_memory_are_refused(A: RBGP4Matrix) -> None:
    rows, cols = A.shape
    wide = np.broadcast_to(np.float16(1), (2**48, 1, 2**8))
    X, dY = (np.broadcast_to(wide, (2**48, size, 2**8)) for size in (cols, rows))
    products: list[Callable[[], Any]] = [
        lambda: A @ X,
        lambda: A.T @ dY,
        lambda: dY.swapaxes(-1, -2) @ A,
        lambda: A.sampled_matmul(dY, X),
        lambda: matmul(A, X, backend="numpy"),
    ]
    for product in products:
        with pytest.raises(ArgumentError, match="more numbers than memory has addresses for"):
            product()


def test_out_between_the_entries_of_an_input_is_no_overlap(A: RBGP4Matrix) -> None:
    rows, cols = A.shape
    shared = np.ones((max(rows, cols), 4), np.float32)
    out = shared[:rows, 1::2]
    matmul(A, shared[:cols, ::2], out=out)
    np.testing.assert_array_equal(out, A @ np.ones((cols, 2), np.float32))
    assert (shared[:, ::2] == 1).all()


def test_the_bias_does_not_change_the_dtype(A: RBGP4Matrix) -> None:
    X = np.zeros((A.shape[1], 2), np.float32)
    result = matmul(A, X, bias=list(range(A.shape[0])))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result[:, 1], np.arange(A.shape[0]))


def test_bad_options_are_refused(A: RBGP4Matrix) -> None:
    X: Any = np.ones(A.shape[1], np.float32)
    bad: Any = "tanh"
    with pytest.raises(ArgumentError, match=r"'tanh'.*None, 'relu', 'gelu', 'silu'"):
        matmul(A, X, activation=bad)
    with pytest.raises(ArgumentError, match="expected a name"):
        matmul(A, X, activation=np.tanh)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"bias has shape \(24,\), expected \(48,\)"):
        matmul(A, X, bias=X)
    with pytest.raises(ArgumentTypeError, match="bias has dtype object"):
        matmul(A, X, bias=[None] * A.shape[0])  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="'fastest' cannot be used"):
        matmul(A, X, backend="fastest")
    with pytest.raises(ArgumentTypeError, match=r"A is a ndarray.*X @ A"):
        matmul(X, A)  # type: ignore[arg-type]
