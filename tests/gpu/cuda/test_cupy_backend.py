"""The backend "cupy" on arrays that behave like CuPy's, computed on the CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.device import DeviceArray, DeviceMachine
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
    arrays = (DeviceArray(array) for array in (A.values, X, Y, bias))
    cupy_backend.forward(A.pattern, *arrays, "relu")
    assert np.allclose(Y, np.maximum(dense(A) @ X + bias[:, None], 0), rtol=1e-12, atol=1e-12)


def test_values_are_transposed_on_the_device() -> None:
    A = matrix_of(pattern(), 0, np.float32)
    result = cupy_backend.transpose_values(A.pattern, DeviceArray(A.values))
    assert (result.host == transpose_values(A.pattern, A.values)).all()
