from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import errors
from rbgp_graphs._validation import (
    as_fraction_of_one,
    as_generator,
    as_int,
    as_prime,
    as_prime_power,
    is_prime,
    prime_power,
    require,
)
from rbgp_graphs.errors import (
    ArgumentError,
    ArgumentTypeError,
    BackendError,
    FormatError,
    InfeasibleError,
    MissingDependencyError,
    RBGPError,
)

SIEVE = np.ones(3000, dtype=bool)
SIEVE[:2] = False
for _factor in range(2, 55):
    SIEVE[_factor * _factor :: _factor] = False


def nearest(message: str) -> list[int]:
    """Return the numbers that an error message recommends."""
    found = re.search(r"the nearest (?:is|are) ([\d and]+)$", message)
    assert found is not None, message
    return [int(number) for number in found[1].split(" and ")]


@given(st.integers())
def test_integers_of_every_kind_come_back_as_int(number: int) -> None:
    assert as_int("n", number) == number
    if -(2**63) <= number < 2**63:
        result = as_int("n", np.int64(number))
        assert result == number
        assert type(result) is int


@given(st.integers(), st.integers(), st.integers())
def test_integers_pass_exactly_if_they_lie_in_the_range(number: int, low: int, high: int) -> None:
    if low <= number <= high:
        assert as_int("n", number, minimum=low, maximum=high) == number
    else:
        limit = f"at least {low}" if number < low else f"at most {high}"
        with pytest.raises(ArgumentError, match=f"^n is {number}, expected {limit}$"):
            as_int("n", number, minimum=low, maximum=high)


@pytest.mark.parametrize("n", range(-3, 3000, 7))
def test_primes_are_those_of_the_sieve(n: int) -> None:
    for number in range(n, min(n + 7, 3000)):
        assert is_prime(number) == (number >= 0 and bool(SIEVE[number]))


def test_prime_powers_are_the_powers_of_primes() -> None:
    powers = {
        int(p) ** k: (int(p), k) for p in np.flatnonzero(SIEVE) for k in range(1, 12) if p**k < 3000
    }
    for number in range(-2, 3000):
        assert prime_power(number) == powers.get(number)


@given(st.integers(-50, 2990))
def test_the_error_for_a_number_that_is_not_prime_names_the_nearest_primes(n: int) -> None:
    if is_prime(n):
        assert as_prime("p", n) == n
        return
    with pytest.raises(ArgumentError, match=f"p is {n}, expected a prime; ") as caught:
        as_prime("p", n)
    for prime in nearest(str(caught.value)):
        assert as_prime("p", prime) == prime
        assert not any(is_prime(m) for m in range(min(n, prime) + 1, max(n, prime)))


@given(st.integers(-50, 2990))
def test_two_is_no_odd_prime(n: int) -> None:
    if is_prime(n) and n != 2:
        assert as_prime("p", n, odd=True) == n
        return
    with pytest.raises(ArgumentError, match=f"p is {n}, expected an odd prime; ") as caught:
        as_prime("p", n, odd=True)
    for prime in nearest(str(caught.value)):
        assert as_prime("p", prime, odd=True) == prime


@given(st.integers(-50, 2990))
def test_the_error_for_a_number_that_is_no_prime_power_names_the_nearest(n: int) -> None:
    if prime_power(n):
        p, k = as_prime_power("q", n)
        assert is_prime(p)
        assert p**k == n
        return
    with pytest.raises(ArgumentError, match=f"q is {n}, expected a prime power; ") as caught:
        as_prime_power("q", n)
    for power in nearest(str(caught.value)):
        assert prime_power(power) is not None


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1 - 1e-12, np.float32(0.25), Fraction(1, 3)])
def test_fractions_of_one_come_back_as_float(value: Any) -> None:
    result = as_fraction_of_one("sparsity", value)
    assert type(result) is float
    assert result == float(value)


def test_an_int_seed_gives_the_same_numbers_again() -> None:
    draws = [as_generator(7).integers(0, 1000, 5).tolist() for _ in range(2)]
    assert draws[0] == draws[1] == np.random.default_rng(7).integers(0, 1000, 5).tolist()


def test_a_generator_is_used_as_it_is() -> None:
    generator = np.random.default_rng(0)
    assert as_generator(generator) is generator
    assert isinstance(as_generator(None), np.random.Generator)
    assert isinstance(as_generator(np.random.PCG64(3)), np.random.Generator)
    assert isinstance(as_generator(np.random.SeedSequence(3)), np.random.Generator)


def test_a_dependency_that_is_there_is_imported() -> None:
    assert require("math") is math


def test_a_missing_dependency_is_named_with_the_command_that_installs_it() -> None:
    message = r'needs no_such_module, which is not installed; run: pip install "rbgp-graphs\[viz\]"'
    with pytest.raises(MissingDependencyError, match=message) as caught:
        require("no_such_module.part", "viz")
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, np.float64(2), [1], 1j])
def test_what_is_no_integer_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"^n is .*expected an integer"):
        as_int("n", value)


@pytest.mark.parametrize("value", [True, "0.5", b"0", None, [0.5], 1j])
def test_what_is_no_number_is_no_fraction_of_one(value: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"sparsity is .*, expected a number in \[0, 1\)"):
        as_fraction_of_one("sparsity", value)


@pytest.mark.parametrize("value", [1, 1.0, -0.1, math.nan, math.inf, 2])
def test_fractions_outside_the_unit_interval_are_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match=r"sparsity is .*, expected a number in \[0, 1\)"):
        as_fraction_of_one("sparsity", value)


@pytest.mark.parametrize("value", ["seed", 1.5, True, [1, 2]])
def test_seeds_of_a_wrong_type_are_refused(value: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="rng is"):
        as_generator(value)


def test_negative_seeds_are_refused() -> None:
    with pytest.raises(ArgumentError, match="rng is -1, expected at least 0"):
        as_generator(-1)


def test_numbers_beyond_trial_division_are_refused_at_once() -> None:
    for check in (as_prime, as_prime_power):
        with pytest.raises(ArgumentError, match="expected at most 1000000000"):
            check("p", 2**127 - 1)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ArgumentError, ValueError),
        (ArgumentTypeError, TypeError),
        (ArgumentTypeError, ArgumentError),
        (InfeasibleError, ValueError),
        (FormatError, ValueError),
        (BackendError, RuntimeError),
        (MissingDependencyError, ImportError),
    ],
)
def test_every_error_is_one_of_the_package_and_a_builtin(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, RBGPError)
    assert issubclass(error, builtin)


def test_no_error_stands_outside_the_family() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) == 7
    assert all(issubclass(error, RBGPError) for error in classes)
