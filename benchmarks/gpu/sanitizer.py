"""The kernels under NVIDIA's compute-sanitizer, each of its tools in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import Any

#: What finds accesses outside of arrays, races in shared memory, and wrong barriers.
TOOLS = ("memcheck", "racecheck", "synccheck")
#: With what the program ends when it has found something.
_FOUND = 97
#: All kernels on small problems, in the process that is watched. Wrong results are for the checks
#: without a tool to find. Without a pool an array has no neighbour to be written to unseen.
_PROGRAM = """
import cupy
from rbgp_graphs.gpu.cuda import check_kernels
from rbgp_graphs.gpu.cuda.machine import cupy_machine
cupy.cuda.set_allocator(None)
print(len(check_kernels(cupy_machine(0), dtypes=["float16", "float32"])), "kernels")
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
    process = subprocess.Popen(
        [*command, sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        # The program that the tool has started would go on, and disturb what is timed later.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {"tool": tool, "clean": None, "output": f"not done after {seconds:g} s"}
    lines = output.splitlines()[-_LAST_LINES:]
    # Another exit code is one of the tool itself: it does not run here.
    clean = {0: True, _FOUND: False}.get(process.returncode)
    return {"tool": tool, "clean": clean, "output": "\n".join(lines)}
