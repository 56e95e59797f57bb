"""Which kernel with which tile computes a product: the plan that rules give, and all others."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

from rbgp_graphs.gpu.cuda import hopper
from rbgp_graphs.gpu.cuda.hopper import hopper_launch, hopper_misfit
from rbgp_graphs.gpu.cuda.launch import NUMBER_TYPES, VECTOR_BYTES, Launch
from rbgp_graphs.gpu.cuda.machine import Machine
from rbgp_graphs.gpu.cuda.portable import (
    ForwardTile,
    SampledTile,
    forward_launch,
    forward_tile,
    forward_tiles,
    sampled_launch,
    sampled_tile,
    sampled_tiles,
)
from rbgp_graphs.gpu.cuda.sampled_tensor_core import (
    SampledWarpTile,
    sampled_tensor_core_launch,
    sampled_warp_tile,
    sampled_warp_tiles,
)
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_core import WarpTile, tensor_core_launch, warp_tile, warp_tiles
from rbgp_graphs.gpu.cuda.warp import suits
from rbgp_graphs.gpu.cuda.warpgroup import WarpgroupTile

Tile = ForwardTile | SampledTile | WarpTile | WarpgroupTile | SampledWarpTile


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A product, as far as the choice of its kernel goes.

    Attributes
    ----------
    product : {"forward", "sampled"}
        What is computed; the product of the transpose is the forward one of its own pattern.
    size : Dimensions
        The pattern.
    dtype : str
        Of all operands; "tf32" for float32 where products may be rounded.
    n, batches : int
        Columns of an operand, and how many operands there are.
    rows_aligned : bool
        Whether every row of the operands and of the result begins at a multiple of 16 bytes.
    """

    product: Literal["forward", "sampled"]
    size: Dimensions
    dtype: str
    n: int
    batches: int = 1
    rows_aligned: bool = True

    @property
    def pieces_fit(self) -> bool:
        """Whether rows consist of whole pieces of 16 bytes, so that none reaches past an end."""
        return self.rows_aligned and not self.n * NUMBER_TYPES[self.dtype].bytes % VECTOR_BYTES


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A kernel and the tile that it computes.

    Attributes
    ----------
    kernel : str
        Its name.
    tile : Tile
        What blocks and threads compute.
    """

    kernel: str
    tile: Any

    @property
    def name(self) -> str:
        """The kernel and all numbers of the tile, in one line.

        Examples
        --------
        >>> from rbgp_graphs.gpu.cuda.portable import ForwardTile
        >>> tile = ForwardTile(
        ...     rows=4, row_lanes=1, column_lanes=16, vectors=2, vector=4, groups=8, pairs=2
        ... )
        >>> Plan(kernel="forward", tile=tile).name
        'forward(rows=4, row_lanes=1, column_lanes=16, vectors=2, vector=4, groups=8, pairs=2, \
buffers=2)'
        """
        words = (f"{f.name}={_word(getattr(self.tile, f.name))}" for f in fields(self.tile))
        return f"{self.kernel}({', '.join(words)})"

    def launch(self, problem: Problem, activation: str | None = None) -> Launch:
        """Return the launch for a problem."""
        size, dtype, n, tile = problem.size, problem.dtype, problem.n, self.tile
        batch: dict[str, Any] = {"batches": problem.batches, "activation": activation}
        pieces: dict[str, Any] = {"aligned": problem.pieces_fit}
        if self.kernel == "hopper":
            return hopper_launch(size, dtype, n, tile=tile, **batch)
        if self.kernel == "tensor_core":
            return tensor_core_launch(size, dtype, n, tile=tile, **batch, **pieces)
        if self.kernel == "forward":
            return forward_launch(size, dtype, n, tile=tile, **batch, **pieces)
        if self.kernel == "sampled_tensor_core":
            return sampled_tensor_core_launch(size, dtype, tile=tile, **pieces)
        return sampled_launch(size, dtype, n, tile=tile, **pieces)


def usual_plans(problem: Problem, machine: Machine) -> list[Plan]:
    """Return plans of all kernels that can compute a product, the fastest kernel first.

    There is one for each, and for the Hopper kernel a plain one too. The tiles follow from rules
    and a model of the structure of the kernels, not from measurements.
    """
    capability, limit = machine.capability, machine.shared_limit
    found = _usual(problem, capability, limit)
    return [Plan(kernel=kernel, tile=tile) for kernel, tile in found if tile is not None]


def checked_plans(problem: Problem, machine: Machine) -> list[Plan]:
    """Return the usual plans, and those that take other ways through the Hopper kernel."""
    found = usual_plans(problem, machine)
    if _suits_hopper(problem, machine.capability):
        ways = hopper.one_of_each(problem.size, problem.n)
        found += [Plan(kernel="hopper", tile=tile) for tile in ways]
    return [*dict.fromkeys(found)]


@functools.lru_cache(maxsize=256)
def _usual(
    problem: Problem, capability: tuple[int, int], limit: int
) -> tuple[tuple[str, Tile | None], ...]:
    size, dtype, n = problem.size, problem.dtype, problem.n
    has_cores = suits(dtype, capability)
    if problem.product == "sampled":
        cores = sampled_warp_tile(size, dtype, n, limit) if has_cores else None
        return ("sampled_tensor_core", cores), ("sampled", sampled_tile(size, dtype, n, limit))
    boxes: tuple[Tile, ...] = ()
    if _suits_hopper(problem, capability):
        boxes = hopper.usual_tiles(size, n, problem.batches)
    cores_tile = warp_tile(size, dtype, n, limit) if has_cores else None
    portable = forward_tile(size, dtype, n, limit)
    on_hopper = (("hopper", tile) for tile in boxes)
    return *on_hopper, ("tensor_core", cores_tile), ("forward", portable)


def all_plans(problem: Problem, machine: Machine) -> Iterator[Plan]:
    """Yield every plan that a tuner may try; the usual ones are among them or come close."""
    size, dtype, n = problem.size, problem.dtype, problem.n
    limit, has_cores = machine.shared_limit, suits(dtype, machine.capability)
    tiles: list[tuple[str, Iterator[Tile]]] = []
    if problem.product == "sampled":
        if has_cores:
            tiles.append(("sampled_tensor_core", sampled_warp_tiles(size, n)))
        tiles.append(("sampled", sampled_tiles(size, dtype, n)))
    else:
        if _suits_hopper(problem, machine.capability):
            tiles.append(("hopper", hopper.fitting_tiles(size, n)))
        if has_cores:
            tiles.append(("tensor_core", warp_tiles(size, n)))
        tiles.append(("forward", forward_tiles(size, dtype, n)))
    for kernel, tile in itertools.chain.from_iterable(
        zip(itertools.repeat(kernel), found, strict=False) for kernel, found in tiles
    ):
        plan = Plan(kernel=kernel, tile=tile)
        launch = plan.launch(problem)
        most = hopper.SHARED_BYTES if kernel == "hopper" else limit
        if launch.fits and launch.shared_bytes <= most:
            yield plan


def _suits_hopper(problem: Problem, capability: tuple[int, int]) -> bool:
    if problem.product != "forward":
        return False
    misfit = hopper_misfit(
        problem.size,
        problem.dtype,
        batches=problem.batches,
        aligned=problem.rows_aligned,
        capability=capability,
    )
    return misfit is None


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(int(value))
