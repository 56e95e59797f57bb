r"""A model of how long a plan takes: what each block computes and moves, over a device's rates.

A block needs the longest of four times: its sums on the units that multiply; what it reads from
the L2; what its threads read from shared memory; and the delay of its stages, as far as the ones
in flight do not hide it. Blocks that fit onto a multiprocessor side by side share its units, and
the grid runs in waves. The rates are round numbers out of published specifications. They only
rank plans, before a tuner measures the best of them; no time of this model is shown to anyone.
"""

from __future__ import annotations

import math

from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES
from rbgp_graphs.gpu.cuda.plans import Plan, Problem
from rbgp_graphs.gpu.cuda.portable import ForwardTile, SampledTile
from rbgp_graphs.gpu.cuda.sampled_tensor_core import SampledWarpTile
from rbgp_graphs.gpu.cuda.sampled_warpgroup import SampledWarpgroupTile
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_core import WarpTile
from rbgp_graphs.gpu.cuda.warp import step_length
from rbgp_graphs.gpu.cuda.warpgroup import WarpgroupTile
from rbgp_graphs.gpu.cuda.work import DELAY, Work

_THREADS, _REGISTERS, _BLOCKS = 2048, 65536, 32
#: Registers of a thread besides its sums.
_OTHER_REGISTERS = 48
#: Shared memory of a multiprocessor, by compute capability; of others the smallest.
_SHARED_MEMORY = {(7, 0): 96, (8, 0): 164, (8, 7): 164, (9, 0): 228, (10, 0): 228}
_LEAST_SHARED_MEMORY = 100


def work(plan: Plan, problem: Problem) -> Work:
    """Return what a block of a plan does.

    Examples
    --------
    >>> from rbgp_graphs.constructions import random_biregular
    >>> from rbgp_graphs.gpu.cuda.hopper import fitting_tiles
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> sparse = random_biregular(32, 32, 8, rng=0)
    >>> size = dimensions(RBGP4(sparse, (128, 1), sparse, (1, 64)))
    >>> plan = Plan(kernel="hopper", tile=next(fitting_tiles(size, 4096)))
    >>> problem = Problem(product="forward", size=size, dtype="float16", n=4096)
    >>> round(work(plan, problem).intensity, 1)  # 128 rows and 256 columns for each sum
    85.3
    """
    size, number = problem.size, NUMBER_TYPES[problem.dtype].bytes
    tile = plan.tile
    if isinstance(tile, WarpgroupTile):
        return tile.work(size)
    if isinstance(tile, SampledWarpgroupTile):
        return tile.work(size, problem.n, problem.batches)
    if isinstance(tile, WarpTile):
        return _warp_work(tile, size, problem.dtype)
    if isinstance(tile, ForwardTile):
        return _forward_work(tile, size, number)
    if isinstance(tile, SampledWarpTile):
        return _sampled_warp_work(tile, size, problem.dtype, problem.n * problem.batches)
    return _sampled_work(tile, size, number, problem.n * problem.batches)


def clocks(
    plan: Plan, problem: Problem, *, capability: tuple[int, int], multiprocessors: int
) -> float:
    """Return about how many clocks of the device a plan takes."""
    if isinstance(plan.tile, WarpgroupTile | SampledWarpgroupTile):
        return plan.tile.clocks(problem.size, problem.n, problem.batches, multiprocessors)
    launch, block = plan.launch(problem), work(plan, problem)
    tiles = launch.blocks * launch.batches
    together = _blocks_together(launch.threads, launch.shared_bytes, block.sums, capability)
    in_flight: int = together * (plan.tile.buffers - 1)
    own = block.clocks(_operations(plan.kernel, problem.dtype, capability), in_flight)
    waves = math.ceil(tiles / (multiprocessors * together))
    return waves * (together * own + DELAY) + DELAY


def _blocks_together(
    threads: int, shared_bytes: int, sums: int, capability: tuple[int, int]
) -> int:
    registers = threads * min(255, sums + _OTHER_REGISTERS)
    memory = 1024 * _SHARED_MEMORY.get(capability, _LEAST_SHARED_MEMORY)
    return max(
        1,
        min(
            _THREADS // threads,
            _REGISTERS // registers,
            memory // (shared_bytes + 1024),
            _BLOCKS,
        ),
    )


def _operations(kernel: str, dtype: str, capability: tuple[int, int]) -> float:
    """Return how many operations a multiprocessor does in a clock."""
    if kernel in ("tensor_core", "sampled_tensor_core"):
        # On Hopper mma.sync reaches 5/8 of what wgmma does.
        found = {8: 2048 if capability == (8, 0) else 1024, 9: 2560}.get(capability[0], 1024)
        return found / (2 if dtype == "tf32" else 1)
    if dtype == "float64":
        return {(7, 0): 64, (8, 0): 64, (9, 0): 128}.get(capability, 4)
    return 256 if capability >= (8, 6) else 128


# What the blocks of each kernel do -------------------------------------------------------------


def _forward_work(tile: ForwardTile, size: Dimensions, number: int) -> Work:
    degree, rows = size.row_degree, tile.rows * tile.row_lanes
    warps = tile.threads / 32
    own = tile.vectors * tile.vector * min(32, tile.column_lanes)
    weights = tile.rows * max(1, 32 // tile.column_lanes)
    operand_rows = size.pairs * size.slab if tile.pairs else tile.groups * degree
    return Work(
        operations=2.0 * tile.groups * rows * tile.columns * degree,
        loaded_bytes=float((operand_rows * tile.columns + tile.groups * rows * degree) * number),
        shared_bytes=warps * degree * (own + weights) * number,
        stages=-(-size.pairs // tile.pairs) if tile.pairs else degree,
        sums=tile.rows * tile.vectors * tile.vector * max(1, number // 4),
    )


def _warp_work(tile: WarpTile, size: Dimensions, dtype: str) -> Work:
    chunk, step = tile.chunk(size), step_length(dtype)
    number = NUMBER_TYPES[dtype].bytes
    stages = -(-size.row_degree // chunk)
    steps = stages * -(-chunk // step)
    rows = tile.groups * tile.rows
    operand_rows = tile.groups * size.row_degree if tile.compact else size.pairs * size.slab
    fragments = 512 * tile.column_steps + 256 * tile.row_steps
    return Work(
        operations=2.0 * rows * tile.columns * step * steps,
        loaded_bytes=float(number) * (operand_rows * tile.columns + rows * size.row_degree),
        shared_bytes=float(tile.threads // 32 * steps * fragments),
        stages=stages,
        sums=4 * tile.row_steps * tile.column_steps,
    )


def _sampled_work(tile: SampledTile, size: Dimensions, number: int, columns: int) -> Work:
    rows, values = tile.rows * tile.row_lanes, tile.values * tile.value_lanes
    operand_rows = size.slab if tile.staged else tile.groups * values
    return Work(
        operations=2.0 * tile.groups * rows * values * columns,
        loaded_bytes=float((operand_rows + tile.groups * rows) * columns * number),
        shared_bytes=float(tile.threads * (tile.rows + tile.values) * columns * number) / 4,
        stages=-(-columns // tile.columns),
        sums=tile.rows * tile.values * max(1, number // 4),
    )


def _sampled_warp_work(tile: SampledWarpTile, size: Dimensions, dtype: str, columns: int) -> Work:
    step, number = step_length(dtype), NUMBER_TYPES[dtype].bytes
    rows = tile.groups * tile.rows
    operand_rows = tile.pairs * size.slab if tile.pairs else tile.groups * tile.values
    fragments = 512 * tile.value_steps + 256 * tile.row_steps
    return Work(
        operations=2.0 * rows * tile.values * columns,
        loaded_bytes=float(number) * (operand_rows + rows) * columns,
        shared_bytes=float(tile.threads // 32 * -(-columns // step) * fragments),
        stages=-(-columns // tile.columns),
        sums=4 * tile.row_steps * tile.value_steps,
    )
