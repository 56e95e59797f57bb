r"""Upper bounds on singular values from an integer Cholesky factor.

Let S have entries -1, 0 and 1, let :math:`G = S S^T` be of size n and t the threshold. With
:math:`K = 4^k` and integers w, T where :math:`T \le K t`, put :math:`M = T I - K G + w J`. If an
integer matrix L is found such that :math:`E = M - L L^T` is diagonally dominant with a positive
diagonal, strictly so, then E, and with it M, is positive definite, so that
:math:`x^T G x < t\,x^T x` for every x orthogonal to the all-ones vector (for every x if w = 0).

L is a rounded floating-point factor of :math:`M - c I`. Nothing is assumed about its quality. The
product :math:`L L^T` is exact in float64: all terms are integers, and every partial sum is bounded
by the product of two row norms, which is checked to be below :math:`2^{53}`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.threshold import Threshold

#: Largest side: the factor then takes 2 GiB.
LARGEST_SIDE = 16384
#: Range of the exponent k.
BITS = (4, 26)
#: Integers up to here are added and subtracted exactly with a bit to spare.
_EXACT = 2**52
#: Off-diagonal entries of E up to here have exact row sums up to 2**16 columns.
_LARGEST_REST = 2**36
_BLOCK = 1024
#: Rounding L to integers changes a row of E by about 0.33 n sqrt(t) 2**k in sum.
_ENOUGH, _LEAST = 0.6, 0.38


def propose(rows: Rows, threshold: Threshold, largest: float) -> tuple[int, int] | None:
    """Return parameters of `is_proof` that should work, or None if there is too little room.

    Parameters
    ----------
    rows : Rows
        The matrix.
    threshold : Threshold
        What its squared singular values are to keep to.
    largest : float
        The largest of them, as computed.

    Returns
    -------
    bits, shift : int
        The exponent k and the integer c.
    """
    size, limit = rows.size, float(threshold)
    if size > LARGEST_SIDE:
        return None
    entry = limit + rows.largest_degree + rows.trivial / size
    bits = min(BITS[1], int(51 - math.log2(entry)) // 2)
    if bits < BITS[0]:
        return None
    unit = size * math.sqrt(limit) * 2.0**bits
    room = (limit - largest) * 4.0**bits
    if room < _LEAST * unit:
        return None
    return bits, int(min(_ENOUGH * unit + 2.0**bits, max(room / 2, min(0.8 * room, 0.5 * unit))))


def is_proof(rows: Rows, threshold: Threshold, bits: int, shift: int) -> bool:
    """Say whether the parameters prove that the squared singular values stay below a threshold.

    Parameters
    ----------
    rows : Rows
        The matrix.
    threshold : Threshold
        The bound.
    bits : int
        The exponent k.
    shift : int
        The integer c.

    Returns
    -------
    bool
        True if every eigenvalue of the Gram matrix that counts is below the threshold. False
        says nothing.
    """
    size = rows.size
    if not (size <= LARGEST_SIDE and BITS[0] <= bits <= BITS[1] and 0 <= shift <= _EXACT):
        return False
    scale, diagonal = 4**bits, threshold.floor(2 * bits)
    constant = scale * rows.trivial // size
    if diagonal + scale * rows.largest_degree + constant > _EXACT:
        return False
    factor = _factor(rows, scale, diagonal - shift, constant)
    if factor is None or not _norms_are_small(factor):
        return False
    return _is_dominant(rows, scale, diagonal, constant, factor)


def _factor(rows: Rows, scale: int, diagonal: int, constant: int) -> NDArray[np.float64] | None:
    """Return the lower Cholesky factor of M - c I rounded to integers, if it exists."""
    from scipy import linalg

    size = rows.size
    matrix = np.zeros((size, size), order="F")
    for start in range(0, size, _BLOCK):
        matrix[start : start + _BLOCK] = _part(rows, scale, diagonal, constant, start)
    try:
        factor: NDArray[np.float64] = linalg.cholesky(
            matrix, lower=True, overwrite_a=True, check_finite=False
        )
    except linalg.LinAlgError:
        return None
    return np.rint(factor, out=factor)


def _part(rows: Rows, scale: int, diagonal: int, constant: int, start: int) -> NDArray[np.float64]:
    """Return some rows of T I - K G + w J, exactly."""
    part: NDArray[np.float64] = (rows.matrix[start : start + _BLOCK] @ rows.matrix.T).toarray()
    part *= -float(scale)
    part += float(constant)
    place = np.arange(len(part))
    part[place, start + place] += float(diagonal)
    return part


def _norms_are_small(factor: NDArray[np.float64]) -> bool:
    # The rounding of these sums is far below the bit that separates them from 2**53. A NaN or
    # an infinity fails the comparison.
    norms = np.einsum("ij,ij->i", factor, factor)
    return bool((norms <= _EXACT).all())


def _is_dominant(
    rows: Rows, scale: int, diagonal: int, constant: int, factor: NDArray[np.float64]
) -> bool:
    """Say whether M - L L^T is strictly diagonally dominant with a positive diagonal."""
    size = rows.size
    own = np.zeros(size)
    others = np.zeros(size)
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        if factor[start:stop, stop:].any():
            return False
        part = _part(rows, scale, diagonal, constant, start)
        for first in range(0, stop, _BLOCK):
            last = min(first + _BLOCK, size)
            # Beyond column `last` the second of the two is zero, as checked above.
            product = factor[start:stop, :last] @ factor[first:last, :last].T
            rest = part[:, first:last] - product
            if first == start:
                own[start:stop] = rest.diagonal()
                np.fill_diagonal(rest, 0.0)
            np.abs(rest, out=rest)
            if not rest.max() <= _LARGEST_REST:
                return False
            others[start:stop] += rest.sum(axis=1)
            if first != start:
                others[first:last] += rest.sum(axis=0)
    return bool((own > others).all())
