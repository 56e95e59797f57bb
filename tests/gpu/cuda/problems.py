"""Random problems for the kernels, how to run them, and what the results should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.tables import Dimensions, Tables, dimensions, tables
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda import host

needs_compiler = pytest.mark.skipif(
    host.COMPILER is None, reason="needs g++, which compiles the CUDA sources for the CPU"
)

_STORAGE = {
    "float16": np.float16,
    "bfloat16": np.uint16,
    "tf32": np.float32,
    "float32": np.float32,
}
#: Distance of 1 and the next number that a result can be.
EPS = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "tf32": 2.0**-23,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}


def stored(numbers: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """Round numbers to what a kernel stores; bfloat16 becomes uint16."""
    if dtype != "bfloat16":
        return numbers.astype(_STORAGE.get(dtype, np.float64))
    bits = numbers.astype(np.float32).view(np.uint32)
    rounded: NDArray[Any] = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return rounded.astype(np.uint16)


def real(array: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    if dtype == "bfloat16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float64)


def multiplied(array: NDArray[Any], dtype: str) -> NDArray[np.float64]:
    """Return operands as they are multiplied: tf32 keeps 10 bits of fraction, ties away from 0."""
    if dtype == "tf32":
        fraction, exponent = np.frexp(array.astype(np.float64))
        scaled = np.ldexp(fraction, 11)
        return np.asarray(
            np.ldexp(np.copysign(np.floor(np.abs(scaled) + 0.5), scaled), exponent - 11)
        )
    return real(array, dtype)


def poisoned(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Return an array of NaN."""
    return stored(np.full(shape, np.nan), dtype)


def activated(numbers: NDArray[np.float64], activation: str | None) -> NDArray[np.float64]:
    if activation == "relu":
        return np.maximum(numbers, 0)
    if activation == "gelu":
        return np.asarray(numbers * special.ndtr(numbers))
    if activation == "silu":
        return np.asarray(numbers * special.expit(numbers))
    return numbers


@dataclass(frozen=True, eq=False)
class Problem:
    """Random operands of all products with one pattern."""

    pattern: RBGP4
    dtype: str
    n: int
    batches: int
    values: NDArray[Any]
    X: NDArray[Any]
    dY: NDArray[Any]  # noqa: N815
    bias: NDArray[Any]

    @property
    def size(self) -> Dimensions:
        return dimensions(self.pattern)

    @property
    def tables(self) -> Tables:
        return tables(self.pattern)

    @property
    def aligned(self) -> bool:
        return self.n * self.values.itemsize % 16 == 0

    @property
    def dense(self) -> NDArray[np.float64]:
        """The matrix in float64, put together from single rows of the pattern."""
        full = np.zeros(self.pattern.shape)
        for i, row in enumerate(multiplied(self.values, self.dtype)):
            full[i, self.pattern.row(i)] = row
        return full


def problem(pattern: RBGP4, dtype: str, n: int, batches: int, seed: int) -> Problem:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[Any]:
        array = stored(rng.standard_normal(shape), dtype)
        # What a kernel reads it must not write to.
        array.flags.writeable = False
        return array

    bias = rng.standard_normal(pattern.rows).astype(
        np.float64 if dtype == "float64" else np.float32
    )
    return Problem(
        pattern=pattern,
        dtype=dtype,
        n=n,
        batches=batches,
        values=normal(pattern.rows, pattern.row_degree),
        X=normal(batches, pattern.cols, n),
        dY=normal(batches, pattern.rows, n),
        bias=bias,
    )


def check_forward(
    machine: host.HostMachine,
    given: Problem,
    launch: Launch,
    *,
    with_bias: bool,
    activation: str | None,
) -> None:
    """Run a forward kernel and compare with the product in float64."""
    rows, cols, own = given.pattern.rows, given.pattern.cols, given.tables
    Y = poisoned((given.batches, rows, given.n), given.dtype)
    machine.run(
        launch,
        [
            *(given.values, given.X, Y, given.bias if with_bias else None),
            *(own.outer_columns, own.outer_tables, own.inner_columns),
            *(np.int32(given.n), np.int32(given.batches)),
            *(np.int64(given.n), np.int64(given.n)),
            *(np.int64(cols * given.n), np.int64(rows * given.n)),
        ],
    )
    dense, X = given.dense, multiplied(given.X, given.dtype)
    offset = given.bias[:, None] * float(with_bias)
    expected = activated(dense @ X + offset, activation)
    magnitude = abs(dense) @ abs(X) + abs(offset)
    assert_within_rounding(Y, expected, magnitude, given.dtype, given.pattern.row_degree)


def check_sampled(machine: host.HostMachine, given: Problem, launch: Launch) -> None:
    """Run a kernel of the sampled product and compare with the product in float64."""
    rows, cols, own = given.pattern.rows, given.pattern.cols, given.tables
    result = poisoned(given.values.shape, given.dtype)
    machine.run(
        launch,
        [
            *(given.dY, given.X, result),
            *(own.outer_columns, own.outer_tables, own.inner_columns),
            *(np.int32(given.n), np.int32(given.batches)),
            *(np.int64(given.n), np.int64(given.n)),
            *(np.int64(rows * given.n), np.int64(cols * given.n)),
        ],
    )
    assert_sampled(result, given)


def assert_sampled(result: NDArray[Any], given: Problem) -> None:
    """Compare the sampled product of a problem with that in float64."""
    rows = given.pattern.rows
    dY, X = multiplied(given.dY, given.dtype), multiplied(given.X, given.dtype)
    columns = np.array([given.pattern.row(i) for i in range(rows)])
    expected = np.einsum("brn,brkn->rk", dY, X[:, columns])
    magnitude = np.einsum("brn,brkn->rk", abs(dY), abs(X[:, columns]))
    assert_within_rounding(result, expected, magnitude, given.dtype, given.n * given.batches)


def assert_within_rounding(
    result: NDArray[Any],
    expected: NDArray[np.float64],
    magnitude: NDArray[np.float64],
    dtype: str,
    terms: int,
) -> None:
    """Compare with a bound: of a sum in any order, an activation, and one rounding at the end."""
    sums = EPS["float64"] if dtype == "float64" else EPS["float32"]
    # Where float16 has no more digits to round, its numbers are 2 ** -24 apart.
    last = 2.0**-24 if dtype == "float16" else 0.0
    bound = 1.13 * (terms + 8) * sums * magnitude + EPS[dtype] * np.abs(expected) + last
    error = np.abs(real(result, dtype) - expected)
    wrong = ~(error <= bound)
    assert not wrong.any(), f"off by {error[wrong][0]} where {bound[wrong][0]} is allowed"
