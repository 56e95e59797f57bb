"""Several products in a row: the layers of a network, without detours between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.gpu.backend import check_precision, choose
from rbgp_graphs.gpu.epilogue import check_activation
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.operands import as_array, as_bias, as_out, result_dtype
from rbgp_graphs.gpu.product import matmul
from rbgp_graphs.gpu.torch_tensors import tensor_for_tensor


@dataclass(frozen=True, eq=False)
class _Layer:
    matrix: RBGP4Matrix
    bias: NDArray[Any] | None
    activation: Any


class Sequential:
    r"""Sparse layers one after the other: :math:`f_k(A_k \cdots f_1(A_1 X + b_1) \cdots + b_k)`.

    Between the layers the features stay rows and the samples columns, as the products want them.
    On the CPU they lie in two buffers that take turns and are kept for the next call; on a CUDA
    device each result is taken from CuPy's memory pool. Bias and activation are part of the
    products.

    Parameters
    ----------
    layers : iterable of RBGP4Matrix or (A, bias, activation)
        From the first to the last; bias and activation may be None or left out. Matrices and
        biases are shared, not copied: changes in place take effect in the next call.
    backend : str
        As for `matmul`.
    precision : {"tf32"}, optional
        As for `matmul`, in all layers.

    Raises
    ------
    ArgumentTypeError
        If `layers` or a layer is something else.
    ArgumentError
        If there is no layer, the shapes of neighbouring layers do not fit, or a bias, an
        activation or the precision is not allowed.
    BackendError
        If the backend is unknown or does not run here.

    Notes
    -----
    Several threads may call the same object; each has buffers of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.products import RBGP4
    >>> full = RBGP4(complete(1, 1), (1, 1), complete(2, 2), (1, 1))
    >>> A = RBGP4Matrix(full, np.array([[1.0, -1.0], [1.0, 1.0]]))
    >>> network = Sequential([(A, [0.5, 0.0], "relu"), A])
    >>> network(np.eye(2))
    array([[ 0.5, -1. ],
           [ 2.5,  1. ]])
    """

    def __init__(
        self,
        layers: Iterable[Any],
        *,
        backend: str = "auto",
        precision: Literal["tf32"] | None = None,
    ) -> None:
        if not isinstance(layers, Iterable):
            raise ArgumentTypeError(
                f"layers is a {type(layers).__name__}, expected matrices or tuples (A, bias, "
                "activation), from the first to the last"
            )
        self._layers = tuple(_as_layer(k, layer) for k, layer in enumerate(layers))
        check_precision(precision)
        choose(backend)
        self._backend, self._precision = backend, precision
        self._buffers = threading.local()
        if not self._layers:
            raise ArgumentError("layers is empty, expected at least one layer")
        for k, (a, b) in enumerate(zip(self._layers, self._layers[1:], strict=False)):
            if a.matrix.shape[0] != b.matrix.shape[1]:
                raise ArgumentError(
                    f"layer {k} has shape {a.matrix.shape} and layer {k + 1} {b.matrix.shape}; "
                    f"expected a next layer with {a.matrix.shape[0]} columns"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of the last layer and columns of the first."""
        return self._layers[-1].matrix.shape[0], self._layers[0].matrix.shape[1]

    @property
    def matrices(self) -> tuple[RBGP4Matrix, ...]:
        """The matrices, from the first to the last."""
        return tuple(layer.matrix for layer in self._layers)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self._layers)

    @tensor_for_tensor
    def __call__(self, X: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the result of the last layer.

        Parameters
        ----------
        X : array_like, shape (cols,) or (..., cols, N)
            Real numbers: one sample, or a sample in each column. Samples in rows are passed as
            ``X.T`` without a copy. On a CUDA device if the values and biases lie there.
        out : ndarray, shape (rows,) or (..., rows, N), optional
            Where to write the result (see `matmul`).

        Returns
        -------
        ndarray, shape (rows,) or (..., rows, N)
            `out` if given (as a CuPy array on a device), else a new array.

        Raises
        ------
        ArgumentTypeError
            If X does not hold real numbers.
        ArgumentError
            If the shape does not fit, or `out` cannot hold the result.
        BackendError
            If the arrays lie in different places, or where the backend does not compute.
        """
        operand = as_array("X", X)
        rows, cols = self.shape
        if operand.ndim == 0 or operand.shape[-2:][0] != cols:
            raise ArgumentError(
                f"X has shape {operand.shape}, expected ({cols},) or (..., {cols}, N)"
            )
        dtypes = self._dtypes(operand)
        shape = (*operand.shape[:-2], rows, *operand.shape[-1:]) if operand.ndim > 1 else (rows,)
        inputs = self._inputs(operand)
        on_device = any(not isinstance(array, np.ndarray) for array in inputs.values())
        result = as_out(out, shape, dtypes[-1], inputs)
        chain = None if on_device else self._chain(operand, dtypes)
        if chain is not None:
            layers = [
                (layer.matrix.pattern, layer.matrix.values, layer.bias, layer.activation)
                for layer in self._layers
            ]
            chain(layers, operand, result, self._memory)
            return result
        last = len(self._layers) - 1
        for k, layer in enumerate(self._layers):
            target: NDArray[Any] | None = result
            if k < last:
                # Buffers of a device would be shared by streams that do not wait for each other.
                target = None if on_device else self._buffer(k, layer, operand, dtypes[k])
            operand = matmul(
                layer.matrix,
                operand,
                target,
                layer.bias,
                layer.activation,
                self._backend,
                self._precision,
            )
        return result

    def _chain(
        self, operand: NDArray[Any], dtypes: list[np.dtype[Any]]
    ) -> Callable[..., None] | None:
        """Return what computes all layers at once, or None if that is not possible."""
        matrices = self.matrices
        if operand.ndim != 2 or not operand.size or len(set(dtypes)) > 1:
            return None
        if any(A._is_transposed or not A.nnz for A in matrices):
            return None
        return choose(self._backend).chain

    def _dtypes(self, operand: NDArray[Any]) -> list[np.dtype[Any]]:
        """Return the dtype of the result of each layer."""
        dtypes = [result_dtype(self._layers[0].matrix.dtype, operand)]
        for layer in self._layers[1:]:
            dtypes.append(result_dtype(layer.matrix.dtype, np.empty(0, dtypes[-1])))
        return dtypes

    def _inputs(self, operand: NDArray[Any]) -> dict[str, NDArray[Any]]:
        inputs = {"X": operand}
        for k, layer in enumerate(self._layers):
            inputs[f"the values of layer {k}"] = layer.matrix._stored.values
            if layer.bias is not None:
                inputs[f"the bias of layer {k}"] = layer.bias
        return inputs

    def _buffer(
        self, k: int, layer: _Layer, operand: NDArray[Any], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Return the buffer of this thread that layer k writes to."""
        rows = layer.matrix.shape[0]
        shape = (*operand.shape[:-2], rows, *operand.shape[-1:]) if operand.ndim > 1 else (rows,)
        needed = int(np.prod(shape)) * dtype.itemsize
        return self._memory(k, needed)[:needed].view(dtype).reshape(shape)

    def _memory(self, k: int, size: int) -> NDArray[np.uint8]:
        """Return memory of this thread for the result of layer k, at least `size` bytes."""
        name = "odd" if k % 2 else "even"
        memory: NDArray[np.uint8] | None = getattr(self._buffers, name, None)
        if memory is None or memory.nbytes < size:
            # Zeros, because lanes of packed results that belong to no column are never written.
            memory = np.zeros(size, np.uint8)
            setattr(self._buffers, name, memory)
        return memory

    def __reduce__(self) -> tuple[Any, ...]:
        layers = [(layer.matrix, layer.bias, layer.activation) for layer in self._layers]
        return (_rebuild, (layers, self._backend, self._precision))

    def __repr__(self) -> str:
        rows, cols = self.shape
        return f"<Sequential {rows} x {cols}, {len(self)} layers>"


def _rebuild(
    layers: list[Any], backend: str, precision: Literal["tf32"] | None = None
) -> Sequential:
    return Sequential(layers, backend=backend, precision=precision)


def _as_layer(k: int, layer: Any) -> _Layer:
    """Return a layer with its bias and activation checked."""
    parts: list[Any] = list(layer) if isinstance(layer, (tuple, list)) else [layer]
    if not 1 <= len(parts) <= 3 or not isinstance(parts[0], RBGP4Matrix):
        raise ArgumentTypeError(
            f"layer {k} is {layer!r}, expected an RBGP4Matrix or a tuple (A, bias, activation)"
        )
    matrix, bias, activation = parts + [None] * (3 - len(parts))
    check_activation(activation)
    return _Layer(matrix, as_bias(bias, matrix.shape[0]), activation)
