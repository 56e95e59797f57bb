"""Masks and weights as TensorFlow tensors, dense or sparse."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export.entries import MAX_BYTES, Exportable, as_entries, as_values
from rbgp_graphs.export.numpy import to_numpy

Layout = Literal["sparse", "dense"]


def to_tensorflow(
    obj: Exportable,
    values: ArrayLike | None = None,
    *,
    layout: Layout = "sparse",
    max_bytes: int = MAX_BYTES,
) -> Any:
    """Return a mask or weights as a TensorFlow tensor.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : array_like of bool, int or float, optional
        One number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern. Without it all are True.
    layout : {"sparse", "dense"}
        A ``tf.sparse.SparseTensor``, the one sparse class of TensorFlow, or a plain tensor.
    max_bytes : int
        Refuse to allocate more for the dense tensor or for the indices.

    Returns
    -------
    tf.sparse.SparseTensor or tf.Tensor, shape (rows, cols)
        Of the dtype of the values, or bool. A sparse tensor has int64 indices in row-major
        order, which ``tf.sparse`` functions expect.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If the layout is unknown, `values` has another shape, or more than `max_bytes` are needed.
    MissingDependencyError
        If TensorFlow is not installed.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("tensorflow")

    >>> from rbgp_graphs import complete
    >>> to_tensorflow(complete(1, 2), [1.0, 2.0]).indices.numpy().tolist()
    [[0, 0], [0, 1]]
    """
    if layout not in get_args(Layout):
        raise ArgumentError(f"layout is {layout!r}, expected one of {', '.join(get_args(Layout))}")
    if layout == "dense":
        dense = to_numpy(obj, values, max_bytes=max_bytes)
        return require("tensorflow", "tensorflow").constant(dense)
    as_values(values)
    entries = as_entries(obj, values, max_bytes)
    data = entries.data if values is None else np.asarray(values).ravel()
    rows = np.repeat(np.arange(obj.shape[0], dtype=np.int64), np.diff(entries.indptr))
    indices = np.column_stack((rows, entries.indices.astype(np.int64)))
    tensorflow = require("tensorflow", "tensorflow")
    return tensorflow.sparse.SparseTensor(indices, data, obj.shape)
