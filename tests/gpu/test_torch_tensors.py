"""Tensors of PyTorch go in and come out, and nothing is copied or lost on the way."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.gpu import RBGP4Matrix, Sequential, matmul
from rbgp_graphs.products import RBGP4
from tests.gpu.oracle import matrix_of, normal

torch = pytest.importorskip("torch")

_DTYPES = ("float16", "bfloat16", "float32", "float64")


def _matrix(dtype: str = "float32") -> RBGP4Matrix:
    outer, inner = random_biregular(3, 6, 2, rng=1), random_biregular(4, 4, 3, rng=2)
    known = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return matrix_of(RBGP4(outer, (2, 1), inner, (2, 1)), 0, known)


def _tensor(*shape: int, dtype: str = "float32") -> Any:
    return torch.from_numpy(normal(np.random.default_rng(2), shape, "f8")).to(getattr(torch, dtype))


@pytest.mark.parametrize("dtype", _DTYPES)
def test_the_result_of_a_tensor_is_the_tensor_of_the_same_numbers(dtype: str) -> None:
    A = _matrix(dtype)
    rows, cols = A.shape
    X, dY = _tensor(cols, 5, dtype=dtype), _tensor(rows, 5, dtype=dtype)
    exact = torch.from_numpy(A.to_dense().astype(np.float64))
    tolerance = {"rtol": torch.finfo(X.dtype).eps, "atol": 8 * torch.finfo(X.dtype).eps}
    for result, expected in (
        (A @ X, exact @ X.double()),
        (A @ X[:, 0], exact @ X[:, 0].double()),
        (A.T @ dY, exact.mT @ dY.double()),
        (dY.mT @ A, dY.mT.double() @ exact),
        (matmul(A, X, activation="relu"), (exact @ X.double()).relu()),
        (Sequential([A])(X), exact @ X.double()),
    ):
        assert isinstance(result, torch.Tensor)
        torch.testing.assert_close(result, expected.to(X.dtype), **tolerance)
    gradient = A.sampled_matmul(dY, X)
    full = dY.double() @ X.double().mT
    expected = torch.take_along_dim(full, torch.from_numpy(A.pattern.columns()).long(), 1)
    torch.testing.assert_close(gradient, expected.to(X.dtype), **tolerance)


@pytest.mark.parametrize("dtype", _DTYPES)
def test_values_and_results_share_their_memory(dtype: str) -> None:
    pattern = _matrix().pattern
    values = _tensor(pattern.rows, pattern.row_degree, dtype=dtype)
    A = RBGP4Matrix(pattern, values)
    assert A.values.ctypes.data == values.data_ptr()
    X = _tensor(pattern.cols, 3, dtype=dtype)
    out = torch.empty(pattern.rows, 3, dtype=X.dtype)
    result: Any = matmul(A, X, out=out)
    assert result.data_ptr() == out.data_ptr()
    assert torch.equal(result, A @ X)


def test_an_array_gives_an_array_whatever_the_values_are() -> None:
    A = _matrix()
    B = RBGP4Matrix(A.pattern, torch.from_numpy(A.values))
    assert isinstance(B @ np.ones((A.shape[1], 2), np.float32), np.ndarray)


def test_no_gradient_gets_lost() -> None:
    A, X = _matrix(), _tensor(_matrix().shape[1], 2).requires_grad_()
    with pytest.raises(ArgumentTypeError, match=r"gradient.*nn.*X\.detach"):
        A @ X
    with pytest.raises(ArgumentTypeError, match="gradient"):
        X.detach().mT.requires_grad_() @ A.T
    with torch.no_grad():
        assert torch.equal(A @ X, A @ X.detach())


def test_tensors_that_do_not_fit_are_refused() -> None:
    A = _matrix()
    rows, cols = A.shape
    X = _tensor(cols, 2)
    for wrong in (X.to_sparse(), X.to(torch.complex64), X.to("meta")):
        with pytest.raises(ArgumentTypeError, match="X "):
            A @ wrong
    with pytest.raises(ArgumentError, match="float32"):
        matmul(A, X, out=torch.zeros(rows, 2, dtype=torch.float64))
    memory = torch.zeros(max(rows, cols), 2)
    with pytest.raises(ArgumentError, match="overlaps"):
        matmul(A, memory[:cols], out=memory[:rows])
