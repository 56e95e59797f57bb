from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export import read_mask, write
from rbgp_graphs.export.entries import Exportable
from tests.export.test_entries import dense_of, exportables, values_of


@given(obj=exportables)
def test_matrices_go_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, obj: Exportable
) -> None:
    path = tmp_path_factory.getbasetemp() / "edges.csv"
    write(path, obj)
    assert read_mask(path) == read_mask(dense_of(obj))
    write(path, obj, values_of(obj))
    assert read_mask(path) == read_mask(dense_of(obj))
    full = np.zeros(obj.shape)
    lines = [line.split(",") for line in path.read_text().splitlines()[2:]]
    for row, col, value in lines:
        full[int(row), int(col)] = float(value)
    np.testing.assert_array_equal(full, dense_of(obj))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_every_bit_of_a_value_survives(tmp_path: Path, dtype: Any) -> None:
    values = (1000 * np.random.default_rng(0).standard_normal(40)).astype(dtype)
    write(tmp_path / "w.csv", complete(10, 4), values)
    table = np.loadtxt(tmp_path / "w.csv", delimiter=",", skiprows=2)
    np.testing.assert_array_equal(table[:, 2].astype(dtype), values)


@pytest.mark.parametrize(
    "text",
    [
        "# shape: 2 x 3\nrow,col\n0,0\n1,2\n",
        "# note\n0,0\n1,2",
        "row,col,value\r\n0,0,1.5\r\n1,1,0\r\n1,2,-1e3\r\n",
        "source,target\n\n1, 2\n\n0, 0\n",
        "#shape 2 x 3\n0,0\n1,2\n",
        "\ufeffrow,col\r\n0,0\r\n1,2\r\n",
    ],
)
def test_edge_lists_of_others_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.csv").write_bytes(text.encode())
    assert read_mask(tmp_path / "e.csv").edges.tolist() == [[0, 0], [1, 2]]
    assert read_mask(tmp_path / "e.csv").shape == (2, 3)


FORGED = {
    "empty": ("", "no edge and no line"),
    "of one column": ("1\n2\n", "a line has 1 fields"),
    "of four columns": ("1,2,3,4\n", "a line has 4 fields"),
    "of uneven lines": ("1,2\n1,2,3\n", "not a valid .csv"),
    "of letters": ("row,col\n1,b\n", "not a valid .csv"),
    "of fractions": ("row,col\n1,2.5\n", "not a valid .csv"),
    "with a negative index": ("0,-1\n", "an index is negative"),
    "with an index outside": ("# shape: 2 x 2\n0,2\n", r"\(0, 2\), outside 2 x 2"),
    "with a huge index": ("0,99999999999\n", "more than max_bytes"),
    "with a huge shape": ("# shape: 99999999999 x 1\n", "more than max_bytes"),
    "with an overlong number": (f"0,{'9' * 100}\n", "not a valid .csv"),
    "with an edge twice": ("0,1\n0,1\n", "an edge occurs twice"),
    "with infinity": ("0,1,inf\n", "NaN or infinity"),
    "of an endless line": ("1," * 500, "longer than 256 bytes"),
    "in another alphabet": ("0,1\n\u0661,2\n", "not a valid .csv"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_files_are_refused(tmp_path: Path, case: str) -> None:
    text, message = FORGED[case]
    path = tmp_path / "e.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        read_mask(path)


def test_a_file_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("".join(f"{k},0\n" for k in range(10_000)))
    with pytest.raises(FormatError, match="more than max_bytes=100000"):
        read_mask(path, max_bytes=100_000)
    assert read_mask(path).num_edges == 10_000
