r"""Upper bounds on singular values from an integer Cholesky factor.

Let S have entries -1, 0 and 1, let :math:`G = S S^T` be of size n and t the threshold. With
:math:`K = 4^k` and integers w, T where :math:`T \le K t`, put :math:`M = T I - K G + w J`. If an
integer matrix L is found such that :math:`E = M - L L^T` is diagonally dominant with a positive
diagonal, strictly so, then E, and with it M, is positive definite, so that
:math:`x^T G x < t\,x^T x` for every x orthogonal to the all-ones vector (for every x if w = 0).

L is a rounded floating-point factor of :math:`M - c I`. Nothing is assumed about its quality. The
product :math:`L L^T` is exact in float64: all terms are integers, and every partial sum is bounded
by the product of two row norms, which is checked to be below :math:`2^{53}`.

Where there is little room below the threshold, L keeps f further bits: it is :math:`2^f H + R` with
two integer matrices, M is taken for :math:`K = 4^{k+f}`, and E is put together from
:math:`H H^T`, :math:`H R^T` and :math:`R R^T` in 64-bit integers.
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
#: Off-diagonal entries of E up to here have row sums below 2**63 at `LARGEST_SIDE`.
_LARGEST_REST = 2**48
#: Entries of M - H H^T without and with further bits: at most 2**63 after the shift by 2 f.
_LARGEST_DIFFERENCE = (2**52, 2**38)
#: The most further bits; below 2**14 rows this keeps all sums with R below 2**46.
FINE = 12
_BLOCK = 1024
#: Rounding L to integers changes a row of E by about 0.33 n sqrt(t) 2**k in sum.
_ENOUGH, _LEAST = 0.6, 0.38
#: Relative room that the floating-point factor itself needs.
_LEAST_ROOM = 1e-9


def propose(rows: Rows, threshold: Threshold, largest: float) -> tuple[int, int, int] | None:
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
    bits, shift, fine : int
        The exponent k, the integer c and the number f of further bits.
    """
    size, limit = rows.size, float(threshold)
    if size > LARGEST_SIDE:
        return None
    entry = abs(limit) + rows.largest_degree + rows.trivial / size
    bits = min(BITS[1], int(51 - math.log2(entry)) // 2)
    if bits < BITS[0]:
        return None
    room = (limit - largest) * 4.0**bits
    # A row of the factor has about the norm of the root of a diagonal entry of M.
    unit = size * math.sqrt(max(limit, rows.largest_degree)) * 2.0**bits
    fine = 0 if room >= _LEAST * unit else FINE
    unit /= 2.0**fine
    if room < max(_LEAST * unit, _LEAST_ROOM * abs(limit) * 4.0**bits):
        return None
    shift = min(_ENOUGH * unit, max(room / 2, min(0.8 * room, 0.5 * unit)))
    return bits, math.ceil(shift), fine


def is_proof(rows: Rows, threshold: Threshold, bits: int, shift: int, fine: int = 0) -> bool:
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
    fine : int
        The number f of further bits, 0 or from 1 to `FINE`.

    Returns
    -------
    bool
        True if every eigenvalue of the Gram matrix that counts is below the threshold. False
        says nothing.
    """
    size = rows.size
    if not (size <= LARGEST_SIDE and BITS[0] <= bits <= BITS[1] and 0 <= shift <= _EXACT):
        return False
    if not 0 <= fine <= FINE:
        return False
    # M has 2 f more bits; the last ones only occur on the diagonal.
    diagonal, remainder = divmod(threshold.floor(2 * (bits + fine)), 4**fine)
    scale = 4**bits
    constant = scale * rows.trivial // size
    if abs(diagonal) + scale * rows.largest_degree + constant > _EXACT:
        return False
    factor = _factor(rows, scale, diagonal - shift, constant)
    if factor is None:
        return False
    rest = _split(factor, fine)
    if not _norms_are_small(factor) or (rest is not None and np.abs(rest).max() > 2**fine):
        return False
    return _is_dominant(rows, scale, diagonal, constant, factor, rest, fine, remainder)


def _factor(rows: Rows, scale: int, diagonal: int, constant: int) -> NDArray[np.float64] | None:
    """Return the lower Cholesky factor of M - c I as computed, if it exists."""
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
    return factor


def _part(rows: Rows, scale: int, diagonal: int, constant: int, start: int) -> NDArray[np.float64]:
    """Return some rows of T I - K G + w J, exactly."""
    part: NDArray[np.float64] = (rows.matrix[start : start + _BLOCK] @ rows.matrix.T).toarray()
    part *= -float(rows.sign * scale)
    part += float(constant)
    place = np.arange(len(part))
    part[place, start + place] += float(diagonal)
    return part


def _split(factor: NDArray[np.float64], fine: int) -> NDArray[np.float64] | None:
    """Round a factor to integers in place; return the next `fine` bits, as integers too."""
    if not fine:
        np.rint(factor, out=factor)
        return None
    rest = np.empty_like(factor)
    for start in range(0, len(factor), _BLOCK):
        part = factor[start : start + _BLOCK]
        whole = np.rint(part)
        rest[start : start + _BLOCK] = np.rint((part - whole) * 2.0**fine)
        part[...] = whole
    return rest


def _norms_are_small(factor: NDArray[np.float64]) -> bool:
    # The rounding of these sums is far below the bit that separates them from 2**53. A NaN or
    # an infinity fails the comparison.
    norms = np.einsum("ij,ij->i", factor, factor)
    return bool((norms <= _EXACT).all())


def _is_dominant(
    rows: Rows,
    scale: int,
    diagonal: int,
    constant: int,
    factor: NDArray[np.float64],
    rest: NDArray[np.float64] | None,
    fine: int,
    remainder: int,
) -> bool:
    """Say whether E is strictly diagonally dominant with a positive diagonal.

    With `rest` the factor is ``2**fine * factor + rest``, and M is ``4**fine`` times what the
    numbers give, plus `remainder` on the diagonal.
    """
    size = rows.size
    own = np.zeros(size, dtype=np.int64)
    others = np.zeros(size, dtype=np.int64)
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        if factor[start:stop, stop:].any() or (rest is not None and rest[start:stop, stop:].any()):
            return False
        part = _part(rows, scale, diagonal, constant, start)
        for first in range(0, stop, _BLOCK):
            last = min(first + _BLOCK, size)
            # Beyond column `last` the second of the two is zero, as checked above.
            here, there = (slice(start, stop), slice(last)), (slice(first, last), slice(last))
            difference = part[:, first:last] - factor[here] @ factor[there].T
            if not np.abs(difference).max() <= _LARGEST_DIFFERENCE[rest is not None]:
                return False
            block = difference.astype(np.int64) << (2 * fine)
            if rest is not None:
                mixed = factor[here] @ rest[there].T + rest[here] @ factor[there].T
                block -= mixed.astype(np.int64) << fine
                block -= (rest[here] @ rest[there].T).astype(np.int64)
            if first == start:
                own[start:stop] = block.diagonal() + remainder
                np.fill_diagonal(block, 0)
            np.abs(block, out=block)
            if block.max() > _LARGEST_REST:
                return False
            others[start:stop] += block.sum(axis=1)
            if first != start:
                others[first:last] += block.sum(axis=0)
    return bool((own > others).all())
