"""A .rbgp file is a safetensors file, byte for byte as the reference library writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps, save

safetensors = pytest.importorskip("safetensors")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

PATTERN = rg.TensorProduct(rg.projective_plane(2), rg.complete(1, 2))


def values(dtype: Any) -> Any:
    return np.arange(PATTERN.nnz, dtype=dtype).reshape(PATTERN.rows, PATTERN.row_degree)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_safetensors_reads_the_values_and_the_text(dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    save(path, PATTERN, values(dtype))
    with safetensors.safe_open(path, framework="numpy") as file:
        assert list(file.keys()) == ["values"]
        stored = file.get_tensor("values")
        metadata = file.metadata()
    assert stored.dtype == dtype
    assert_array_equal(stored, values(dtype))
    assert list(metadata) == ["rbgp"]
    assert json.loads(metadata["rbgp"])["recipe"] == PATTERN.recipe


@pytest.mark.parametrize("tensors", [{}, {"values": values(np.float32)}])
def test_safetensors_writes_the_same_bytes(tensors: dict[str, Any], tmp_path: Path) -> None:
    data = dumps(PATTERN, tensors.get("values"))
    (tmp_path / "a.rbgp").write_bytes(data)
    with safetensors.safe_open(tmp_path / "a.rbgp", framework="numpy") as file:
        metadata = file.metadata()
    assert safetensors_numpy.save(tensors, metadata=metadata) == data


def test_safetensors_reads_a_file_without_values() -> None:
    assert safetensors_numpy.load(dumps(PATTERN)) == {}
