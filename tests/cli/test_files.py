"""Files that are in the way, missing, damaged or cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import rbgp_graphs as rg
from tests.cli.running import Files, document, rbgp

WRITING = [
    ["generate", "lps", "3", "5", "-o", "out.rbgp"],
    ["design", "64", "64", "0.75", "-o", "out.rbgp"],
    ["show", "pattern.rbgp", "--html", "out.html"],
    ["export", "pattern.rbgp", "out.npz"],
    ["export", "pattern.rbgp", "out.json"],
    ["detect", "pattern.rbgp", "-o", "out.rbgp"],
    ["export", "graph.rbgp", "out.mtx"],
    ["matmul", "weights.rbgp", "X.npy", "-o", "out.npy"],
]
READING = [
    ["verify", "bad.rbgp"],
    ["show", "bad.rbgp"],
    ["export", "bad.rbgp", "out.npz"],
    ["detect", "bad.rbgp"],
    ["matmul", "bad.rbgp"],
    ["matmul", "bad.rbgp", "X.npy"],
]


def name(args: list[str]) -> str:
    return " ".join(args)


def output_of(args: list[str]) -> Path:
    return next(Path(arg) for arg in args if arg.startswith("out."))


@pytest.mark.parametrize("args", WRITING, ids=name)
def test_a_file_is_replaced_only_with_force(args: list[str], files: Files) -> None:
    target = output_of(args)
    target.write_bytes(b"precious")
    before = sorted(os.listdir())
    result = rbgp(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"{target} exists already" in result.stderr
    assert "--force" in result.stderr
    assert "exists already" in document(*args)["error"]["message"]
    assert target.read_bytes() == b"precious"
    assert rbgp(*args, "--force").exit_code == 0
    assert target.read_bytes() != b"precious"
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("args", WRITING, ids=name)
def test_a_new_file_needs_no_force_and_repeats_to_the_byte(args: list[str], files: Files) -> None:
    target = output_of(args)
    found = document(*args)
    first = target.read_bytes()
    assert found.get("file_bytes", len(first)) == len(first)
    assert rbgp(*args, "--force").exit_code == 0
    if target.suffix != ".npz":  # an archive holds the time
        assert target.read_bytes() == first


@pytest.mark.parametrize("args", WRITING, ids=name)
@pytest.mark.parametrize("place", ["missing/{}", "graph.rbgp/{}", "{}" + 300 * "x" + "{}"])
def test_a_place_that_cannot_be_written_is_refused(
    args: list[str], place: str, files: Files
) -> None:
    target = str(output_of(args))
    path = place.replace("{}", "out", 1).replace("{}", "") + Path(target).suffix
    before = sorted(os.listdir())
    result = rbgp(*[path if arg == target else arg for arg in args], "--force")
    assert result.exit_code == 2, result.output
    assert "cannot write" in result.stderr
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("args", WRITING, ids=name)
def test_a_directory_is_no_file(args: list[str], files: Files) -> None:
    output_of(args).mkdir()
    result = rbgp(*args, "--force")
    assert result.exit_code == 2
    assert "is a directory" in result.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("args", WRITING, ids=name)
def test_a_folder_without_permission_is_refused(args: list[str], files: Files) -> None:
    folder = Path("closed")
    folder.mkdir(mode=0o500)
    target = str(output_of(args))
    result = rbgp(*[str(folder / target) if arg == target else arg for arg in args])
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


@pytest.mark.parametrize(
    ("args", "suffix"),
    [
        (["generate", "lps", "3", "5", "-o", "out.npz"], ".rbgp"),
        (["design", "64", "64", "0.75", "-o", "mask"], ".rbgp"),
        (["show", "pattern.rbgp", "--html", "page.png"], ".html"),
        (["export", "pattern.rbgp", "mask.pkl"], ".npz, .mtx"),
        (["matmul", "weights.rbgp", "X.npy", "-o", "Y.npz"], ".npy"),
    ],
)
def test_the_suffix_of_an_output_must_fit(args: list[str], suffix: str, files: Files) -> None:
    result = rbgp(*args)
    assert result.exit_code == 2
    assert suffix in result.stderr
    assert not Path(args[-1]).exists()


@pytest.mark.parametrize("args", READING, ids=name)
@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "flipped", "folder", "other"])
def test_a_bad_input_file_leads_to_exit_code_3(args: list[str], damage: str, files: Files) -> None:
    bad, data = Path("bad.rbgp"), Path("weights.rbgp").read_bytes()
    if damage == "truncated":
        bad.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        bad.write_bytes(b"")
    elif damage == "flipped":
        bad.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
    elif damage == "folder":
        bad.mkdir()
    elif damage == "other":
        np.save("bad.npy", np.ones(3))
        Path("bad.npy").rename(bad)
    result = rbgp(*args)
    assert result.exit_code == 3, result.output
    assert result.stdout == ""
    assert "bad.rbgp" in result.stderr
    assert "Traceback" not in result.stderr
    assert document(*args)["exit_code"] == 3
    assert not Path("out.npz").exists()


def test_weights_survive_the_export(files: Files) -> None:
    found = document("export", "weights.rbgp", "out.npz")
    assert (found["values"], found["nnz"]) == ("float64", files.pattern.nnz)
    matrix = sparse.load_npz("out.npz")
    np.testing.assert_array_equal(matrix.toarray(), files.pattern.to_csr(files.values).toarray())
    assert document("export", "graph.rbgp", "out.mtx")["values"] is None
    assert rg.export.read_mask("out.mtx") == rg.lps(3, 5)
