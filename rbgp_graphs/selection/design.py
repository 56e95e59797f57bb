"""The choice of the four factors for a layer."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

from rbgp_graphs._validation import as_fraction_of_one, as_generator, as_int, is_prime
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.selection.feasible import is_connectable, nearest_degrees
from rbgp_graphs.selection.ramanujan import ramanujan
from rbgp_graphs.selection.twist import twist as with_good_shifts
from rbgp_graphs.spectral.bounds import ramanujan_bound

Objective = Literal["balanced", "gap", "speed"]

#: Row groups that each objective tries, the preferred one first.
_ROW_GROUPS: dict[str, tuple[int, ...]] = {
    "gap": (1,),
    "balanced": (4, 2, 1),
    "speed": (64, 32, 16, 8, 4, 2, 1),
}
#: Rows and columns of a tile that keep the activation tile and its tables in fast memory.
_TILE_ROWS, _TILE_COLS = (32, 256), (16, 128)
#: A larger row group is worth it only up to this sigma2/sigma1.
_GOOD_RATIO = 0.75
#: A random factor lands this close below the bound.
_RANDOM_SHARE = 0.98
#: A sparsity is met exactly if the degrees are whole up to this share of the size.
_ROUNDING = 1e-9
_LARGEST_DENOMINATOR = 1 << 16
#: Random factors with more edges take too long to draw and to verify.
_LARGEST_RANDOM_FACTOR = 1 << 20


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """Sizes of the factors, and what they promise."""

    outer: tuple[int, int, int]
    inner: tuple[int, int, int]
    repeat: int
    block: tuple[int, int]
    ratio: float

    @property
    def tile(self) -> tuple[int, int]:
        return self.repeat * self.inner[0] * self.block[0], self.inner[1] * self.block[1]

    @property
    def outer_density(self) -> float:
        return self.outer[2] / self.outer[1]

    @property
    def index_entries(self) -> int:
        return sum(
            left * degree for left, right, degree in (self.outer, self.inner) if degree < right
        )

    @property
    def fits_tile(self) -> bool:
        (low_rows, high_rows), (low_cols, high_cols) = _TILE_ROWS, _TILE_COLS
        return low_rows <= self.tile[0] <= high_rows and low_cols <= self.tile[1] <= high_cols


def design(
    rows: int,
    cols: int,
    sparsity: float,
    *,
    objective: Objective = "balanced",
    row_group: int | None = None,
    block: tuple[int, int] | None = None,
    twist: bool = False,
    rng: Any = 0,
) -> RBGP4:
    r"""Choose an RBGP4 pattern of exactly the given shape and sparsity.

    Parameters
    ----------
    rows, cols : int
        Shape of the weight matrix (outputs, inputs).
    sparsity : float
        Share of zeros, from 0 up to but not including 1.
    objective : {"balanced", "gap", "speed"}
        "gap": the smallest sigma2/sigma1, with single rows. "balanced": the smallest
        sigma2/sigma1 among patterns with tiles that fit fast memory, and four rows that share
        their indices. "speed": 64 rows that share their indices, and many empty tiles. The
        latter two take fewer rows together where sigma2/sigma1 would exceed 0.75.
    row_group : int, optional
        Number of rows that share one column list, instead of what the objective prefers.
    block : (int, int), optional
        The dense element block; (1, 1) by default.
    twist : bool
        Whether the outer edges may shift the inner pattern, with the shifts that
        `rbgp_graphs.selection.twist` finds. Patterns with denser outer graphs then come into
        reach.
    rng : int, numpy.random.Generator or None
        Source of randomness for factors that no explicit family provides, and for shifts.

    Returns
    -------
    RBGP4
        With connected Ramanujan (or complete) outer and inner factors.

    Raises
    ------
    ArgumentError
        If an argument leaves its range.
    InfeasibleError
        If the shape and sparsity do not allow a biregular pattern, or not with the requested row
        group and block; names the nearest sparsities and sizes that work.

    Notes
    -----
    All ways to split rows, columns and degree over an outer and an inner factor are ranked by
    the sigma2/sigma1 that the best family for each factor promises: the product has the larger
    of the two. Fewer index entries decide ties. A twisted product has less than the inner share
    of that, by about the factor that random shifts of the outer graph give.

    Examples
    --------
    >>> pattern = design(1024, 1024, 0.9375)
    >>> pattern.shape, pattern.sparsity, pattern.row_group
    ((1024, 1024), 0.9375, 4)
    """
    rows = as_int("rows", rows, minimum=1, maximum=2**31)
    cols = as_int("cols", cols, minimum=1, maximum=2**31)
    share = as_fraction_of_one("sparsity", sparsity)
    if objective not in get_args(Objective):
        names = ", ".join(get_args(Objective))
        raise ArgumentError(f"objective is {objective!r}, expected one of {names}")
    if not isinstance(twist, bool):
        raise ArgumentTypeError(f"twist is {twist!r}, expected True or False")
    block = _as_block(block)
    groups = _ROW_GROUPS[objective]
    if row_group is not None:
        groups = (as_int("row_group", row_group, minimum=1, maximum=rows),)
        if groups[0] % block[0]:
            raise ArgumentError(
                f"row_group is {row_group}, expected a multiple of the block's {block[0]} rows"
            )
    generator = as_generator(rng)
    degree = _exact_degree(rows, cols, share)
    best_of_groups = []
    for group in groups:
        found = list(_candidates(rows, cols, degree, group, block, twist))
        if found:
            best_of_groups.append(_best(found, objective))
            if best_of_groups[-1].ratio <= _GOOD_RATIO:
                break
    if not best_of_groups:
        raise InfeasibleError(
            f"no RBGP4 pattern of shape ({rows}, {cols}) and sparsity {share:g} has row group "
            f"{' or '.join(map(str, groups))} and block {block}: both must divide the shape and "
            "leave whole degrees of connected factors; row_group=1 and block=(1, 1) allow the most"
        )
    best = min(best_of_groups, key=lambda candidate: candidate.ratio)
    outer = ramanujan(*best.outer, rng=generator)
    inner = ramanujan(*best.inner, rng=generator)
    pattern = RBGP4(outer, (best.repeat, 1), inner, block)
    return with_good_shifts(pattern, rng=generator) if twist else pattern


def _as_block(block: Any) -> tuple[int, int]:
    if block is None:
        return (1, 1)
    try:
        height, width = block
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"block is {block!r}, expected a pair (rows, cols)") from None
    return as_int("block rows", height, minimum=1), as_int("block cols", width, minimum=1)


def _exact_degree(rows: int, cols: int, sparsity: float) -> int:
    """Return the row degree for a sparsity, or raise with the nearest that are possible."""
    density = 1 - sparsity
    degree = round(density * cols)
    if abs(density * cols - degree) <= _ROUNDING * cols and is_connectable(rows, cols, degree):
        return degree
    near = " and ".join(f"{1 - d / cols:.12g}" for d in nearest_degrees(rows, cols, density * cols))
    shape = _nearest_shape(rows, cols, density)
    advice = "" if shape is None else f"; at this sparsity a shape that works is {shape}"
    raise InfeasibleError(
        f"shape ({rows}, {cols}) has no connected biregular pattern of sparsity {sparsity:g}: "
        f"rows would have {density * cols:.6g} and columns {density * rows:.6g} nonzeros; nearest "
        f"possible at this shape: {near}{advice}"
    )


def _nearest_shape(rows: int, cols: int, density: float) -> tuple[int, int] | None:
    """Return a shape near (rows, cols) that allows the density, None if it is no simple ratio."""
    fraction = Fraction(density).limit_denominator(_LARGEST_DENOMINATOR)
    if abs(float(fraction) - density) > _ROUNDING / 2:
        return None
    unit = fraction.denominator
    height, width = (max(unit, round(size / unit) * unit) for size in (rows, cols))
    while not is_connectable(height, width, width * fraction.numerator // unit):
        height, width = (height + unit, width) if height <= width else (height, width + unit)
    return height, width


def _candidates(
    rows: int, cols: int, degree: int, row_group: int, block: tuple[int, int], twist: bool
) -> Iterator[_Candidate]:
    """Yield all splits of a layer into factors, given the row group and the block."""
    if row_group % block[0] or rows % row_group or cols % block[1] or degree % block[1]:
        return
    repeat = row_group // block[0]
    core_rows, core_cols = rows // row_group, cols // block[1]
    core_degree = degree // block[1]
    if core_rows * core_degree % core_cols:
        return
    for inner_rows in _divisors(core_rows):
        for inner_cols in _divisors(core_cols):
            for inner_degree in _divisors(core_degree):
                inner = (inner_rows, inner_cols, inner_degree)
                outer = (
                    core_rows // inner_rows,
                    core_cols // inner_cols,
                    core_degree // inner_degree,
                )
                ratios = [_promised_ratio(*factor) for factor in (inner, outer)]
                if ratios[0] is not None and ratios[1] is not None:
                    inside = ratios[0] * (_promised_twist(*outer, inner_cols) if twist else 1.0)
                    ratio = max(inside, ratios[1])
                    yield _Candidate(
                        outer=outer, inner=inner, repeat=repeat, block=block, ratio=ratio
                    )


def _best(found: list[_Candidate], objective: str) -> _Candidate:
    if objective == "gap":
        return min(found, key=lambda c: (round(c.ratio, 6), c.index_entries))
    fitting = [c for c in found if c.fits_tile] or found
    if objective == "speed":
        fast = [c for c in fitting if c.ratio <= _GOOD_RATIO]
        if fast:
            return min(fast, key=lambda c: (c.outer_density, c.ratio, c.index_entries))
    return min(fitting, key=lambda c: (round(c.ratio, 6), c.index_entries))


@functools.lru_cache(maxsize=1 << 16)
def _promised_ratio(left: int, right: int, degree: int) -> float | None:
    """Return the sigma2/sigma1 that `ramanujan` reaches for a factor, None if it cannot."""
    if not is_connectable(left, right, degree):
        return None
    if degree == right:
        return 0.0
    right_degree = left * degree // right
    sigma1 = math.sqrt(degree * right_degree)
    if (degree, right_degree) == (2, 2):
        return math.cos(math.pi / left)
    member = explicit_member(left, right, degree)
    if member is not None:
        return member.sigma2 / sigma1
    if left * degree > _LARGEST_RANDOM_FACTOR:
        return None
    return _RANDOM_SHARE * ramanujan_bound(degree, right_degree) / sigma1


@functools.lru_cache(maxsize=1 << 16)
def _promised_twist(left: int, right: int, degree: int, order: int) -> float:
    """Return the factor by which shifts of an outer graph shrink the inner sigma2/sigma1."""
    right_degree = left * degree // right
    # Shifts act like the signs of a random lift, and no norm is below that of one row or column.
    norm = max(ramanujan_bound(degree, right_degree), math.sqrt(max(degree, right_degree)))
    if degree == right and (is_prime(order) or order & (order - 1) == 0):
        # Quadratic shifts: the rows are rows of a character table.
        norm = min(norm, math.sqrt(order * -(-left // order) * -(-right // order)))
    return min(1.0, norm / math.sqrt(degree * right_degree))


@functools.lru_cache(maxsize=1 << 12)
def _divisors(number: int) -> tuple[int, ...]:
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return (*small, *(number // d for d in reversed(small) if d * d != number))
