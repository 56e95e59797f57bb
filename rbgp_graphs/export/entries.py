"""What every target starts from: the nonzeros of a graph or a pattern, with values."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.products.tensor import MAX_BYTES

Exportable: TypeAlias = BipartiteGraph | TensorProduct
CSR: TypeAlias = sparse.csr_array[Any, tuple[int, int]]


def check_exportable(obj: Any) -> None:
    """Raise unless `obj` is a graph or a product."""
    if not isinstance(obj, (BipartiteGraph, TensorProduct)):
        raise ArgumentTypeError(
            f"obj is a {type(obj).__name__}, expected a BipartiteGraph, a TensorProduct or an "
            "RBGP4; of an RBGP4Matrix pass .pattern and .values"
        )


def as_entries(obj: Exportable, values: ArrayLike | None, max_bytes: int) -> CSR:
    """Return a graph or a pattern with its values as a SciPy CSR array.

    Parameters
    ----------
    obj : BipartiteGraph or TensorProduct
        What to export.
    values : array_like of bool, int or float, optional
        One number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern. Without it all are True.
    max_bytes : int
        Refuse to allocate more for the indices.

    Returns
    -------
    scipy.sparse.csr_array
        In canonical form. float16, which SciPy does not know, becomes float32.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither, or the values are not real numbers.
    ArgumentError
        If `values` has another shape, or the indices need more than `max_bytes`.
    """
    check_exportable(obj)
    limit = as_int("max_bytes", max_bytes, minimum=0)
    data = as_values(values)
    if isinstance(obj, TensorProduct):
        return obj.to_csr(data, max_bytes=limit)
    matrix = obj.biadjacency()
    if data is None:
        return matrix
    if data.shape != (obj.num_edges,):
        raise ArgumentError(
            f"values has shape {data.shape}, expected ({obj.num_edges},), one for each edge"
        )
    weighted: CSR = sparse.csr_array((data, matrix.indices, matrix.indptr), shape=obj.shape)
    weighted.has_canonical_format = True
    return weighted


def values_shape(obj: Exportable) -> tuple[int, ...]:
    """Return the shape that the values of a graph or a pattern have."""
    if isinstance(obj, TensorProduct):
        return obj.rows, obj.row_degree
    return (obj.num_edges,)


def check_values_shape(obj: Exportable, shape: tuple[int, ...]) -> None:
    """Raise unless an array of values of another library has the shape that `obj` needs."""
    expected = values_shape(obj)
    if tuple(shape) != expected:
        raise ArgumentError(
            f"values has shape {tuple(shape)}, expected {expected}, one number for each nonzero in "
            "the order of CSR"
        )


def as_values(values: ArrayLike | None) -> NDArray[Any] | None:
    """Return `values` as an array of a dtype that SciPy knows, or None if there are none."""
    if values is None:
        return None
    try:
        data = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(f"values cannot be read as an array: {error}") from error
    if data.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"values has dtype {data.dtype}, expected real numbers or bools")
    return data.astype(np.float32) if data.dtype == np.float16 else data


def check_dense_bytes(obj: Exportable, bytes_per_row: int, max_bytes: int) -> None:
    """Raise if an array with one row for each row of `obj` is larger than `max_bytes`."""
    limit = as_int("max_bytes", max_bytes, minimum=0)
    needed = obj.shape[0] * bytes_per_row
    if needed > limit:
        raise ArgumentError(
            f"the dense array needs {needed} bytes, more than max_bytes={limit}; "
            "use to_scipy, or pass a larger max_bytes"
        )


__all__ = [
    "CSR",
    "MAX_BYTES",
    "Exportable",
    "as_entries",
    "as_values",
    "check_dense_bytes",
    "check_exportable",
    "check_values_shape",
    "values_shape",
]
