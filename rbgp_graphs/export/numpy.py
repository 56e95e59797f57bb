"""Masks as NumPy arrays: one byte a cell, or one bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.entries import (
    MAX_BYTES,
    Exportable,
    as_entries,
    as_values,
    check_dense_bytes,
    check_exportable,
)

_STEP_CELLS = 1 << 24


def to_numpy(
    obj: Exportable,
    values: ArrayLike | None = None,
    *,
    packed: bool = False,
    max_bytes: int = MAX_BYTES,
) -> NDArray[Any]:
    """Return a mask, or a dense matrix of values, as a NumPy array.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : array_like of bool, int or float, optional
        One number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern.
    packed : bool
        Whether to return the mask with eight cells in a byte.
    max_bytes : int
        Refuse to allocate more for the result or for the indices.

    Returns
    -------
    ndarray
        Without `values` a mask, bool of shape (rows, cols). With them a matrix of their
        dtype. With `packed` uint8 of shape (rows, ceil(cols / 8)): every row of the mask
        by itself, its first cell in the highest bit, zero bits at its end, as `numpy.packbits`
        has it with ``axis=1``; `unpack_bits` undoes it.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If `values` has another shape or comes with `packed`, or more than `max_bytes` are needed.

    Examples
    --------
    >>> from rbgp_graphs import BipartiteGraph
    >>> path = BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 1)], shape=(2, 2))
    >>> to_numpy(path)
    array([[ True,  True],
           [False,  True]])
    >>> to_numpy(path, packed=True)
    array([[192],
           [ 64]], dtype=uint8)
    """
    check_exportable(obj)
    rows, cols = obj.shape
    if not packed:
        data = as_values(values)
        check_dense_bytes(obj, cols * (1 if data is None else data.itemsize), max_bytes)
        dense = as_entries(obj, data, max_bytes).toarray()
        return dense if values is None else dense.astype(np.asarray(values).dtype, copy=False)
    if values is not None:
        raise ArgumentError("values is given together with packed=True, which holds a mask only")
    check_dense_bytes(obj, -(-cols // 8), max_bytes)
    matrix = as_entries(obj, None, max_bytes)
    bits = np.empty((rows, -(-cols // 8)), dtype=np.uint8)
    step = max(1, _STEP_CELLS // max(1, cols))
    for start in range(0, rows, step):
        bits[start : start + step] = np.packbits(matrix[start : start + step].toarray(), axis=1)
    return bits


def unpack_bits(bits: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask that ``to_numpy(obj, packed=True)`` packed.

    Parameters
    ----------
    bits : array_like of uint8, shape (rows, ceil(cols / 8))
        The packed mask.
    shape : (int, int)
        Rows and columns of the mask.

    Returns
    -------
    ndarray of bool, shape (rows, cols)
        The mask.

    Raises
    ------
    ArgumentTypeError
        If `bits` is not of dtype uint8, or `shape` is not a pair of integers.
    ArgumentError
        If the two do not fit, or a bit is set after the last column.

    Examples
    --------
    >>> import numpy as np
    >>> unpack_bits(np.array([[192], [64]], dtype=np.uint8), (2, 2))
    array([[ True,  True],
           [False,  True]])
    """
    try:
        rows, cols = shape
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"shape is {shape!r}, expected a pair (rows, cols)") from None
    rows, cols = as_int("rows", rows, minimum=0), as_int("cols", cols, minimum=0)
    packed = np.asarray(bits)
    if packed.dtype != np.uint8:
        raise ArgumentTypeError(f"bits has dtype {packed.dtype}, expected uint8")
    expected = (rows, -(-cols // 8))
    if packed.shape != expected:
        raise ArgumentError(
            f"bits has shape {packed.shape}, expected {expected} for a mask of {rows} x {cols}"
        )
    mask = np.unpackbits(packed, axis=1).astype(bool)
    if mask[:, cols:].any():
        raise ArgumentError(f"bits has a bit set after column {cols - 1}, the last one")
    return mask[:, :cols]
