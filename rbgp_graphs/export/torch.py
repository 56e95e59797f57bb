"""Masks and weights as PyTorch tensors, strided or sparse."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
from rbgp_graphs.products import TensorProduct

Layout = Literal["strided", "csr", "bsr", "coo"]


def to_torch(
    obj: Exportable,
    values: Any = None,
    *,
    layout: Layout = "strided",
    dtype: Any = None,
    device: Any = None,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """Return a mask or weights as a PyTorch tensor.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to export.
    values : torch.Tensor or array_like, optional
        One real number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern. Without it all are True. A tensor keeps its dtype
        (bfloat16 too), its device and its place in autograd.
    layout : {"strided", "csr", "bsr", "coo"}
        Strided is dense. The blocks of BSR are the ``block_shape`` of a pattern, 1 x 1 for a
        graph.
    dtype : torch.dtype, optional
        Type of the result; by default that of the values, or torch.bool.
    device : torch.device or str, optional
        Where the result lies; by default where the values are, or the CPU.
    max_bytes : int
        Refuse to allocate more for the dense tensor or for the indices.

    Returns
    -------
    torch.Tensor, shape (rows, cols)
        Without `values` and `dtype` a bool mask. Sparse tensors have sorted int64 indices and no
        duplicates, and pass the checks of their invariants.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not real numbers.
    ArgumentError
        If the layout is unknown, `values` has another shape, or more than `max_bytes` are needed.
    MissingDependencyError
        If PyTorch is not installed.

    Notes
    -----
    PyTorch returns the gradient of a CSR or BSR parameter as a dense tensor, so these layouts
    are for inference; train with `apply_mask`. On a CPU it multiplies with BSR only if the blocks
    are square.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("torch")

    >>> from rbgp_graphs import BipartiteGraph
    >>> path = BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 1)], shape=(2, 2))
    >>> to_torch(path)
    tensor([[ True,  True],
            [False,  True]])
    >>> to_torch(path, [1.0, 2.0, 3.0], layout="csr").col_indices()
    tensor([0, 1, 1])
    """
    check_exportable(obj)
    if layout not in get_args(Layout):
        raise ArgumentError(f"layout is {layout!r}, expected one of {', '.join(get_args(Layout))}")
    torch = require("torch", "torch")
    data = _as_tensor(torch, obj, values, dtype, device)
    if layout == "strided":
        check_dense_bytes(obj, obj.shape[1] * data.element_size(), max_bytes)
    blocks = obj.block_pattern() if layout == "bsr" and isinstance(obj, TensorProduct) else obj
    entries = as_entries(blocks, None, max_bytes)
    pointers, columns = (
        torch.from_numpy(part.astype(np.int64)).to(data.device)
        for part in (entries.indptr, entries.indices)
    )
    if layout in ("csr", "bsr"):
        build = torch.sparse_csr_tensor
        data = data.reshape(-1)
        if layout == "bsr":
            data, build = _in_blocks(obj, blocks, data), torch.sparse_bsr_tensor
        with _checked(torch, data):
            return build(pointers, columns, data, size=obj.shape)
    degrees = pointers[1:] - pointers[:-1]
    rows = torch.repeat_interleave(
        torch.arange(obj.shape[0], device=data.device), degrees, output_size=len(columns)
    )
    if layout == "coo":
        with _checked(torch, data):
            return torch.sparse_coo_tensor(
                torch.stack((rows, columns)), data.reshape(-1), obj.shape, is_coalesced=True
            )
    dense = torch.zeros(obj.shape, dtype=data.dtype, device=data.device)
    return dense.index_put_((rows, columns), data.reshape(-1))


def _as_tensor(torch: Any, obj: Exportable, values: Any, dtype: Any, device: Any) -> Any:
    if values is None:
        return torch.ones(values_shape(obj), dtype=dtype or torch.bool, device=device)
    try:
        data = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(f"values cannot be read as a tensor: {error}") from error
    if data.is_complex() or data.layout != torch.strided:
        raise ArgumentTypeError(
            f"values is a tensor of dtype {data.dtype} and layout {data.layout}, expected a "
            "strided one of real numbers or bools"
        )
    check_values_shape(obj, data.shape)
    return data.to(device=device, dtype=dtype)


def _in_blocks(obj: Exportable, blocks: Exportable, data: Any) -> Any:
    """Return values in the order of CSR as a stack of blocks in the order of BSR."""
    if not (isinstance(obj, TensorProduct) and isinstance(blocks, TensorProduct)):
        return data.reshape(-1, 1, 1)
    height, width = obj.block_shape
    by_row = data.reshape(blocks.rows, height, blocks.row_degree, width)
    return by_row.permute(0, 2, 1, 3).reshape(-1, height, width)


@contextmanager
def _checked(torch: Any, data: Any) -> Iterator[None]:
    """Check the invariants of sparse tensors that have data, and hide that they are beta."""
    check = torch.sparse.check_sparse_tensor_invariants(not data.is_meta)
    with warnings.catch_warnings(), check:
        warnings.filterwarnings("ignore", message="Sparse (CSR|BSR) tensor support is in beta")
        yield
