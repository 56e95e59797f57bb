"""The compiler for GPUs, told what the package tells it, and a disassembler; no GPU is needed."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.machine import compiler_options
from rbgp_graphs.gpu.cuda.source import kernel_source


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _disassembler() -> Path | None:
    """Return nvdisasm of the package nvidia-cuda-nvdisasm."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else [*(spec.submodule_search_locations or [])]
    files = (file for folder in folders for file in Path(folder).glob("*/bin/nvdisasm"))
    return next(files, None)


DISASSEMBLER = _disassembler()
needs_gpu_compiler = pytest.mark.skipif(
    DISASSEMBLER is None or not _is_installed("cuda.bindings.nvrtc"),
    reason="needs cuda-bindings, nvidia-cuda-nvrtc and nvidia-cuda-nvdisasm",
)


class Nvrtc:
    """What answers like ``cupy.cuda.nvrtc``, on NVIDIA's bindings."""

    class NVRTCError(Exception):
        """What the library returned instead of success."""

    def _call(self, name: str, *arguments: Any) -> Any:
        nvrtc = importlib.import_module("cuda.bindings.nvrtc")
        error, *found = getattr(nvrtc, f"nvrtc{name}")(*arguments)
        if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise self.NVRTCError(error.name)
        return found[0] if len(found) == 1 else tuple(found)

    def getVersion(self) -> tuple[int, int]:  # noqa: N802
        major, minor = self._call("Version")
        return major, minor

    def createProgram(self, source: str, name: str, *headers: tuple[()]) -> Any:  # noqa: N802
        assert headers == ((), ())
        return self._call("CreateProgram", source.encode(), name.encode(), 0, [], [])

    def compileProgram(self, program: Any, options: tuple[str, ...]) -> None:  # noqa: N802
        encoded = [option.encode() for option in options]
        self._call("CompileProgram", program, len(encoded), encoded)

    def getCUBIN(self, program: Any) -> bytes:  # noqa: N802
        code = bytes(self._call("GetCUBINSize", program))
        self._call("GetCUBIN", program, code)
        return code

    def getProgramLog(self, program: Any) -> str:  # noqa: N802
        log = bytes(self._call("GetProgramLogSize", program))
        self._call("GetProgramLog", program, log)
        return log.rstrip(b"\0").decode()

    def destroyProgram(self, program: Any) -> None:  # noqa: N802
        self._call("DestroyProgram", program)


@dataclass(frozen=True)
class MachineCode:
    """What became of a kernel.

    Attributes
    ----------
    report : str
        What the compiler and the assembler say.
    instructions : Counter of str
        How often each instruction is there, by its full name.
    products : list of str
        The operands of each product of tiles (wgmma).
    """

    report: str
    instructions: Counter[str]
    products: list[str]

    @property
    def registers(self) -> int:
        """Registers of a thread."""
        return int(re.findall(r"Used (\d+) registers", self.report)[0])

    def count(self, *names: str) -> int:
        """Return how many instructions have names that begin with one of these."""
        return sum(n for found, n in self.instructions.items() if found.startswith(names))


def machine_code(launch: Launch, arch: str | None = None) -> MachineCode:
    """Compile as the package does, for an architecture or for the one that the launch names."""
    own = () if arch is None else options_of_cupy(arch)
    return compiled(kernel_source(launch.kernel), (*compiler_options(launch), *own))


def options_of_cupy(arch: str) -> tuple[str, ...]:
    """Return what CuPy adds to the options of every kernel."""
    return "-ftz=true", "--device-as-default-execution-space", f"-arch={arch}"


def compiled(source: str, options: tuple[str, ...]) -> MachineCode:
    """Compile with NVRTC and take the machine code apart."""
    nvrtc = Nvrtc()
    program = nvrtc.createProgram(source, "rbgp.cu", (), ())
    try:
        nvrtc.compileProgram(program, (*options, "--ptxas-options=-v"))
        code, report = nvrtc.getCUBIN(program), nvrtc.getProgramLog(program)
    except nvrtc.NVRTCError:
        raise AssertionError(nvrtc.getProgramLog(program)) from None
    finally:
        nvrtc.destroyProgram(program)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        listing = subprocess.run(
            [str(DISASSEMBLER), "-c", file.name], capture_output=True, text=True, check=True
        ).stdout
    # A name comes after its place in the code, and after a predicate where there is one.
    names = re.findall(r"\*/\s+(?:@!?\w+\s+)?([A-Z][\w.]*)", listing)
    return MachineCode(report, Counter(names), re.findall(r"HGMMA\S* ([^;]*)", listing))
