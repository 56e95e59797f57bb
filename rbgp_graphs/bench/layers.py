"""A sequence of layers next to the dense network of the same sizes."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_generator
from rbgp_graphs.bench.comparison import Comparison, compare_on
from rbgp_graphs.bench.peers import Peer, Prepared, torch_missing
from rbgp_graphs.bench.problem import Kind
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu import RBGP4Matrix, Sequential
from rbgp_graphs.products import RBGP4


@dataclass(frozen=True, eq=False, kw_only=True)
class Network:
    """Layers ``relu(A @ X + bias)`` of one pattern, each with its own random values.

    Attributes
    ----------
    matrices : tuple of RBGP4Matrix
        Square, float32.
    biases : tuple of ndarray, shape (rows,)
        One for each layer.
    X : ndarray, shape (cols, batch)
        The input.
    backend : str
        What computes this package's products.
    """

    matrices: tuple[RBGP4Matrix, ...]
    biases: tuple[NDArray[Any], ...]
    X: NDArray[Any]
    backend: str

    @property
    def useful_operations(self) -> int:
        """Two for each nonzero and column."""
        return sum(2 * matrix.nnz for matrix in self.matrices) * len(self.X.T)

    @property
    def dense_operations(self) -> int:
        """Two for each entry of the dense matrices and column."""
        return sum(2 * math.prod(matrix.shape) for matrix in self.matrices) * len(self.X.T)

    @functools.cached_property
    def exact(self) -> NDArray[np.float64]:
        """The result in float64."""
        result = self.X.astype(np.float64)
        for matrix, bias in zip(self.matrices, self.biases, strict=True):
            product = matrix.to_csr().astype(np.float64) @ result
            result = np.maximum(product + bias[:, None], 0.0)
        return result

    def check(self, name: str, result: NDArray[Any], kind: Kind) -> float:
        """Return the error of a result as a share of what rounding can explain.

        The error is relative, in the Frobenius norm. What can be explained is one spacing of the
        dtype for each term of a row, in each layer. Raise BackendError above that.
        """
        terms = sum(
            matrix.shape[1] if kind == "dense" else matrix.pattern.row_degree
            for matrix in self.matrices
        )
        allowed = (terms + len(self.matrices)) * float(np.finfo(self.X.dtype).eps)
        difference = float(np.linalg.norm(result - self.exact)) / float(np.linalg.norm(self.exact))
        if result.shape != self.exact.shape or not difference <= allowed:
            raise BackendError(f"{name} has a relative error of {difference:.2e}")
        return difference / allowed


def make_network(
    pattern: RBGP4, num_layers: int, batch: int, *, backend: str = "auto", rng: Any = 0
) -> Network:
    """Return a network of layers with one square pattern and random normal numbers.

    The values are scaled so that activations keep their size.
    """
    generator = as_generator(rng)
    scale = np.float32(math.sqrt(2 / pattern.row_degree))
    shape = (pattern.rows, pattern.row_degree)
    return Network(
        matrices=tuple(
            RBGP4Matrix(pattern, scale * generator.standard_normal(shape, np.float32))
            for _ in range(num_layers)
        ),
        biases=tuple(
            generator.standard_normal(pattern.rows, np.float32) for _ in range(num_layers)
        ),
        X=generator.standard_normal((pattern.cols, batch), np.float32),
        backend=backend,
    )


def _own(network: Network) -> Prepared:
    layers = zip(network.matrices, network.biases, strict=True)
    sequence = Sequential(
        [(matrix, bias, "relu") for matrix, bias in layers], backend=network.backend
    )
    return Prepared(run=lambda: sequence(network.X))


def _numpy_dense(network: Network) -> Prepared:
    layers = [
        (matrix.to_dense(), bias[:, None])
        for matrix, bias in zip(network.matrices, network.biases, strict=True)
    ]

    def run() -> NDArray[Any]:
        result = network.X
        for dense, bias in layers:
            result = dense @ result
            result += bias
            np.maximum(result, 0, out=result)
        return result

    return Prepared(run=run)


def _torch_dense(network: Network) -> Prepared:
    import torch

    modules: list[Any] = []
    for matrix, bias in zip(network.matrices, network.biases, strict=True):
        linear = torch.nn.Linear(*matrix.shape[::-1])
        linear.weight = torch.nn.Parameter(torch.from_numpy(matrix.to_dense()))
        linear.bias = torch.nn.Parameter(torch.from_numpy(bias.copy()))
        modules += [linear, torch.nn.ReLU(inplace=True)]
    model = torch.nn.Sequential(*modules).eval().requires_grad_(False)
    # PyTorch keeps a sample in a row.
    X = torch.from_numpy(np.ascontiguousarray(network.X.T))
    return Prepared(run=lambda: model(X), fetch=lambda result: np.asarray(result.numpy().T))


_PEERS = (
    Peer(name="rbgp_graphs", kind="own", pack=_own),
    Peer(name="numpy dense", kind="dense", pack=_numpy_dense),
    Peer(name="torch dense", kind="dense", pack=_torch_dense, missing=torch_missing),
)


def compare_layers(
    pattern: RBGP4,
    num_layers: int,
    batch: int,
    *,
    backend: str = "auto",
    rounds: int = 7,
    rng: Any = 0,
) -> Comparison:
    """Time a network of sparse layers next to dense ones of the same sizes.

    Parameters
    ----------
    pattern : RBGP4
        The square pattern of every layer.
    num_layers : int
        How many layers.
    batch : int
        Samples.
    backend : str
        What computes this package's products.
    rounds : int
        How often each is timed.
    rng : int, numpy.random.Generator or None
        Source of values, biases and input.

    Returns
    -------
    Comparison
        This package first.

    Raises
    ------
    BackendError
        If a result differs from float64 by more than rounding explains.
    """
    network = make_network(pattern, num_layers, batch, backend=backend, rng=rng)
    return compare_on(network, _PEERS, rounds=rounds)
