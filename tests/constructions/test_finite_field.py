from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

from rbgp_graphs.constructions.finite_field import _extension_field, finite_field
from rbgp_graphs.errors import ArgumentError, MissingDependencyError

ORDERS = [2, 3, 4, 5, 7, 8, 9, 16, 25, 27, 32]
#: Low coefficients of the monic polynomials that define the fields, constant first.
POLYNOMIALS = {
    4: (1, 1),
    8: (1, 1, 0),
    9: (2, 2),
    16: (1, 1, 0, 0),
    25: (2, 4),
    27: (1, 2, 0),
    32: (1, 0, 1, 0, 0),
}


def multiply_by_hand(x: int, y: int, p: int, low: tuple[int, ...]) -> int:
    """Multiply as polynomials in base-p digits, and reduce."""
    k = len(low)
    product = [0] * (2 * k - 1)
    for a, b in itertools.product(range(k), repeat=2):
        product[a + b] += x // p**a % p * (y // p**b % p)
    for power in range(2 * k - 2, k - 1, -1):
        for place, coefficient in enumerate(low):
            product[power - k + place] -= product[power] * coefficient
        product[power] = 0
    return sum(digit % p * p**place for place, digit in enumerate(product[:k]))


@pytest.mark.parametrize("q", ORDERS)
def test_the_axioms_of_a_field_hold(q: int) -> None:
    field = finite_field("q", q)
    x, y, z = np.ogrid[:q, :q, :q]
    added, multiplied = (
        operation(np.arange(q)[:, None], np.arange(q)[None])
        for operation in (field.add, field.multiply)
    )
    for table, neutral in ((added, 0), (multiplied, 1)):
        np.testing.assert_array_equal(table, table.T)
        np.testing.assert_array_equal(table[neutral], np.arange(q))
        np.testing.assert_array_equal(table[table[x, y], z], table[x, table[y, z]])
    np.testing.assert_array_equal(
        multiplied[x, added[y, z]], added[multiplied[x, y], multiplied[x, z]]
    )
    assert (added[np.arange(q), field.negate(np.arange(q))] == 0).all()


@pytest.mark.parametrize("q", ORDERS)
def test_every_element_but_zero_has_one_inverse(q: int) -> None:
    field = finite_field("q", q)
    table = field.multiply(np.arange(q)[:, None], np.arange(q)[None])
    assert ((table == 1).sum(axis=1) == [0, *[1] * (q - 1)]).all()
    assert (table[0] == 0).all()
    assert field.order == q == field.characteristic**field.degree


@pytest.mark.parametrize("q", ORDERS)
def test_inverses_differences_and_powers_undo_products_and_sums(q: int) -> None:
    field = finite_field("q", q)
    x = np.arange(q)
    assert field.inverse(0) == 0
    assert (field.multiply(x[1:], field.inverse(x[1:])) == 1).all()
    assert (field.add(field.subtract(x[:, None], x), x) == x[:, None]).all()
    np.testing.assert_array_equal(field.power(x, q), x)
    np.testing.assert_array_equal(field.power(x, 3), field.multiply(x, field.multiply(x, x)))
    assert (field.power(x, 0) == 1).all()


@pytest.mark.parametrize(("q", "small"), [(4, 2), (16, 4), (9, 3), (16, 2), (27, 3), (7, 7)])
def test_a_subfield_is_closed(q: int, small: int) -> None:
    field = finite_field("q", q)
    found = field.subfield(small)
    assert len(found) == small
    assert {0, 1} <= {*found.tolist()}
    for operation in (field.add, field.multiply):
        assert np.isin(operation(found[:, None], found), found).all()


@pytest.mark.parametrize("q", ORDERS)
def test_addition_is_digit_by_digit(q: int) -> None:
    field = finite_field("q", q)
    p, k = field.characteristic, field.degree
    x, y = np.arange(q)[:, None], np.arange(q)[None]
    expected = sum((x // p**i + y // p**i) % p * p**i for i in range(k))
    np.testing.assert_array_equal(field.add(x, y), expected)


@pytest.mark.parametrize("q", POLYNOMIALS)
def test_products_are_those_of_polynomials(q: int) -> None:
    field = finite_field("q", q)
    p = field.characteristic
    found = field.multiply(np.arange(q)[:, None], np.arange(q)[None])
    for x, y in itertools.product(range(q), repeat=2):
        assert found[x, y] == multiply_by_hand(x, y, p, POLYNOMIALS[q])


def test_an_order_that_is_no_prime_power_is_refused_by_its_name() -> None:
    with pytest.raises(ArgumentError, match="size is 12, expected a prime power"):
        finite_field("size", 12)


def test_only_fields_that_are_not_prime_need_flint(monkeypatch: pytest.MonkeyPatch) -> None:
    _extension_field.cache_clear()
    monkeypatch.setitem(sys.modules, "flint", None)
    assert finite_field("q", 7).multiply(3, 5) == 1
    with pytest.raises(MissingDependencyError, match=r"needs flint.*pip install"):
        finite_field("q", 8)
