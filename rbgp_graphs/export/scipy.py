"""Masks and weights as SciPy sparse arrays."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import ArrayLike
from scipy import sparse

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export.entries import MAX_BYTES, Exportable, as_entries, as_values
from rbgp_graphs.products import TensorProduct

_FORMATS = ("csr", "bsr", "coo")


def to_scipy(
    obj: Exportable,
    values: ArrayLike | None = None,
    *,
    format: Literal["csr", "bsr", "coo"] = "csr",
    spmatrix: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """Return a mask or weights as a SciPy sparse array.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : array_like of bool, int or float, optional
        One number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern. Without it all are True. Zeros stay stored.
    format : {"csr", "bsr", "coo"}
        The layout. The blocks of BSR are the ``block_shape`` of a pattern, 1 x 1 for a graph.
    spmatrix : bool
        Return the older matrix class, for which ``*`` is the matrix product, instead of the
        array class.
    max_bytes : int
        Refuse to allocate more for the indices.

    Returns
    -------
    scipy.sparse.csr_array, bsr_array or coo_array, shape (rows, cols)
        With sorted indices and no duplicates, of the values' dtype or bool. float16, which
        SciPy does not know, becomes float32. With `spmatrix` the class with ``_matrix`` in its
        name.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If the format is unknown, `values` has another shape, or more than `max_bytes` are needed.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.products import TensorProduct
    >>> square = TensorProduct(complete(1, 1), complete(2, 2))
    >>> to_scipy(square, format="bsr").blocksize
    (2, 2)
    """
    if format not in _FORMATS:
        raise ArgumentError(f"format is {format!r}, expected one of {', '.join(_FORMATS)}")
    if format == "bsr" and isinstance(obj, TensorProduct):
        matrix: Any = obj.to_bsr(as_values(values), max_bytes=max_bytes)
    else:
        entries = as_entries(obj, values, max_bytes)
        matrix = entries.tobsr(blocksize=(1, 1)) if format == "bsr" else entries.asformat(format)
    return getattr(sparse, f"{format}_matrix")(matrix) if spmatrix else matrix
