from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rbgp_graphs.gpu.cpu import compiler
from rbgp_graphs.gpu.cpu.finish_kernel import finish_text
from rbgp_graphs.gpu.cpu.narrow_kernel import narrow_text
from rbgp_graphs.gpu.cpu.narrow_transposed_kernel import narrow_transposed_text
from rbgp_graphs.gpu.cpu.pack_kernel import pack_text
from rbgp_graphs.gpu.cpu.product_kernel import product_text
from rbgp_graphs.gpu.cpu.storage import STORAGES
from rbgp_graphs.gpu.cpu.target import Target, host

_STORE = """
define void @run(ptr %place) {{
  store i64 {number}, ptr %place
  ret void
}}
"""


@pytest.fixture(name="directory")
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "cache"
    monkeypatch.setenv("RBGP_CACHE_DIR", str(directory))
    monkeypatch.setattr(compiler, "_functions", {})
    return directory


def call(kernel: Any) -> int:
    result = ctypes.c_int64(0)
    kernel(ctypes.addressof(result))
    return result.value


def never() -> str:
    raise AssertionError("the kernel is compiled again")


def test_machine_code_is_found_again_on_the_disk(directory: Path) -> None:
    assert call(compiler.function("k", lambda: _STORE.format(number=7), host(), 1)) == 7
    (file,) = directory.iterdir()
    assert directory.stat().st_mode & 0o077 == 0
    assert call(compiler.function("k", never, host(), 1)) == 7
    compiler._functions.clear()
    assert call(compiler.function("k", never, host(), 1)) == 7
    assert [file] == list(directory.iterdir())


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_file_is_compiled_again(directory: Path, damage: str) -> None:
    compiler.function("k", lambda: _STORE.format(number=7), host(), 1)
    (file,) = directory.iterdir()
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes({"cut": content[:-9], "flip": content, "empty": b""}[damage]))
    compiler._functions.clear()
    assert call(compiler.function("k", lambda: _STORE.format(number=8), host(), 1)) == 8
    compiler._functions.clear()
    assert call(compiler.function("k", never, host(), 1)) == 8


def test_a_directory_that_others_can_write_to_is_not_used(directory: Path) -> None:
    compiler.function("k", lambda: _STORE.format(number=7), host(), 1)
    directory.chmod(0o777)
    compiler._functions.clear()
    assert call(compiler.function("k", lambda: _STORE.format(number=8), host(), 1)) == 8


@pytest.mark.parametrize("place", ["", "a file/below", "read-only"])
def test_without_a_directory_kernels_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "read-only").mkdir(mode=0o500)
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path / place) if place else "")
    monkeypatch.setattr(compiler, "_functions", {})
    assert call(compiler.function("k", lambda: _STORE.format(number=7), host(), 1)) == 7


ARM = Target(
    triple="aarch64-unknown-linux-gnu",
    cpu="cortex-a76",
    features="+neon",
    vector_bytes=16,
    registers=32,
)


@pytest.mark.parametrize(
    ("target", "rows", "vectors", "instruction", "spill"),
    [
        (ARM, 8, 3, "fmla", "16-byte Folded Spill"),
        (
            Target(
                triple="x86_64-unknown-linux-gnu",
                cpu="haswell",
                features="+avx2,+fma,+f16c",
                vector_bytes=32,
                registers=16,
            ),
            4,
            2,
            "vfmadd",
            "32-byte Spill",
        ),
    ],
    ids=["NEON", "AVX2"],
)
@pytest.mark.parametrize("is_tile_by_tile", [False, True])
def test_the_inner_loop_of_other_processors_keeps_its_sums_in_registers(
    target: Target, rows: int, vectors: int, instruction: str, spill: str, is_tile_by_tile: bool
) -> None:
    text = product_text(STORAGES["float32"], target.lanes(4), rows, vectors, is_tile_by_tile)
    lines = compiler.compile_text(text, target, assembly=True).splitlines()
    products = [k for k, line in enumerate(lines) if instruction in line]
    # Four neighbours in a turn, and a loop for the rest.
    assert len(products) == 5 * rows * vectors
    loop = lines[products[0] : products[-1]]
    assert len(loop) < 3 * len(products)
    assert not [line for line in loop if spill in line]


@pytest.mark.parametrize("name", sorted(STORAGES))
def test_kernels_for_neon_need_no_library(name: str) -> None:
    storage = STORAGES[name]
    lanes = ARM.lanes(storage.computed_bytes)
    for text in (
        narrow_text(storage, lanes, 4, 3),
        narrow_transposed_text(storage, lanes, 4, 3),
        finish_text(storage, lanes, "gelu"),
        pack_text(storage, lanes),
    ):
        lines = compiler.compile_text(text, ARM, assembly=True).splitlines()
        assert not [line for line in lines if line.split()[:1] == ["bl"]]
        assert [line for line in lines if line.split()[:1] == ["ret"]]


def test_the_result_of_a_kernel_does_not_depend_on_numpy_alignment() -> None:
    place = np.zeros(3, np.int64)
    kernel = compiler.function("offset", lambda: _STORE.format(number=5), host(), 1)
    kernel(place[1:].ctypes.data)
    assert place.tolist() == [0, 5, 0]
