from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from rbgp_graphs.constructions import complete, from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export import read_mask, to_onnx
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.products import RBGP4
from rbgp_graphs.products.recipes import pattern_from_recipe
from tests.export.test_entries import dense_of, exportables, values_of

onnx = pytest.importorskip("onnx", reason="onnx is optional")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is optional")

PATTERN = RBGP4(complete(2, 2), (2, 1), read_mask(np.eye(2)), (1, 2))


def run(model: Any, x: Any) -> Any:
    # The shape inference of onnx does not know sparse initialisers.
    onnx.checker.check_model(model, full_check=not model.graph.sparse_initializer)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["y"], {"x": x})[0]


@settings(max_examples=10)
@given(exportables, st.booleans(), st.booleans())
def test_onnxruntime_computes_the_layer(obj: Exportable, as_sparse: bool, with_bias: bool) -> None:
    assume(0 not in obj.shape)
    full = dense_of(obj).astype(np.float32)
    # ONNX Runtime has no sparse initialiser without values.
    as_sparse = as_sparse and bool(full.any())
    bias = np.arange(obj.shape[0]) if with_bias else None
    model = to_onnx(obj, values_of(obj, np.float32), bias=bias, sparse=as_sparse)
    x = np.random.default_rng(0).standard_normal((3, obj.shape[1])).astype(np.float32)
    expected = x @ full.T + (0 if bias is None else bias)
    np.testing.assert_allclose(run(model, x), expected, rtol=1e-5, atol=1e-3)
    ones = run(to_onnx(obj, sparse=as_sparse), np.eye(obj.shape[1], dtype=np.float32))
    np.testing.assert_array_equal(ones.T, full > 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_every_dtype_survives(dtype: Any, as_sparse: bool) -> None:
    values = values_of(PATTERN, dtype)
    model = to_onnx(PATTERN, values, bias=np.ones(PATTERN.rows), sparse=as_sparse)
    found = run(model, np.eye(PATTERN.cols, dtype=dtype))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.T, dense_of(PATTERN) + 1)


def test_a_sparse_initialiser_makes_a_small_file(tmp_path: Path) -> None:
    pattern = RBGP4(read_mask(np.eye(16)), (1, 1), complete(2, 2), (4, 4))
    sizes = []
    for as_sparse in (False, True):
        onnx.save(to_onnx(pattern, sparse=as_sparse), tmp_path / "layer.onnx")
        sizes.append((tmp_path / "layer.onnx").stat().st_size)
    assert pattern.nnz * 12 < sizes[1] < pattern.nnz * 12 + 1000 < sizes[0]


def test_the_recipe_travels_with_the_model() -> None:
    for obj in (PATTERN, complete(2, 3)):
        props = {entry.key: entry.value for entry in to_onnx(obj).metadata_props}
        recipe = json.loads(props["rbgp_recipe"])
        build: Any = pattern_from_recipe if isinstance(obj, RBGP4) else from_recipe
        assert build(recipe) == obj
        assert props["rbgp_digest"] == obj.digest


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="values has dtype int64, expected float16"):
        to_onnx(PATTERN, values_of(PATTERN, np.int64))
    with pytest.raises(ArgumentError, match=r"bias has shape \(2,\), expected \(8,\)"):
        to_onnx(PATTERN, bias=[1, 2])
    with pytest.raises(ArgumentTypeError, match="bias has dtype <U1"):
        to_onnx(PATTERN, bias=["a"] * 8)
    with pytest.raises(ArgumentError, match="0 x 3, expected at least one row"):
        to_onnx(read_mask(np.empty((0, 3))))
    with pytest.raises(ArgumentError, match="more than the 2130706432 that fit into one file"):
        to_onnx(
            RBGP4(read_mask(sparse.eye_array(2**15)), (1, 1), complete(1, 1), (1, 1)),
            max_bytes=2**40,
        )
