"""The choice of the four factors for a layer."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Literal, get_args

from rbgp_graphs._validation import as_fraction_of_one, as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection.candidates import Candidate, row_groups, splits
from rbgp_graphs.selection.cost_model import Ceilings, ceilings_of
from rbgp_graphs.selection.feasible import is_connectable, nearest_degrees

Objective = Literal["balanced", "gap", "speed", "size"]

#: Row groups that an objective tries, the preferred one first; the others try all.
_ROW_GROUPS: dict[str, tuple[int, ...]] = {"gap": (1,), "balanced": (4, 2, 1)}
#: Structure is worth it only up to this sigma2/sigma1.
_GOOD_RATIO = 0.75
#: The product whose time "speed" minimises.
_COLUMNS, _DTYPE = 256, "float32"
#: A sparsity is met exactly if the degrees are whole up to this share of the size.
_ROUNDING = 1e-9
_LARGEST_DENOMINATOR = 1 << 16


def design(
    rows: int,
    cols: int,
    sparsity: float,
    *,
    objective: Objective = "balanced",
    row_group: int | None = None,
    block: tuple[int, int] | None = None,
    twist: bool = False,
    device: str | Ceilings | None = None,
    rng: Any = 0,
) -> RBGP4:
    r"""Choose an RBGP4 pattern of exactly the given shape and sparsity.

    Parameters
    ----------
    rows, cols : int
        Shape of the weight matrix (outputs, inputs).
    sparsity : float
        Share of zeros, from 0 up to but not including 1.
    objective : {"balanced", "gap", "speed", "size"}
        "gap": the smallest sigma2/sigma1, with single rows. "balanced": the smallest
        sigma2/sigma1 among patterns with tiles that fit fast memory, and four rows that share
        their indices, or fewer where sigma2/sigma1 would exceed 0.75. "speed": the shortest
        product with 256 columns that the cost model predicts, among patterns with tiles that fit
        fast memory and sigma2/sigma1 up to 0.75; of equal times the one with the smallest
        sigma2/sigma1. "size": the smallest index tables, with sigma2/sigma1 up to 0.75.
    row_group : int, optional
        Number of rows that share one column list, instead of what the objective prefers.
    block : (int, int), optional
        The dense element block; (1, 1) by default.
    twist : bool
        Whether the outer edges may shift the inner pattern, with the shifts that
        `rbgp_graphs.selection.twist` finds. Patterns with denser outer graphs then come into
        reach.
    device : str or Ceilings, optional
        Whose limits the cost model takes, for "speed": a name that ``rbgp doctor --measure``
        has stored, "default" for assumed ones, or the limits themselves. Without it those of the
        processor if they were measured, else the assumed ones.
    rng : int, numpy.random.Generator or None
        Source of randomness for factors that no explicit family provides, and for shifts.

    Returns
    -------
    RBGP4
        With connected Ramanujan (or complete) outer and inner factors.

    Raises
    ------
    ArgumentError
        If an argument leaves its range, or the device is unknown.
    InfeasibleError
        If the shape and sparsity do not allow a biregular pattern, or not with the requested row
        group and block; names the nearest sparsities and sizes that work.

    Notes
    -----
    All ways to split rows, columns and degree over an outer and an inner factor are ranked by
    the sigma2/sigma1 that the best family for each factor promises: the product has the larger
    of the two. Fewer index entries decide ties. A twisted product has less than the inner share
    of that, by about the factor that random shifts of the outer graph give.

    The same call gives the same pattern. With "speed" and without `device` that holds on one
    machine, as long as its limits are not measured again; ``device="default"`` gives the same
    pattern everywhere.

    Examples
    --------
    >>> pattern = design(1024, 1024, 0.9375)
    >>> pattern.shape, pattern.sparsity, pattern.row_group
    ((1024, 1024), 0.9375, 4)
    """
    rows, cols, share = as_layer(rows, cols, sparsity)
    if objective not in get_args(Objective):
        names = ", ".join(get_args(Objective))
        raise ArgumentError(f"objective is {objective!r}, expected one of {names}")
    if not isinstance(twist, bool):
        raise ArgumentTypeError(f"twist is {twist!r}, expected True or False")
    block = as_block(block)
    groups = _ROW_GROUPS.get(objective) or row_groups(rows, block)
    if row_group is not None:
        groups = (as_row_group(row_group, rows, block),)
    ceilings = ceilings_of(device)
    degree = exact_degree(rows, cols, share)
    by_group = [list(splits(rows, cols, degree, group, block, twist=twist)) for group in groups]
    if not any(by_group):
        raise no_split((rows, cols), share, groups, block)
    if objective == "speed":
        best = _fastest([c for found in by_group for c in found], ceilings)
    elif objective == "size":
        every = [c for found in by_group for c in found]
        best = min(_good(every) or every, key=lambda c: (c.index_bytes, c.ratio))
    else:
        best = _widest(by_group, objective)
    return best.build(rng=rng)


def _widest(by_group: list[list[Candidate]], objective: str) -> Candidate:
    """Return the candidate of smallest ratio in the first row group where it is good."""
    best_of_groups = []
    for found in by_group:
        if found:
            fitting = [c for c in found if c.fits_tile] if objective == "balanced" else []
            best_of_groups.append(min(fitting or found, key=_by_ratio))
            if best_of_groups[-1].ratio <= _GOOD_RATIO:
                break
    return min(best_of_groups, key=lambda candidate: candidate.ratio)


def _fastest(found: list[Candidate], ceilings: Ceilings) -> Candidate:
    good = _good(found)
    if not good:
        return min(found, key=lambda c: c.ratio)
    fitting = [c for c in good if c.fits_tile] or good
    timed = (c.timed(_COLUMNS, _DTYPE, ceilings) for c in fitting)
    return min(timed, key=lambda c: c.speed_order)


def _good(found: list[Candidate]) -> list[Candidate]:
    return [c for c in found if c.ratio <= _GOOD_RATIO]


def _by_ratio(candidate: Candidate) -> tuple[float, int]:
    return round(candidate.ratio, 6), candidate.index_bytes


# Checks -------------------------------------------------------------------------------------


def check_options(options: Iterable[str], where: str = "") -> None:
    """Raise if `design`, which gets these keyword arguments, does not know one."""
    parameters = inspect.signature(design).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind == parameter.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise ArgumentTypeError(
                f"{where}there is no argument {name!r}; design takes {', '.join(known)}"
            )


def as_layer(rows: Any, cols: Any, sparsity: Any) -> tuple[int, int, float]:
    """Return shape and sparsity of a layer in normal form."""
    return (
        as_int("rows", rows, minimum=1, maximum=2**31),
        as_int("cols", cols, minimum=1, maximum=2**31),
        as_fraction_of_one("sparsity", sparsity),
    )


def as_row_group(row_group: Any, rows: int, block: tuple[int, int]) -> int:
    """Return a row group that is a multiple of the block's rows."""
    group = as_int("row_group", row_group, minimum=1, maximum=rows)
    if group % block[0]:
        raise ArgumentError(
            f"row_group is {row_group}, expected a multiple of the block's {block[0]} rows"
        )
    return group


def no_split(
    shape: tuple[int, int], sparsity: float, groups: tuple[int, ...], block: tuple[int, int]
) -> InfeasibleError:
    """Return the error for a layer that has no split with these row groups and this block."""
    return InfeasibleError(
        f"no RBGP4 pattern of shape {shape} and sparsity {sparsity:g} has row group "
        f"{' or '.join(map(str, groups))} and block {block}: both must divide the shape and "
        "leave whole degrees of connected factors; row_group=1 and block=(1, 1) allow the most"
    )


def as_block(block: Any) -> tuple[int, int]:
    """Return `block` as a pair of sizes, (1, 1) for None."""
    if block is None:
        return (1, 1)
    try:
        height, width = block
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"block is {block!r}, expected a pair (rows, cols)") from None
    return as_int("block rows", height, minimum=1), as_int("block cols", width, minimum=1)


def exact_degree(rows: int, cols: int, sparsity: float) -> int:
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
