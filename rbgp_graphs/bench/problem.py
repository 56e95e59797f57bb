"""One product to compute: its matrices, its random data, and the exact result."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs._validation import as_generator, as_int, require
from rbgp_graphs.errors import ArgumentError, BackendError
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.operands import is_bfloat16, is_half
from rbgp_graphs.products import RBGP4, n_of_m

Product = Literal["forward", "transposed", "sampled"]
Mask = Literal["pattern", "unstructured", "blocks", "2:4"]
#: This package, a dense product, the same matrix in another format, another mask.
Kind = Literal["own", "dense", "same pattern", "unstructured", "blocks", "2:4"]

_MASKS: dict[Kind, Mask] = {"unstructured": "unstructured", "blocks": "blocks", "2:4": "2:4"}

#: Columns (rows of the sampled product) that are compared with float64; the ends among them.
_CHECKED = 16
#: The side of the blocks of a random block mask; smaller where it does not fit.
_BLOCK_SIDE = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """A product with a sparse matrix, and matrices of equal density to compare with.

    Attributes
    ----------
    matrix : RBGP4Matrix
        The sparse matrix A.
    X : ndarray, shape (cols, N)
        The operand of ``A @ X``; random normal numbers.
    gradient : ndarray, shape (rows, N)
        The operand dY of ``A.T @ dY`` and, with X, of ``A.sampled_matmul(dY, X)``.
    product : {"forward", "transposed", "sampled"}
        Which of the three is computed.
    seed : int
        What the random masks come from.
    operand_error : float
        Relative error of operands that may be rounded before they are multiplied.
    """

    matrix: RBGP4Matrix
    X: NDArray[Any]
    gradient: NDArray[Any]
    product: Product
    seed: int
    operand_error: float = 0.0

    @property
    def pattern(self) -> RBGP4:
        """Where the nonzeros of A are."""
        return self.matrix.pattern

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of all arrays."""
        return self.matrix.dtype

    @property
    def num_columns(self) -> int:
        """N, the columns of the operands."""
        return int(self.X.shape[1])

    @property
    def useful_operations(self) -> int:
        """Two for each nonzero and column."""
        return 2 * self.pattern.nnz * self.num_columns

    @property
    def dense_operations(self) -> int:
        """Two for each entry of the dense matrix and column."""
        return 2 * self.pattern.rows * self.pattern.cols * self.num_columns

    @functools.cached_property
    def pattern_csr(self) -> sparse.csr_array[Any, tuple[int, int]]:
        """What `pack_csr` returns, made once."""
        return self.pack_csr()

    def pack_csr(self) -> sparse.csr_array[Any, tuple[int, int]]:
        """Return A as CSR with 32-bit indices; half precision becomes float32 for SciPy."""
        return _narrow(self.matrix.to_csr())

    @functools.cached_property
    def unstructured_csr(self) -> sparse.csr_array[Any, tuple[int, int]]:
        """A matrix of the same shape, with as many nonzeros in each row, at random places."""
        rows, cols = self.pattern.shape
        degree = self.pattern.row_degree
        generator = np.random.default_rng(self.seed)
        indices = np.empty((rows, degree), np.int32)
        for row in indices:
            row[:] = np.sort(generator.choice(cols, degree, replace=False, shuffle=False))
        data = generator.standard_normal(rows * degree).astype(self.pattern_csr.dtype)
        indptr = np.arange(rows + 1, dtype=np.int32) * np.int32(degree)
        return sparse.csr_array((data, indices.ravel(), indptr), shape=(rows, cols))

    @functools.cached_property
    def block_bsr(self) -> sparse.bsr_array:
        """A matrix of the same shape and about the same density, with random square blocks.

        Every row of blocks has the same number of blocks.
        """
        rows, cols = self.pattern.shape
        side = math.gcd(rows, cols, _BLOCK_SIDE)
        height, width = rows // side, cols // side
        degree = max(1, round(self.pattern.row_degree / side))
        generator = np.random.default_rng(self.seed)
        indices = np.stack(
            [np.sort(generator.choice(width, degree, replace=False)) for _ in range(height)]
        ).astype(np.int32)
        data = generator.standard_normal((height * degree, side, side))
        indptr = np.arange(height + 1, dtype=np.int32) * np.int32(degree)
        blocks = data.astype(self.pattern_csr.dtype)
        return sparse.bsr_array((blocks, indices.ravel(), indptr), shape=(rows, cols))

    @functools.cached_property
    def two_of_four_csr(self) -> sparse.csr_array[Any, tuple[int, int]]:
        """A matrix of the same shape with two nonzeros among every four entries of a row."""
        generator = np.random.default_rng(self.seed)
        mask = n_of_m(*self.pattern.shape, 2, 4, rng=generator)
        data = generator.standard_normal(mask.num_edges).astype(self.dtype)
        data = data.astype(self.pattern_csr.dtype)
        return _narrow(sparse.csr_array((data, mask.indices, mask.indptr), shape=mask.shape))

    def csr(self, mask: Mask) -> sparse.csr_array[Any, tuple[int, int]]:
        """Return the matrix with a mask, as CSR."""
        if mask == "pattern":
            return self.pattern_csr
        if mask == "2:4":
            return self.two_of_four_csr
        return self.unstructured_csr if mask == "unstructured" else _narrow(self.block_bsr.tocsr())

    @property
    def _checked(self) -> NDArray[np.int64]:
        """Which columns of the result (rows, for the sampled product) are compared."""
        count = self.pattern.rows if self.product == "sampled" else self.num_columns
        return np.unique(np.linspace(0, count - 1, min(count, _CHECKED)).round().astype(np.int64))

    @functools.cached_property
    def _exact_results(self) -> dict[Mask, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        return {}

    def _exact(self, mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the checked part of the result in float64, and the sums of absolute values."""
        if mask not in self._exact_results:
            self._exact_results[mask] = self._compute_exactly(mask)
        return self._exact_results[mask]

    def _compute_exactly(self, mask: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        at = self._checked
        if self.product == "sampled":
            dY, X = self.gradient[at].astype(np.float64), self.X.astype(np.float64)
            return dY @ X.T, np.abs(dY) @ np.abs(X).T
        matrix: Any = self.csr(mask).astype(np.float64)
        if self.product == "forward":
            operand = self.X[:, at].astype(np.float64)
        else:
            matrix, operand = matrix.T, self.gradient[:, at].astype(np.float64)
        return matrix @ operand, abs(matrix) @ np.abs(operand)

    def error(self, result: NDArray[Any], kind: Kind) -> float:
        """Return how far a result is off, as a share of what rounding can explain.

        Parameters
        ----------
        result : ndarray
            The product. The sampled product may be the whole dense gradient, or the nonzeros in
            shape (rows, row_degree).
        kind : {"own", "dense", "same pattern", "unstructured", "blocks", "2:4"}
            Which matrix was multiplied, and whether its zeros took part.

        Returns
        -------
        float
            The largest error of a checked entry, divided by the sum of the absolute values of its
            terms and by ``spacing + (length + 1) * spacing_of_sums``, and three times
            `operand_error`: at most 1 for a correct result. Infinity if the shape is wrong or an
            entry is not finite.
        """
        exact, magnitude = self._exact(_MASKS.get(kind, "pattern"))
        at = self._checked
        pattern, columns = self.pattern, self.num_columns
        if self.product == "sampled":
            length, shape = columns, pattern.shape
            nonzeros = (pattern.rows, pattern.row_degree)
            if result.shape == nonzeros != shape:
                index = pattern.columns(max_bytes=8 * pattern.nnz)[at]
                exact = np.take_along_axis(exact, index, axis=1)
                magnitude = np.take_along_axis(magnitude, index, axis=1)
                shape = nonzeros
        elif self.product == "forward":
            length = pattern.cols if kind == "dense" else pattern.row_degree
            shape = (pattern.rows, columns)
        else:
            matrix = self.csr(_MASKS.get(kind, "pattern"))
            length = pattern.rows if kind == "dense" else _largest_column(matrix)
            shape = (pattern.cols, columns)
        if result.shape != shape or not np.isfinite(result.sum(dtype=np.float64)):
            return math.inf
        found = result[at] if self.product == "sampled" else result[:, at]
        # Half precision is rounded once, after sums in single precision.
        sums = np.dtype(np.float32) if is_half(self.dtype) else self.dtype
        allowed = _spacing(self.dtype) + (length + 1) * _spacing(sums)
        allowed += 3 * self.operand_error
        tiny = np.finfo(np.float64).tiny
        errors = np.abs(found.astype(np.float64) - exact) / np.maximum(magnitude, tiny)
        return float(np.max(errors, initial=0)) / allowed

    def check(self, name: str, result: NDArray[Any], kind: Kind) -> float:
        """Return `error`, or raise BackendError if it is more than rounding explains."""
        error = self.error(result, kind)
        if not error <= 1:
            raise BackendError(f"{name} is off by {error:.2e} times what rounding explains")
        return error


def make_problem(
    matrix: RBGP4Matrix, num_columns: int, *, product: Product = "forward", rng: Any = 0
) -> Problem:
    """Return a product with random normal operands.

    Parameters
    ----------
    matrix : RBGP4Matrix
        The sparse matrix.
    num_columns : int
        Columns of the operands, at least 1.
    product : {"forward", "transposed", "sampled"}
        What to compute.
    rng : int, numpy.random.Generator or None
        Source of the operands and of the masks to compare with.
    """
    num_columns = as_int("num_columns", num_columns, minimum=1)
    if product not in get_args(Product):
        names = ", ".join(get_args(Product))
        raise ArgumentError(f"product is {product!r}, expected one of {names}")
    generator = as_generator(rng)
    rows, cols = matrix.shape
    X, gradient = (
        generator.standard_normal((size, num_columns), np.float32).astype(matrix.dtype)
        for size in (cols, rows)
    )
    seed = int(generator.integers(2**32))
    return Problem(matrix=matrix, X=X, gradient=gradient, product=product, seed=seed)


def random_matrix(pattern: RBGP4, dtype: Any = np.float32, *, rng: Any = 0) -> RBGP4Matrix:
    """Return a matrix with a pattern and random normal values.

    Parameters
    ----------
    pattern : RBGP4
        Where the nonzeros are.
    dtype : dtype or str
        "float16", "bfloat16" (which needs ml_dtypes), "float32" or "float64".
    rng : int, numpy.random.Generator or None
        Source of the values.

    Raises
    ------
    MissingDependencyError
        If `dtype` is "bfloat16" and ml_dtypes is not installed.
    """
    if isinstance(dtype, str) and dtype == "bfloat16":
        dtype = require("ml_dtypes", "bench").bfloat16
    shape = (pattern.rows, pattern.row_degree)
    values = as_generator(rng).standard_normal(shape, np.float32)
    return RBGP4Matrix(pattern, values.astype(dtype))


def _spacing(dtype: np.dtype[Any]) -> float:
    """Return the distance from 1 to the next number of a dtype."""
    # NumPy has no facts about bfloat16, whose significand has 8 bits.
    return 2.0**-7 if is_bfloat16(dtype) else float(np.finfo(dtype).eps)


def _largest_column(matrix: sparse.csr_array[Any, tuple[int, int]]) -> int:
    return int(np.bincount(matrix.indices).max(initial=0))


def _narrow(
    matrix: sparse.csr_array[Any, tuple[int, int]],
) -> sparse.csr_array[Any, tuple[int, int]]:
    """Return a CSR array with 32-bit indices, which is what the peers compute with."""
    indices = matrix.indices.astype(np.int32, copy=False)
    indptr = matrix.indptr.astype(np.int32, copy=False)
    return sparse.csr_array((matrix.data, indices, indptr), shape=matrix.shape)
