"""All patterns for a layer, with what each costs and gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.selection.candidates import Candidate, splits
from rbgp_graphs.selection.candidates import row_groups as all_row_groups
from rbgp_graphs.selection.cost_model import Ceilings, ceilings_of
from rbgp_graphs.selection.design import as_block, as_layer, as_row_group, exact_degree, no_split


def design_space(
    rows: int,
    cols: int,
    sparsity: float,
    *,
    row_groups: Iterable[int] | None = None,
    block: tuple[int, int] | None = None,
    twist: bool = False,
    columns: int = 256,
    dtype: str = "float32",
    device: str | Ceilings | None = None,
) -> tuple[Candidate, ...]:
    r"""Return every pattern that a layer can have, with gap, predicted time and index bytes.

    Parameters
    ----------
    rows, cols : int
        Shape of the weight matrix (outputs, inputs).
    sparsity : float
        Share of zeros, from 0 up to but not including 1.
    row_groups : iterable of int, optional
        Row groups to consider; by default the divisors of `rows` up to 128.
    block : (int, int), optional
        The dense element block; (1, 1) by default.
    twist : bool
        Whether the outer edges shift the inner pattern.
    columns : int
        Columns of the dense operand whose product is timed.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        Of all arrays.
    device : str or Ceilings, optional
        Whose limits the cost model takes; as for `rbgp_graphs.design`.

    Returns
    -------
    tuple of Candidate
        Sorted by predicted time, of equal times by sigma2/sigma1. Candidates are *Pareto-optimal*
        if no other is at least as good in normalised gap, time and index bytes and better in one;
        ``candidate.build()`` makes the pattern.

    Raises
    ------
    ArgumentError
        If an argument leaves its range, or the device is unknown.
    InfeasibleError
        If there is no such pattern; names the nearest sparsities and sizes that work.

    Notes
    -----
    Nothing is built: the gap is the one that the best family for each factor promises. Large
    layers have thousands of candidates.

    Examples
    --------
    >>> found = design_space(256, 256, 0.75, device="default")
    >>> best = [c for c in found if c.pareto]
    >>> 1 < len(best) < len(found)
    True
    >>> best[0].build().sparsity
    0.75
    """
    rows, cols, share = as_layer(rows, cols, sparsity)
    block = as_block(block)
    columns = as_int("columns", columns, minimum=0)
    if not isinstance(twist, bool):
        raise ArgumentTypeError(f"twist is {twist!r}, expected True or False")
    groups = _as_row_groups(row_groups, rows, block)
    ceilings = ceilings_of(device)
    degree = exact_degree(rows, cols, share)
    found = [
        candidate.timed(columns, dtype, ceilings)
        for group in groups
        for candidate in splits(rows, cols, degree, group, block, twist=twist)
    ]
    if not found:
        raise no_split((rows, cols), share, groups, block)
    return tuple(_mark(sorted(found, key=lambda c: c.speed_order)))


def _as_row_groups(
    row_groups: Iterable[int] | None, rows: int, block: tuple[int, int]
) -> tuple[int, ...]:
    if row_groups is None:
        return all_row_groups(rows, block)
    try:
        given = tuple(row_groups)
    except TypeError:
        raise ArgumentTypeError(
            f"row_groups is {row_groups!r}, expected several numbers such as [1, 4, 64]"
        ) from None
    return tuple(as_row_group(group, rows, block) for group in given)


def _mark(candidates: list[Candidate]) -> list[Candidate]:
    """Mark the Pareto-optimal ones of candidates that are sorted by time, ratio and bytes."""
    # Whoever dominates comes earlier, so it is enough to compare with the best before.
    front: list[tuple[float, int]] = []
    marked = []
    for candidate in candidates:
        ratio, size = candidate.ratio, candidate.index_bytes
        optimal = not any(r <= ratio and b <= size for r, b in front)
        if optimal:
            front = [(r, b) for r, b in front if not (ratio <= r and size <= b)]
            front.append((ratio, size))
        marked.append(replace(candidate, pareto=optimal))
    return marked
