"""The processor that kernels are compiled for: vectors, registers, caches."""

from __future__ import annotations

import functools
import os
import platform
import threading
from dataclasses import dataclass
from pathlib import Path

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 1 << 10, "M": 1 << 20}

#: Held by the thread that imports or calls LLVM, and during a fork: a child in which llvmlite's
#: own lock belongs to a thread of its parent would wait for ever. A signal handler may fork, so
#: the thread that holds it can take it again.
llvm_lock = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a kernel is made for.

    Attributes
    ----------
    triple, cpu, features : str
        As LLVM names them.
    vector_bytes, registers : int
        Size and number of the vector registers.
    level1_bytes, level2_bytes : int
        Data caches of one core.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    level1_bytes: int = 32 << 10
    level2_bytes: int = 1 << 20

    def lanes(self, number_bytes: int) -> int:
        """Return how many numbers a register holds."""
        return self.vector_bytes // number_bytes


@functools.cache
def missing() -> str | None:
    """Return why there are no kernels for this machine, or None if there are."""
    try:
        host()
    except ImportError:
        return 'llvmlite, a part of numba, is not installed; run: pip install "rbgp-graphs"'
    # llvmlite raises OSError at the first call if its library cannot be loaded.
    except (OSError, RuntimeError, LookupError) as error:
        return str(error)
    return None


@functools.cache
def host() -> Target:
    """Return the target of this machine; raise LookupError if kernels do not support it."""
    with llvm_lock:
        import llvmlite.binding as llvm

        available = dict(llvm.get_host_cpu_features())
        triple, cpu = llvm.get_process_triple(), llvm.get_host_cpu_name()
    caches = _read_caches()
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        if not all(available.get(name) for name in ("avx2", "fma", "f16c")):
            raise LookupError("this processor lacks AVX2, FMA or F16C")
        wide = bool(available.get("avx512f") and available.get("avx512vl"))
        features = llvm.FeatureMap(available).flatten()
        if wide:
            # LLVM prefers half vectors on some processors to keep the clock up; the products here
            # gain more from whole ones.
            features += ",-prefer-256-bit"
        return Target(
            triple=triple,
            cpu=cpu,
            features=features,
            vector_bytes=64 if wide else 32,
            registers=32 if wide else 16,
            **caches,
        )
    if machine in ("aarch64", "arm64"):
        features = llvm.FeatureMap(available).flatten()
        return Target(
            triple=triple, cpu=cpu, features=features, vector_bytes=16, registers=32, **caches
        )
    raise LookupError(f"there are no kernels for processors of type {machine}")


def _read_caches() -> dict[str, int]:
    """Return the sizes of the data caches that Linux tells."""
    sizes: dict[str, int] = {}
    for index in sorted(_CACHES.glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction" and level in "12" and size[:-1].isdigit() and size[-1] in _UNITS:
            sizes[f"level{level}_bytes"] = int(size[:-1]) * _UNITS[size[-1]]
    return sizes


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=llvm_lock.acquire,
        after_in_parent=llvm_lock.release,
        after_in_child=llvm_lock.release,
    )
