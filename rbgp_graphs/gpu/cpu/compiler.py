"""From LLVM's text to a function that can be called, kept in the process and on the disk."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rbgp_graphs._machine import cache_folder
from rbgp_graphs.gpu.cpu.target import Target, llvm_lock

#: Every kernel is a function of this name and takes addresses.
ENTRY = "run"
_DIGEST_BYTES = 32

_functions: dict[str, Any] = {}


def function(
    name: str, make_text: Callable[[], str], target: Target, num_arguments: int
) -> Callable[..., None]:
    """Return a compiled kernel.

    Parameters
    ----------
    name : str
        Says, together with `target` and the source of this package, what the kernel is.
    make_text : callable
        Returns the module in LLVM's language; called if the kernel is not at hand.
    target : Target
        What to compile for.
    num_arguments : int
        Number of addresses that the kernel takes.

    Returns
    -------
    callable
        Calls the kernel without Python's global lock.

    Notes
    -----
    Machine code is kept in the cache folder of the package. A file counts only with its own
    SHA-256 in front, in a directory that belongs to the user and nobody else can write to. Where
    there is no such directory kernels are compiled once in every process.
    """
    key = _key(name, target)
    found = _functions.get(key)
    if found is not None:
        return found  # type: ignore[no-any-return]
    with llvm_lock:
        if key not in _functions:
            code = _read(key)
            if code is None:
                code = compile_text(make_text(), target)
                _write(key, code)
            _functions[key] = _link(code, target, num_arguments)
        return _functions[key]  # type: ignore[no-any-return]


def compile_text(text: str, target: Target, *, assembly: bool = False) -> Any:
    """Return the object file of a module, as bytes, or its assembly as text."""
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    machine = _machine(target)
    return machine.emit_assembly(module) if assembly else machine.emit_object(module)


def _machine(target: Target) -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, jit=True
    )


def _link(code: bytes, target: Target, num_arguments: int) -> Any:
    """Load machine code into this process."""
    import llvmlite.binding as llvm

    machine = _machine(target)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * num_arguments)
    address = engine.get_function_address(ENTRY)
    loaded: Any = kind(address)
    loaded.address = address
    # The code lives as long as its engine.
    loaded.engine = engine
    return loaded


# On the disk --------------------------------------------------------------------------------


def _digest_of_sources() -> bytes:
    state = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        state.update(path.read_bytes())
    return state.digest()


#: What wrote the kernels. Taken at import: a process that outlives an update of the package must
#: not file its kernels under the sources of the new version, which would call them wrongly.
_SOURCES = _digest_of_sources()


@functools.lru_cache(maxsize=1024)
def _key(name: str, target: Target) -> str:
    import llvmlite

    parts = (name, target.triple, target.cpu, target.features, llvmlite.__version__)
    return hashlib.sha256(_SOURCES + "\0".join(parts).encode()).hexdigest()


def _is_private(directory: Path) -> bool:
    """Return whether only the user can have put files into a directory."""
    if not hasattr(os, "getuid"):
        return True
    info = directory.stat()
    return info.st_uid == os.getuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(key: str) -> bytes | None:
    directory = cache_folder()
    if directory is None:
        return None
    try:
        if not _is_private(directory):
            return None
        content = (directory / f"{key}.o").read_bytes()
    except OSError:
        return None
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(key: str, code: bytes) -> None:
    directory = cache_folder()
    if directory is None:
        return
    # A cache that cannot be written to costs time, nothing else.
    with contextlib.suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(directory):
            return
        temporary = directory / f".{secrets.token_hex(8)}"
        try:
            temporary.write_bytes(hashlib.sha256(code).digest() + code)
            temporary.replace(directory / f"{key}.o")
        finally:
            temporary.unlink(missing_ok=True)
