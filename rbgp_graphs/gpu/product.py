"""The product with every option: where the result goes, bias, activation, backend."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.gpu.matrix import RBGP4Matrix


def matmul(
    A: RBGP4Matrix,
    X: ArrayLike,
    out: NDArray[Any] | None = None,
    bias: ArrayLike | None = None,
    activation: Literal["relu", "gelu", "silu"] | None = None,
    backend: str = "auto",
    precision: Literal["tf32"] | None = None,
) -> NDArray[Any]:
    r"""Return the product of a sparse and a dense matrix, with bias and activation.

    Computes :math:`f(A X + b)`, with one entry of b for each row.

    Parameters
    ----------
    A : RBGP4Matrix
        The sparse matrix or a transposed view, of shape (rows, cols).
    X : array_like, shape (cols,) or (..., cols, N)
        Real numbers with any strides: a vector, a matrix or a batch of matrices, as a NumPy
        array or whatever becomes one without leaving the CPU (``__array__``, DLPack, lists); or
        an array on a CUDA device, of CuPy or of what has DLPack, if the values of A lie there.
        A tensor of PyTorch must not require a gradient (see `rbgp_graphs.nn` for layers).
    out : ndarray, shape (rows,) or (..., rows, N), optional
        Where to write the result, with any strides. It has the dtype of the result, a place for
        each entry, and shares no memory with the inputs.
    bias : array_like, shape (rows,), optional
        Added to every column, in the precision of the sums. Its dtype does not change the
        dtype of the result.
    activation : {"relu", "gelu", "silu"}, optional
        The function f: :math:`\max(x, 0)`; :math:`x \Phi(x)` with the normal distribution
        function :math:`\Phi`, the exact form and not the one with tanh; or
        :math:`x / (1 + e^{-x})`.
    backend : str
        A name of `backends`, or "auto" for the fastest one where the arrays lie. "cupy" also
        takes arrays on the CPU, and copies them to the GPU and back.
    precision : {"tf32"}, optional
        Lets values and X in float32 be rounded to the 10 bits of fraction of TF32 where a GPU
        multiplies those faster: an error of at most 0.001 times the sum of the absolute values of
        a result's terms, besides that of float32. Sums, bias and activation stay in
        float32. Without effect on other dtypes and on the CPU. By default nothing is rounded.

    Returns
    -------
    ndarray, shape (rows,) or (..., rows, N)
        `out` if given (as a CuPy array on a device), else a new array; for X a tensor of PyTorch
        a tensor on its device, computed on PyTorch's current stream. The dtype is NumPy's
        promotion of the dtypes of A and X. float16 and bfloat16 are accumulated in float32 and
        rounded once, after the activation.

    Raises
    ------
    ArgumentTypeError
        If `A` is not an `RBGP4Matrix`, or an array does not hold real numbers.
    ArgumentError
        If a shape does not fit, the activation or the precision is unknown, `out` cannot hold
        the result, or memory has too few addresses for all numbers.
    BackendError
        If the backend is unknown or does not run here, or the arrays lie in different places.
    MemoryError
        If there is not enough memory for the result or for copies of the operands.

    Examples
    --------
    >>> import numpy as np
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.products import RBGP4
    >>> full = RBGP4(complete(1, 1), (1, 1), complete(2, 2), (1, 1))
    >>> A = RBGP4Matrix(full, np.array([[1.0, -1.0], [1.0, 1.0]]))
    >>> matmul(A, np.eye(2), bias=[0.5, 0.0], activation="relu")
    array([[1.5, 0. ],
           [1. , 1. ]])
    """
    if not isinstance(A, RBGP4Matrix):
        raise ArgumentTypeError(
            f"A is a {type(A).__name__}, expected an RBGP4Matrix; "
            "write X @ A for a product with the sparse matrix on the right"
        )
    return A._product(X, out, bias, activation, backend, precision)
