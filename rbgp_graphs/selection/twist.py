"""The choice of good shifts for a pattern."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_generator, as_int
from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.products import RBGP4, voltage_product
from rbgp_graphs.spectral.numeric import second_singular_value_directly
from rbgp_graphs.spectral.spectrum import twisted_core
from rbgp_graphs.spectral.verdict import verify

#: Two values of sigma2 that differ by less than this share are the same.
_SAME = 1e-9


def twist(pattern: RBGP4, *, tries: int = 16, rng: Any = 0) -> RBGP4:
    r"""Return the pattern with the shifts of smallest sigma2 that were found.

    Parameters
    ----------
    pattern : RBGP4
        Plain or twisted. Only its shifts change: shape, degrees, tiles, row groups and the
        shifted side stay.
    tries : int
        How many random shifts to measure, besides those of `pattern` and the quadratic ones (see
        `rbgp_graphs.products.voltage_product`).
    rng : int, numpy.random.Generator or None
        Source of random shifts. The default makes results repeat.

    Returns
    -------
    RBGP4
        With a second singular value at most that of `pattern`, which itself is returned if
        nothing better was found.

    Raises
    ------
    ArgumentTypeError
        If `pattern` is not an `RBGP4`.
    ArgumentError
        If `tries` is negative.
    MissingDependencyError
        If the quadratic shifts need a field that is not prime and python-flint is not installed.

    Notes
    -----
    Each try measures sigma2 of the twisted outer and inner graph, without `repeat` and `block`.
    No shifts can bring it below the second singular value of the outer graph times the first of
    the inner one, nor below what the trace allows; the search ends early where it meets the first
    of these. So shifts help most where the outer graph is dense and the inner graph limits the
    plain product.

    Examples
    --------
    >>> from rbgp_graphs import complete, ramanujan
    >>> plain = RBGP4(complete(8, 8), (4, 1), ramanujan(16, 16, 3), (1, 1))
    >>> ratios = [verify(p).sigma2 / verify(p).sigma1 for p in (plain, twist(plain))]
    >>> ratios[1] < 0.6 * ratios[0]
    True
    """
    if not isinstance(pattern, RBGP4):
        raise ArgumentTypeError(f"pattern is a {type(pattern).__name__}, expected an RBGP4")
    tries = as_int("tries", tries, minimum=0)
    generator = as_generator(rng)
    best, smallest = pattern, _sigma2(pattern)
    floor = verify(pattern.outer).sigma2 * math.sqrt(math.prod(pattern.inner.degrees or (0, 0)))
    for shifts in _shifts_to_try(pattern, tries, generator):
        if smallest <= floor * (1 + _SAME):
            break
        factors = (pattern.outer, pattern.repeat, pattern.inner, pattern.block)
        candidate = RBGP4(*factors, shifts, pattern.shift_side)
        value = _sigma2(candidate)
        if value < smallest * (1 - _SAME):
            best, smallest = candidate, value
    return best


def _shifts_to_try(
    pattern: RBGP4, tries: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64] | None]:
    side = pattern.shift_side
    yield voltage_product(pattern.outer, pattern.inner, shifts="quadratic", shift_side=side).shifts
    for _ in range(tries):
        yield generator.integers(0, pattern.shift_modulus, pattern.outer.num_edges)


def _sigma2(pattern: RBGP4) -> float:
    """Return sigma2 without `repeat` and `block`, which scale it by the same factor always."""
    core, _ = twisted_core(pattern)
    return second_singular_value_directly(core).value
