"""Plans for the kernel on Hopper's asynchronous units: boxes, stages, warpgroups."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rbgp_graphs.gpu.cuda.launch import (
    ACTIVATIONS,
    NUMBER_TYPES,
    Launch,
    power_of_two_from,
    round_up,
)
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_map import TensorMap

#: The instructions of sm_90a exist on devices of this capability and on no later ones.
CAPABILITY = (9, 0)
#: What NVRTC has to be told to compile them.
COMPILE_OPTIONS = ("-arch=sm_90a",)
#: Shared memory that a block can ask for on these devices.
SHARED_BYTES = 227 * 1024
#: Multiprocessors of the largest of these devices; on smaller ones a few blocks wait.
_MULTIPROCESSORS = 132
_DTYPES = ("float16", "bfloat16")
_NUMBER_BYTES = 2
#: Columns of X in a box: 128 bytes, the span of the widest swizzle.
_SLAB = 64
#: Sums of one product of tiles; stages hold a multiple, near the lengths aimed at.
_STEP, _STAGE_SUMS = 16, (64, 128, 32)
#: Rows of the side of a product that is not a multiple of 8.
_TILE = 64
_MOST_ROWS, _MOST_BUFFERS, _LARGEST_BOX = 128, 4, 256
_LARGEST_INDEX = 2**31 - 1
_WARP, _WARPGROUP = 32, 128
#: Where results wait to be stored, rows of 64 numbers have room for 72.
_RESULT_STRIDE = 72
_BARRIER_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class WarpgroupTile:
    """What a block and a warpgroup of the Hopper kernel compute.

    Attributes
    ----------
    swapped : bool
        Whether warpgroups compute the transposed product, 64 columns of X times rows of a group.
    blocks : int
        Products side by side in one warpgroup, each of 64 columns; 1 unless `swapped`.
    step : int
        Rows of a group in one product if `swapped`, else columns of X.
    row_warpgroups, column_warpgroups : int
        Warpgroups along rows and columns.
    pairs : int
        Pairs (k_o, k_i) of a stage.
    chunk : int
        Values of a row in one box: 16, 32 or 64.
    box_rows : tuple of int
        How many u_r and u_b a box of values has.
    buffers : int
        Stages in shared memory.
    """

    swapped: bool
    blocks: int
    step: int
    row_warpgroups: int
    column_warpgroups: int
    pairs: int
    chunk: int
    box_rows: tuple[int, int]
    buffers: int

    @property
    def columns(self) -> int:
        """Columns of a block."""
        return self.column_warpgroups * (_SLAB * self.blocks if self.swapped else self.step)

    @property
    def padded_rows(self) -> int:
        """Rows of values that shared memory has room for."""
        return self.step if self.swapped else _TILE * self.row_warpgroups

    @property
    def warpgroups(self) -> int:
        """Warpgroups that multiply."""
        return self.row_warpgroups * self.column_warpgroups

    @property
    def threads(self) -> int:
        """Threads of a block; one warp more than the warpgroups have loads."""
        return self.warpgroups * _WARPGROUP + _WARP

    def stage_bytes(self, size: Dimensions) -> int:
        """Bytes of a stage: boxes of X, then boxes of values."""
        sums = self.pairs * size.vr * size.vb
        return round_up(sums * (self.columns + self.padded_rows) * _NUMBER_BYTES, 1024)

    def barrier_offset(self, size: Dimensions) -> int:
        """Where the barriers lie."""
        return self.buffers * self.stage_bytes(size)

    def result_offset(self, size: Dimensions) -> int:
        """Where results wait."""
        return round_up(self.barrier_offset(size) + 2 * self.buffers * _BARRIER_BYTES, 128)

    def shared_bytes(self, size: Dimensions) -> int:
        """Shared memory of a block."""
        rows = self.step if self.swapped else _TILE
        results = self.warpgroups * rows * _RESULT_STRIDE * _NUMBER_BYTES
        return self.result_offset(size) + results


def hopper_misfit(
    size: Dimensions,
    dtype: str,
    *,
    batches: int = 1,
    aligned: bool = True,
    capability: tuple[int, int] = CAPABILITY,
) -> str | None:
    """Say why the Hopper kernel cannot compute a product, or return None if it can.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> narrow = dimensions(RBGP4(complete(2, 2), (64, 1), complete(2, 2), (1, 4)))
    >>> hopper_misfit(narrow, "float16")
    '|V_b| = 4 is not a multiple of 8'
    """
    if capability != CAPABILITY:
        return "wgmma needs compute capability 9.0, the device has {}.{}".format(*capability)
    if dtype not in _DTYPES:
        return f"the dtype is {dtype}, not float16 or bfloat16"
    if not aligned:
        return "a row of an operand does not begin at a multiple of 16 bytes"
    unit = 8 if size.vr == 1 else _STEP
    if size.vb % unit:
        extra = "" if size.vr == 1 else f" (needed with |V_r| = {size.vr})"
        return f"|V_b| = {size.vb} is not a multiple of {unit}{extra}"
    if size.row_degree % _STEP:
        return f"a row has {size.row_degree} nonzeros, not a multiple of {_STEP}"
    if max(size.vb, size.vr) > _LARGEST_BOX:
        return f"|V_r| = {size.vr} or |V_b| = {size.vb} exceeds a box of {_LARGEST_BOX}"
    if size.vo * batches > _LARGEST_INDEX:
        return f"{batches} matrices have too many rows"
    if next(fitting_tiles(size, 1), None) is None:
        return f"two stages of |V_r||V_b| = {size.vr * size.vb} rows exceed shared memory"
    return None


def reaches(shape: tuple[int, ...], row: int, matrix: int) -> bool:
    """Return whether one tensor of five axes covers a batch of operands.

    Parameters
    ----------
    shape : tuple of int
        (batch, cols, n).
    row, matrix : int
        Distances of rows and of matrices, in numbers.

    Examples
    --------
    >>> reaches((2, 32, 8), 8, 256), reaches((2, 32, 8), 8, 512)
    (True, False)
    """
    return row >= shape[2] and (shape[0] == 1 or matrix == shape[1] * row)


def fitting_tiles(size: Dimensions, n: int) -> Iterator[WarpgroupTile]:
    """Yield tiles that fit into shared memory, the one that rules choose first.

    The rules come from the structure of the kernel, not from measurements.
    """
    found = itertools.chain.from_iterable(_tiles(size, n, sums) for sums in _STAGE_SUMS)
    fitting = (tile for tile in found if tile.shared_bytes(size) <= SHARED_BYTES)
    # Short stages are long ones where a pair is long.
    yield from dict.fromkeys(fitting)


def _tiles(size: Dimensions, n: int, stage_sums: int) -> Iterator[WarpgroupTile]:
    """Yield tiles, the widest one with most stages first."""
    unit, sums = size.vr * size.vb, size.do * size.di
    pairs = max(1, stage_sums // unit)
    if unit % _STEP:
        pairs = max(2, pairs // 2 * 2)
    pairs = min(pairs, sums)
    run = pairs * unit if size.vr == 1 else size.vb
    chunk = next(width for width in (64, 32, 16) if run % width == 0)
    box_b = min(size.ub, _MOST_ROWS)
    box_r = min(size.ur, _MOST_ROWS // box_b)
    rows = box_b * box_r
    swapped = rows < _TILE
    row_warpgroups = 1 if rows <= _TILE else 2
    widest = min(256, max(_SLAB, power_of_two_from(n)))
    widths = [width for width in (256, 128, _SLAB) if width <= widest]
    for width, buffers in itertools.product(widths, range(_MOST_BUFFERS, 1, -1)):
        column_warpgroups = 2 if row_warpgroups == 1 and width > _SLAB else 1
        own = width // column_warpgroups
        yield WarpgroupTile(
            swapped=swapped,
            blocks=own // _SLAB if swapped else 1,
            step=max(8, power_of_two_from(rows)) if swapped else own,
            row_warpgroups=row_warpgroups,
            column_warpgroups=column_warpgroups,
            pairs=pairs,
            chunk=chunk,
            box_rows=(box_r, box_b),
            buffers=buffers,
        )


def hopper_launch(
    size: Dimensions,
    dtype: str,
    n: int,
    *,
    batches: int = 1,
    activation: str | None = None,
    tile: WarpgroupTile,
) -> Launch:
    """Plan a launch of the Hopper kernel (parameters as for `forward_launch`)."""
    structure: dict[str, int | str] = {
        **NUMBER_TYPES[dtype].macros,
        "RBGP_SWAPPED": int(tile.swapped),
        "RBGP_BLOCKS": tile.blocks,
        "RBGP_NB": tile.step,
    }
    box_r, box_b = tile.box_rows
    constants = {
        **size.constants,
        "RBGP_VO": size.vo,
        "RBGP_ACTIVATION": ACTIVATIONS[activation],
        "RBGP_BN": tile.columns,
        "RBGP_WR": tile.row_warpgroups,
        "RBGP_WC": tile.column_warpgroups,
        "RBGP_SP": tile.pairs,
        "RBGP_KC": tile.chunk,
        "RBGP_BOX_R": box_r,
        "RBGP_BOX_B": box_b,
        "RBGP_BUFFERS": tile.buffers,
        "RBGP_STAGE_BYTES": tile.stage_bytes(size),
        "RBGP_BARRIER_OFFSET": tile.barrier_offset(size),
        "RBGP_RESULT_OFFSET": tile.result_offset(size),
    }
    slices = -(-size.ur // box_r) * -(-size.ub // box_b)
    tiles = size.uo * size.ui * slices * -(-n // tile.columns) * batches
    return Launch(
        kernel="hopper",
        structure=structure,
        constants=constants,
        blocks=min(tiles, _MULTIPROCESSORS),
        threads=tile.threads,
        shared_bytes=tile.shared_bytes(size),
        options=COMPILE_OPTIONS,
    )


def hopper_candidate(
    size: Dimensions,
    dtype: str,
    n: int,
    *,
    batches: int = 1,
    aligned: bool = True,
    activation: str | None = None,
    capability: tuple[int, int],
) -> Launch | None:
    """Return a launch of the Hopper kernel, or None where `hopper_misfit` has a reason.

    Examples
    --------
    >>> from rbgp_graphs.constructions import random_biregular
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> sparse = random_biregular(32, 32, 8, rng=0)
    >>> size = dimensions(RBGP4(sparse, (128, 1), sparse, (1, 64)))
    >>> launch = hopper_candidate(size, "float16", 1024, capability=(9, 0))
    >>> launch.threads, launch.constants["RBGP_BN"], launch.constants["RBGP_BUFFERS"]
    (288, 256, 4)
    >>> hopper_candidate(size, "float16", 1024, capability=(10, 0)) is None
    True
    """
    fit = {"batches": batches, "aligned": aligned, "capability": capability}
    if hopper_misfit(size, dtype, **fit) is not None:  # type: ignore[arg-type]
        return None
    tile = next(fitting_tiles(size, n))
    return hopper_launch(size, dtype, n, batches=batches, activation=activation, tile=tile)


def tensor_maps(
    launch: Launch, size: Dimensions, dtype: str, values: Any, X: Any, row: int
) -> tuple[TensorMap, TensorMap]:
    """Return how the kernel sees its values and its operand.

    Parameters
    ----------
    launch : Launch
        A launch of this kernel.
    size : Dimensions
        The pattern.
    dtype : str
        Of both arrays.
    values : array, shape (rows, row_degree)
        The values, without gaps.
    X : array, shape (batch, cols, n)
        The operand.
    row : int
        Distance of its rows, in numbers.

    Returns
    -------
    tuple of TensorMap
        The values as (U_o U_r, U_i, U_b, row_degree), and X as (batch V_o, V_r, V_i, V_b, n).
        Their axes are listed from the last one.
    """
    given, degree = launch.constants, size.row_degree
    values_strides = (degree, size.ub * degree, size.ui * size.ub * degree)
    x_strides = (row, size.vb * row, size.slab * row, size.vr * size.slab * row)
    return (
        TensorMap(
            array=values,
            dtype=dtype,
            extents=(degree, size.ub, size.ui, size.uo * size.ur),
            strides=tuple(_NUMBER_BYTES * stride for stride in values_strides),
            box=(given["RBGP_KC"], given["RBGP_BOX_B"], 1, given["RBGP_BOX_R"]),
        ),
        TensorMap(
            array=X,
            dtype=dtype,
            extents=(X.shape[2], size.vb, size.vi, size.vr, size.vo * X.shape[0]),
            strides=tuple(_NUMBER_BYTES * stride for stride in x_strides),
            box=(_SLAB, size.vb, 1, size.vr, 1),
        ),
    )
