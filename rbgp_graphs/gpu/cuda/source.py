"""The source of a kernel: its files in one piece, with the macros that specialise it."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib import resources

_INCLUDE = re.compile(r'#include "(\w+\.cuh)"$')


@functools.cache
def kernel_source(name: str) -> str:
    """Return the source of ``kernels/<name>.cu`` with its own headers put in place.

    Parameters
    ----------
    name : str
        File name without suffix: "forward", "sampled", "transpose", "tensor_core",
        "sampled_tensor_core", "hopper", "sampled_hopper" or "sum_parts".

    Returns
    -------
    str
        CUDA C++ that includes nothing, so that NVRTC needs no include paths.

    Examples
    --------
    >>> "rbgp_transpose" in kernel_source("transpose")
    True
    """
    included: set[str] = set()
    folder = resources.files("rbgp_graphs.gpu.cuda") / "kernels"

    def expand(file: str) -> Iterator[str]:
        text = (folder / file).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), start=1):
            match = _INCLUDE.match(line)
            # The machine that tests put in place lies with the tests.
            if match is None or match[1].startswith("host"):
                yield line
            elif match[1] not in included:
                included.add(match[1])
                yield f'#line 1 "{match[1]}"'
                yield from expand(match[1])
                yield f'#line {number + 1} "{file}"'

    return "\n".join([f'#line 1 "{name}.cu"', *expand(f"{name}.cu"), ""])


@functools.cache
def kernels_digest() -> str:
    """Return a word that changes when the source of any kernel changes."""
    folder = resources.files("rbgp_graphs.gpu.cuda") / "kernels"
    files = sorted((file for file in folder.iterdir()), key=lambda file: file.name)
    state = hashlib.sha256()
    for file in files:
        if file.name.endswith((".cu", ".cuh")):
            state.update(file.name.encode() + b"\0" + file.read_bytes())
    return state.hexdigest()


def macro_options(macros: Mapping[str, int | str]) -> tuple[str, ...]:
    """Return the options of a compiler that define macros.

    Examples
    --------
    >>> macro_options({"RBGP_UO": 4})
    ('-DRBGP_UO=4',)
    """
    return tuple(f"-D{name}={value}" for name, value in macros.items())
