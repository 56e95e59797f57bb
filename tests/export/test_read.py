from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.export import read_mask, read_masks
from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import bipartite_graphs


@given(bipartite_graphs())
def test_arrays_of_every_kind_are_read(graph: BipartiteGraph) -> None:
    matrix = graph.biadjacency(np.float64)
    mask = matrix.toarray()
    sources: list[Any] = [mask, mask.astype(bool), mask.astype(np.int8), np.asfortranarray(mask)]
    sources += [matrix, matrix.tocoo(), matrix.tocsc(), sparse.csr_matrix(matrix)]
    sources += [matrix.todok(), matrix.tolil(), sparse.bsr_array(matrix)]
    for source in sources:
        assert read_mask(source) == graph


@given(st.binary(max_size=200), st.sampled_from((".npz", ".npy", ".mtx")), st.booleans())
def test_noise_is_refused(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, suffix: str, with_head: bool
) -> None:
    heads = {
        ".npz": b"PK\x03\x04",
        ".npy": b"\x93NUMPY\x01\x00",
        ".mtx": b"%%MatrixMarket matrix coordinate pattern general\n3 3 1\n",
    }
    path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
    path.write_bytes((heads[suffix] if with_head else b"") + noise)
    try:
        read_mask(path, max_bytes=10**6)
    except FormatError:
        return
    assert suffix == ".mtx"


def test_bad_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"cannot read .*No such file"):
        read_mask(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ArgumentError, match="not a regular file"):
        read_mask(tmp_path / "folder.npz")
    with pytest.raises(ArgumentError, match=r"suffix '.pkl', expected one of .npz, .npy, .mtx"):
        read_mask("mask.pkl")
    with pytest.raises(ArgumentError, match="3 dimensions, expected 2"):
        read_mask(np.ones((2, 2, 2)))
    with pytest.raises(ArgumentError, match="NaN"):
        read_mask([[np.nan]])
    for bad in (None, 5, b"mask.npz", object(), int, {1, 2}, iter([1]), [[object()]]):
        kind = type(bad).__name__
        with pytest.raises(ArgumentTypeError, match=f"source is a {kind}, expected a path, a mat"):
            read_mask(bad)
    with pytest.raises(ArgumentTypeError, match="matrix has dtype <U1, expected numbers"):
        read_mask([["a"]])
    with pytest.raises(ArgumentError, match=r"shape \(0,\), 1 dimensions, expected 2$"):
        read_mask([])
    with pytest.raises(ArgumentTypeError, match="type list is neither a path nor a matrix that"):
        read_mask([[1], [1, 2]])
    with pytest.raises(ArgumentError, match="3 dimensions, expected 2"):
        read_mask(sparse.coo_array(np.ones((2, 2, 2))))
    forged = sparse.csc_array(np.eye(3))
    forged.indices[1] = 10**6
    with pytest.raises(ArgumentError, match="csc_array: the sparse array has an index outside 3"):
        read_mask(forged)


def test_patterns_and_what_has_one_are_read() -> None:
    pattern = RBGP4(complete(2, 2), (2, 1), read_mask(np.eye(2)), (1, 2))
    matrix = RBGP4Matrix(pattern, np.zeros((pattern.rows, pattern.row_degree)))
    for source in (pattern, matrix, read_mask(pattern), read_mask(pattern.mask())):
        assert read_mask(source) == read_mask(pattern.mask())


def test_an_object_of_a_library_that_is_half_imported_is_no_trap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("torch", "tensorflow", "networkx", "igraph", "onnx"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert read_mask(np.eye(2)).num_edges == 2
    assert read_masks({"a": np.eye(2)})["a"].num_edges == 2


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ArgumentError, match="max_bytes is 0"):
        read_mask([[1]], max_bytes=0)
