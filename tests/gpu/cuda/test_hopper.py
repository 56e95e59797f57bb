"""The Hopper kernel: run on the CPU against float64, compiled for sm_90a, its tensor maps."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import hopper, machine, tensor_map
from rbgp_graphs.gpu.cuda.hopper import (
    CAPABILITY,
    SHARED_BYTES,
    hopper_candidate,
    hopper_misfit,
    reaches,
    tensor_maps,
)
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.source import kernel_source, macro_options
from rbgp_graphs.gpu.cuda.tables import dimensions
from rbgp_graphs.gpu.cuda.tensor_map import TensorMap
from rbgp_graphs.products import RBGP4
from tests.gpu.cuda import host
from tests.gpu.cuda.problems import (
    Problem,
    activated,
    assert_within_rounding,
    needs_compiler,
    poisoned,
    problem,
    real,
)
from tests.gpu.cuda.test_compile import DISASSEMBLER, NVCC
from tests.gpu.cuda.test_status import fake_cupy

few = st.integers(1, 3)
#: |V_r| and |V_b|: each span of the swizzle, and boxes of values that span pairs or not.
COLUMN_DIGITS = ((1, 8), (1, 16), (1, 24), (2, 16), (3, 32), (2, 64), (1, 64), (1, 80))


@pytest.fixture(autouse=True, scope="module")
def _blocks_stay_for_many_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hopper, "_MULTIPROCESSORS", 3)
        yield


@st.composite
def patterns(draw: st.DrawFn, groups: st.SearchStrategy[tuple[int, int]]) -> RBGP4:
    """Generate patterns that suit the kernel; `groups` gives |U_r| and |U_b|."""
    seed = draw(st.integers(0, 2**32 - 1))
    left = draw(few)
    sparse = random_biregular(left, 2 * left, 2, rng=seed)
    outer = draw(st.sampled_from((sparse, complete(left, left), complete(left, 1))))
    side = draw(st.integers(2, 4))
    inner = random_biregular(side, side, draw(st.integers(1, side)), rng=seed)
    (ur, ub), (vr, vb) = draw(groups), draw(st.sampled_from(COLUMN_DIGITS))
    twisted = draw(st.booleans())
    shifts = [(seed + 5 * edge) % side for edge in range(outer.num_edges)] if twisted else None
    pattern = RBGP4(outer, (ur, vr), inner, (ub, vb), shifts)
    if pattern.row_degree % 16:
        pattern = RBGP4(outer, (ur, vr), inner, (ub, 2 * vb), shifts)
    return pattern


def launch_of(random: Problem, activation: str | None = None) -> Launch:
    launch = hopper_candidate(
        random.size,
        random.dtype,
        random.n,
        batches=random.batches,
        aligned=random.aligned,
        activation=activation,
        capability=CAPABILITY,
    )
    assert launch is not None
    return launch


def check_hopper(
    own: host.HostMachine,
    random: Problem,
    launch: Launch,
    *,
    with_bias: bool = False,
    activation: str | None = None,
) -> None:
    """Run the kernel and compare with the product in float64."""
    rows, n, tables = random.pattern.rows, random.n, random.tables
    Y = poisoned((random.batches, rows, n), random.dtype)
    maps = tensor_maps(launch, random.size, random.dtype, random.values, random.X, n)
    own.run(
        launch,
        [
            *(*maps, Y, random.bias if with_bias else None),
            *(tables.outer_columns, tables.outer_tables, tables.inner_columns),
            *(np.int32(n), np.int32(random.batches), np.int64(n), np.int64(rows * n)),
        ],
    )
    dense, X = random.dense, real(random.X, random.dtype)
    offset = random.bias[:, None] * float(with_bias)
    expected = activated(dense @ X + offset, activation)
    magnitude = abs(dense) @ abs(X) + abs(offset)
    assert_within_rounding(Y, expected, magnitude, random.dtype, random.pattern.row_degree)


# What is compiled in: a few choices, because each costs a run of the compiler.
@needs_compiler
@given(
    patterns(st.sampled_from(((8, 1), (1, 8), (3, 2), (5, 1)))),
    *(st.sampled_from((8, 40, 64)), few, st.integers(0, 2**32 - 1), st.booleans()),
    *(st.sampled_from((None, "silu")), st.booleans()),
)
@settings(max_examples=20)
def test_small_row_groups_agree_with_float64(
    pattern: RBGP4,
    n: int,
    batches: int,
    seed: int,
    with_bias: bool,
    activation: str | None,
    backwards: bool,
) -> None:
    random = problem(pattern, "float16", n, batches, seed)
    launch = launch_of(random, activation)
    assert launch.structure["RBGP_SWAPPED"] == 1
    own = host.HostMachine(order=int(backwards))
    check_hopper(own, random, launch, with_bias=with_bias, activation=activation)


@needs_compiler
@given(
    patterns(st.sampled_from(((64, 1), (2, 32), (1, 64), (21, 3), (100, 1), (9, 13), (130, 1)))),
    *(st.sampled_from((8, 40, 64)), st.integers(0, 2**32 - 1), st.booleans()),
)
@settings(max_examples=10)
def test_large_row_groups_agree_with_float64(
    pattern: RBGP4, n: int, seed: int, backwards: bool
) -> None:
    random = problem(pattern, "bfloat16", n, 1, seed)
    launch = launch_of(random, "gelu")
    if random.size.group >= 64:
        assert launch.structure["RBGP_SWAPPED"] == 0
    own = host.HostMachine(order=int(backwards))
    check_hopper(own, random, launch, with_bias=True, activation="gelu")


def pattern_of(row_group: int, *, block: int = 16, neighbours: int = 2) -> RBGP4:
    inner = random_biregular(4, 4, neighbours, rng=0)
    shifts = [(3 * edge) % 4 for edge in range(6)]
    return RBGP4(complete(2, 3), (row_group, 1), inner, (1, block), shifts)


@needs_compiler
@pytest.mark.parametrize(
    ("row_group", "n", "dtype"), [(16, 264, "bfloat16"), (100, 136, "float16")]
)
def test_several_warpgroups_agree_with_float64(row_group: int, n: int, dtype: str) -> None:
    random = problem(pattern_of(row_group), dtype, n, 1, 0)
    launch = launch_of(random)
    assert launch.threads == 288
    check_hopper(host.HostMachine(), random, launch, with_bias=True)


@needs_compiler
def test_the_kernel_keeps_within_its_memory() -> None:
    random = problem(pattern_of(6), "float16", 40, 2, 0)
    check_hopper(host.HostMachine(sanitized=True, order=1), random, launch_of(random))


@needs_compiler
def test_a_stage_filled_before_its_products_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    source, line = kernel_source("hopper"), "wait_products<1>();"
    assert source.count(line) == 1
    wrong = source.replace(line, "wait_products<2>();")
    monkeypatch.setattr(host, "kernel_source", lambda _: wrong)
    host._build.cache_clear()
    # More stages than the ring has.
    random = problem(pattern_of(8, block=64, neighbours=4), "float16", 8, 1, 0)
    try:
        with pytest.raises(AssertionError, match="off by"):
            check_hopper(host.HostMachine(order=1), random, launch_of(random))
    finally:
        host._build.cache_clear()


# Plans and tensor maps ----------------------------------------------------------------------


@given(
    patterns(st.tuples(st.integers(1, 300), st.integers(1, 300))),
    *(st.integers(1, 5000), st.integers(1, 1000)),
)
def test_every_plan_and_its_maps_keep_the_rules(pattern: RBGP4, n: int, batches: int) -> None:
    size = dimensions(pattern)
    launch = hopper_candidate(size, "bfloat16", n, batches=batches, capability=CAPABILITY)
    assert launch is not None
    assert launch.fits
    assert launch.threads in (160, 288)
    assert launch.shared_bytes <= SHARED_BYTES
    row = -(-n // 8) * 8
    X = np.lib.stride_tricks.as_strided(
        np.zeros(1, np.uint16), (batches, size.cols, n), (0, 0, 0), writeable=False
    )
    values = np.zeros((1, 1), np.uint16)
    for made in tensor_maps(launch, size, "bfloat16", values, X, row):
        assert made.problem is None
    own = launch.constants
    rows = own["RBGP_BOX_R"] * own["RBGP_BOX_B"]
    unswapped = 64 * own["RBGP_WR"]
    swapped = launch.structure["RBGP_SWAPPED"]
    assert rows <= (int(launch.structure["RBGP_NB"]) if swapped else unswapped)
    sums = own["RBGP_SP"] * size.vr * size.vb
    assert sums % 16 == 0
    assert sums % own["RBGP_KC"] == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"capability": (8, 0)}, "the device has 8.0"),
        ({"capability": (12, 0)}, "the device has 12.0"),
        ({"dtype": "float32"}, "the dtype is float32"),
        ({"aligned": False}, "multiple of 16 bytes"),
        ({"block": 12}, r"\|V_b\| = 12 is not a multiple of 8"),
        ({"repeat": 2, "block": 8}, r"is not a multiple of 16 \(needed with \|V_r\| = 2"),
        ({"block": 8, "neighbours": 1}, "has 24 nonzeros"),
        ({"block": 264}, "exceeds a box"),
        ({"repeat": 16, "block": 256}, "exceed shared memory"),
        ({"batches": 2**30}, "too many rows"),
    ],
)
def test_a_problem_that_does_not_suit_the_kernel_has_a_reason(
    change: dict[str, Any], reason: str
) -> None:
    given = {"repeat": 1, "block": 16, "neighbours": 2, "dtype": "float16", **change}
    inner = random_biregular(4, 4, given.pop("neighbours"), rng=0)
    factors = complete(2, 3), (8, given.pop("repeat")), inner, (1, given.pop("block"))
    size = dimensions(RBGP4(*factors))
    misfit = hopper_misfit(size, given.pop("dtype"), **given)
    assert misfit is not None
    assert re.search(reason, misfit)


def test_one_tensor_covers_a_batch_without_gaps_only() -> None:
    assert reaches((3, 32, 8), 8, 256)
    assert reaches((1, 32, 8), 16, 7)
    assert not reaches((3, 32, 8), 8, 0)
    assert not reaches((1, 32, 8), 0, 0)


def example_map(**changes: Any) -> TensorMap:
    fields: dict[str, Any] = {
        "array": None,
        "dtype": "bfloat16",
        "extents": (40, 16, 6),
        "strides": (80, 1280),
        "box": (64, 16, 1),
        **changes,
    }
    return TensorMap(**fields)


def test_the_driver_is_asked_for_what_the_map_says() -> None:
    def fake(*arguments: Any) -> int:
        where, kind, rank, address, extents, strides, box, steps, *rest = arguments
        assert (kind.value, rank.value, address.value) == (9, 3, 0x70000)
        assert where.value % 64 == 0
        assert [*extents, *strides] == [40, 16, 6, 80, 1280]
        assert [*box, *steps] == [64, 16, 1, 1, 1, 1]
        # No interleave, a swizzle of 128 bytes, L2 pieces of 256 bytes, zeros outside.
        assert [number.value for number in rest] == [0, 3, 3, 0]
        ctypes.memset(where, 0x5A, 128)
        return 0

    encoded = example_map().encode(fake, 0x70000)
    assert encoded.shape == (1,)
    assert encoded.tobytes() == b"\x5a" * 128
    assert encoded.flags.c_contiguous


def test_a_map_that_the_driver_refuses_is_an_error() -> None:
    with pytest.raises(BackendError, match="cuTensorMapEncodeTiled failed with CUDA error 1"):
        example_map().encode(lambda *_: 1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "float32"}, "cannot hold float32"),
        ({"extents": (0, 1, 1)}, "between 1 and"),
        ({"strides": (24, 1280)}, "multiples of 16"),
        ({"strides": (16, 0)}, "multiples of 16"),
        ({"box": (64, 300, 1)}, "has a side"),
        ({"box": (8, 16, 1)}, "has 16 bytes"),
    ],
)
def test_a_map_that_breaks_a_rule_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        example_map(**change).encode(lambda *_: 0, 0)


def test_without_a_driver_the_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    tensor_map.driver_encoder.cache_clear()
    with pytest.raises(BackendError, match=r"no tensor maps .*libcuda"):
        tensor_map.driver_encoder()


# Machine code -------------------------------------------------------------------------------


@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
@pytest.mark.parametrize(("row_group", "block"), [(128, 64), (64, 32), (8, 8)])
def test_the_kernel_compiles_to_the_instructions_it_is_about(
    row_group: int, block: int, tmp_path: Path
) -> None:
    sparse = random_biregular(32, 32, 8, rng=0)
    size = dimensions(RBGP4(sparse, (row_group, 1), sparse, (1, block)))
    dtype = "bfloat16" if block > 16 else "float16"
    launch = hopper_candidate(size, dtype, 1024, activation="gelu", capability=CAPABILITY)
    assert launch is not None
    (tmp_path / "kernel.cu").write_text(kernel_source("hopper"))
    command = [str(NVCC), *launch.options, "-std=c++17", "-Xptxas", "-v"]
    command += ["-Werror", "all-warnings", *macro_options(launch.macros)]

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments, str(tmp_path / "kernel.cu"), "-o", str(tmp_path / "out")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    report = run("-cubin")
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in report
    # The products of a stage run on while the next copies arrive.
    assert "serialized" not in report
    registers = int(re.findall(r"Used (\d+) registers", report)[0])
    assert registers * launch.threads <= 65536
    if DISASSEMBLER is None:
        run("-ptx")
        code = (tmp_path / "out").read_text()
        found = Counter(re.findall(r"wgmma\.mma_async[.\w]*|cp\.async\.bulk\.tensor\.\dd", code))
        width = f"wgmma.mma_async.sync.aligned.m64n{launch.structure['RBGP_NB']}k16.f32."
        wanted = ["cp.async.bulk.tensor.5d", "cp.async.bulk.tensor.4d"]
    else:
        code = subprocess.run(
            [DISASSEMBLER, "-c", str(tmp_path / "out")], capture_output=True, text=True, check=True
        ).stdout
        found = Counter(re.findall(r"\b(?:HGMMA|UTMALDG)[.\w]*|\b(?:LDL|STL|HMMA)\b", code))
        assert not found["LDL"] + found["STL"] + found["HMMA"]
        width = f"HGMMA.64x{launch.structure['RBGP_NB']}x16.F32"
        wanted = ["UTMALDG.5D", "UTMALDG.4D"]
    assert all(found[name] for name in wanted)
    products = sum(count for name, count in found.items() if name.startswith(width))
    assert products == launch.structure["RBGP_BLOCKS"]


def test_a_launch_gives_cupy_encoded_maps_and_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Module:
        def __init__(self, code: str, options: tuple[str, ...]) -> None:
            seen.append(options)

        def get_function(self, name: str) -> Any:
            assert name == "rbgp_hopper"
            return Kernel()

    class Kernel:
        def __call__(self, grid: Any, block: Any, arguments: Any, **options: Any) -> None:
            seen.append(arguments)

    cupy = fake_cupy(1)
    cupy.__dict__["RawModule"] = Module
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(machine, "driver_encoder", lambda: lambda *_: 0)
    own = machine.CuPyMachine(0)
    launch = launch_of(problem(pattern_of(8), "float16", 8, 1, 0))
    array = types.SimpleNamespace(data=types.SimpleNamespace(ptr=4096))
    own.run(launch, [example_map(array=array), None])
    options, (encoded, null) = seen
    assert "-arch=sm_90a" in options
    assert (encoded.nbytes, encoded.size, null.nbytes) == (128, 1, 8)
