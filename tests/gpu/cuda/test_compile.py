"""What the compiler for GPUs says of the kernels; no GPU is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda.cubin import cubin_file
from rbgp_graphs.gpu.cuda.hopper import fitting_tiles, hopper_launch
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.machine import compiler_options
from rbgp_graphs.gpu.cuda.portable import forward_launch, sampled_launch, transpose_launch
from rbgp_graphs.gpu.cuda.sampled_hopper import fitting_tiles as sampled_tiles
from rbgp_graphs.gpu.cuda.sampled_hopper import sampled_hopper_launch
from rbgp_graphs.gpu.cuda.sampled_tensor_core import (
    sampled_tensor_core_launch,
    sampled_warp_tile,
)
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.tables import Dimensions, dimensions
from rbgp_graphs.gpu.cuda.tensor_core import tensor_core_launch, warp_tile
from rbgp_graphs.gpu.cuda.warpgroup import STEP, WarpgroupTile
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda.compiler import (
    MachineCode,
    Nvrtc,
    compiled,
    machine_code,
    needs_gpu_compiler,
    options_of_cupy,
)

REGISTERS_OF_A_MULTIPROCESSOR = 65536

pytestmark = needs_gpu_compiler


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
    ("sm_75", forward_launch(size(4), "float16", 1024)),
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


def check(launch: Launch, found: MachineCode) -> None:
    """Check what holds for every kernel: no register spills, and a block can run."""
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in found.report
    assert "warning" not in found.report
    assert found.registers * launch.threads <= REGISTERS_OF_A_MULTIPROCESSOR
    assert found.count("EXIT")
    assert not found.count("LDL", "STL")


@pytest.mark.parametrize(("arch", "launch"), CASES, ids=lambda case: getattr(case, "kernel", case))
def test_a_kernel_compiles_without_spilling_registers(arch: str, launch: Launch) -> None:
    found = machine_code(launch, arch)
    check(launch, found)
    if launch.kernel in ("tensor_core", "sampled_tensor_core"):
        steps = int(launch.structure["RBGP_MR"]) * int(launch.structure["RBGP_MC"])
        assert found.count("HMMA") >= steps
        assert found.count("LDSM") < found.count("HMMA") + steps
        has_tf32 = launch.structure["RBGP_STORED"] == "float"
        assert any("TF32" in name for name in found.instructions) == has_tf32
    if launch.kernel != "transpose" and arch != "sm_75":
        assert found.count("LDGSTS")


@pytest.mark.parametrize(
    ("row_group", "inner", "wanted"),
    [
        # Blocks of a cluster share values, and those of 128 rows fill the registers.
        (128, (32, 8, 64), {"cluster": 2, "along_columns": True, "step": 256}),
        # Two u_i of 64 rows share X with those of the other block.
        (64, (8, 4, 16), {"groups": 2, "cluster": 2, "along_columns": False, "step": 128}),
        (8, (8, 4, 16), {"groups": 4, "blocks": 2, "cluster": 1}),
        (8, (16, 4, 8), {"groups": 1, "boxed": False}),
        # The last stage is shorter than the others.
        (32, (16, 3, 8), {"groups": 1, "pairs": 16}),
    ],
)
def test_the_hopper_kernel_compiles_to_the_instructions_it_is_about(
    row_group: int, inner: tuple[int, int, int], wanted: dict[str, Any]
) -> None:
    side, degree, block = inner
    sparse = random_biregular(side, side, degree, rng=0)
    outer = random_biregular(32, 32, 8, rng=0)
    own = dimensions(RBGP4(outer, (row_group, 1), sparse, (1, block)))
    dtype, activation = ("bfloat16", "gelu") if row_group > 8 else ("float16", "silu")
    tile = next(t for t in fitting_tiles(own, 1024) if wanted.items() <= vars(t).items())
    launch = hopper_launch(own, dtype, 1024, activation=activation, tile=tile)
    found = machine_code(launch)
    check(launch, found)
    # The products of a stage run on while the next copies arrive.
    assert "serialized" not in found.report
    # Registers move from the warpgroup that loads to those that multiply.
    assert "setmaxnreg" not in found.report
    # With fewer, warps that take registers would wait forever for some that nobody ever had.
    assert found.registers == 168 or launch.threads < 384
    has_cluster = tile.cluster > 1
    for rank, is_shared in (("4D", tile.along_columns), ("5D", not tile.along_columns)):
        several = found.instructions[f"UTMALDG.{rank}.MULTICAST"]
        assert bool(several) == (has_cluster and is_shared)
        assert bool(found.instructions[f"UTMALDG.{rank}"]) == (not several)
    assert bool(found.count("UTMASTG.5D")) == tile.boxed
    assert found.count("STSM")
    assert not found.count("HMMA")
    check_products(found, tile, own)


def check_products(found: MachineCode, tile: WarpgroupTile, own: Dimensions) -> None:
    """Check that nothing waits for products before those of the next stage are under way."""
    # All stages but the last have the same length.
    units = own.do * (1 if tile.groups > 1 else own.di)
    lengths = [*filter(None, (tile.pairs, units % tile.pairs))]
    steps = sum(lengths) * (tile.stage_sums(own) // tile.pairs) // STEP
    products = tile.groups * tile.blocks * steps
    assert found.count(f"HGMMA.64x{tile.step}x16.F32") == len(found.products) == products
    # Those of a stage are one group, which the last of them closes.
    assert sum("gsb0" in operands for operands in found.products) == len(lengths)
    assert found.count("WARPGROUP.DEPBAR") == len(lengths) + 1


def test_products_that_wait_for_each_other_would_be_seen() -> None:
    own = dimensions(RBGP4(complete(4, 4), (64, 1), complete(4, 4), (1, 16)))
    tile = next(fitting_tiles(own, 256))
    launch = hopper_launch(own, "float16", 256, tile=tile)
    source, loop = kernel_source("hopper"), "for (int k = 0; k < units * RBGP_UNIT_SUMS"
    check_products(machine_code(launch), tile, own)
    source = source.replace(f"#pragma unroll\n        {loop}", f"#pragma unroll 1\n        {loop}")
    found = compiled(source, compiler_options(launch))
    # The compiler closes the group with a product of its own that has no result.
    assert any(operands.startswith("RZ") for operands in found.products)
    with pytest.raises(AssertionError):
        check_products(found, tile, own)


@pytest.mark.parametrize(
    ("row_group", "inner", "wanted"),
    [
        # Blocks of a cluster share dY, and sums fill the registers.
        (128, (32, 8, 64), {"blocks": 2, "step": 128, "cluster": 2, "along_values": True}),
        (256, (8, 4, 16), {"step": 256, "parts": 2, "value_warpgroups": 2}),
        # Four u_i share X with those of the other block.
        (8, (8, 4, 16), {"groups": 4, "blocks": 2, "cluster": 2, "along_values": False}),
        (16, (16, 4, 3), {"whole": True, "groups": 1, "boxed": False}),
    ],
)
def test_the_sampled_hopper_kernel_compiles_to_the_instructions_it_is_about(
    row_group: int, inner: tuple[int, int, int], wanted: dict[str, Any]
) -> None:
    side, degree, block = inner
    sparse = random_biregular(side, side, degree, rng=0)
    own = dimensions(RBGP4(complete(2, 8), (row_group, 1), sparse, (1, block)))
    tile = next(t for t in sampled_tiles(own, 4096) if wanted.items() <= vars(t).items())
    launch = sampled_hopper_launch(own, "bfloat16" if row_group > 8 else "float16", tile=tile)
    found = machine_code(launch)
    check(launch, found)
    # Products run on while the rows of the next ones are gathered.
    assert "serialized" not in found.report
    assert "setmaxnreg" not in found.report
    assert found.registers == 168 or launch.threads < 384
    # Of two operands the blocks of a cluster share one.
    assert bool(found.instructions["UTMALDG.5D.MULTICAST"]) == (tile.cluster > 1)
    assert found.instructions["UTMALDG.5D"]
    assert bool(found.count("UTMASTG.5D")) == tile.boxed
    assert bool(found.count("STSM")) == (tile.parts == 1)
    # Sixteen columns at a time, of rows that ldmatrix has gathered.
    assert found.count(f"HGMMA.64x{tile.step}x16.F32") == 4 * tile.products
    assert found.count("LDSM") == 4 * tile.products
    assert not found.count("HMMA")
    if launch.then is not None:
        check(launch.then, machine_code(launch.then, "sm_90"))


def test_a_kernel_that_spills_would_be_seen() -> None:
    launch = forward_launch(size(4), "float32", 1024)
    bounds = "__launch_bounds__(RBGP_THREADS)"
    source = kernel_source("forward").replace(bounds, f"{bounds[:-1]}, 4)")
    found = compiled(source, (*compiler_options(launch), *options_of_cupy("sm_80")))
    assert found.count("LDL", "STL")
    with pytest.raises(AssertionError, match="0 bytes spill stores"):
        check(launch, found)


def test_the_package_keeps_what_the_compiler_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path))
    launch = transpose_launch(size(4), "float16")
    options = ("-arch=sm_90a", *compiler_options(launch))
    file = cubin_file(Nvrtc(), kernel_source("transpose"), options)
    assert file.read_bytes().startswith(b"\x7fELF")
    assert file.is_relative_to(tmp_path)


def test_a_mistake_is_reported_with_its_file_and_line() -> None:
    source = kernel_source("transpose").replace("long long rest = i;", "long long rest = j;")
    launch = transpose_launch(size(4), "float32")
    lines = Path(__file__).parents[3] / "rbgp_graphs" / "gpu" / "cuda" / "kernels" / "transpose.cu"
    number = lines.read_text().splitlines().index("        long long rest = i;") + 1
    with pytest.raises(BackendError, match=rf"transpose.cu\({number}\): error"):
        cubin_file(Nvrtc(), source, ("-arch=sm_80", *compiler_options(launch)))
