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
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.export import onnx_initializers, read_mask, read_masks, to_onnx, write
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
    assert read_mask(model) == read_mask(full)
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


@pytest.mark.parametrize("as_sparse", [False, True])
def test_masks_come_back_from_models(tmp_path: Path, as_sparse: bool) -> None:
    model = to_onnx(PATTERN, sparse=as_sparse, bias=np.ones(PATTERN.rows))
    path = tmp_path / "layer.onnx"
    onnx.save(model, path)
    for source in (model, path):
        assert read_masks(source) == {"W": read_mask(PATTERN)}
        assert read_mask(source, name="W") == read_mask(PATTERN)
        with pytest.raises(ArgumentError, match=r"name is 'V'; the tensors in .* are W|b"):
            read_mask(source, name="V")
    content, refused = path.read_bytes(), 0
    for cut in range(0, len(content), 7):
        path.write_bytes(content[:cut])
        # What follows the weights can be missing.
        try:
            assert read_mask(path) == read_mask(PATTERN)
        except FormatError:
            refused += 1
    assert refused > len(content) // 20


def test_a_layer_is_written_to_a_file(tmp_path: Path) -> None:
    values = values_of(PATTERN, np.float32)
    write(tmp_path / "layer.onnx", PATTERN, values)
    found = run(onnx.load(tmp_path / "layer.onnx"), np.eye(PATTERN.cols, dtype=np.float32))
    np.testing.assert_array_equal(found.T, dense_of(PATTERN))
    with pytest.raises(ArgumentTypeError, match="values has dtype int64, expected float16"):
        write(tmp_path / "layer.onnx", PATTERN, values.astype(int))


def initializer(**changes: Any) -> Any:
    tensor = onnx.numpy_helper.from_array(np.eye(2, dtype=np.float32), "W")
    for name, value in changes.items():
        if isinstance(value, list):
            tensor.ClearField(name)
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


FORGED = {
    "larger than its data": (initializer(dims=[2**14, 2**10]), "W cannot be read"),
    "huge": (initializer(dims=[2**40, 2**40]), "more than max_bytes"),
    "of a negative size": (initializer(dims=[-1, -4]), "no negative size"),
    "of text": (initializer(data_type=8), "W "),
    "of no type": (initializer(data_type=99), "W cannot be read"),
    "of one dimension": (initializer(dims=[4]), r"W has shape \(4,\), expected two"),
    "of NaN": (onnx.numpy_helper.from_array(np.full((2, 2), np.nan), "W"), "NaN"),
    "in another file": (
        initializer(
            data_location=1,
            external_data=[onnx.StringStringEntryProto(key="location", value="../../x")],
        ),
        "numbers in another file",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_models_are_refused(case: str) -> None:
    tensor, message = FORGED[case]
    model = to_onnx(complete(1, 1))
    model.graph.ClearField("initializer")
    model.graph.initializer.append(tensor)
    with pytest.raises(FormatError, match=message):
        read_mask(model)
    model.graph.initializer.append(tensor)
    with pytest.raises(FormatError, match="two initialisers of the model have one name"):
        read_mask(model)


def message(number: int, content: bytes) -> bytes:
    """Return a field of a protocol buffer."""
    length = len(content)
    sizes = [length >> shift & 127 for shift in range(0, max(1, length.bit_length()), 7)]
    return bytes([number << 3 | 2, *(size | 128 for size in sizes[:-1]), sizes[-1]]) + content


FORGED_FILES = {
    "no protocol buffer": (b"\x3a\x05\x2a", "longer than the message around it"),
    "an endless number": (b"\x38" + b"\xff" * 11, "longer than ten bytes"),
    "a number that is cut off": (b"\x38\xff", "ends within a number"),
    "a group": (b"\x3b\x3c", "wire type 3"),
    "very many tensors": (message(7, b"\x2a\x00" * 101), "more than 100 fields"),
    "a tensor of many parts": (message(7, message(5, b"\x6a\x00" * 100)), "100 fields"),
    "many sparse parts": (
        message(7, message(15, message(1, b"\x6a\x00" * 100))),
        "100 fields",
    ),
    "many nodes and no tensor": (message(7, b"\x0a\x00" * 10**5), "holds no tensors"),
}


@pytest.mark.parametrize("case", FORGED_FILES)
def test_forged_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(onnx_initializers, "_MAX_FIELDS", 100)
    content, text = FORGED_FILES[case]
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=text):
        read_mask(path)


@pytest.mark.parametrize(
    ("places", "dims", "message"),
    [
        ([0, 9], [2, 2], "index outside 2 x 2"),
        ([0, -1], [2, 2], "entries from -1"),
        ([0], [2, 2], "1 row and data|1 row"),
        ([0, 1], [2**40, 2**40], "more than max_bytes"),
        ([[0, 2], [0, 0]], [2, 2], "index outside"),
        ([0, 1], [2], "expected two or more"),
    ],
)
def test_forged_sparse_initializers_are_refused(places: Any, dims: Any, message: str) -> None:
    model = to_onnx(complete(1, 2), sparse=True)
    tensor = model.graph.sparse_initializer[0]
    tensor.indices.CopyFrom(onnx.numpy_helper.from_array(np.array(places), "i"))
    tensor.dims[:] = dims
    with pytest.raises(FormatError, match=message):
        read_mask(model)
    tensor.indices.CopyFrom(onnx.numpy_helper.from_array(np.array([[0, 1], [1, 0]]), "i"))
    tensor.dims[:] = [2, 2]
    assert read_mask(model).edges.tolist() == [[0, 1], [1, 0]]


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
