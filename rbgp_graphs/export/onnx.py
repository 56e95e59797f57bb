"""A layer with the weights of a pattern as an ONNX model."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.entries import MAX_BYTES, Exportable, as_entries, check_dense_bytes
from rbgp_graphs.export.numpy import to_numpy

#: IR version 10 and opset 21 belong together (ONNX 1.16). ONNX Runtime refuses versions newer
#: than itself, so the ones that onnx would write by default are of no use.
_IR_VERSION, _OPSET = 10, 21
#: A model in one file is one protocol buffer, which ends at 2 GiB; some room for the rest.
_LARGEST_MODEL = 2**31 - 2**24


def to_onnx(
    obj: Exportable,
    values: ArrayLike | None = None,
    *,
    bias: ArrayLike | None = None,
    sparse: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Any:
    """Return the layer ``y = x @ W.T + bias`` as an ONNX model.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        Where the weight matrix W, of shape (outputs, inputs), has its nonzeros.
    values : array_like of float16, float32 or float64, optional
        One number for each nonzero, in the order of CSR: shape (num_edges,) for a graph,
        (rows, row_degree) for a pattern. Without it all are 1 in float32.
    bias : array_like, shape (outputs,), optional
        Converted to the dtype of the values.
    sparse : bool
        Store W as a sparse initialiser: values and their places, 8 bytes each. ONNX Runtime
        makes a dense matrix of it when it loads the model, so only the file is smaller. Other
        runtimes may not know it, nor does the shape inference of onnx: check such a model
        without ``full_check``.
    max_bytes : int
        Refuse to allocate more for the dense matrix or for the indices.

    Returns
    -------
    onnx.ModelProto
        With the input ``x`` of shape (batch, inputs), the output ``y`` of shape (batch, outputs),
        and the recipe and digest of `obj` in its metadata. ``onnx.save`` writes it.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither a graph nor a product, or the values are not floating-point numbers.
    ArgumentError
        If `values` or `bias` has another shape, `obj` has no rows or no columns, more than
        `max_bytes` are needed, or the model would go beyond the 2 GiB of one file.
    MissingDependencyError
        If onnx is not installed.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("onnx")

    >>> import onnx
    >>> from rbgp_graphs import complete
    >>> model = to_onnx(complete(2, 3))
    >>> onnx.checker.check_model(model, full_check=True)
    >>> [node.op_type for node in model.graph.node]
    ['Gemm']
    """
    given = None if values is None else np.asarray(values)
    if given is not None and given.dtype not in (np.float16, np.float32, np.float64):
        raise ArgumentTypeError(
            f"values has dtype {given.dtype}, expected float16, float32 or float64"
        )
    entries = as_entries(obj, given, max_bytes)
    rows, cols = obj.shape
    if 0 in obj.shape:
        raise ArgumentError(f"obj is {rows} x {cols}, expected at least one row and one column")
    dtype = np.dtype(np.float32) if given is None else given.dtype
    offset = None if bias is None else _as_bias(bias, rows, dtype)
    onnx = require("onnx", "onnx")
    if sparse:
        _check_model_bytes(entries.nnz * (8 + dtype.itemsize))
        row = np.repeat(np.arange(rows, dtype=np.int64), np.diff(entries.indptr))
        places = row * cols + entries.indices
        weights = onnx.helper.make_sparse_tensor(
            onnx.numpy_helper.from_array(entries.data.astype(dtype), "W"),
            onnx.numpy_helper.from_array(places, "W_indices"),
            [rows, cols],
        )
    else:
        check_dense_bytes(obj, cols * dtype.itemsize, max_bytes)
        _check_model_bytes(rows * cols * dtype.itemsize)
        dense = to_numpy(obj, given, max_bytes=max_bytes).astype(dtype, copy=False)
        weights = onnx.numpy_helper.from_array(dense, "W")
    return _model(onnx, obj, weights, offset, dtype, sparse)


def _model(
    onnx: Any,
    obj: Exportable,
    weights: Any,
    bias: NDArray[Any] | None,
    dtype: np.dtype[Any],
    sparse: bool,
) -> Any:
    helper = onnx.helper
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    names = ["x", "W"] if bias is None else ["x", "W", "b"]
    graph = helper.make_graph(
        [helper.make_node("Gemm", names, ["y"], transB=1)],
        "rbgp_layer",
        [helper.make_tensor_value_info("x", kind, ["batch", obj.shape[1]])],
        [helper.make_tensor_value_info("y", kind, ["batch", obj.shape[0]])],
        initializer=[] if bias is None else [onnx.numpy_helper.from_array(bias, "b")],
    )
    (graph.sparse_initializer if sparse else graph.initializer).append(weights)
    model = helper.make_model(
        graph,
        producer_name="rbgp_graphs",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    recipe = json.dumps(obj.recipe, sort_keys=True, separators=(",", ":"))
    helper.set_model_props(model, {"rbgp_digest": obj.digest, "rbgp_recipe": recipe})
    return model


def _as_bias(bias: ArrayLike, rows: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    offset = np.asarray(bias)
    if offset.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"bias has dtype {offset.dtype}, expected real numbers")
    if offset.shape != (rows,):
        raise ArgumentError(f"bias has shape {offset.shape}, expected ({rows},)")
    return offset.astype(dtype)


def _check_model_bytes(needed: int) -> None:
    if needed > _LARGEST_MODEL:
        raise ArgumentError(
            f"the model needs {needed} bytes, more than the {_LARGEST_MODEL} that fit into one "
            "file; pass sparse=True, or split the layer"
        )
