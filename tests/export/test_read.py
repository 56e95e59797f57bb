from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.export import read_mask
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.testing.strategies import bipartite_graphs


@given(bipartite_graphs())
def test_arrays_of_every_kind_are_read(graph: BipartiteGraph) -> None:
    matrix = graph.biadjacency(np.float64)
    mask = matrix.toarray()
    sources: list[Any] = [mask, mask.astype(bool), mask.astype(np.int8), np.asfortranarray(mask)]
    sources += [matrix, matrix.tocoo(), matrix.tocsc(), sparse.csr_matrix(matrix)]
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
    for bad in (None, object(), [["a"]]):
        with pytest.raises(ArgumentError):
            read_mask(bad)
    with pytest.raises(ArgumentTypeError, match="neither a path nor a matrix"):
        read_mask([[1], [1, 2]])
    with pytest.raises(ArgumentError, match="max_bytes is 0"):
        read_mask([[1]], max_bytes=0)
