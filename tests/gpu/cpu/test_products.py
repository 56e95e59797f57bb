from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu import RBGP4Matrix, backend, matmul
from rbgp_graphs.gpu.cpu import calls, plan, threads
from rbgp_graphs.gpu.cpu.target import host
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import blocking
from tests.gpu.cpu.strategies import COLUMNS, designs, narrow_host
from tests.gpu.oracle import assert_close, dense, finfo, matrix_of, normal, seeds

DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
dtypes = st.sampled_from(DTYPES)
columns = st.sampled_from(COLUMNS)


@pytest.fixture(autouse=True, scope="module")
def _only_cpu() -> Iterator[None]:
    with mock.patch.object(backend, "_TABLE", (backend.choose("cpu"),)):
        yield


def check_all_products(pattern: RBGP4, seed: int, dtype: Any, n: int) -> None:
    """Compare the three products with float64."""
    rng = np.random.default_rng(seed + 1)
    A = matrix_of(pattern, seed, dtype)
    X, Y = normal(rng, (pattern.cols, n), dtype), normal(rng, (pattern.rows, n), dtype)
    full = dense(A)
    assert_close(A @ X, full, X, dtype)
    assert_close(A.T @ Y, full.T, Y, dtype)
    gradient = A.sampled_matmul(Y, X)
    assert gradient.shape == A.values.shape
    # Rows of the pattern, gathered: row i of the gradient is Y[i] times these rows of X.
    for i in range(0, pattern.rows, max(1, pattern.rows // 8)):
        assert_close(gradient[i], X[pattern.row(i)], Y[i], dtype)


@given(designs(), seeds, dtypes, columns, st.sampled_from((1, 32)))
def test_all_products_agree_with_float64(
    pattern: RBGP4, seed: int, dtype: Any, n: int, long_run: int
) -> None:
    # With 1 the tiles come one by one, as only those of large patterns do else.
    with mock.patch.object(blocking, "_LONG_RUN", long_run):
        check_all_products(pattern, seed, dtype, n)


@given(designs(), seeds, st.sampled_from((np.float16, np.float32, np.float64)), columns)
def test_short_vectors_give_the_same(pattern: RBGP4, seed: int, dtype: Any, n: int) -> None:
    narrow = narrow_host()
    if narrow is None:
        pytest.skip("this processor has no longer ones")
    with mock.patch.object(calls, "host", return_value=narrow):
        check_all_products(pattern, seed, dtype, n)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("group", [2, 3])
def test_many_chunks_and_passes_add_up(dtype: Any, group: int) -> None:
    # Several panels, parts of a row of tiles and passes over the sums, with two threads. Four
    # rows in a group take one tile after the other, six take all at once.
    outer, inner = random_biregular(6, 8, 4, rng=1), random_biregular(16, 64, 32, rng=2)
    pattern = RBGP4(outer, (group, 2), inner, (2, 1), np.arange(outer.num_edges) % 64)
    # A second cache too small for X, so that the rows of tiles change their order.
    small = dataclasses.replace(host(), level2_bytes=1 << 14)
    with (
        mock.patch.object(calls, "host", return_value=small),
        mock.patch.object(plan, "_SMALL_PRODUCT", 0),
        mock.patch.object(blocking, "_SHORTEST_RUN", 1),
        mock.patch.object(threads, "get_num_threads", return_value=3),
    ):
        check_all_products(pattern, 5, dtype, 150)


def test_every_count_of_threads_gives_the_same_bits() -> None:
    outer, inner = random_biregular(8, 8, 4, rng=1), random_biregular(16, 16, 4, rng=2)
    pattern = RBGP4(outer, (4, 1), inner, (1, 1))
    A, rng = matrix_of(pattern, 0, np.float32), np.random.default_rng(0)
    X, Y = normal(rng, (A.shape[1], 200), np.float32), normal(rng, (A.shape[0], 200), np.float32)
    results = []
    for number in (1, 2, 5):
        with (
            mock.patch.object(threads, "get_num_threads", return_value=number),
            mock.patch.object(plan, "_SMALL_PRODUCT", 0),
        ):
            results.append((A @ X, A.T @ Y, A.sampled_matmul(Y, X)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@given(
    st.sampled_from(((4, 1), (1, 2), (33, 1))),
    seeds,
    dtypes,
    st.sampled_from((1, 5, 16, 33, 70)),
)
def test_transposed_operands_and_results_give_the_same_bits(
    group: tuple[int, int], seed: int, dtype: Any, n: int
) -> None:
    inner = random_biregular(37, 37, 3, rng=0)
    A = matrix_of(RBGP4(complete(1, 2), (group[0], 1), inner, (group[1], 1)), seed, dtype)
    rng = np.random.default_rng(seed)
    X, Y = normal(rng, (A.shape[1], n), dtype), normal(rng, (A.shape[0], n), dtype)
    bias = normal(rng, (A.shape[0],), dtype)
    out = np.full((n + 2, A.shape[0]), 7, dtype)
    matmul(A, np.asfortranarray(X), out=out[1:-1].T, bias=bias, activation="relu")
    np.testing.assert_array_equal(out[1:-1].T, matmul(A, X, bias=bias, activation="relu"))
    np.testing.assert_array_equal(out[[0, -1]], np.full((2, A.shape[0]), 7, dtype))
    np.testing.assert_array_equal(Y.T @ A, (A.T @ Y).T)
    np.testing.assert_array_equal(
        A.sampled_matmul(np.asfortranarray(Y), np.asfortranarray(X)), A.sampled_matmul(Y, X)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [None, "relu", "gelu", "silu"])
def test_activations_agree_with_the_numpy_backend(dtype: Any, activation: Any) -> None:
    identity = RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1))
    A = RBGP4Matrix(identity, np.ones((1, 1), dtype))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30]
    x = np.concatenate([np.linspace(-120, 120, 6001), np.linspace(-6, 6, 2001), special])
    X = x.astype(dtype)[None]
    result = matmul(A, X, activation=activation).astype(np.float64)
    exact = matmul(
        RBGP4Matrix(identity, np.ones((1, 1))), X.astype(np.float64), activation=activation
    )
    with mock.patch.object(backend, "_TABLE", (NUMPY,)), np.errstate(invalid="ignore"):
        oracle = matmul(
            RBGP4Matrix(identity, np.ones((1, 1))), X.astype(np.float64), activation=activation
        )
    # Far out, the tail of SciPy is off by some 1e-13 itself.
    np.testing.assert_allclose(exact, oracle, rtol=1e-12, atol=1e-280)
    eps = float(finfo(dtype).eps)
    tiny = float(finfo(dtype).smallest_normal)
    np.testing.assert_allclose(result, oracle, rtol=max(8 * eps, 1e-12), atol=tiny)


NUMPY = backend.choose("numpy")


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf, 3.4e38, 1e-45, 0.0])
def test_rounding_to_bfloat16_is_that_of_ml_dtypes(value: float) -> None:
    identity = RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1))
    A = RBGP4Matrix(identity, np.ones((1, 1), ml_dtypes.bfloat16))
    x = np.full((1, 1), value).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal((A @ x).astype(float), x.astype(float))


@given(seeds)
def test_sums_are_rounded_to_bfloat16_to_nearest_even(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair = RBGP4(complete(1, 1), (1, 1), complete(1, 2), (1, 1))
    A = RBGP4Matrix(pair, np.ones((1, 2), ml_dtypes.bfloat16))
    # A sum of two such numbers is often a tie between two results.
    X = (rng.integers(0, 2**10, (2, 300)) * 2.0**-3).astype(ml_dtypes.bfloat16)
    sums = X.astype(np.float32).sum(axis=0, keepdims=True)
    np.testing.assert_array_equal(A @ X, sums.astype(ml_dtypes.bfloat16))


def test_unaligned_operands_and_results_are_copied() -> None:
    inner = random_biregular(3, 3, 2, rng=0)
    A = matrix_of(RBGP4(complete(2, 2), (2, 1), inner, (1, 1)), 0, np.float32)
    X = np.ones((6, 3), np.float32)
    storage = np.empty(6 * 3 * 4 + 1, np.uint8)
    moved = storage[1:].view(np.float32).reshape(6, 3)
    moved[...] = X
    np.testing.assert_array_equal(A @ moved, A @ X)
    result = np.empty(12 * 3 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(12, 3)
    np.testing.assert_array_equal(matmul(A, X, out=result), A @ X)
    batch = np.empty(2 * 12 * 3 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(2, 12, 3)
    np.testing.assert_array_equal(matmul(A, np.stack([X, 2 * X]), out=batch)[1], 2 * (A @ X))


def test_values_of_any_strides_are_read() -> None:
    pattern = RBGP4(complete(2, 2), (2, 1), complete(2, 3), (1, 1))
    storage = np.random.default_rng(0).standard_normal((2 * 8, 2 * 6))
    X = np.random.default_rng(1).standard_normal((6, 4))
    for values in (storage[::2, :6], storage[:8, ::-2], storage.T[:8, :6].T[:6].T):
        A = RBGP4Matrix(pattern, values)
        np.testing.assert_allclose(A @ X, dense(A) @ X)
        np.testing.assert_allclose(A.T @ (A @ X), dense(A).T @ (dense(A) @ X))
