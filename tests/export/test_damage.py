"""Every reader answers damaged files with a graph or with `FormatError`, and with nothing else."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export import read_mask, read_masks, write, write_masks
from rbgp_graphs.export.write import SUFFIXES

GRAPH = rg.complete(2, 3)


def content_of(folder: Path, suffix: str) -> bytes:
    path = folder / f"good{suffix}"
    if suffix == ".pt":
        torch = pytest.importorskip("torch", reason="PyTorch is optional")
        torch.save({"w": torch.ones(2, 3)}, path)
    elif suffix == ".onnx":
        pytest.importorskip("onnx", reason="onnx is optional")
        write(path, GRAPH)
    elif suffix == ".rbgp":
        rg.save(path, GRAPH)
    elif suffix == ".npy":
        np.save(path, GRAPH.biadjacency().toarray())
    else:
        write(path, GRAPH)
    assert read_mask(path) == GRAPH
    return path.read_bytes()


READ = (*SUFFIXES, ".npy", ".rbgp", ".pt")


@pytest.mark.parametrize("suffix", READ)
def test_truncations_flips_and_splices_end_well(tmp_path: Path, suffix: str) -> None:
    content = content_of(tmp_path, suffix)
    rng = np.random.default_rng(0)
    count = 25 if suffix == ".pt" else 60
    damaged = [content[:cut] for cut in rng.integers(0, len(content), count)]
    for bit in rng.integers(0, 8 * len(content), 2 * count):
        changed = bytearray(content)
        changed[bit >> 3] ^= 1 << (bit & 7)
        damaged.append(bytes(changed))
    for _ in range(count):
        start, stop, place = rng.integers(0, len(content), 3)
        damaged.append(content[:place] + content[start:stop] + content[place:])
        noise = rng.integers(0, 256, 4, dtype=np.uint8).tobytes()
        damaged.append(content[:place] + noise + content[place + 4 :])
    path = tmp_path / f"bad{suffix}"
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            read_mask(path, max_bytes=10**6)
        except FormatError:
            refused += 1
    assert refused > len(damaged) // 10


HEADS: dict[str, bytes] = {
    ".npz": b"PK\x03\x04",
    ".npy": b"\x93NUMPY\x01\x00",
    ".mtx": b"%%MatrixMarket matrix coordinate pattern general\n3 3 1\n",
    ".graphml": b"<graphml><graph>",
    ".g6": b"",
    ".s6": b":",
    ".csv": b"row,col\n",
    ".json": b'{"kind":',
    ".safetensors": b"\x10\0\0\0\0\0\0\0",
    ".rbgp": b"\x10\0\0\0\0\0\0\0",
    ".pt": b"PK\x03\x04",
    ".onnx": b"\x08\x0a\x3a",
}


@given(
    noise=st.one_of(st.binary(max_size=100), st.text("0123456789,.~?@A_-\n", max_size=60)),
    suffix=st.sampled_from(READ),
    with_head=st.booleans(),
)
@settings(max_examples=200)
def test_noise_ends_well(
    tmp_path_factory: pytest.TempPathFactory, noise: Any, suffix: str, with_head: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
    data = noise if isinstance(noise, bytes) else noise.encode()
    path.write_bytes((HEADS[suffix] if with_head else b"") + data)
    try:
        read_mask(path, max_bytes=10**6)
    except FormatError:
        return
    assert suffix in (".mtx", ".csv", ".g6", ".s6")


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_damaged_files_of_masks_end_well(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_masks(path, {"a": rg.complete(2, 2), "b": rg.complete(2, 3)})
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.integers(0, 8 * len(content), 200):
        changed = bytearray(content)
        changed[bit >> 3] ^= 1 << (bit & 7)
        path.write_bytes(changed)
        try:
            read_masks(path, max_bytes=10**6)
        except FormatError:
            continue


@pytest.mark.parametrize("suffix", [".g6", ".s6", ".json", ".rbgp"])
def test_a_small_file_needs_little_memory_whatever_the_limit(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"graph{suffix}"
    rg.save(path, GRAPH) if suffix == ".rbgp" else write(path, GRAPH)
    read_mask(path)
    tracemalloc.start()
    try:
        assert read_mask(path, max_bytes=1 << 40) == GRAPH
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
