"""Machine code for an architecture that CuPy does not name: compiled by NVRTC, kept in files.

CuPy tells NVRTC the architecture of the device, sm_90, and instructions of sm_90a are unknown
there. Before CUDA 13 an architecture could not be given twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rbgp_graphs._machine import cache_file
from rbgp_graphs.encoding.atomic import write_file
from rbgp_graphs.errors import ArgumentError, BackendError
from rbgp_graphs.gpu.cuda.store import key_of


def cubin_file(nvrtc: Any, source: str, options: Sequence[str]) -> Path:
    """Return a file with machine code, compiled unless an earlier process has done that.

    Parameters
    ----------
    nvrtc : module
        ``cupy.cuda.nvrtc``.
    source : str
        CUDA C++ that includes nothing.
    options : sequence of str
        For NVRTC, the architecture among them.

    Raises
    ------
    BackendError
        If the source does not compile; the message is the compiler's.
    """
    name = f"{key_of(source, [*options], [*nvrtc.getVersion()])}.cubin"
    kept = (cache_file("cubins") or _temporary_folder()) / name
    # Damaged machine code could run, and a verdict that is kept would not notice.
    seal = kept.with_suffix(".sha256")
    with contextlib.suppress(OSError):
        if seal.read_bytes() == _seal(kept.read_bytes()):
            return kept
    code = _compiled(nvrtc, source, options)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_file(kept, [code])
        write_file(seal, [_seal(code)])
    except (OSError, ArgumentError):
        # A cache that cannot be written to costs the next process the same work again.
        kept = _temporary_folder() / name
        kept.write_bytes(code)
    return kept


def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="rbgp_graphs_"))


def _seal(code: bytes) -> bytes:
    return hashlib.sha256(code).hexdigest().encode()


def _compiled(nvrtc: Any, source: str, options: Sequence[str]) -> bytes:
    program = nvrtc.createProgram(source, "rbgp.cu", (), ())
    try:
        nvrtc.compileProgram(program, tuple(options))
        return bytes(nvrtc.getCUBIN(program))
    except nvrtc.NVRTCError as error:
        raise BackendError(f"NVRTC: {nvrtc.getProgramLog(program).strip()}") from error
    finally:
        nvrtc.destroyProgram(program)
