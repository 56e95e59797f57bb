"""The time of one product next to SciPy and NumPy, on the same data in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbgp_graphs._validation import as_generator, as_int
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.product import matmul


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The time of one way to compute a product.

    Attributes
    ----------
    name : str
        What computed it.
    milliseconds : float
        Median wall time of one product.
    spread_milliseconds : float
        Largest minus smallest time.
    gflops : float
        Useful operations (two for each nonzero and column) in 10**9 a second.
    """

    name: str
    milliseconds: float
    spread_milliseconds: float
    gflops: float


def compare(
    matrix: RBGP4Matrix,
    num_columns: int,
    *,
    backend: str = "auto",
    repeats: int = 7,
    rng: Any = 0,
) -> list[Timing]:
    """Time ``matrix @ X`` against a SciPy CSR product and a NumPy dense product.

    Parameters
    ----------
    matrix : RBGP4Matrix
        The sparse matrix.
    num_columns : int
        Columns of X, at least 1; X holds random normal numbers.
    backend : str
        As for `matmul`.
    repeats : int
        How often each product is timed; the ways take turns.
    rng : int, numpy.random.Generator or None
        Source of X.

    Returns
    -------
    list of Timing
        This package, SciPy CSR, NumPy dense.

    Raises
    ------
    BackendError
        If the results differ by more than rounding explains.

    Notes
    -----
    Every result is first compared with the product in float64. Building the CSR array and the
    dense matrix is not timed. SciPy has no float16 product; it then computes in float32.
    """
    num_columns = as_int("num_columns", num_columns, minimum=1)
    repeats = as_int("repeats", repeats, minimum=1)
    dtype = matrix.dtype
    shape = (matrix.shape[1], num_columns)
    X = as_generator(rng).standard_normal(shape).astype(dtype)
    scipy_dtype = np.float32 if dtype == np.float16 else dtype
    csr = matrix.pattern.to_csr(matrix.values.astype(scipy_dtype))
    X_for_scipy = X.astype(scipy_dtype, copy=False)
    dense = matrix.to_dense()
    ways: dict[str, Callable[[], Any]] = {
        "rbgp_graphs": lambda: matmul(matrix, X, backend=backend),
        "scipy CSR": lambda: csr @ X_for_scipy,
        "numpy dense": lambda: dense @ X,
    }
    exact = csr.astype(np.float64) @ X.astype(np.float64)
    magnitude = abs(csr).astype(np.float64) @ np.abs(X.astype(np.float64))
    unit = float(np.finfo(dtype).eps)
    for name, way in ways.items():
        error = np.abs(way() - exact) / np.maximum(magnitude, np.finfo(np.float64).tiny)
        # A dense product sums all columns, so its length bounds the rounding of every way.
        if not error.max() <= (shape[0] + 1) * unit:
            raise BackendError(f"{name} is off by {error.max():.2e} relative to the sum of sizes")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    operations = 2 * matrix.pattern.nnz * num_columns
    return [
        Timing(
            name=name,
            milliseconds=1e3 * statistics.median(times),
            spread_milliseconds=1e3 * (max(times) - min(times)),
            gflops=operations / statistics.median(times) / 1e9,
        )
        for name, times in seconds.items()
    ]
