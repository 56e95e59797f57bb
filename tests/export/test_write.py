from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import io, sparse

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export import read_mask, write
from rbgp_graphs.export.entries import Exportable
from tests.export.test_entries import dense_of, exportables, values_of

DTYPES: list[Any] = [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8]


def load(path: Path) -> Any:
    """Read a file with SciPy alone."""
    return sparse.load_npz(path) if path.suffix == ".npz" else io.mmread(path, spmatrix=False)


@given(exportables, st.sampled_from((".npz", ".mtx")), st.sampled_from(DTYPES))
def test_scipy_reads_what_was_written(obj: Exportable, suffix: str, dtype: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"mask{suffix}")
        write(path, obj)
        np.testing.assert_array_equal(load(path).toarray(), dense_of(obj) > 0)
        assert read_mask(path).biadjacency().toarray().tolist() == (dense_of(obj) > 0).tolist()
        write(path, obj, values_of(obj).astype(dtype))
        np.testing.assert_array_equal(load(path).toarray(), dense_of(obj).astype(dtype))
        assert os.listdir(folder) == [path.name]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".npz", ".mtx"])
def test_every_bit_of_a_value_survives(tmp_path: Path, suffix: str, dtype: Any) -> None:
    values = np.random.default_rng(0).standard_normal((50, 4)).astype(dtype).ravel()
    info = np.finfo(dtype)
    values[:4] = info.max, info.tiny, -info.eps, 0
    path = tmp_path / f"w{suffix}"
    write(path, complete(50, 4), values)
    np.testing.assert_array_equal(load(path).toarray().astype(dtype).ravel(), values)


def test_a_mask_is_a_pattern_and_bools_are_integers(tmp_path: Path) -> None:
    path = tmp_path / "mask.MTX"
    write(path, complete(1, 2))
    assert path.read_text().splitlines()[0].split()[3:] == ["pattern", "general"]
    write(path, complete(1, 2), [True, False])
    assert path.read_text().splitlines()[0].split()[3:] == ["integer", "general"]
    assert path.read_text().splitlines()[3:] == ["1 1 1", "1 2 0"]


def test_files_are_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "mask.npz"
    write(path, complete(1, 2))
    before = path.read_bytes()
    with pytest.raises(ArgumentError, match=r"exists already.*overwrite=True"):
        write(path, complete(3, 3), overwrite=False)
    assert path.read_bytes() == before
    write(path, complete(3, 3))
    assert load(path).shape == (3, 3)


@pytest.mark.parametrize("suffix", [".npz", ".mtx"])
def test_nothing_is_left_of_what_could_not_be_written(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"mask{suffix}"
    write(path, complete(1, 2))
    before = path.read_bytes()

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ArgumentError, match="No space left"):
        write(path, complete(2, 2))
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == before


def test_bad_targets_and_values_are_refused(tmp_path: Path) -> None:
    graph = complete(1, 2)
    for name in ("mask", "mask.pkl", ".npz"):
        with pytest.raises(ArgumentError, match=r"has the suffix '.*', expected one of .npz, .mtx"):
            write(tmp_path / name, graph)
    with pytest.raises(ArgumentError, match="there is no directory"):
        write(tmp_path / "none" / "mask.npz", graph)
    with pytest.raises(ArgumentTypeError, match="path is 3"):
        write(3, graph)  # type: ignore[arg-type]
    for bad in (np.nan, np.inf):
        with pytest.raises(ArgumentError, match="values holds NaN or infinity"):
            write(tmp_path / "mask.npz", graph, [1.0, bad])
    assert os.listdir(tmp_path) == []
