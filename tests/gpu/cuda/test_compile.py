"""What the compiler for GPUs says of the kernels; no GPU is needed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.portable import forward_launch, sampled_launch, transpose_launch
from rbgp_graphs.gpu.cuda.sampled_tensor_core import (
    sampled_tensor_core_launch,
    sampled_warp_tile,
)
from rbgp_graphs.gpu.cuda.source import kernel_source, macro_options
from rbgp_graphs.gpu.cuda.tables import Dimensions, dimensions
from rbgp_graphs.gpu.cuda.tensor_core import tensor_core_launch, warp_tile
from rbgp_graphs.products import RBGP4


def _disassembler() -> str | None:
    """Return nvdisasm, of a toolkit or of the package nvidia-cuda-nvdisasm."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else [*(spec.submodule_search_locations or [])]
    files = (file for folder in folders for file in Path(folder).glob("*/bin/nvdisasm"))
    return shutil.which("nvdisasm") or next(map(str, files), None)


NVCC, DISASSEMBLER = shutil.which("nvcc"), _disassembler()
REGISTERS_OF_A_MULTIPROCESSOR = 65536

pytestmark = pytest.mark.skipif(NVCC is None, reason="needs nvcc")


def size(row_group: int) -> Dimensions:
    """Return a pattern as the kernels are meant for: 1024 columns, sparsity 93.75 %."""
    sparse = random_biregular(32, 32, 8, rng=0)
    return dimensions(RBGP4(sparse, (row_group, 1), sparse, (1, 1)))


def tensor_core(row_group: int, dtype: str) -> Launch:
    own = size(row_group)
    tile = warp_tile(own, dtype, 1024, 96 * 1024)
    assert tile is not None
    return tensor_core_launch(own, dtype, 1024, tile=tile)


def tensor_core_of_one_group(dtype: str) -> Launch:
    """Return the widest tile: merged digits leave one group of many rows under each u_o."""
    own = dimensions(RBGP4(random_biregular(32, 64, 16, rng=0), (128, 1), complete(1, 1), (1, 32)))
    tile = warp_tile(own, dtype, 4096, 96 * 1024)
    assert tile is not None
    launch = tensor_core_launch(own, dtype, 4096, tile=tile)
    assert launch.threads == (128 if dtype == "tf32" else 256)
    return launch


def sampled_tensor_core(row_group: int, dtype: str) -> Launch:
    own = size(row_group)
    tile = sampled_warp_tile(own, dtype, 1024, 96 * 1024)
    assert tile is not None
    return sampled_tensor_core_launch(own, dtype, tile=tile)


CASES = [
    ("sm_70", forward_launch(size(4), "float16", 1024)),
    ("sm_75", forward_launch(size(4), "float32", 1024)),
    ("sm_75", sampled_launch(size(4), "float64", 1024)),
    ("sm_80", forward_launch(size(4), "float64", 1024)),
    ("sm_80", tensor_core(64, "bfloat16")),
    ("sm_86", sampled_launch(size(4), "float32", 1024)),
    ("sm_89", tensor_core(16, "float16")),
    ("sm_80", tensor_core_of_one_group("float16")),
    ("sm_80", sampled_tensor_core(128, "bfloat16")),
    ("sm_120", sampled_tensor_core(8, "float16")),
    ("sm_80", tensor_core_of_one_group("tf32")),
    ("sm_89", tensor_core(16, "tf32")),
    ("sm_86", sampled_tensor_core(128, "tf32")),
    ("sm_90a", forward_launch(size(4), "float32", 1024, activation="gelu")),
    ("sm_100", tensor_core(4, "float16")),
    ("sm_120", transpose_launch(size(4), "float16")),
]


def compiled(arch: str, launch: Launch, folder: Path) -> str:
    """Compile to machine code and return what the assembler says."""
    assert NVCC is not None
    source = folder / "kernel.cu"
    source.write_text(kernel_source(launch.kernel))
    command = [NVCC, f"-arch={arch}", "-std=c++17", "-cubin", "-Xptxas", "-v"]
    command += ["-Werror", "all-warnings", *macro_options(launch.macros)]
    done = subprocess.run(
        [*command, str(source), "-o", str(folder / "kernel.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Unsupported gpu architecture" in done.stderr or "is not defined for option" in done.stderr:
        pytest.skip(f"this nvcc does not know {arch}")
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(("arch", "launch"), CASES, ids=lambda case: getattr(case, "kernel", case))
def test_a_kernel_compiles_without_spilling_registers(
    arch: str, launch: Launch, tmp_path: Path
) -> None:
    report = compiled(arch, launch, tmp_path)
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in report
    registers = int(re.findall(r"Used (\d+) registers", report)[0])
    assert registers * launch.threads <= REGISTERS_OF_A_MULTIPROCESSOR
    if DISASSEMBLER is None:
        return
    listing = subprocess.run(
        [DISASSEMBLER, "-c", str(tmp_path / "kernel.cubin")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = Counter(re.findall(r"\b(HMMA|LDSM|LDGSTS|LDL|STL|FFMA|DFMA)\b", listing))
    assert not found["LDL"] + found["STL"]
    if launch.kernel in ("tensor_core", "sampled_tensor_core"):
        steps = int(launch.structure["RBGP_MR"]) * int(launch.structure["RBGP_MC"])
        assert found["HMMA"] >= steps
        assert found["LDSM"] < found["HMMA"] + steps
        has_tf32 = launch.structure["RBGP_STORED"] == "float"
        assert ("TF32" in listing) == has_tf32
    if launch.kernel != "transpose" and arch not in ("sm_70", "sm_75"):
        assert found["LDGSTS"]


def test_a_mistake_would_be_reported_with_its_file_and_line(tmp_path: Path) -> None:
    source = kernel_source("transpose").replace("long long rest = i;", "long long rest = j;")
    (tmp_path / "kernel.cu").write_text(source)
    assert NVCC is not None
    launch = transpose_launch(size(4), "float32")
    command = [NVCC, "-arch=sm_80", "-std=c++17", "-cubin", *macro_options(launch.macros)]
    done = subprocess.run(
        [*command, str(tmp_path / "kernel.cu"), "-o", str(tmp_path / "kernel.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    lines = Path(__file__).parents[3] / "rbgp_graphs" / "gpu" / "cuda" / "kernels" / "transpose.cu"
    number = lines.read_text().splitlines().index("        long long rest = i;") + 1
    assert f"transpose.cu({number})" in done.stderr
