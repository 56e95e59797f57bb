from __future__ import annotations

import builtins
import platform
from pathlib import Path
from typing import Any
from unittest import mock

import llvmlite.binding as llvm
import pytest

from rbgp_graphs.gpu import backends
from rbgp_graphs.gpu.backend import choose
from rbgp_graphs.gpu.cpu import target


@pytest.fixture(autouse=True)
def _forget_the_host() -> Any:
    def forget() -> None:
        target.host.cache_clear()
        target.missing.cache_clear()

    forget()
    yield
    forget()


def test_the_backend_says_what_is_missing() -> None:
    real = builtins.__import__

    def without_llvmlite(name: str, *rest: Any) -> Any:
        if name.startswith("llvmlite"):
            raise ImportError(name)
        return real(name, *rest)

    with mock.patch.object(builtins, "__import__", without_llvmlite):
        cpu = next(info for info in backends() if info.name == "cpu")
    assert not cpu.available
    assert "llvmlite" in (cpu.reason or "")
    assert "pip install" in (cpu.reason or "")


def test_a_library_that_cannot_be_loaded_leaves_the_products_to_numpy() -> None:
    error = OSError("Could not find/load shared object file 'libllvmlite.so'")
    with mock.patch.object(llvm, "get_host_cpu_features", side_effect=error) as asked:
        cpu = next(info for info in backends() if info.name == "cpu")
        assert (cpu.available, cpu.reason) == (False, str(error))
        assert choose("auto").name == choose("auto").name == "numpy"
    # Every product asks.
    asked.assert_called_once()


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("x86_64", {"avx2": True, "fma": True, "f16c": True}, (32, 16)),
        ("AMD64", dict.fromkeys(("avx2", "fma", "f16c", "avx512f", "avx512vl"), True), (64, 32)),
        ("aarch64", {"neon": True}, (16, 32)),
        ("arm64", {}, (16, 32)),
    ],
)
def test_vectors_follow_the_processor(
    machine: str, features: dict[str, bool], expected: tuple[int, int]
) -> None:
    with (
        mock.patch.object(platform, "machine", return_value=machine),
        mock.patch.object(llvm, "get_host_cpu_features", return_value=llvm.FeatureMap(features)),
    ):
        host = target.host()
    assert (host.vector_bytes, host.registers) == expected
    assert host.lanes(4) == expected[0] // 4


@pytest.mark.parametrize(
    ("machine", "features", "reason"),
    [("x86_64", {"avx2": True}, "lacks AVX2, FMA or F16C"), ("riscv64", {}, "riscv64")],
)
def test_other_processors_are_left_to_numpy(
    machine: str, features: dict[str, bool], reason: str
) -> None:
    with (
        mock.patch.object(platform, "machine", return_value=machine),
        mock.patch.object(llvm, "get_host_cpu_features", return_value=llvm.FeatureMap(features)),
    ):
        assert reason in (target.missing() or "")


def test_caches_are_read_where_the_system_tells_them(tmp_path: Path) -> None:
    caches = [
        ("1", "Data", "48K"),
        ("1", "Instruction", "32K"),
        ("2", "Unified", "2M"),
        ("3", "Unified", "30M"),
    ]
    for k, parts in enumerate(caches):
        (tmp_path / f"index{k}").mkdir()
        for name, text in zip(("level", "type", "size"), parts, strict=True):
            (tmp_path / f"index{k}" / name).write_text(text + "\n")
    (tmp_path / "index9").mkdir()
    with mock.patch.object(target, "_CACHES", tmp_path):
        assert target._read_caches() == {"level1_bytes": 48 << 10, "level2_bytes": 2 << 20}
    with mock.patch.object(target, "_CACHES", tmp_path / "none"):
        assert target._read_caches() == {}
