"""Exact numbers of the form (a + sqrt(b)) / c, which squared singular values are compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Threshold:
    r"""The number :math:`(a + \sqrt b) / c`.

    Attributes
    ----------
    a, b, c : int
        b is not negative, c is positive.

    Notes
    -----
    The square of the Ramanujan bound is such a number, and so is what remains of it for one
    factor of a product. All comparisons are made in integers.

    Examples
    --------
    >>> Threshold.ramanujan(4, 4)
    Threshold(a=6, b=36, c=1)
    >>> Threshold.ramanujan(4, 4).compare(12)
    0
    """

    a: int
    b: int
    c: int = 1

    @classmethod
    def ramanujan(cls, left_degree: int, right_degree: int) -> Threshold:
        """Return the square of the Ramanujan bound for two degrees of at least 1."""
        return cls(left_degree + right_degree - 2, 4 * (left_degree - 1) * (right_degree - 1))

    @classmethod
    def lower(cls, left_degree: int, right_degree: int) -> Threshold:
        r"""Return :math:`-(\sqrt{d_l - 1} - \sqrt{d_r - 1})^2`.

        Where no singular value of the smaller side is below those of the biregular tree, no
        eigenvalue of the negative Gram matrix exceeds this number.

        Examples
        --------
        >>> float(Threshold.lower(2, 5))
        -1.0
        """
        return cls(2 - left_degree - right_degree, 4 * (left_degree - 1) * (right_degree - 1))

    def divided_by(self, divisor: int) -> Threshold:
        """Return this number divided by a positive integer."""
        return Threshold(self.a, self.b, self.c * divisor)

    def compare(self, numerator: int, denominator: int = 1) -> int:
        """Return -1, 0 or 1 as the fraction is below, equal to or above this number.

        The denominator is positive.
        """
        excess = self.c * numerator - self.a * denominator
        if excess < 0:
            return -1
        difference = excess * excess - self.b * denominator * denominator
        return (difference > 0) - (difference < 0)

    def floor(self, bits: int) -> int:
        """Return the largest integer that is at most ``2**bits`` times this number."""
        # Flooring the root first does not change the result, because c is an integer.
        return ((self.a << bits) + math.isqrt(self.b << (2 * bits))) // self.c

    @property
    def root(self) -> int | None:
        """The square root of b if it is an integer."""
        root = math.isqrt(self.b)
        return root if root * root == self.b else None

    def __float__(self) -> float:
        return self.floor(64) / 2**64
