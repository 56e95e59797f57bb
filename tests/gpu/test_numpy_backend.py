from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu import RBGP4Matrix, backend, numpy_backend
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.gpu.oracle import DTYPES, assert_close, dense, dtypes, matrix_of, normal, seeds


@pytest.fixture(autouse=True, scope="module")
def _only_numpy() -> Iterator[None]:
    with mock.patch.object(backend, "_TABLE", (backend.choose("numpy"),)):
        yield


# Blocks for every row group, CSR for every row group, and the choice made outside tests.
smallest_groups = st.sampled_from((1, 4, 10**6))
# One column and one group at a time, some, and everything at once.
buffers = st.sampled_from((8, 300, 1 << 20))


@given(rbgp4_patterns(), seeds, dtypes, st.integers(0, 9), smallest_groups, buffers)
def test_all_products_agree_with_float64_dense_on_every_path(
    pattern: RBGP4, seed: int, dtype: Any, n: int, smallest_group: int, buffer: int
) -> None:
    rng = np.random.default_rng(seed + 1)
    A = matrix_of(pattern, seed, dtype)
    X, Y = normal(rng, (pattern.cols, n), dtype), normal(rng, (pattern.rows, n), dtype)
    with (
        mock.patch.object(numpy_backend, "_SMALLEST_GROUP", smallest_group),
        mock.patch.object(numpy_backend, "_BUFFER_BYTES", buffer),
    ):
        forward, backward, gradient = A @ X, A.T @ Y, A.sampled_matmul(Y, X)
    assert_close(forward, dense(A), X, dtype)
    assert_close(backward, dense(A).T, Y, dtype)
    assert gradient.shape == A.values.shape
    for i in range(pattern.rows):
        assert_close(gradient[i], X[pattern.row(i)], Y[i], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row_group", [1, 8])
def test_long_sums_stay_within_the_bound(dtype: Any, row_group: int) -> None:
    outer, inner = random_biregular(4, 4, 2, rng=1), random_biregular(16, 64, 32, rng=2)
    A = matrix_of(RBGP4(outer, (row_group, 1), inner, (1, 2)), 3, dtype)
    rng = np.random.default_rng(4)
    X, Y = normal(rng, (A.shape[1], 33), dtype), normal(rng, (A.shape[0], 33), dtype)
    assert_close(A @ X, dense(A), X, dtype)
    assert_close(A.T @ Y, dense(A).T, Y, dtype)


def test_float16_is_accumulated_in_float32() -> None:
    # The sum passes 2048, from where float16 can no longer count by ones.
    pattern = RBGP4(complete(1, 1), (4, 1), complete(1, 4096), (1, 1))
    A = RBGP4Matrix(pattern, np.ones((4, 4096), np.float16))
    ones = np.ones((4096, 1), np.float16)
    assert (A @ ones == 4096).all()
    assert (A.sampled_matmul(np.ones((4, 3000), np.float16), np.ones((4096, 3000))) == 3000).all()


def test_the_buffer_bounds_what_a_step_gathers() -> None:
    pattern = RBGP4(complete(2, 8), (4, 1), complete(8, 64), (1, 1))
    A = matrix_of(pattern, 0, np.float32)
    X = np.ones((pattern.cols, 512), np.float32)
    sizes = []
    real = np.matmul

    def spy(a: Any, b: Any) -> Any:
        sizes.append(b.nbytes)
        return real(a, b)

    with (
        mock.patch.object(numpy_backend, "_BUFFER_BYTES", 1 << 16),
        mock.patch.object(np, "matmul", spy),
    ):
        A @ X
    assert max(sizes) <= 1 << 16
    assert sum(sizes) == 16 * pattern.row_degree * 512 * 4
