"""The kernels under NVIDIA's compute-sanitizer, each of its tools in a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

#: What finds accesses outside of arrays, races in shared memory, and wrong barriers.
TOOLS = ("memcheck", "racecheck", "synccheck")
#: With what the program ends when it has found something.
_FOUND = 97
#: All kernels on small problems. Wrong results are for the checks without a tool to find.
_PROGRAM = """
from rbgp_graphs.gpu.cuda import check_kernels
print(len(check_kernels(dtypes=["float16", "float32"])), "kernels")
"""
_LAST_LINES = 40


def run(tool: str, seconds: float, program: str | None = None) -> dict[str, Any]:
    """Run all kernels under a tool of compute-sanitizer.

    Parameters
    ----------
    tool : str
        One of `TOOLS`, or "initcheck".
    seconds : float
        When to give up.
    program : str, optional
        Path of compute-sanitizer; looked for by default.

    Returns
    -------
    dict
        ``tool``; ``clean``, whether nothing was found, or None if that is not known; and
        ``output``, the last lines or the reason why it is not known.
    """
    found = program or shutil.which("compute-sanitizer")
    if found is None:
        return {"tool": tool, "clean": None, "output": "compute-sanitizer is not installed"}
    command = [found, "--tool", tool, "--error-exitcode", str(_FOUND)]
    try:
        done = subprocess.run(
            [*command, sys.executable, "-c", _PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"tool": tool, "clean": None, "output": f"not done after {seconds:g} s"}
    lines = done.stdout.splitlines()[-_LAST_LINES:]
    # Another exit code is one of the tool itself: it does not run here.
    clean = {0: True, _FOUND: False}.get(done.returncode)
    return {"tool": tool, "clean": clean, "output": "\n".join(lines)}
