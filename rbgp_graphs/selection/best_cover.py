"""The best cover with an abelian group that a search finds for a shape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import prime_power
from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.constructions.recipes import rebuild
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.selection.explicit import explicit_member
from rbgp_graphs.selection.feasible import is_connectable
from rbgp_graphs.spectral.abelian_search import CoverSearchResult, search_abelian_cover
from rbgp_graphs.spectral.bounds import trace_bound

Shape = tuple[int, int, int]

#: Most orbits on the smaller side, and most bits of the blocks.
_MOST_ORBITS, _MOST_BITS = 16, 8192
#: Nothing is better than the trace bound, and this close to it the search ends.
_OPTIMAL = 1.0001
#: Orbits of the larger side that a short search likes best, its steps, and the multiplications
#: of all of them, which take some seconds.
_QUICK_ORBITS, _QUICK_STEPS, _QUICK_WORK = 8, 400, 1e10
#: Orbits of the larger side at most: a step takes long with more.
_MOST_QUICK_ORBITS = 32
#: With fewer steps a search finds nothing.
_FEWEST_STEPS = 50
#: Groups that are searched longer, and with how many seeds.
_FINALISTS, _SEEDS = 3, (1, 2)


def groups(size: int) -> Iterator[tuple[int, ...]]:
    """Yield some abelian groups of the given order, as orders of cyclic factors."""
    yield (size,)
    odd = size
    while odd % 2 == 0:
        odd //= 2
    twos = (size // odd).bit_length() - 1
    rest = (odd,) if odd > 1 else ()
    if twos >= 2:
        yield (2,) * twos + rest
        yield (2, *((size // 2,) if size > 2 else ()))
    if twos >= 4:
        yield (4,) * (twos // 2) + (2,) * (twos % 2) + rest
    power = prime_power(odd)
    if power is not None and power[1] > 1:
        yield (2,) * twos + (power[0],) * power[1]


def base_weights(shape: Shape, size: int) -> NDArray[np.int64] | None:
    """Return the multigraph that a group of the given order covers, None if none is connected."""
    left, right, degree = shape
    a, b = left // size, right // size
    whole, rest = divmod(degree, b)
    weights = np.full((a, b), whole, dtype=np.int64)
    if whole == 0 and not is_connectable(a, b, rest):
        return None
    if rest:
        member = explicit_member(a, b, rest)
        # Drawing this graph with a fixed seed keeps the weights a function of the shape.
        extra = random_biregular(a, b, rest, rng=0) if member is None else rebuild(member.recipe)
        weights += extra.biadjacency(np.int64).toarray()
    return weights if weights.max() <= size else None


def configurations(shape: Shape) -> Iterator[tuple[int, ...]]:
    """Yield the groups with which a shape is searched."""
    left, right, _ = shape
    common = math.gcd(left, right)
    for size in range(common, 1, -1):
        fits = left // size <= _MOST_ORBITS and left * right // size <= _MOST_BITS
        if common % size == 0 and fits and base_weights(shape, size) is not None:
            yield from groups(size)


def find(shape: Shape, orders: tuple[int, ...], seed: int, steps: int) -> CoverSearchResult:
    """Run one search, as the origin of a record describes it."""
    weights = base_weights(shape, math.prod(orders))
    if weights is None:
        raise InfeasibleError(f"no group of order {math.prod(orders)} covers a graph of {shape}")
    return search_abelian_cover(weights, orders, steps=steps, rng=seed)


def quick_cover(shape: Shape, rng: Any) -> CoverSearchResult | None:
    """Search a shape shortly, with one cyclic group; None if none fits or the shape is too large.

    The same `rng` gives the same cover: the search is bounded by steps and not by time.
    """
    left, right, _ = shape
    # A step takes the scores of all places of an edge from all characters.
    steps = min(_QUICK_STEPS, int(_QUICK_WORK / (2 * left * right)))
    if steps < _FEWEST_STEPS:
        return None
    common = math.gcd(left, right)
    sizes = [size for size in range(common, 1, -1) if common % size == 0]
    sizes = [size for size in sizes if max(left, right) // size <= _MOST_QUICK_ORBITS]
    sizes.sort(key=lambda size: abs(math.log(max(left, right) / size / _QUICK_ORBITS)))
    for size in sizes:
        weights = base_weights(shape, size)
        if weights is not None:
            return search_abelian_cover(weights, (size,), steps=steps, rng=rng)
    return None


def best_cover(shape: Shape, effort: float) -> tuple[CoverSearchResult, dict[str, Any]] | None:
    """Search a shape with all groups that fit; return the best cover and its origin."""
    left, _, degree = shape
    lowest = trace_bound(*shape)
    found: list[tuple[float, int, tuple[int, ...]]] = []
    best: tuple[CoverSearchResult, dict[str, Any]] | None = None

    def attempt(orders: tuple[int, ...], seed: int, steps: int) -> float:
        nonlocal best
        result = find(shape, orders, seed, steps)
        if best is None or result.sigma2 < best[0].sigma2 * (1 - 1e-6):
            best = (result, {"orders": list(orders), "seed": seed, "steps": steps})
        return result.sigma2

    for orders in configurations(shape):
        edges = left * degree // math.prod(orders)
        sigma2 = attempt(orders, 0, int(effort * (200 + 3 * edges)))
        found.append((sigma2, edges, orders))
        if sigma2 <= lowest * _OPTIMAL:
            return best
    for seed in _SEEDS:
        for _, edges, orders in sorted(found)[:_FINALISTS]:
            if attempt(orders, seed, int(effort * (1000 + 12 * edges))) <= lowest * _OPTIMAL:
                return best
    return best
