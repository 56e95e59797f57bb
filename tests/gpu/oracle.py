"""Dense products in float64, and how far a product in another dtype may lie from them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.products import RBGP4

DTYPES = (np.float16, np.float32, np.float64)

dtypes = st.sampled_from(DTYPES)
seeds = st.integers(0, 2**32 - 1)


def matrix_of(pattern: RBGP4, seed: int, dtype: Any = np.float64) -> RBGP4Matrix:
    """Return a matrix with normal values."""
    values = np.random.default_rng(seed).standard_normal((pattern.rows, pattern.row_degree))
    return RBGP4Matrix(pattern, values.astype(dtype))


def dense(A: RBGP4Matrix) -> NDArray[np.float64]:
    """Return the matrix in float64, put together from single rows of the pattern."""
    pattern, values = A.pattern, A.values.astype(np.float64)
    full = np.zeros(pattern.shape)
    for i in range(pattern.rows):
        full[i, pattern.row(i)] = values[i]
    return full


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return normal numbers."""
    return np.asarray(rng.standard_normal(shape)).astype(dtype)


def finfo(dtype: Any) -> Any:
    """Return the limits of a dtype, also of bfloat16."""
    return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]


def assert_close(
    result: NDArray[Any], left: NDArray[Any], right: NDArray[Any], dtype: Any = None
) -> None:
    """Compare a product with ``left @ right`` in float64.

    The bound is that of a sum of n products in any order in the precision of the sums, which is
    float32 for 16-bit numbers (Higham, Accuracy and Stability of Numerical Algorithms, 3.5), and of
    one rounding at the end. It counts twice because float64 has its own error.
    """
    expected_dtype = np.dtype(result.dtype if dtype is None else dtype)
    assert result.dtype == expected_dtype
    left, right = left.astype(np.float64), right.astype(np.float64)
    expected, size = left @ right, np.abs(left) @ np.abs(right)
    sums = finfo(np.float32 if expected_dtype.itemsize == 2 else expected_dtype)
    stored = finfo(expected_dtype)
    terms = (left.shape[-1] + 1) * float(sums.eps) / 2
    bound = 2 * terms / (1 - terms) * size + float(stored.eps) * np.abs(expected)
    bound = bound + float(stored.smallest_subnormal)
    assert result.shape == expected.shape
    assert (np.abs(result.astype(np.float64) - expected) <= bound).all()
