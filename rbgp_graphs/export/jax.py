"""Masks and weights as JAX arrays, dense or sparse."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.entries import (
    MAX_BYTES,
    Exportable,
    as_entries,
    check_dense_bytes,
    check_exportable,
    check_values_shape,
    values_shape,
)
from rbgp_graphs.export.numpy import to_numpy

Layout = Literal["dense", "bcoo", "bcsr"]


def to_jax(
    obj: Exportable, values: Any = None, *, layout: Layout = "dense", max_bytes: int = MAX_BYTES
) -> Any:
    """Return a mask or weights as a JAX array.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : jax.Array or array_like, optional
        One real number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern. Without it all are True. Gradients flow through a JAX
        array.
    layout : {"dense", "bcoo", "bcsr"}
        A plain array, or one of the classes of ``jax.experimental.sparse``.
    max_bytes : int
        Refuse to allocate more for the dense array or for the indices.

    Returns
    -------
    jax.Array or jax.experimental.sparse.BCOO or BCSR, shape (rows, cols)
        Without `values` a bool mask. Sparse arrays have sorted, unique int32 indices.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If the layout is unknown, `values` has another shape, or more than `max_bytes` are needed.
    MissingDependencyError
        If JAX is not installed.

    Notes
    -----
    JAX makes float32 of float64 unless ``jax_enable_x64`` is set. Its sparse classes are not
    made for speed, as its documentation says; a mask times a dense weight is often faster.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("jax")

    >>> from rbgp_graphs import complete
    >>> to_jax(complete(1, 2), [1.0, 2.0], layout="bcsr").todense().tolist()
    [[1.0, 2.0]]
    """
    check_exportable(obj)
    if layout not in get_args(Layout):
        raise ArgumentError(f"layout is {layout!r}, expected one of {', '.join(get_args(Layout))}")
    jax = require("jax", "jax")
    jnp = require("jax.numpy", "jax")
    if layout == "dense" and not isinstance(values, jax.Array):
        # Without gradients to keep, nothing need be compiled.
        return jnp.asarray(to_numpy(obj, values, max_bytes=max_bytes))
    data = _as_array(jnp, obj, values)
    if layout == "dense":
        check_dense_bytes(obj, obj.shape[1] * data.dtype.itemsize, max_bytes)
    entries = as_entries(obj, None, max_bytes)
    rows = np.repeat(np.arange(obj.shape[0], dtype=np.int32), np.diff(entries.indptr))
    if layout == "dense":
        return jnp.zeros(obj.shape, data.dtype).at[rows, entries.indices].set(data.ravel())
    sparse = require("jax.experimental.sparse", "jax")
    flags = {"shape": obj.shape, "indices_sorted": True, "unique_indices": True}
    if layout == "bcoo":
        pairs = jnp.asarray(np.column_stack((rows, entries.indices)), dtype=jnp.int32)
        return sparse.BCOO((data.ravel(), pairs), **flags)
    columns, pointers = (
        jnp.asarray(part, dtype=jnp.int32) for part in (entries.indices, entries.indptr)
    )
    return sparse.BCSR((data.ravel(), columns, pointers), **flags)


def _as_array(jnp: Any, obj: Exportable, values: Any) -> Any:
    if values is None:
        return jnp.ones(values_shape(obj), dtype=bool)
    try:
        given = values if hasattr(values, "dtype") else np.asarray(values)
        data = jnp.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(f"values cannot be read as an array: {error}") from error
    if not (jnp.issubdtype(data.dtype, jnp.bool_) or jnp.isrealobj(data)):
        raise ArgumentTypeError(f"values has dtype {data.dtype}, expected real numbers or bools")
    check_values_shape(obj, data.shape)
    return data
