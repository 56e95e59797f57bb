from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.io import mmwrite

from rbgp_graphs.errors import FormatError
from rbgp_graphs.export import read_mask


def mtx(size: str, *lines: str, head: str = "coordinate pattern general") -> bytes:
    return "\n".join([f"%%MatrixMarket matrix {head}", size, *lines, ""]).encode()


@pytest.mark.parametrize(
    "content",
    [
        mtx("2 3 3", "1 1", "2 3", "1 2"),
        mtx("% note\n\n%\n2 3 3", "1 1", "2 3", "1 2").rstrip(),
        mtx("2 3 4", "1 1 2.5", "2 3 -1e3", "1 2 1", "2 1 0", head="coordinate real general"),
        mtx("2 3", *"110001", head="array integer general").replace(b"1\n1\n0", b"1\n0\n1", 1),
        mtx("2 3 3", "1 1", "2 3", "1 2").replace(b"\n", b"\r\n"),
    ],
)
def test_matrix_market_files_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.mtx").write_bytes(content)
    assert read_mask(tmp_path / "m.mtx").edges.tolist() == [[0, 0], [0, 1], [1, 2]]


def test_symmetric_matrix_market_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.mtx"
    path.write_bytes(mtx("3 3 2", "2 1", "3 3", head="coordinate pattern symmetric"))
    assert read_mask(path).edges.tolist() == [[0, 1], [1, 0], [2, 2]]
    path.write_bytes(mtx("3 3 1", "3 1 -4", head="coordinate integer skew-symmetric"))
    assert read_mask(path).edges.tolist() == [[0, 2], [2, 0]]
    path.write_bytes(mtx("3 3", *"011000", head="array real symmetric"))
    assert read_mask(path).edges.tolist() == [[0, 1], [0, 2], [1, 0], [2, 0]]
    path.write_bytes(mtx("3 3", *"001", head="array integer skew-symmetric"))
    assert read_mask(path).edges.tolist() == [[1, 2], [2, 1]]


@given(arrays(np.int8, st.integers(1, 4).map(lambda n: (n, n)), elements=st.integers(-1, 1)))
def test_whatever_scipy_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, matrix: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "m.mtx"
    # SciPy looks for symmetry itself.
    for form in (matrix, matrix + matrix.T, matrix - matrix.T):
        for written in (form.astype(float), sparse.coo_array(form)):
            mmwrite(path, written)
            assert read_mask(path) == read_mask(form)


FORGED: dict[str, tuple[bytes, str]] = {
    "that is empty": (b"", "first line"),
    "of another kind": (b"%%MatrixMarket vector coordinate real general\n", "first"),
    "of complex numbers": (mtx("1 1 0", head="coordinate complex general"), "complex"),
    "with a lying size": (mtx("3 3 99999999999", "1 1"), "promises 99999999999"),
    "with a lying array": (mtx("99999 99999", head="array real general"), "promises"),
    "with huge sides": (mtx("99999999999 1 1", "1 1"), "more than max_bytes"),
    "without a size": (mtx("% only"), "size line is ''"),
    "with a negative size": (mtx("3 -3 1", "1 1"), "size line is '3 -3 1'"),
    "with a size of letters": (mtx("a b c"), "size line is 'a b c'"),
    "with a huge number": (mtx("9" * 900 + " 1 1", "1 1"), "more than max_bytes"),
    "with an endless line": (b"%" * 5000, "longer than 1024 bytes"),
    "of a symmetric array": (
        mtx("2 2", "1", head="array real symmetric"),
        "promises 3 entries",
    ),
    "of a symmetric oblong": (
        mtx("1 2 1", "1 1", head="coordinate pattern symmetric"),
        "1 x 2 is symmetric",
    ),
    "with another line end": (mtx("%\r9 9 99999999\n1 1 1", "1 1", "2"), "not a valid"),
    "with a hidden letter": (mtx("3 3 2", "1 1", "1 2J")[:-1], "not a valid .mtx"),
    "with too many columns": (mtx("3 3 1", "1 1 1"), "not a valid .mtx"),
    "with too many lines": (mtx("3 3 1", "1 1", "1 2"), "2 or more entries follow"),
    "with lines after none": (mtx("3 3 0", "1 1"), "promises no entries"),
    "in another alphabet": (mtx("% \u00e9\n1 1 1", "1 1"), "not a valid .mtx"),
    "with row 0": (mtx("3 3 1", "0 1"), r"entry 1 is at \(0, 1\), outside"),
    "with a row outside": (mtx("3 3 1", "4 1"), r"entry 1 is at \(4, 1\), outside"),
    "that ends early": (mtx("3 3 2", "1           1"), "1 or more entries follow"),
    "with infinity": (mtx("1 1 1", "1 1 inf", head="coordinate real general"), "NaN"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_files_are_refused_without_large_allocations(tmp_path: Path, case: str) -> None:
    content, message = FORGED[case]
    path = tmp_path / "mask.mtx"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FormatError, match=message) as caught:
        read_mask(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert str(path) in str(caught.value)
