"""Plans for the sampled product on Hopper's asynchronous units, and how these see the operands."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from rbgp_graphs.gpu.cuda.hopper import (
    CAPABILITY,
    COMPILE_OPTIONS,
    SHARED_BYTES,
    five_axes,
    units_misfit,
)
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, Launch
from rbgp_graphs.gpu.cuda.ring import MULTIPROCESSORS
from rbgp_graphs.gpu.cuda.sampled_warpgroup import EIGHT, SampledWarpgroupTile
from rbgp_graphs.gpu.cuda.sampled_warpgroup import tiles as all_tiles
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_map import TensorMap

#: Threads of a block that adds parts, and sums of one thread.
_THREADS, _SUMS = 256, 4


def sampled_hopper_misfit(
    size: Dimensions,
    dtype: str,
    *,
    batches: int = 1,
    aligned: bool = True,
    capability: tuple[int, int] = CAPABILITY,
) -> str | None:
    """Say why the kernel cannot compute a sampled product, or return None if it can.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> odd = dimensions(RBGP4(complete(2, 3), (64, 1), complete(2, 2), (1, 2)))
    >>> sampled_hopper_misfit(odd, "float16")
    'a row has 12 nonzeros, not a multiple of 8'
    """
    reason = units_misfit(size, dtype, batches=batches, aligned=aligned, capability=capability)
    if reason is not None:
        return reason
    if size.row_degree % EIGHT:
        return f"a row has {size.row_degree} nonzeros, not a multiple of {EIGHT}"
    if next(fitting_tiles(size, 1), None) is None:
        slab = f"slabs of |V_i||V_b| = {size.vi} x {size.vb} rows are too large"
        return f"|V_b| = {size.vb} is too small for boxes of its own, and {slab}"
    return None


def fitting_tiles(size: Dimensions, n: int, batches: int = 1) -> Iterator[SampledWarpgroupTile]:
    """Return the tiles that fit into shared memory, those of one u_i and one block first."""
    return (t for t in all_tiles(size, n, batches) if t.shared_bytes(size) <= SHARED_BYTES)


@functools.lru_cache(maxsize=256)
def usual_tiles(
    size: Dimensions, n: int, batches: int = 1, multiprocessors: int = MULTIPROCESSORS
) -> tuple[SampledWarpgroupTile, SampledWarpgroupTile]:
    """Return the tile that the model prefers, and a plain one (see `hopper.usual_tiles`).

    Examples
    --------
    >>> from rbgp_graphs.constructions import random_biregular
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> outer, inner = random_biregular(32, 32, 8, rng=0), random_biregular(16, 8, 4, rng=0)
    >>> small = dimensions(RBGP4(outer, (8, 1), inner, (1, 16)))
    >>> tile, plain = usual_tiles(small, 4096)
    >>> tile.groups, tile.whole, plain.groups
    (4, True, 1)
    """
    found = [*fitting_tiles(size, n, batches)]
    plain = [tile for tile in found if not tile.boxed and tile.parts == 1]
    preferred, simple = (
        min(some, key=lambda tile: tile.clocks(size, n, batches, multiprocessors))
        for some in (found, plain)
    )
    return preferred, simple


def sampled_hopper_launch(size: Dimensions, dtype: str, *, tile: SampledWarpgroupTile) -> Launch:
    """Plan a launch of the kernel (parameters as for `forward_launch`).

    It walks over all columns and the whole batch. With several parts another kernel runs after
    it, which adds their sums.
    """
    structure: dict[str, int | str] = {
        **NUMBER_TYPES[dtype].macros,
        "RBGP_BLOCKS": tile.blocks,
        "RBGP_NB": tile.step,
        "RBGP_GROUPS": tile.groups,
        "RBGP_WHOLE": int(tile.whole),
        "RBGP_CLUSTER": tile.cluster,
        "RBGP_ALONG_VALUES": int(tile.along_values),
        "RBGP_BOXED": int(tile.boxed),
        "RBGP_SPLIT": int(tile.parts > 1),
    }
    constants = {
        **size.constants,
        **tile.ring_constants(size),
        "RBGP_VO": size.vo,
        "RBGP_BN": tile.values,
        "RBGP_WC": tile.value_warpgroups,
        "RBGP_SU": tile.units(size),
        "RBGP_SLABS": tile.slabs,
        "RBGP_PARTS": tile.parts,
    }
    return Launch(
        kernel="sampled_hopper",
        structure=structure,
        constants=constants,
        blocks=tile.grid(tile.tiles(size)),
        threads=tile.threads,
        shared_bytes=tile.shared_bytes(size),
        options=COMPILE_OPTIONS,
        then=_sum_launch(size, dtype, tile.parts) if tile.parts > 1 else None,
    )


def _sum_launch(size: Dimensions, dtype: str, parts: int) -> Launch:
    """Plan a launch of the kernel that adds the sums of parts."""
    return Launch(
        kernel="sum_parts",
        structure=NUMBER_TYPES[dtype].macros,
        constants={"RBGP_PARTS": parts},
        blocks=-(-size.nnz // (_SUMS * _THREADS)),
        threads=_THREADS,
    )


def sampled_tensor_maps(
    launch: Launch,
    size: Dimensions,
    dtype: str,
    dY: Any,
    X: Any,
    result: Any,
    rows: tuple[int, int],
) -> tuple[TensorMap, TensorMap, Any]:
    """Return how the kernel sees its operands and its result.

    Parameters
    ----------
    launch : Launch
        A launch of this kernel.
    size : Dimensions
        The pattern.
    dtype : str
        Of all arrays.
    dY, X : array, shape (batch, rows, n) and (batch, cols, n)
        The operands.
    result : array, shape (rows, row_degree)
        The result, without gaps; the sums of parts, shape (parts, rows, row_degree), if there are
        several.
    rows : tuple of int
        Distances of the rows of dY and of X, in numbers.

    Returns
    -------
    tuple of TensorMap
        dY as (batch U_o, U_r, U_i, U_b, n), X as (batch V_o, V_r, V_i, V_b, n), and the result as
        (U_o, U_r, U_i, U_b, row_degree), or `result` itself where threads store it.
    """
    digits, columns = (size.uo, size.ur, size.ui, size.ub), (size.vo, size.vr, size.vi, size.vb)
    own = launch.constants["RBGP_BOX_B"], 1, launch.constants["RBGP_BOX_R"]
    unit = size.vb, size.vi if launch.structure["RBGP_WHOLE"] else 1, 1
    left = five_axes(dY, dtype, digits, rows[0], own)
    right = five_axes(X, dtype, columns, rows[1], unit)
    if not launch.structure["RBGP_BOXED"]:
        return left, right, result
    return left, right, five_axes(result[None], dtype, digits, size.row_degree, own)
