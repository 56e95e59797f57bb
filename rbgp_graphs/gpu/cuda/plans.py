"""Which kernel with which tile computes a product: the plan that rules give, and all others."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

from rbgp_graphs.gpu.cuda import hopper, sampled_hopper, warp
from rbgp_graphs.gpu.cuda.hopper import hopper_launch, hopper_misfit
from rbgp_graphs.gpu.cuda.launch import LARGE_SHARED_BYTES, NUMBER_TYPES, VECTOR_BYTES, Launch
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
from rbgp_graphs.gpu.cuda.ring import MULTIPROCESSORS
from rbgp_graphs.gpu.cuda.sampled_hopper import sampled_hopper_launch, sampled_hopper_misfit
from rbgp_graphs.gpu.cuda.sampled_tensor_core import (
    SampledWarpTile,
    sampled_tensor_core_launch,
    sampled_warp_tile,
    sampled_warp_tiles,
)
from rbgp_graphs.gpu.cuda.sampled_warpgroup import SampledWarpgroupTile
from rbgp_graphs.gpu.cuda.tables import Dimensions
from rbgp_graphs.gpu.cuda.tensor_core import WarpTile, tensor_core_launch, warp_tile, warp_tiles
from rbgp_graphs.gpu.cuda.warp import suits
from rbgp_graphs.gpu.cuda.warpgroup import WarpgroupTile
from rbgp_graphs.gpu.cuda.ways import Way, ways

Tile = ForwardTile | SampledTile | WarpTile | WarpgroupTile | SampledWarpTile | SampledWarpgroupTile


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
        if self.kernel == "sampled_hopper":
            return sampled_hopper_launch(size, dtype, tile=tile)
        if self.kernel == "sampled_tensor_core":
            return sampled_tensor_core_launch(size, dtype, tile=tile, **pieces)
        return sampled_launch(size, dtype, n, tile=tile, **pieces)

    def suits(self, are_tensors: tuple[bool, ...]) -> bool:
        """Return whether it takes operands that are one tensor of five axes each, or are not."""
        if isinstance(self.tile, WarpgroupTile | SampledWarpgroupTile):
            return self.tile.suits(*are_tensors)
        return True


def usual_plans(problem: Problem, machine: Machine) -> list[Plan]:
    """Return plans of all kernels that can compute a product, the fastest kernel first.

    There is one for each, and for a Hopper kernel a plain one too. The tiles follow from rules
    and a model of the structure of the kernels, not from measurements.
    """
    found = _usual(problem, machine.capability, machine.shared_limit, machine.multiprocessors)
    return [Plan(kernel=kernel, tile=tile) for kernel, tile in found if tile is not None]


def checked_plans(
    problem: Problem, machine: Machine, activation: str | None, taken: set[Way]
) -> list[Plan]:
    """Return few plans that take all ways of this problem which are not taken yet.

    Parameters
    ----------
    problem : Problem
        The product.
    machine : Machine
        The device.
    activation : {"relu", "gelu", "silu"} or None
        What ends the product.
    taken : set of Way
        Ways that other checks take; those of the plans are added.
    """
    plans = dict.fromkeys((*usual_plans(problem, machine), *all_plans(problem, machine)))
    left = {plan: ways(plan.launch(problem, activation)) - taken for plan in plans}
    found: list[Plan] = []
    while left := {plan: own - taken for plan, own in left.items() if not own <= taken}:
        found.append(max(left, key=lambda plan: len(left[plan])))
        taken |= left[found[-1]]
    return found


@functools.lru_cache(maxsize=256)
def _usual(
    problem: Problem,
    capability: tuple[int, int],
    limit: int,
    multiprocessors: int = MULTIPROCESSORS,
) -> tuple[tuple[str, Tile | None], ...]:
    size, dtype, n, batches = problem.size, problem.dtype, problem.n, problem.batches
    has_cores, has_boxes = suits(dtype, capability), _suits_hopper(problem, capability)
    found: list[tuple[str, Tile | None]] = []
    if problem.product == "sampled":
        if has_boxes:
            boxes = sampled_hopper.usual_tiles(size, n, batches, multiprocessors)
            found += (("sampled_hopper", tile) for tile in boxes)
        if has_cores:
            found.append(("sampled_tensor_core", sampled_warp_tile(size, dtype, n, limit)))
        found.append(("sampled", sampled_tile(size, dtype, n, limit)))
    else:
        if has_boxes:
            tiles = hopper.usual_tiles(size, n, batches, multiprocessors)
            found += (("hopper", tile) for tile in tiles)
        if has_cores:
            found.append(("tensor_core", warp_tile(size, dtype, n, limit)))
        found.append(("forward", forward_tile(size, dtype, n, limit)))
    return tuple(found)


def all_plans(problem: Problem, machine: Machine) -> Iterator[Plan]:
    """Yield every plan that a tuner may try; the usual ones are among them or come close."""
    size, dtype, n = problem.size, problem.dtype, problem.n
    limit, has_cores = machine.shared_limit, suits(dtype, machine.capability)
    tiles: list[tuple[str, Iterator[Tile]]] = []
    has_boxes = _suits_hopper(problem, machine.capability)
    if problem.product == "sampled":
        if has_boxes:
            found = sampled_hopper.fitting_tiles(size, n, problem.batches)
            tiles.append(("sampled_hopper", found))
        if has_cores:
            tiles.append(("sampled_tensor_core", sampled_warp_tiles(size, n)))
        tiles.append(("sampled", sampled_tiles(size, dtype, n)))
    else:
        if has_boxes:
            tiles.append(("hopper", hopper.fitting_tiles(size, n)))
        if has_cores:
            tiles.append(("tensor_core", warp_tiles(size, n)))
        tiles.append(("forward", forward_tiles(size, dtype, n)))
    for kernel, tile in itertools.chain.from_iterable(
        zip(itertools.repeat(kernel), found, strict=False) for kernel, found in tiles
    ):
        plan = Plan(kernel=kernel, tile=tile)
        launch = plan.launch(problem)
        most = hopper.SHARED_BYTES if kernel in ("hopper", "sampled_hopper") else limit
        if launch.fits and launch.shared_bytes <= most:
            yield plan


def misfits(
    problem: Problem, capability: tuple[int, int], shared_limit: int = LARGE_SHARED_BYTES
) -> dict[str, str | None]:
    """Say why a kernel cannot compute a product on a device, or None, the fastest kernel first.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> size = dimensions(RBGP4(complete(2, 2), (64, 1), complete(2, 2), (1, 4)))
    >>> misfits(Problem(product="forward", size=size, dtype="float16", n=64), (9, 0))
    {'hopper': '|V_b| = 4 is not a multiple of 8', 'tensor_core': None, 'forward': None}
    """
    prefix = "sampled_" if problem.product == "sampled" else ""
    cores = None
    if capability < warp.OLDEST_CAPABILITY:
        cores = "it needs compute capability 8.0, the device has {}.{}".format(*capability)
    elif not suits(problem.dtype, capability):
        cores = f"the dtype is {problem.dtype}, which tensor cores do not multiply"
    elif (f"{prefix}tensor_core", None) in _usual(problem, capability, shared_limit):
        cores = "no tile fits into shared memory"
    return {
        f"{prefix}hopper": _hopper_misfit(problem, capability),
        f"{prefix}tensor_core": cores,
        prefix.rstrip("_") or "forward": None,
    }


def _suits_hopper(problem: Problem, capability: tuple[int, int]) -> bool:
    return _hopper_misfit(problem, capability) is None


def _hopper_misfit(problem: Problem, capability: tuple[int, int]) -> str | None:
    misfit = sampled_hopper_misfit if problem.product == "sampled" else hopper_misfit
    return misfit(
        problem.size,
        problem.dtype,
        batches=problem.batches,
        aligned=problem.rows_aligned,
        capability=capability,
    )


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(int(value))
