"""A sparse matrix with an RBGP4 pattern, and its products with dense arrays."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu import transpose
from rbgp_graphs.gpu.backend import check_precision, choose
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.epilogue import check_activation
from rbgp_graphs.gpu.operands import (
    as_array,
    as_bias,
    as_out,
    as_pattern,
    as_values,
    check_dtype,
    is_half,
    result_dtype,
)
from rbgp_graphs.gpu.torch_tensors import tensor_for_tensor
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4
from rbgp_graphs.products.tensor import MAX_BYTES

_STEP_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class _Stored:
    """What a matrix and its transpose share."""

    pattern: RBGP4
    values: NDArray[Any]

    @functools.cached_property
    def transposed_pattern(self) -> RBGP4:
        return self.pattern.T


class RBGP4Matrix:
    """A matrix whose nonzeros lie on an RBGP4 pattern.

    ``A @ X``, ``X @ A`` and ``A.T @ Y`` follow `numpy.matmul`: an operand is a vector, a
    matrix or a batch of matrices, with any strides. The result is a NumPy array; if values and
    operands lie on a CUDA device, as arrays of any library with DLPack, it is a CuPy array
    there. Nothing is moved between devices.

    Parameters
    ----------
    pattern : RBGP4
        Where the nonzeros are.
    values : array_like, shape (rows, row_degree)
        Numbers of dtype float16, float32, float64, or bfloat16 (of the package ml_dtypes).
        The nonzeros, each row in ascending column order (the data of CSR). An array is shared,
        not copied: changes in place take effect in the next product. NaN and infinity are
        allowed.

    Raises
    ------
    ArgumentTypeError
        If `pattern` is not an `RBGP4`, or the values have another dtype.
    ArgumentError
        If `values` has another shape.

    Notes
    -----
    The dtype of a product is NumPy's promotion of the values' and the operand's dtypes; integers
    and bools are allowed as operands. float16 and bfloat16 are accumulated in float32 and
    rounded once.
    Only stored entries take part: NaN or infinity in an operand reaches a result only where
    the pattern has a nonzero, while a dense product would turn ``0 * inf`` into NaN everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.products import RBGP4
    >>> square = RBGP4(complete(1, 1), (2, 1), complete(1, 2), (1, 1))
    >>> A = RBGP4Matrix(square, np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> A @ [1.0, 1.0], A.T @ [1.0, 0.0]
    (array([3., 7.]), array([1., 2.]))
    """

    #: Makes ``ndarray @ A`` call `__rmatmul__` instead of treating A as an object array.
    __array_ufunc__ = None

    ndim = 2

    def __init__(self, pattern: RBGP4, values: ArrayLike) -> None:
        checked = as_pattern(pattern)
        self._stored = _Stored(checked, as_values(checked, values))
        self._is_transposed = False

    @classmethod
    def from_dense(cls, pattern: RBGP4, W: ArrayLike, *, strict: bool = True) -> RBGP4Matrix:
        """Take the entries of a dense matrix at the nonzeros of a pattern.

        Parameters
        ----------
        pattern : RBGP4
            Where the nonzeros are.
        W : array_like of float16, float32 or float64, shape (rows, cols)
            The dense matrix.
        strict : bool
            Refuse a matrix with nonzeros outside the pattern; else these are dropped.

        Returns
        -------
        RBGP4Matrix
            With values of its own.

        Raises
        ------
        ArgumentTypeError
            If `pattern` or the dtype of `W` is not allowed.
        ArgumentError
            If `W` has another shape, or a nonzero (NaN included) outside the pattern and
            `strict` is set.

        Examples
        --------
        >>> import numpy as np
        >>> from rbgp_graphs.constructions import complete
        >>> from rbgp_graphs.products import RBGP4
        >>> full = RBGP4(complete(1, 1), (1, 1), complete(2, 2), (1, 1))
        >>> RBGP4Matrix.from_dense(full, np.eye(2)).values
        array([[1., 0.],
               [0., 1.]])
        """
        as_pattern(pattern)
        dense = as_array("W", W)
        if not isinstance(dense, np.ndarray):
            raise BackendError(
                "W lies on a CUDA device and is read on the CPU; copy it there first"
            )
        check_dtype("W", dense)
        if dense.shape != pattern.shape:
            raise ArgumentError(f"W has shape {dense.shape}, expected {pattern.shape}")
        columns = pattern.columns(max_bytes=8 * pattern.nnz)
        values = np.take_along_axis(dense, columns, axis=1)
        if strict:
            _check_outside(dense, columns)
        return cls(pattern, values)

    @property
    def pattern(self) -> RBGP4:
        """Where the nonzeros are."""
        stored = self._stored
        return stored.transposed_pattern if self._is_transposed else stored.pattern

    @property
    def values(self) -> NDArray[Any]:
        """The nonzeros: shape (rows, row_degree), each row in ascending column order.

        The array that the matrix was built on. For a transposed view it is a read-only copy
        in the order of the view's own rows, made at each access.
        """
        if not self._is_transposed:
            return self._stored.values
        if self.is_on_device:
            own: NDArray[Any] = cupy_backend.transpose_values(
                self._stored.pattern, self._stored.values
            )
            return own
        values = transpose_values(self._stored.pattern, self._stored.values)
        values.flags.writeable = False
        return values

    @property
    def is_on_device(self) -> bool:
        """Whether the values are a CuPy array, on a CUDA device."""
        return not isinstance(self._stored.values, np.ndarray)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        rows, cols = self._stored.pattern.shape
        return (cols, rows) if self._is_transposed else (rows, cols)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self._stored.values.dtype

    @property
    def nnz(self) -> int:
        """Number of stored entries."""
        return self._stored.pattern.nnz

    @property
    def T(self) -> RBGP4Matrix:
        """The transposed matrix, a view that shares the values."""
        view = object.__new__(RBGP4Matrix)
        view._stored = self._stored
        view._is_transposed = not self._is_transposed
        return view

    def to_dense(self, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
        """Return the matrix as a dense array.

        Parameters
        ----------
        max_bytes : int
            Refuse to allocate more than this.

        Returns
        -------
        ndarray, shape (rows, cols)
            A new array of the values' dtype.

        Raises
        ------
        ArgumentError
            If the array would be larger than `max_bytes`.
        """
        needed = self.shape[0] * self.shape[1] * self.dtype.itemsize
        if needed > max_bytes:
            raise ArgumentError(
                f"the dense matrix needs {needed} bytes, more than max_bytes={max_bytes}; "
                "use to_csr(), or pass a larger max_bytes"
            )
        pattern, values = self._stored.pattern, self._stored.values
        if self.is_on_device:
            on_device: NDArray[Any] = cupy_backend.to_dense(pattern, values)
            return on_device.T if self._is_transposed else on_device
        dense = np.zeros(pattern.shape, dtype=self.dtype)
        np.put_along_axis(dense, pattern.columns(max_bytes=8 * pattern.nnz), values, axis=1)
        return dense.T if self._is_transposed else dense

    def to_csr(self) -> sparse.csr_array[Any, tuple[int, int]]:
        """Return the matrix as a SciPy CSR array (see `rbgp_graphs.TensorProduct.to_csr`).

        float16 and bfloat16, which SciPy does not know, become float32.
        """
        if self.is_on_device:
            raise BackendError(
                "the values lie on a CUDA device and SciPy's arrays on the CPU; use "
                "RBGP4Matrix(A.pattern, cupy.asnumpy(A.values)).to_csr()"
            )
        values = self.values
        return self.pattern.to_csr(values.astype(np.float32) if is_half(values.dtype) else values)

    # Products -------------------------------------------------------------------------------

    def __matmul__(self, X: Any) -> NDArray[Any]:
        return self._product(X, None, None, None, "auto", None)

    @tensor_for_tensor
    def __rmatmul__(self, X: Any) -> NDArray[Any]:
        operand = _as_operand("X", X)
        rows, cols = self.shape
        if operand.ndim == 0 or operand.shape[-1] != rows:
            raise ArgumentError(
                f"X has shape {operand.shape} and A has shape {self.shape}; "
                f"X @ A takes X of shape ({rows},) or (..., M, {rows})"
            )
        if operand.ndim == 1:
            return self.T @ operand
        dtype = result_dtype(self.dtype, operand)
        result = as_out(None, (*operand.shape[:-1], cols), dtype, {"X": operand})
        swapped = operand.swapaxes(-1, -2)
        self.T._product(swapped, result.swapaxes(-1, -2), None, None, "auto", None)
        return result

    @tensor_for_tensor
    def _product(
        self,
        X: Any,
        out: Any,
        bias: Any,
        activation: str | None,
        backend: str,
        precision: str | None,
    ) -> NDArray[Any]:
        operand = _as_operand("X", X)
        rows, cols = self.shape
        if operand.ndim == 0 or operand.shape[-2:][0] != cols:
            raise ArgumentError(
                f"A has shape {self.shape} and X has shape {operand.shape}; "
                f"A @ X takes X of shape ({cols},) or (..., {cols}, N)"
            )
        check_activation(activation)
        check_precision(precision)
        offset = as_bias(bias, rows)
        shape = (*operand.shape[:-2], rows, *operand.shape[-1:]) if operand.ndim > 1 else (rows,)
        inputs = {"X": operand, "the values": self._stored.values}
        if offset is not None:
            inputs["bias"] = offset
        result = as_out(out, shape, result_dtype(self.dtype, operand), inputs)
        chosen = choose(backend, on_device=_any_on_device(*inputs.values(), result))
        run = chosen.transposed if self._is_transposed else chosen.forward
        stored = self._stored
        if operand.ndim == 1:
            operand, target = operand[:, None], result[:, None]
        else:
            target = result
        options = chosen.reduced(precision)
        run(stored.pattern, stored.values, operand, target, offset, activation, **options)
        return result

    @tensor_for_tensor
    def sampled_matmul(
        self,
        dY: ArrayLike,
        X: ArrayLike,
        *,
        out: NDArray[Any] | None = None,
        backend: str = "auto",
        precision: Literal["tf32"] | None = None,
    ) -> NDArray[Any]:
        """Multiply two dense matrices, but only where this matrix has nonzeros.

        The entry for the nonzero (i, j) is the product of row i of `dY` and row j of `X`. With
        dY the gradient of a loss by ``A @ X``, this is its gradient by the values of A, whose own
        values play no part.

        Parameters
        ----------
        dY : array_like, shape (rows,) or (..., rows, N)
            Real numbers.
        X : array_like, shape (cols,) or (..., cols, N)
            Real numbers, with the same leading axes and the same N.
        out : ndarray, shape (rows, row_degree), optional
            Where to write the result. Its dtype is that of the result.
        backend : str
            A name of `backends`, or "auto".
        precision : {"tf32"}, optional
            Lets operands in float32 be rounded on a GPU (see `matmul`).

        Returns
        -------
        ndarray, shape (rows, row_degree)
            In the order of `values`, summed over the leading axes. The dtype is NumPy's promotion
            of the two operands, or float64 if both hold integers.

        Raises
        ------
        ArgumentTypeError
            If an operand does not hold real numbers.
        ArgumentError
            If the shapes do not fit, `out` cannot hold the result, or the precision is unknown.
        BackendError
            If the backend is unknown or does not run here, or the arrays lie in different places.

        Examples
        --------
        >>> import numpy as np
        >>> from rbgp_graphs.constructions import complete
        >>> from rbgp_graphs.products import RBGP4
        >>> A = RBGP4Matrix(RBGP4(complete(1, 1), (1, 1), complete(2, 2), (1, 1)), np.eye(2))
        >>> A.sampled_matmul([1.0, 2.0], [5.0, 7.0])
        array([[ 5.,  7.],
               [10., 14.]])
        """
        check_precision(precision)
        left, right = _as_operand("dY", dY), _as_operand("X", X)
        rows, cols = self.shape
        if not _sampled_shapes_fit(left.shape, right.shape, self.shape):
            raise ArgumentError(
                f"A has shape {self.shape}, dY has shape {left.shape} and X has shape "
                f"{right.shape}; expected ({rows},) and ({cols},), or (..., {rows}, N) and "
                f"(..., {cols}, N) with equal leading axes and N"
            )
        dtype = result_dtype(left.dtype, right) if _has_float(left, right) else np.dtype(float)
        inputs = {"dY": left, "X": right}
        if self.is_on_device == _any_on_device(left):
            inputs["the values"] = self._stored.values
        shape = (rows, self.nnz // rows)
        result = as_out(out, shape, dtype, inputs)
        if left.ndim == 1:
            left, right = left[:, None], right[:, None]
        chosen = choose(backend, on_device=_any_on_device(left, right, result))
        sampled = functools.partial(chosen.sampled, **chosen.reduced(precision))
        pattern = self._stored.pattern
        if not self._is_transposed:
            sampled(pattern, left, right, result)
            return result
        size = (pattern.rows, pattern.row_degree)
        stored_order = as_out(None, size, dtype, {"X": right})
        sampled(pattern, right, left, stored_order)
        in_order = cupy_backend if _any_on_device(stored_order) else transpose
        result[...] = in_order.transpose_values(pattern, stored_order)
        return result

    # Identity -------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self._stored.pattern, self._stored.values, self._is_transposed))

    def __repr__(self) -> str:
        rows, cols = self.shape
        view = ", transposed" if self._is_transposed else ""
        sparsity = self._stored.pattern.sparsity
        return f"<RBGP4Matrix {rows} x {cols}, {self.dtype}, sparsity {sparsity:.2%}{view}>"


def _rebuild(pattern: RBGP4, values: NDArray[Any], is_transposed: bool) -> RBGP4Matrix:
    matrix = RBGP4Matrix(pattern, values)
    return matrix.T if is_transposed else matrix


def _as_operand(name: str, value: Any) -> NDArray[Any]:
    if isinstance(value, RBGP4Matrix):
        raise ArgumentTypeError(
            f"{name} is an RBGP4Matrix, expected a dense operand; use {name}.to_dense()"
        )
    return as_array(name, value)


def _any_on_device(*arrays: Any) -> bool:
    return any(not isinstance(array, np.ndarray) for array in arrays)


def _has_float(*arrays: NDArray[Any]) -> bool:
    return any(array.dtype.kind not in "biu" for array in arrays)


def _sampled_shapes_fit(
    left: tuple[int, ...], right: tuple[int, ...], shape: tuple[int, int]
) -> bool:
    if len(left) != len(right) or not left:
        return False
    if len(left) == 1:
        return (*left, *right) == shape
    fits = (left[-2], right[-2]) == shape
    return fits and left[:-2] == right[:-2] and left[-1] == right[-1]


def _check_outside(dense: NDArray[Any], columns: NDArray[Any]) -> None:
    """Raise if a matrix has a nonzero outside the given columns."""
    step = max(1, _STEP_BYTES // max(1, dense.shape[1] * dense.itemsize))
    for start in range(0, len(dense), step):
        rest = dense[start : start + step].copy()
        np.put_along_axis(rest, columns[start : start + step], 0, axis=1)
        outside = np.argwhere(rest)
        if len(outside):
            i, j = outside[0]
            raise ArgumentError(
                f"W[{start + i}, {j}] is {rest[i, j]} and lies outside the pattern, as may "
                "others; pass strict=False to drop such entries"
            )
