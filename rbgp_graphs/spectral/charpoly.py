"""Exact characteristic polynomials of Gram matrices, and exact counts of their roots."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from rbgp_graphs._validation import require
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.threshold import Threshold

#: Largest side; the time grows with the fourth power and is about two seconds here.
LARGEST_SIDE = 480


@dataclass(frozen=True)
class RootCount:
    """How many eigenvalues lie above a threshold and how many are equal to it."""

    above: int
    equal: int


def characteristic_polynomial(rows: Rows) -> Any:
    """Return the characteristic polynomial of the Gram matrix as a ``flint.fmpz_poly``.

    Raises
    ------
    MissingDependencyError
        If python-flint is not installed.
    """
    flint: Any = require("flint")
    return flint.fmpz_mat(rows.gram().astype(np.int64).tolist()).charpoly()


def polynomial_digest(polynomial: Any) -> str:
    """Return the SHA-256 of the coefficients, joined by commas, the leading one first."""
    text = ",".join(str(int(c)) for c in reversed(polynomial.coeffs()))
    return hashlib.sha256(text.encode()).hexdigest()


def count_roots(polynomial: Any, trivial: int, threshold: Threshold) -> RootCount | None:
    r"""Count the roots of a polynomial above a threshold and equal to it, exactly.

    Parameters
    ----------
    polynomial : flint.fmpz_poly
        Not zero, with real roots only.
    trivial : int
        A root to leave out once, or 0 for none.
    threshold : Threshold
        A positive number.

    Returns
    -------
    RootCount or None
        With multiplicity; None if `trivial` is no root.

    Notes
    -----
    For a polynomial with real roots only, the number of sign changes of its coefficients is the
    number of positive roots (Descartes). The threshold :math:`t` is enclosed between two
    fractions. If a root lies between them, the minimal polynomial of t is divided out as often
    as it divides, after which t itself is no root, and the fractions are moved closer until
    no root is left between them.
    """
    flint: Any = require("flint")
    if trivial:
        polynomial, remainder = divmod(polynomial, flint.fmpz_poly([-trivial, 1]))
        if remainder != 0:
            return None
    equal, bits = 0, 64
    while True:
        below = threshold.floor(bits)
        count, at_least = (_roots_above(polynomial, below + i, bits) for i in (1, -1))
        if count == at_least:
            return RootCount(count, equal)
        if not equal:
            polynomial, equal = _divide_out(polynomial, threshold)
        bits *= 2


def _divide_out(polynomial: Any, threshold: Threshold) -> tuple[Any, int]:
    """Divide by the minimal polynomial of the threshold as often as possible."""
    flint: Any = require("flint")
    a, b, c, root = threshold.a, threshold.b, threshold.c, threshold.root
    own = [-(a + root), c] if root is not None else [a * a - b, -2 * a * c, c * c]
    # By the lemma of Gauss a primitive polynomial divides over the integers or not at all.
    factor = flint.fmpz_poly(own)
    factor = flint.fmpz_poly([int(x) // int(factor.content()) for x in factor.coeffs()])
    times = 0
    while polynomial.degree() >= factor.degree():
        quotient, remainder = divmod(polynomial, factor)
        if remainder != 0 or quotient * factor != polynomial:
            break
        polynomial, times = quotient, times + 1
    return polynomial, times


def _roots_above(polynomial: Any, numerator: int, bits: int) -> int:
    """Count the roots above ``numerator / 2**bits`` by sign changes."""
    flint: Any = require("flint")
    degree = polynomial.degree()
    scaled = flint.fmpz_poly(
        [int(c) << (bits * (degree - i)) for i, c in enumerate(polynomial.coeffs())]
    )
    moved = scaled(flint.fmpz_poly([numerator, 1]))
    signs = [1 if c > 0 else -1 for c in moved.coeffs() if c != 0]
    return sum(x != y for x, y in itertools.pairwise(signs))
