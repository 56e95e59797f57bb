"""Roots of unity as integers, with a proved error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Largest order of a root.
LARGEST_ORDER = 2**16
_GUARD = 64


def roots_of_unity(order: int, bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    r"""Return :math:`2^b e^{2 \pi i j / k}` rounded to integers, for j from 0 to k - 1.

    Parameters
    ----------
    order : int
        The number k, from 1 to `LARGEST_ORDER`.
    bits : int
        The number b, from 1 to 60.

    Returns
    -------
    real, imaginary : ndarray of int64, shape (k,)
        Each number is less than 1 from its root in the complex plane, and the entries j and
        k - j are conjugates exactly.

    Notes
    -----
    All is done in integers with 64 more bits. Machin's formula and the Taylor series give the
    first root to a few units of the last bit, and each further multiplication adds as much, so
    that the error is below :math:`2^{-40}` before the last rounding, which adds at most 1/2 to
    either part.

    Examples
    --------
    >>> real, imaginary = roots_of_unity(8, 10)
    >>> real.tolist(), imaginary.tolist()
    ([1024, 724, 0, -724, -1024, -724, 0, 724], [0, 724, 1024, 724, 0, -724, -1024, -724])
    """
    one = 1 << (bits + _GUARD)
    # Sixteen times the second arctangent must stay exact to a few units.
    pi = 16 * _inverse_tangent(5, one) - 4 * _inverse_tangent(239, one)
    cosine, sine = _first_root(2 * pi // order, one)
    found = []
    real, imaginary = one, 0
    for _ in range(order // 2 + 1):
        found.append((_rounded(real), _rounded(imaginary)))
        real, imaginary = (
            (real * cosine - imaginary * sine) // one,
            (real * sine + imaginary * cosine) // one,
        )
    half = np.array(found, dtype=np.int64)
    if order % 2 == 0:
        half[-1] = (-(1 << bits), 0)
    other = half[1 : (order + 1) // 2][::-1] * (1, -1)
    full = np.concatenate((half, other))
    return full[:, 0], full[:, 1]


def _rounded(value: int) -> int:
    return (value + (1 << (_GUARD - 1))) >> _GUARD


def _inverse_tangent(inverse: int, one: int) -> int:
    """Return arctan(1/inverse) times one, some units too small or too large."""
    power = total = one // inverse
    place, sign = 1, 1
    while power:
        power //= inverse * inverse
        place, sign = place + 2, -sign
        total += sign * (power // place)
    return total


def _first_root(angle: int, one: int) -> tuple[int, int]:
    """Return cosine and sine by their series."""
    sums, term, place = [one, angle], angle, 1
    signs = (-1, -1, 1, 1)
    while term:
        place += 1
        term = term * angle // (one * place)
        sums[place % 2] += signs[(place - 2) % 4] * term
    return sums[0], sums[1]
