from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export import read_mask

GRAPH = random_biregular(6, 9, 3, rng=0)
MASK = GRAPH.biadjacency().toarray()


def npy(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), **options)
    return stream.getvalue()


def npz(**members: Any) -> bytes:
    """Return an archive; bytes are stored as they are."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else npy(content)
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


def csr(**changes: Any) -> bytes:
    """Return the archive of GRAPH with some members changed or, if None, left out."""
    members: dict[str, Any] = {
        "indices": GRAPH.indices,
        "indptr": GRAPH.indptr,
        "format": b"csr",
        "shape": (6, 9),
        "data": np.ones(GRAPH.num_edges, bool),
    } | changes
    members["format"] = np.array(members["format"])
    return npz(**{name: value for name, value in members.items() if value is not None})


def header(shape: str, descr: str = "'|b1'", order: str = "False") -> bytes:
    """Return the head of an array with any text in it."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr"])
@pytest.mark.parametrize("old", [False, True])
def test_every_sparse_format_of_scipy_is_read(tmp_path: Path, form: Any, old: bool) -> None:
    matrix: Any = sparse.csr_matrix(MASK) if old else sparse.csr_array(MASK)
    matrix = matrix.tobsr(blocksize=(2, 3)) if form == "bsr" else matrix.asformat(form)
    sparse.save_npz(tmp_path / "mask.npz", matrix)
    assert read_mask(tmp_path / "mask.npz") == GRAPH


@pytest.mark.parametrize("dtype", [bool, np.float16, np.float64, np.int32, ">f8"])
def test_dense_arrays_in_files_are_read(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "mask.npy"
    for array in (MASK.astype(dtype), np.asfortranarray(MASK.astype(dtype))):
        np.save(path, array)
        assert read_mask(str(path)) == GRAPH
    path.write_bytes(npy(MASK, version=(2, 0)))
    assert read_mask(path) == GRAPH
    np.savez(tmp_path / "mask.npz", mask=MASK.astype(dtype))
    assert read_mask(tmp_path / "mask.npz") == GRAPH


FORGED: dict[str, tuple[str, bytes, str]] = {
    "empty npy": (".npy", b"", "not a valid .npy"),
    "npy with a wrong magic": (".npy", b"\x93NUMPX" + npy(MASK)[6:], "magic"),
    "npy that promises too much": (".npy", header("(1 << 40, 1 << 20)"), "not a valid"),
    "npy of a huge shape": (".npy", header("(1099511627776, 9)"), "has 0 bytes, expected 98956"),
    "npy of a negative size": (".npy", header("(-1, -9)") + b"1" * 9, "no negative size"),
    "npy with more bytes than cells": (".npy", npy(MASK) + b"\0", "has 55 bytes, expected 54"),
    "npy of objects": (".npy", npy(np.full((2, 2), None), allow_pickle=True), "dtype object"),
    "npy of records": (".npy", header("(1,)", "[('a', '<i4')]") + b"1234", "dtype"),
    "npy of empty strings": (".npy", header("(99999999, 9999)", "'|S0'"), "dtype"),
    "npy of complex numbers": (".npy", npy(MASK.astype(complex)), "dtype complex128"),
    "npy with one dimension": (".npy", npy(MASK[0]), "1 dimensions, expected 2"),
    "npy with NaN": (".npy", npy(np.full((2, 2), np.nan)), "NaN"),
    "npy with code as head": (".npy", header("__import__('os').getpid()"), "not a valid"),
    "npy with a nested head": (".npy", header("(" * 3000), "not a valid"),
    "npy of a newer version": (".npy", b"\x93NUMPY\x09\x00" + npy(MASK)[8:], "version"),
    "pickle as npy": (".npy", pickle.dumps(MASK), "magic"),
    "npz that is no archive": (".npz", b"PK\x03\x04", "BadZipFile"),
    "npz without arrays": (".npz", npz(), "has the arrays none"),
    "npz with two arrays": (".npz", npz(a=MASK, b=MASK), "has the arrays a, b"),
    "npz with many arrays": (".npz", npz(**{f"a{k}": MASK for k in range(17)}), "17 members"),
    "npz of objects": (".npz", npz(a=npy(np.full((1, 1), None), allow_pickle=True)), "object"),
    "npz without data": (".npz", csr(data=None), "lacks data"),
    "npz with an unknown format": (".npz", csr(format=b"dia"), "'dia', expected one of csr"),
    "npz with a format of numbers": (".npz", csr(format=[1, 2]), "not a valid .npz"),
    "npz with columns outside": (".npz", csr(indices=GRAPH.indices + 1), "index outside 6 x 9"),
    "npz with negative columns": (".npz", csr(indices=GRAPH.indices - 1), "entries from -1 to"),
    "npz with float indices": (".npz", csr(indices=GRAPH.indices / 1), "a list of integers"),
    "npz with descending rows": (".npz", csr(indptr=GRAPH.indptr[::-1]), "from 18 to 0"),
    "npz with rows beyond the end": (
        ".npz",
        csr(indptr=GRAPH.indptr * 2),
        "from 0 to 36, expected 7",
    ),
    "npz with a negative shape": (".npz", csr(shape=(-6, 9)), "shape has entries from -6"),
    "npz with three sizes": (".npz", csr(shape=(6, 9, 1)), "not a valid .npz"),
    "npz with a huge shape": (".npz", csr(shape=(6, 2**50)), "more than max_bytes"),
    "npz of a huge column format": (
        ".npz",
        csr(format=b"csc", shape=(2**50, 1), indptr=[0, 18]),
        "more than max_bytes",
    ),
    "npz with too few values": (".npz", csr(data=np.ones(17)), r"18 indices and .* \(17,\)"),
    "npz with indices in two dimensions": (".npz", csr(indices=[[1], [2]]), "a list of integers"),
    "npz with unsigned indices": (".npz", csr(indices=np.full(18, 2**64 - 1)), "entries from 184"),
    "npz without pointers": (".npz", csr(indptr=np.arange(0)), "indptr has 0 entries"),
    "npz of blocks without width": (
        ".npz",
        csr(format=b"bsr", data=np.ones((18, 1, 0))),
        "blocks of 1 x 0 do not fill",
    ),
    "npz of blocks outside": (
        ".npz",
        csr(format=b"bsr", data=np.ones((18, 1, 3))),
        "index outside",
    ),
    "npz of blocks that do not fit": (
        ".npz",
        csr(format=b"bsr", data=np.ones((18, 1, 2))),
        "blocks of 1 x 2 do not fill an array of 6 x 9",
    ),
    "npz with NaN": (".npz", csr(data=np.full(18, np.nan)), "NaN"),
    "npz with a row outside": (
        ".npz",
        npz(format=np.array(b"coo"), shape=(1, 1), row=[1], col=[0], data=[1]),
        "index outside 1 x 1",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_files_are_refused_without_large_allocations(tmp_path: Path, case: str) -> None:
    suffix, content, message = FORGED[case]
    path = tmp_path / f"mask{suffix}"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FormatError, match=message) as caught:
        read_mask(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert str(path) in str(caught.value)


def test_archives_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    path.write_bytes(npz(mask=np.zeros((4000, 4000), bool)))
    assert path.stat().st_size < 20_000
    with pytest.raises(FormatError, match=r"needs 16000\d+ bytes, more than max_bytes=1000000"):
        read_mask(path, max_bytes=10**6)
    assert read_mask(path).num_edges == 0


def test_an_archive_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.npz"
    content = npz(mask=MASK)
    size = struct.pack("<I", len(npy(MASK)))
    assert content.count(size) == 2
    for claim in (0, 100, 2**31):
        path.write_bytes(content.replace(size, struct.pack("<I", claim)))
        with pytest.raises(FormatError):
            read_mask(path)
