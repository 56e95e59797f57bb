"""Checks at the door: each returns its argument in normal form or raises the package's error."""

from __future__ import annotations

import importlib
import math
import operator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

#: Largest integer argument accepted where a prime is expected; trial division stays instant.
_LARGEST_PRIME_ARGUMENT = 10**9


def as_int(name: str, value: Any, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return `value` as an int; refuse bool, float and whatever lies outside the range."""
    if isinstance(value, (bool, np.bool_)):
        raise ArgumentTypeError(f"{name} is {value!r}, expected an integer, not a bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentTypeError(
            f"{name} is {value!r} of type {type(value).__name__}, expected an integer"
        ) from None
    if minimum is not None and number < minimum:
        raise ArgumentError(f"{name} is {number}, expected at least {minimum}")
    if maximum is not None and number > maximum:
        raise ArgumentError(f"{name} is {number}, expected at most {maximum}")
    return number


def as_fraction_of_one(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1)."""
    if isinstance(value, (bool, str, bytes)):
        raise ArgumentTypeError(f"{name} is {value!r}, expected a number in [0, 1)")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{name} is {value!r}, expected a number in [0, 1)") from None
    if not 0.0 <= number < 1.0:
        raise ArgumentError(f"{name} is {number}, expected a number in [0, 1)")
    return number


def is_prime(n: int) -> bool:
    """Return whether `n` is prime, by trial division."""
    return n >= 2 and all(n % d for d in range(2, math.isqrt(n) + 1))


def as_prime(name: str, value: Any, *, odd: bool = False) -> int:
    """Return `value` as a prime number; the error names the nearest ones."""
    number = as_int(name, value, maximum=_LARGEST_PRIME_ARGUMENT)
    if is_prime(number) and not (odd and number == 2):
        return number
    smallest = 3 if odd else 2
    raise ArgumentError(
        f"{name} is {number}, expected {'an odd prime' if odd else 'a prime'}; "
        f"{_nearest_text(number, smallest, is_prime)}"
    )


def prime_power(n: int) -> tuple[int, int] | None:
    """Return ``(p, k)`` with ``n == p**k`` and p prime, or None if there is no such pair."""
    if n < 2:
        return None
    p = next((d for d in range(2, math.isqrt(n) + 1) if n % d == 0), n)
    k = 0
    while n % p == 0:
        n //= p
        k += 1
    return (p, k) if n == 1 else None


def as_prime_power(name: str, value: Any) -> tuple[int, int]:
    """Return ``(p, k)`` with ``value == p**k``; the error names the nearest prime powers."""
    number = as_int(name, value, maximum=_LARGEST_PRIME_ARGUMENT)
    found = prime_power(number)
    if found is None:
        nearest = _nearest_text(number, 2, lambda n: prime_power(n) is not None)
        raise ArgumentError(f"{name} is {number}, expected a prime power; {nearest}")
    return found


def _nearest_text(number: int, smallest: int, accepts: Any) -> str:
    below = next((n for n in range(number - 1, smallest - 1, -1) if accepts(n)), None)
    above = next(n for n in range(max(number + 1, smallest), 2 * abs(number) + 9) if accepts(n))
    return f"the nearest is {above}" if below is None else f"the nearest are {below} and {above}"


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as an array; refuse ragged lists."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ArgumentTypeError(f"{name} is no array: {error}") from None


def as_generator(rng: Any) -> np.random.Generator:
    """Return a NumPy generator from an int seed, a generator, a seed sequence or None."""
    if rng is not None and not isinstance(
        rng, (np.random.Generator, np.random.SeedSequence, np.random.BitGenerator)
    ):
        rng = as_int("rng", rng, minimum=0)
    return np.random.default_rng(rng)


def require(module: str, extra: str | None = None) -> ModuleType:
    """Import a dependency that may be missing, or say which command installs it.

    `extra` is the extra of this package that brings an optional dependency; without it the
    module belongs to the core dependencies.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        requirement = "rbgp-graphs" if extra is None else f"rbgp-graphs[{extra}]"
        raise MissingDependencyError(
            f"this needs {module.partition('.')[0]}, which is not installed; "
            f'run: pip install "{requirement}"'
        ) from error
