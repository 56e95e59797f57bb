"""Plans for the kernel on Hopper's asynchronous units, and how these see the operands."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from rbgp_graphs.gpu.cuda.launch import ACTIVATIONS, NUMBER_TYPES, Launch
from rbgp_graphs.gpu.cuda.ring import LARGEST_BOX, MULTIPROCESSORS, SLAB
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_map import NUMBER_BYTES, TensorLayout, TensorMap
from rbgp_graphs.gpu.cuda.warpgroup import STEP, WarpgroupTile
from rbgp_graphs.gpu.cuda.warpgroup import tiles as all_tiles

#: The instructions of sm_90a exist on devices of this capability and on no later ones.
CAPABILITY = (9, 0)
#: What NVRTC has to be told to compile them.
COMPILE_OPTIONS = ("-arch=sm_90a",)
#: Shared memory that a block can ask for on these devices.
SHARED_BYTES = 227 * 1024
_DTYPES = ("float16", "bfloat16")
_LARGEST_INDEX = 2**31 - 1


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
    reason = units_misfit(size, dtype, batches=batches, aligned=aligned, capability=capability)
    if reason is not None:
        return reason
    unit = 8 if size.vr == 1 else STEP
    if size.vb % unit:
        extra = "" if size.vr == 1 else f" (needed with |V_r| = {size.vr})"
        return f"|V_b| = {size.vb} is not a multiple of {unit}{extra}"
    if size.row_degree % STEP:
        return f"a row has {size.row_degree} nonzeros, not a multiple of {STEP}"
    if max(size.vb, size.vr) > LARGEST_BOX:
        return f"|V_r| = {size.vr} or |V_b| = {size.vb} exceeds a box of {LARGEST_BOX}"
    if next(fitting_tiles(size, 1), None) is None:
        return f"two stages of |V_r||V_b| = {size.vr * size.vb} rows exceed shared memory"
    return None


def units_misfit(
    size: Dimensions, dtype: str, *, batches: int, aligned: bool, capability: tuple[int, int]
) -> str | None:
    """Say why the units of Hopper do not take the operands of a product, or return None."""
    if capability != CAPABILITY:
        return "wgmma needs compute capability 9.0, the device has {}.{}".format(*capability)
    if dtype not in _DTYPES:
        return f"the dtype is {dtype}, not float16 or bfloat16"
    if not aligned:
        return "a row of an operand does not begin at a multiple of 16 bytes"
    if max(size.uo, size.vo) * batches > _LARGEST_INDEX:
        return f"{batches} matrices have too many rows"
    return None


def is_one_tensor(shape: tuple[int, ...], row: int, matrix: int) -> bool:
    """Return whether one tensor of five axes covers a batch of operands.

    Parameters
    ----------
    shape : tuple of int
        (batch, cols, n).
    row, matrix : int
        Distances of rows and of matrices, in numbers.

    Examples
    --------
    >>> is_one_tensor((2, 32, 8), 8, 256), is_one_tensor((2, 32, 8), 8, 512)
    (True, False)
    """
    return row >= shape[2] and (shape[0] == 1 or matrix == shape[1] * row)


def fitting_tiles(size: Dimensions, n: int) -> Iterator[WarpgroupTile]:
    """Yield the tiles that fit into shared memory, those of one u_i and one block first."""
    fitting = (tile for tile in all_tiles(size, n) if tile.shared_bytes(size) <= SHARED_BYTES)
    # Short stages are long ones where a pair is long.
    yield from dict.fromkeys(fitting)


@functools.lru_cache(maxsize=256)
def usual_tiles(
    size: Dimensions, n: int, batches: int = 1, multiprocessors: int = MULTIPROCESSORS
) -> tuple[WarpgroupTile, ...]:
    """Return the tile that the model of `WarpgroupTile.clocks` prefers, and a plain one.

    The plain one takes over should the other not work on a device: nothing is shared, and threads
    store the results. It also serves results that are no single box.

    Examples
    --------
    >>> from rbgp_graphs.constructions import random_biregular
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> inner = random_biregular(16, 8, 4, rng=0)
    >>> small = dimensions(RBGP4(random_biregular(32, 32, 8, rng=0), (8, 1), inner, (1, 16)))
    >>> tile, plain = usual_tiles(small, 4096)
    >>> tile.groups, tile.boxed, plain.groups, plain.boxed
    (4, True, 1, False)
    """
    found = [*fitting_tiles(size, n)]
    plain = [tile for tile in found if not tile.boxed]
    return tuple(
        min(some, key=lambda tile: tile.clocks(size, n, batches, multiprocessors))
        for some in (found, plain)
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
        "RBGP_GROUPS": tile.groups,
        "RBGP_CLUSTER": tile.cluster,
        "RBGP_ALONG_COLUMNS": int(tile.along_columns),
        "RBGP_BOXED": int(tile.boxed),
    }
    constants = {
        **size.constants,
        **tile.ring_constants(size),
        "RBGP_VO": size.vo,
        "RBGP_ACTIVATION": ACTIVATIONS[activation],
        "RBGP_BN": tile.columns,
        "RBGP_WR": tile.row_warpgroups,
        "RBGP_WC": tile.column_warpgroups,
        "RBGP_SP": tile.pairs,
        "RBGP_KC": tile.chunk,
    }
    return Launch(
        kernel="hopper",
        structure=structure,
        constants=constants,
        blocks=tile.grid(tile.tiles(size, n, batches)),
        threads=tile.threads,
        shared_bytes=tile.shared_bytes(size),
        options=COMPILE_OPTIONS,
    )


def tensor_maps(
    launch: Launch,
    size: Dimensions,
    dtype: str,
    values: Any,
    X: Any,
    Y: Any,
    rows: tuple[int, int],
) -> tuple[TensorMap, TensorMap, Any]:
    """Return how the kernel sees its values, its operand and its result.

    Parameters
    ----------
    launch : Launch
        A launch of this kernel.
    size : Dimensions
        The pattern.
    dtype : str
        Of all arrays.
    values : array, shape (rows, row_degree)
        The values, without gaps.
    X : array, shape (batch, cols, n)
        The operand.
    Y : array, shape (batch, rows, n)
        The result.
    rows : tuple of int
        Distances of the rows of X and of Y, in numbers.

    Returns
    -------
    tuple of TensorMap
        The values as (U_o U_r, U_i, U_b, row_degree), X as (batch V_o, V_r, V_i, V_b, n), and Y
        as (batch U_o, U_r, U_i, U_b, n), or `Y` itself where threads store it. The axes of a map
        are listed from the last one.
    """
    given, degree = launch.constants, size.row_degree
    box_r, box_b = given["RBGP_BOX_R"], given["RBGP_BOX_B"]
    strides = (degree, size.ub * degree, size.ui * size.ub * degree)
    weights = TensorLayout(
        dtype=dtype,
        extents=(degree, size.ub, size.ui, size.uo * size.ur),
        strides=tuple(NUMBER_BYTES * stride for stride in strides),
        box=(given["RBGP_KC"], box_b, 1, box_r),
    )
    together = size.vi if int(launch.structure["RBGP_GROUPS"]) > 1 else 1
    columns = (size.vo, size.vr, size.vi, size.vb)
    operand = five_axes(X, dtype, columns, rows[0], (size.vb, together, size.vr))
    if not launch.structure["RBGP_BOXED"]:
        return TensorMap(values, weights), operand, Y
    digits = (size.uo, size.ur, size.ui, size.ub)
    return (
        TensorMap(values, weights),
        operand,
        five_axes(Y, dtype, digits, rows[1], (box_b, 1, box_r)),
    )


def five_axes(
    matrices: Any,
    dtype: str,
    digits: tuple[int, int, int, int],
    row: int,
    box: tuple[int, int, int],
) -> TensorMap:
    """Return a batch of matrices, whose rows have four digits, as a tensor of five axes."""
    outer, repeat, inner, block = digits
    strides = (row, block * row, inner * block * row, repeat * inner * block * row)
    layout = TensorLayout(
        dtype=dtype,
        extents=(matrices.shape[2], block, inner, repeat, outer * matrices.shape[0]),
        strides=tuple(NUMBER_BYTES * stride for stride in strides),
        box=(SLAB, *box, 1),
    )
    return TensorMap(matrices, layout)
