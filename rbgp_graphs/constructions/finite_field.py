"""Arithmetic in a finite field on integer labels of its elements.

The elements of F_q with q = p**k are the numbers 0..q-1; the base-p digits of a number are the
coordinates of the element, so that 0 and 1 are themselves and addition is digit by digit.
"""

from __future__ import annotations

import functools
import importlib.util
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_prime_power, is_prime, require

IntArray = NDArray[np.int64]
Operation = Callable[[Any, Any], IntArray]


@dataclass(frozen=True, kw_only=True)
class FiniteField:
    """A finite field, given by its operations on integer labels.

    Attributes
    ----------
    order, characteristic, degree : int
        q, p and k with q = p**k.
    add, multiply : callable
        Elementwise operations on integer arrays, with broadcasting.
    """

    order: int
    characteristic: int
    degree: int
    add: Operation
    multiply: Operation

    def negate(self, x: Any) -> IntArray:
        """Return the negative of each element."""
        return self.multiply(self.characteristic - 1, x)

    def subtract(self, x: Any, y: Any) -> IntArray:
        """Return x - y for each pair."""
        return self.add(x, self.negate(y))

    def power(self, x: Any, exponent: int) -> IntArray:
        """Return each element to a power of at least 0; the power 0 is 1."""
        base = np.asarray(x, dtype=np.int64)
        result = np.ones_like(base)
        while exponent:
            if exponent & 1:
                result = self.multiply(result, base)
            base = self.multiply(base, base)
            exponent >>= 1
        return result

    def inverse(self, x: Any) -> IntArray:
        """Return the inverse of each element; that of 0 is given as 0."""
        # Without the 0 case the field with two elements would map 0 to 0**0 = 1.
        return np.where(np.asarray(x) == 0, 0, self.power(x, self.order - 2))

    def subfield(self, order: int) -> IntArray:
        """Return the elements of the subfield with `order` elements, ascending."""
        elements = np.arange(self.order)
        return np.flatnonzero(self.power(elements, order) == elements)


def has_field(q: int) -> bool:
    """Return whether `finite_field` works here for a prime power `q`."""
    return is_prime(q) or _has_flint()


@functools.cache
def _has_flint() -> bool:
    return importlib.util.find_spec("flint") is not None


def finite_field(name: str, q: Any) -> FiniteField:
    """Return the field with `q` elements; `name` is the argument that errors speak of.

    Prime fields are integers modulo q. The Conway polynomials of other fields come from
    python-flint, and need it installed.
    """
    p, k = as_prime_power(name, q)
    if k > 1:
        return _extension_field(p, k)
    return FiniteField(
        order=p,
        characteristic=p,
        degree=1,
        add=lambda x, y: np.add(x, y, dtype=np.int64) % p,
        multiply=lambda x, y: np.multiply(x, y, dtype=np.int64) % p,
    )


@functools.lru_cache(maxsize=16)
def _extension_field(p: int, k: int) -> FiniteField:
    """Return the field with p**k elements, k at least 2: products add logarithms."""
    # FLINT has the Conway polynomials of all fields whose graphs fit into memory.
    context = require("flint").fq_default_ctx(p, k)
    places = [p**i for i in range(k)]

    def add(x: Any, y: Any) -> IntArray:
        first, second = np.asarray(x, dtype=np.int64), np.asarray(y, dtype=np.int64)
        if p == 2:
            return np.bitwise_xor(first, second)
        digits = ((first // place + second // place) % p * place for place in places)
        return functools.reduce(np.add, digits)

    # Constructions check their sizes after they have asked for the field.
    @functools.cache
    def tables() -> tuple[IntArray, IntArray]:
        powers = _powers_of_generator(context, places)
        logarithms = np.zeros(p**k, dtype=np.int64)
        logarithms[powers] = np.arange(len(powers))
        return powers, logarithms

    def multiply(x: Any, y: Any) -> IntArray:
        powers, logarithms = tables()
        product = powers[(logarithms[x] + logarithms[y]) % len(powers)]
        return np.where((np.asarray(x) == 0) | (np.asarray(y) == 0), 0, product)

    return FiniteField(order=p**k, characteristic=p, degree=k, add=add, multiply=multiply)


def _powers_of_generator(context: Any, places: list[int]) -> IntArray:
    """Return 1, x, x**2, ...: all elements but 0, as a Conway polynomial is primitive."""
    generator, element = context.gen(), context.one()
    powers = np.empty(int(context.order()) - 1, dtype=np.int64)
    for exponent in range(len(powers)):
        coordinates = map(int, element.to_list())
        powers[exponent] = sum(map(operator.mul, coordinates, places))
        element *= generator
    return powers
