"""Plans for the portable kernels: the stage in shared memory, and who computes what.

These are pure functions of sizes. The offsets they compute are handed to the kernels as macros,
so there is one model of the layout.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rbgp_graphs.gpu.cuda.launch import (
    ACTIVATIONS,
    LARGE_SHARED_BYTES,
    NUMBER_TYPES,
    STANDARD_SHARED_BYTES,
    VECTOR_BYTES,
    Launch,
    grid_batches,
    power_of_two_from,
    round_up,
)
from rbgp_graphs.gpu.cuda.tables import Dimensions

#: Threads of a block, where the pattern has work for so many.
_THREADS = 256
#: Values of a row that a stage should hold at least, so that its barrier costs little.
_STAGE_VALUES = 16
#: Sums that a thread can keep in registers next to all else, in 32 bits.
_MOST_SUMS = 64


@dataclass(frozen=True, kw_only=True)
class ForwardTile:
    """What a block and a thread of the forward kernel compute.

    Attributes
    ----------
    rows : int
        Rows of one group that a thread sums.
    row_lanes, column_lanes : int
        Threads along the rows of a group and along the columns.
    vectors, vector : int
        A thread sums `vectors` pieces of `vector` neighbouring columns.
    groups : int
        Row groups of a block.
    pairs : int
        Pairs (k_o, v_r) in one stage; 0 for the kernel without stages.
    buffers : int
        Stages in shared memory at a time, at least 2.
    """

    rows: int
    row_lanes: int
    column_lanes: int
    vectors: int
    vector: int
    groups: int
    pairs: int
    buffers: int = 2

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.column_lanes * self.row_lanes * self.groups

    @property
    def columns(self) -> int:
        """Columns of a block."""
        return self.column_lanes * self.vectors * self.vector


@dataclass(frozen=True, kw_only=True)
class SampledTile:
    """What a block and a thread of the sampled kernel compute.

    Attributes
    ----------
    rows, values : int
        A thread sums `rows` times `values` entries of the result.
    row_lanes, value_lanes : int
        Threads along the rows of a group, and along the values of a row in one pair.
    groups : int
        Row groups of a block.
    columns, vector : int
        Columns of a stage, and how many of them a thread loads in one piece.
    staged : bool
        Whether the operands are staged in shared memory.
    buffers : int
        Stages in shared memory at a time, at least 2.
    """

    rows: int
    values: int
    row_lanes: int
    value_lanes: int
    groups: int
    columns: int
    vector: int
    staged: bool
    buffers: int = 2

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.value_lanes * self.row_lanes * self.groups


def widest_vector(dtype: str, divisor: int) -> int:
    """Return how many numbers a thread loads in one piece, if that must divide `divisor`."""
    count = VECTOR_BYTES // NUMBER_TYPES[dtype].bytes
    while divisor % count:
        count //= 2
    return count


def forward_tile(size: Dimensions, dtype: str, n: int, shared_limit: int) -> ForwardTile:
    """Choose a tile of the forward kernel.

    The rules come from the structure of the kernel, not from measurements.
    """
    vector = min(VECTOR_BYTES // NUMBER_TYPES[dtype].bytes, power_of_two_from(n))
    vectors = 1 if NUMBER_TYPES[dtype].bytes == 2 or n <= vector else 2
    column_lanes = min(16, power_of_two_from(-(-n // (vector * vectors))))
    rows = min(8, power_of_two_from(size.group))
    row_lanes = min(_THREADS // column_lanes, power_of_two_from(-(-size.group // rows)))
    groups = min(_THREADS // (column_lanes * row_lanes), power_of_two_from(size.ui))
    pairs = min(size.pairs, max(1, -(-_STAGE_VALUES // size.pair)))
    tile = ForwardTile(
        rows=rows,
        row_lanes=row_lanes,
        column_lanes=column_lanes,
        vectors=vectors,
        vector=vector,
        groups=groups,
        pairs=pairs,
    )
    # A slab is worth its place if most of its rows are used.
    is_used = size.vi <= 4 * groups * size.di
    while is_used:
        limit = STANDARD_SHARED_BYTES if tile.pairs > 1 or tile.columns > 64 else LARGE_SHARED_BYTES
        if forward_launch(size, dtype, n, tile=tile).shared_bytes <= min(limit, shared_limit):
            return tile
        if tile.pairs > 1:
            tile = replace(tile, pairs=tile.pairs // 2)
        elif tile.vectors > 1:
            tile = replace(tile, vectors=1)
        elif tile.column_lanes > 4:
            tile = replace(tile, column_lanes=tile.column_lanes // 2)
        else:
            break
    return replace(tile, column_lanes=column_lanes, vectors=vectors, pairs=0)


def forward_tiles(size: Dimensions, dtype: str, n: int) -> Iterator[ForwardTile]:
    """Yield tiles that the forward kernel could compute, for a tuner to choose from."""
    number = NUMBER_TYPES[dtype]
    vector = min(VECTOR_BYTES // number.bytes, power_of_two_from(n))
    most = _MOST_SUMS // (2 if number.total == "double" else 1)
    for rows, vectors, lanes, threads in itertools.product(
        (1, 2, 4, 8), (1, 2), (8, 16, 32), (128, 256)
    ):
        is_too_wide = lanes * vectors * vector >= 2 * n + vector * vectors
        if rows > power_of_two_from(size.group) or rows * vectors * vector > most or is_too_wide:
            continue
        row_lanes = min(threads // lanes, power_of_two_from(-(-size.group // rows)))
        groups = min(threads // (lanes * row_lanes), power_of_two_from(size.ui))
        for values, buffers in itertools.product((16, 32, 64), (2, 3)):
            pairs = min(size.pairs, max(1, values // size.pair))
            yield ForwardTile(
                rows=rows,
                row_lanes=row_lanes,
                column_lanes=lanes,
                vectors=vectors,
                vector=vector,
                groups=groups,
                pairs=pairs,
                buffers=buffers,
            )


def forward_launch(
    size: Dimensions,
    dtype: str,
    n: int,
    *,
    batches: int = 1,
    aligned: bool = True,
    activation: str | None = None,
    tile: ForwardTile | None = None,
    shared_limit: int = STANDARD_SHARED_BYTES,
) -> Launch:
    """Plan a launch of the forward kernel.

    Parameters
    ----------
    size : Dimensions
        The pattern.
    dtype : str
        A key of `NUMBER_TYPES`.
    n : int
        Columns of the operand, at least 1.
    batches : int
        Operands.
    aligned : bool
        Whether every row of operand and result starts at a multiple of 16 bytes.
    activation : {"relu", "gelu", "silu"}, optional
        What ends the product.
    tile : ForwardTile, optional
        What to compute where; chosen by `forward_tile` if not given.
    shared_limit : int
        Bytes of shared memory that a block can have.

    Examples
    --------
    >>> from rbgp_graphs.constructions import random_biregular
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> sparse = random_biregular(32, 32, 8, rng=0)
    >>> size = dimensions(RBGP4(sparse, (4, 1), sparse, (1, 1)))
    >>> launch = forward_launch(size, "float32", 256)
    >>> launch.blocks, launch.threads, launch.shared_bytes
    (128, 256, 39936)
    """
    tile = forward_tile(size, dtype, n, shared_limit) if tile is None else tile
    number = NUMBER_TYPES[dtype]
    is_staged = tile.pairs > 0
    values_vector = widest_vector(dtype, size.pair) if is_staged else 1
    structure: dict[str, int | str] = {
        **number.macros,
        "RBGP_STAGED": int(is_staged),
        "RBGP_RT": tile.rows,
        "RBGP_NV": tile.vectors,
        "RBGP_XV": tile.vector,
        "RBGP_GV": tile.vector if aligned else 1,
        "RBGP_KV": values_vector,
        "RBGP_BUFFERS": tile.buffers,
    }
    rows = tile.rows * tile.row_lanes
    constants = {
        **size.constants,
        "RBGP_ACTIVATION": ACTIVATIONS[activation],
        "RBGP_TN": tile.column_lanes,
        "RBGP_LR": tile.row_lanes,
        "RBGP_TG": tile.groups,
    }
    shared_bytes = 0
    if is_staged:
        values_stride = _spread(tile.pairs * size.pair, values_vector, number.bytes)
        values_offset = round_up(tile.pairs * size.slab * tile.columns * number.bytes, 16)
        values_bytes = tile.groups * rows * values_stride * number.bytes
        index_offset = values_offset + round_up(values_bytes, 16)
        stage_bytes = round_up(index_offset + 4 * tile.groups * tile.pairs * size.di, 128)
        constants |= {
            "RBGP_SV": tile.pairs,
            "RBGP_W_STRIDE": values_stride,
            "RBGP_W_OFFSET": values_offset,
            "RBGP_INDEX_STRIDE": tile.pairs * size.di,
            "RBGP_INDEX_OFFSET": index_offset,
            "RBGP_STAGE_BYTES": stage_bytes,
        }
        shared_bytes = tile.buffers * stage_bytes
    tiles = size.uo * -(-size.ui // tile.groups) * -(-size.group // rows)
    return Launch(
        kernel="forward",
        structure=structure,
        constants=constants,
        blocks=tiles * -(-n // tile.columns),
        batches=grid_batches(batches),
        threads=tile.threads,
        shared_bytes=shared_bytes,
    )


def sampled_tile(size: Dimensions, dtype: str, n: int, shared_limit: int) -> SampledTile:
    """Choose a tile of the sampled kernel."""
    vector = min(VECTOR_BYTES // NUMBER_TYPES[dtype].bytes, power_of_two_from(n))
    rows, values = (min(4, power_of_two_from(count)) for count in (size.group, size.pair))
    value_lanes = min(16, power_of_two_from(-(-size.pair // values)))
    row_lanes = min(_THREADS // value_lanes, 16, power_of_two_from(-(-size.group // rows)))
    tile = SampledTile(
        rows=rows,
        values=values,
        row_lanes=row_lanes,
        value_lanes=value_lanes,
        groups=min(_THREADS // (value_lanes * row_lanes), power_of_two_from(size.ui)),
        columns=min(8 * vector, round_up(n, vector)),
        vector=vector,
        staged=True,
    )
    while sampled_launch(size, dtype, n, tile=tile).shared_bytes > min(
        STANDARD_SHARED_BYTES, shared_limit
    ):
        if tile.columns <= vector:
            return replace(tile, columns=8 * vector, staged=False)
        tile = replace(tile, columns=round_up(tile.columns // 2, vector))
    return tile


def sampled_tiles(size: Dimensions, dtype: str, n: int) -> Iterator[SampledTile]:
    """Yield tiles that the sampled kernel could compute, for a tuner to choose from."""
    number = NUMBER_TYPES[dtype]
    vector = min(VECTOR_BYTES // number.bytes, power_of_two_from(n))
    most = _MOST_SUMS // (4 if number.total == "double" else 2)
    for rows, values, lanes, threads in itertools.product(
        (1, 2, 4, 8), (1, 2, 4, 8), (4, 8, 16), (128, 256)
    ):
        is_larger = rows > power_of_two_from(size.group) or values > power_of_two_from(size.pair)
        if is_larger or rows * values > most:
            continue
        value_lanes = min(lanes, power_of_two_from(-(-size.pair // values)))
        row_lanes = min(threads // value_lanes, 16, power_of_two_from(-(-size.group // rows)))
        groups = min(threads // (value_lanes * row_lanes), power_of_two_from(size.ui))
        for pieces, buffers in itertools.product((2, 4, 8), (2, 3)):
            yield SampledTile(
                rows=rows,
                values=values,
                row_lanes=row_lanes,
                value_lanes=value_lanes,
                groups=groups,
                columns=min(pieces * vector, round_up(n, vector)),
                vector=vector,
                staged=True,
                buffers=buffers,
            )


def sampled_launch(
    size: Dimensions,
    dtype: str,
    n: int,
    *,
    aligned: bool = True,
    tile: SampledTile | None = None,
    shared_limit: int = STANDARD_SHARED_BYTES,
) -> Launch:
    """Plan a launch of the sampled kernel (parameters as for `forward_launch`).

    One block walks over the whole batch.
    """
    tile = sampled_tile(size, dtype, n, shared_limit) if tile is None else tile
    number = NUMBER_TYPES[dtype]
    rows, values = tile.rows * tile.row_lanes, tile.values * tile.value_lanes
    structure: dict[str, int | str] = {
        **number.macros,
        "RBGP_STAGED": int(tile.staged),
        "RBGP_RT": tile.rows,
        "RBGP_KT": tile.values,
        "RBGP_XV": tile.vector,
        "RBGP_GV": tile.vector if aligned else 1,
        "RBGP_BUFFERS": tile.buffers,
    }
    constants = {
        **size.constants,
        "RBGP_LR": tile.row_lanes,
        "RBGP_LK": tile.value_lanes,
        "RBGP_TG": tile.groups,
        "RBGP_BN": tile.columns,
    }
    shared_bytes = 0
    if tile.staged:
        stride = _spread(tile.columns, tile.vector, number.bytes)
        gradient_offset = round_up(size.slab * stride * number.bytes, 16)
        stage_bytes = round_up(gradient_offset + tile.groups * rows * stride * number.bytes, 128)
        constants |= {
            "RBGP_ROW_STRIDE": stride,
            "RBGP_DY_OFFSET": gradient_offset,
            "RBGP_STAGE_BYTES": stage_bytes,
        }
        shared_bytes = tile.buffers * stage_bytes
    parts, slices = -(-size.ui // tile.groups), -(-size.group // rows)
    return Launch(
        kernel="sampled",
        structure=structure,
        constants=constants,
        blocks=size.uo * size.pairs * parts * slices * -(-size.pair // values),
        threads=tile.threads,
        shared_bytes=shared_bytes,
    )


def transpose_launch(size: Dimensions, dtype: str) -> Launch:
    """Plan a launch of the kernel that orders values; `size` is that of the transposed pattern."""
    return Launch(
        kernel="transpose",
        structure=NUMBER_TYPES[dtype].macros,
        constants=size.constants,
        blocks=-(-size.nnz // _THREADS),
        threads=_THREADS,
    )


def _spread(count: int, vector: int, number_bytes: int) -> int:
    """Return a row length in shared memory that sends neighbouring rows to different banks."""
    length = round_up(count, vector)
    is_wide = vector * number_bytes == VECTOR_BYTES
    return length + vector if is_wide and length // vector % 2 == 0 else length
