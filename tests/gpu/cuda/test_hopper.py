"""The Hopper kernel: run on the CPU against float64, its plans, its tensor maps."""

from __future__ import annotations

import ctypes
import math
import re
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import BackendError
from rbgp_graphs.gpu.cuda import machine, ring, tensor_map
from rbgp_graphs.gpu.cuda.hopper import (
    SHARED_BYTES,
    fitting_tiles,
    hopper_launch,
    hopper_misfit,
    is_one_tensor,
    tensor_maps,
    usual_tiles,
)
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.tables import dimensions
from rbgp_graphs.gpu.cuda.tensor_map import TensorLayout, TensorMap
from rbgp_graphs.gpu.cuda.verdicts import Verdicts
from rbgp_graphs.gpu.cuda.warpgroup import WarpgroupTile
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
from tests.gpu.cuda.test_status import fake_cupy
from tests.gpu.oracle import assert_close, dense, matrix_of

few = st.integers(1, 3)
#: |V_r| and |V_b|: each span of the swizzle, and boxes of values that span pairs or not.
COLUMN_DIGITS = ((1, 8), (1, 16), (1, 24), (2, 16), (3, 32), (2, 64), (1, 64), (1, 80))


@pytest.fixture(autouse=True, scope="module")
def _blocks_stay_for_many_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring, "MULTIPROCESSORS", 3)
        yield


@st.composite
def patterns(
    draw: st.DrawFn,
    groups: st.SearchStrategy[tuple[int, int]],
    columns: Sequence[tuple[int, int]] = COLUMN_DIGITS,
    multiple: int = 16,
) -> RBGP4:
    """Generate patterns that suit a kernel; `groups` gives |U_r| and |U_b|."""
    seed = draw(st.integers(0, 2**32 - 1))
    left = draw(few)
    sparse = random_biregular(left, 2 * left, 2, rng=seed)
    outer = draw(st.sampled_from((sparse, complete(left, left), complete(left, 1))))
    side = draw(st.integers(2, 4))
    inner = random_biregular(side, side, draw(st.integers(1, side)), rng=seed)
    (ur, ub), (vr, vb) = draw(groups), draw(st.sampled_from(columns))
    twisted = draw(st.booleans())
    shifts = [(seed + 5 * edge) % side for edge in range(outer.num_edges)] if twisted else None
    pattern = RBGP4(outer, (ur, vr), inner, (ub, vb), shifts)
    # Nonzeros of a row are a multiple.
    vb *= multiple // math.gcd(pattern.row_degree, multiple)
    return RBGP4(outer, (ur, vr), inner, (ub, vb), shifts)


#: What tiles have in common in shared memory or not: u_i of a block, blocks of a cluster, along
#: columns or rows, and whether results are stored as boxes.
WAYS: tuple[dict[str, Any], ...] = (
    {"groups": 1, "cluster": 1, "boxed": False},
    {"groups": 1, "cluster": 1, "boxed": True},
    {"groups": 1, "cluster": 2, "along_columns": False},
    {"groups": 1, "cluster": 2, "along_columns": True},
    {"groups": 2, "cluster": 1},
    {"groups": 2, "cluster": 2, "along_columns": False},
    {"groups": 2, "cluster": 2, "along_columns": True},
    {"groups": 4, "cluster": 1},
)


def tile_of(random: Problem, **wanted: Any) -> WarpgroupTile | None:
    """Return the first tile that is as wanted, or None if no such tile suits the problem."""
    fitting = fitting_tiles(random.size, random.n)
    return next((t for t in fitting if wanted.items() <= vars(t).items()), None)


def launch_of(random: Problem, activation: str | None = None, **wanted: Any) -> Launch:
    """Return a launch of a tile as wanted, else of the one that the model prefers."""
    given: dict[str, Any] = {"batches": random.batches, "activation": activation}
    tile = tile_of(random, **wanted) if wanted else None
    if tile is not None:
        return hopper_launch(random.size, random.dtype, random.n, tile=tile, **given)
    usual = usual_tiles(random.size, random.n, random.batches)[0]
    return hopper_launch(random.size, random.dtype, random.n, tile=usual, **given)


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
    operands = (random.values, random.X, Y)
    own.run(
        launch,
        [
            *tensor_maps(launch, random.size, random.dtype, *operands, (n, n)),
            random.bias if with_bias else None,
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
    patterns(st.sampled_from(((8, 1), (1, 8), (3, 2), (5, 1), (260, 1), (43, 3)))),
    *(st.sampled_from((8, 40, 64, 72, 136)), few, st.integers(0, 2**32 - 1), st.booleans()),
    *(st.sampled_from((None, "silu")), st.permutations(WAYS), st.booleans()),
)
@settings(max_examples=40)
def test_all_ways_agree_with_float64(
    pattern: RBGP4,
    n: int,
    batches: int,
    seed: int,
    with_bias: bool,
    activation: str | None,
    ways: list[dict[str, Any]],
    backwards: bool,
) -> None:
    large = pattern.repeat.left * pattern.block.left >= 64
    random = problem(pattern, "float16", n, 1 if large else batches, seed)
    shape = {"blocks": 1, "step": 64 if large else 8, "column_warpgroups": 1}
    # Not every pattern has something to share.
    way = next(way for way in ways if tile_of(random, **way, **shape) is not None)
    own = host.HostMachine(order=int(backwards))
    launch = launch_of(random, activation, **way, **shape)
    assert launch.structure["RBGP_SWAPPED"] == (not large)
    check_hopper(own, random, launch, with_bias=with_bias, activation=activation)


def pattern_of(row_group: int, *, block: int = 16, neighbours: int = 2) -> RBGP4:
    inner = random_biregular(4, 4, neighbours, rng=0)
    shifts = [(3 * edge) % 4 for edge in range(6)]
    return RBGP4(complete(2, 3), (row_group, 1), inner, (1, block), shifts)


@needs_compiler
@pytest.mark.parametrize(
    ("row_group", "n", "dtype", "wanted"),
    [
        (16, 264, "bfloat16", {"groups": 2, "cluster": 2, "along_columns": False}),
        (16, 264, "float16", {"groups": 1, "cluster": 1, "boxed": True}),
        (100, 136, "float16", {"groups": 1, "cluster": 1, "boxed": False}),
        (100, 136, "bfloat16", {"groups": 2, "cluster": 2, "along_columns": True}),
    ],
)
def test_several_warpgroups_agree_with_float64(
    row_group: int, n: int, dtype: str, wanted: dict[str, Any]
) -> None:
    random = problem(pattern_of(row_group), dtype, n, 1, 0)
    launch = launch_of(random, **wanted)
    assert launch.threads == 384
    check_hopper(host.HostMachine(), random, launch, with_bias=True)


@needs_compiler
def test_the_kernel_keeps_within_its_memory() -> None:
    random = problem(pattern_of(6), "float16", 72, 2, 0)
    launch = launch_of(random, groups=2, cluster=2, boxed=True, buffers=2)
    check_hopper(host.HostMachine(sanitized=True, order=1), random, launch)


@needs_compiler
@pytest.mark.parametrize(
    ("line", "instead", "sign", "sanitized"),
    [
        # Stages that are filled before their products.
        ("wait_products<1>();", "wait_products<2>();", "off by", False),
        # Results that are written over before they are stored.
        ("wait_stores<1>();", "wait_stores<2>();", "off by", False),
        ("            publish_writes();\n", "", "not published", True),
    ],
)
def test_a_mistake_would_be_seen(
    line: str, instead: str, sign: str, sanitized: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = kernel_source("hopper")
    assert source.count(line) == 1
    monkeypatch.setattr(host, "kernel_source", lambda _: source.replace(line, instead))
    host._build.cache_clear()
    # More stages than the ring has, and more tiles than blocks.
    random = problem(pattern_of(8, block=64, neighbours=4), "float16", 264, 1, 0)
    launch = launch_of(random, groups=1, cluster=2, boxed=True, buffers=4)
    try:
        with pytest.raises((AssertionError, RuntimeError), match=sign):
            check_hopper(host.HostMachine(sanitized=sanitized, order=1), random, launch)
    finally:
        host._build.cache_clear()


class WithWrongBoxes(host.HostMachine):
    """A device that stores one number of a box wrong."""

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        super().run(launch, arguments)
        if launch.structure.get("RBGP_BOXED"):
            arguments[2].array.flat[-1] = 1000


@needs_compiler
def test_what_is_wrong_on_a_device_leaves_the_plain_way() -> None:
    A = matrix_of(pattern_of(8), 0, "f2")
    X = np.random.default_rng(1).standard_normal((A.pattern.cols, 40)).astype("f2")
    Y = np.full((A.pattern.rows, 40), np.nan, "f2")
    own = WithWrongBoxes()
    with pytest.warns(RuntimeWarning, match=r"kernel hopper\(.* boxed=1\) is switched off.*wrong"):
        Products(own, Verdicts(None)).forward(A.pattern, A.values, X, Y)
    assert own.launched[-1].kernel == "hopper"
    assert own.launched[-1].structure["RBGP_BOXED"] == 0
    assert_close(Y, dense(A), X)


@needs_compiler
@pytest.mark.parametrize("has_gaps", [False, True])
def test_what_stands_between_rows_and_matrices_takes_no_part(has_gaps: bool) -> None:
    A = matrix_of(pattern_of(8), 0, "f2")
    X = np.full((2, A.pattern.cols, 48), np.nan, "f2")
    X[..., :37] = np.random.default_rng(1).standard_normal((2, A.pattern.cols, 37))
    Y = np.full((2, A.pattern.rows + has_gaps, 40), np.nan, "f2")
    result = Y[:, : A.pattern.rows, :37]
    own = host.HostMachine()
    Products(own, Verdicts(None)).forward(A.pattern, A.values, X[..., :37], result)
    assert own.launched[-1].kernel == "hopper"
    # With gaps between its matrices a result is no box.
    assert own.launched[-1].structure["RBGP_BOXED"] == (not has_gaps)
    assert_close(result, dense(A), X[..., :37])
    assert np.isnan(Y[:, A.pattern.rows :]).all()
    assert np.isnan(Y[:, :, 37:]).all()


# Plans and tensor maps ----------------------------------------------------------------------


@given(
    patterns(st.tuples(st.integers(1, 300), st.integers(1, 300))),
    *(st.integers(1, 5000), st.integers(1, 1000), st.integers(0, 10**6)),
)
def test_every_plan_and_its_maps_keep_the_rules(
    pattern: RBGP4, n: int, batches: int, choice: int
) -> None:
    size = dimensions(pattern)
    fitting = [*fitting_tiles(size, n)]
    tile = fitting[choice % len(fitting)]
    launch = hopper_launch(size, "bfloat16", n, batches=batches, tile=tile)
    own, row = launch.constants, -(-n // 8) * 8
    assert launch.fits
    assert launch.threads in (256, 384)
    assert launch.blocks % tile.cluster == 0
    assert tile.tiles(size, n, batches) % tile.cluster == 0
    assert size.ui % tile.groups == 0
    assert tile.sums <= 128
    assert math.prod(tile.box_rows) <= tile.padded_rows
    assert tile.stage_sums(size) % 16 == tile.stage_sums(size) % tile.chunk == 0
    # What lies in shared memory begins where a swizzle does, and the parts do not overlap.
    operand = tile.operand_rows(size) * tile.columns * 2
    values = tile.groups * tile.stage_sums(size) * tile.padded_rows * 2
    steps = tile.groups * tile.stage_sums(size) // 16 * 4 if tile.groups > 1 else 0
    assert operand % 1024 == own["RBGP_STAGE_BYTES"] % 1024 == own["RBGP_RESULT_OFFSET"] % 1024 == 0
    assert operand + values + steps <= own["RBGP_STAGE_BYTES"]
    assert own["RBGP_BUFFERS"] * own["RBGP_STAGE_BYTES"] <= own["RBGP_RESULT_OFFSET"]
    results = 2 * tile.column_warpgroups * tile.padded_rows * 128
    assert own["RBGP_RESULT_OFFSET"] + results <= own["RBGP_BARRIER_OFFSET"]
    assert own["RBGP_BARRIER_OFFSET"] + 16 * tile.buffers <= launch.shared_bytes <= SHARED_BYTES
    # Descriptors hold distances in 14 bits of 16 bytes.
    assert tile.operand_rows(size) * 128 < 2**18

    def array(*shape: int) -> Any:
        return np.lib.stride_tricks.as_strided(
            np.zeros(1, np.uint16), shape, (0,) * len(shape), writeable=False
        )

    arrays = (array(1, 1), array(batches, size.cols, n), array(batches, size.rows, n))
    seen = tensor_maps(launch, size, "bfloat16", *arrays, (row, row))
    maps = [one.layout for one in seen if isinstance(one, TensorMap)]
    assert len(maps) == 2 + tile.boxed
    assert {one.problem for one in maps} == {None}
    # A stage consists of whole boxes.
    weights, x = (2 * math.prod(one.box) for one in maps[:2])
    assert operand % x == 0
    assert weights == tile.chunk * math.prod(tile.box_rows) * 2


def test_what_shares_more_is_preferred_where_it_saves_something() -> None:
    def preferred(row_group: int, inner: tuple[int, int, int], n: int) -> WarpgroupTile:
        left, right, degree = inner
        graph = random_biregular(left, right, degree, rng=0)
        outer = random_biregular(32, 32, 8, rng=0)
        return usual_tiles(dimensions(RBGP4(outer, (row_group, 1), graph, (1, 16))), n)[0]

    small = preferred(8, (16, 8, 4), 4096)
    assert small.groups > 1
    # Each u_i needs one row of X in sixteen.
    assert preferred(64, (16, 64, 4), 4096).groups == 1
    # The two halves of the rows share X, and no tile is wasted where there are few columns.
    assert preferred(256, (2, 4, 2), 4096).cluster == 2
    assert not preferred(256, (2, 4, 2), 4096).along_columns
    assert preferred(128, (2, 4, 2), 4096).along_columns
    assert preferred(128, (2, 4, 2), 64).cluster == 1


def test_results_that_are_no_box_are_stored_by_threads() -> None:
    tile, plain = usual_tiles(dimensions(pattern_of(8)), 64)
    assert tile.boxed
    assert not plain.boxed
    assert tile.suits(operand=True, result=True)
    assert not tile.suits(operand=True, result=False)
    assert plain.suits(operand=True, result=False)
    assert not plain.suits(operand=False, result=True)


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
    assert is_one_tensor((3, 32, 8), 8, 256)
    assert is_one_tensor((1, 32, 8), 16, 7)
    assert not is_one_tensor((3, 32, 8), 8, 0)
    assert not is_one_tensor((1, 32, 8), 0, 0)


def example_map(**changes: Any) -> TensorLayout:
    fields: dict[str, Any] = {
        "dtype": "bfloat16",
        "extents": (40, 16, 6),
        "strides": (80, 1280),
        "box": (64, 16, 1),
        **changes,
    }
    return TensorLayout(**fields)


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


# Launches -----------------------------------------------------------------------------------


def test_a_launch_gives_cupy_encoded_maps_and_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Module:
        def __init__(self, path: str) -> None:
            assert path == "kernel.cubin"

        def get_function(self, name: str) -> Any:
            assert name == "rbgp_hopper"
            return Kernel()

    class Kernel:
        def __call__(self, grid: Any, block: Any, arguments: Any, **options: Any) -> None:
            seen.append(arguments)

    def compiled(nvrtc: Any, source: str, options: tuple[str, ...]) -> str:
        seen.append(options)
        return "kernel.cubin"

    cupy = fake_cupy(1)
    cupy.__dict__["RawModule"] = Module
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(machine, "cubin_file", compiled)
    monkeypatch.setattr(tensor_map, "driver_encoder", lambda: lambda *_: 0)
    own = machine.CuPyMachine(0)
    launch = launch_of(problem(pattern_of(8), "float16", 8, 1, 0))
    layout = example_map()
    for address in (4096, 8192, 4096):
        array = types.SimpleNamespace(data=types.SimpleNamespace(ptr=address))
        own.run(launch, [TensorMap(array, layout), None])
    options, (encoded, null), (other, _), (again, _) = seen
    assert "-arch=sm_90a" in options
    assert (encoded.nbytes, encoded.size, null.nbytes) == (128, 1, 8)
    # Encoded once for each address.
    assert again is encoded
    assert other is not encoded


def test_a_layout_keeps_a_bounded_number_of_encoded_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def fake(*arguments: Any) -> int:
        encoded.append(arguments[3].value)
        return 0

    monkeypatch.setattr(tensor_map, "driver_encoder", lambda: fake)
    monkeypatch.setattr(tensor_map, "_MOST_ENCODED", 4)
    layout = example_map()
    for address in (*range(16, 96, 16), 80, 16):
        assert layout.at(address).nbytes == 128
    assert encoded == [16, 32, 48, 64, 80, 16]
