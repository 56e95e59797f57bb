from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rbgp_graphs as rg
from tests.cli.running import Files, document, rbgp


@pytest.mark.parametrize(
    "suffix", [".npz", ".mtx", ".csv", ".graphml", ".json", ".safetensors", ".onnx"]
)
def test_an_exported_pattern_is_recognised(files: Files, suffix: str) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is optional")
    assert rbgp("export", "pattern.rbgp", f"mask{suffix}").exit_code == 0
    found = document("detect", f"mask{suffix}", "-o", "again.rbgp")
    assert found["is_pattern"]
    assert found["distance"] == 0
    assert found["nearest"]["digest"] == rg.load("again.rbgp").pattern.digest
    assert (rg.load("again.rbgp").pattern.mask() == files.pattern.mask()).all()


def test_a_damaged_mask_is_no_pattern_and_nothing_is_written(files: Files) -> None:
    mask = files.pattern.mask()
    mask[0, 0] ^= True
    np.save("mask.npy", mask)
    result = rbgp("detect", "mask.npy", "-o", "out.rbgp")
    assert result.exit_code == 1
    assert "differs in 1 entries" in result.stdout
    assert not Path("out.rbgp").exists()
    found = document("detect", "mask.npy")
    assert (found["is_pattern"], found["distance"]) == (False, 1)
    np.save("mask.npy", np.zeros((3, 3)))
    assert document("detect", "mask.npy")["nearest"] is None


def test_names_and_sides_are_asked_for(files: Files) -> None:
    np.savez("masks.npz", a=files.pattern.mask(), b=np.eye(3))
    assert document("detect", "masks.npz", "--name", "a")["is_pattern"]
    assert document("detect", "masks.npz")["exit_code"] == 3
    Path("graph.g6").write_text("C?\n")
    assert document("detect", "graph.g6")["exit_code"] == 3
    assert document("detect", "graph.g6", "--left", "2")["shape"] == [2, 2]
