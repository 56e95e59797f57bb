from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs import array_code, complete, field_lift, projective_plane, random_lift
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, pattern_from_recipe, voltage_product
from rbgp_graphs.spectral import ramanujan_bound, verify
from rbgp_graphs.testing.strategies import biregular_graphs

SEEDS = st.integers(0, 2**32)
SIDES: Any = st.sampled_from(("left", "right"))


def matching(size: int) -> BipartiteGraph:
    return BipartiteGraph.from_biadjacency(np.eye(size))


def singular_values(matrix: NDArray[Any]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.linalg.svd(matrix, compute_uv=False)
    return np.append(values, 0.0)


def characters(order: int) -> NDArray[np.complex128]:
    """Return the character table of the shift group of this order, the trivial one first."""
    if order & (order - 1):
        powers = np.outer(np.arange(order), np.arange(order)) % order
        return np.asarray(np.exp(2j * np.pi * powers / order))
    table = np.ones((1, 1), dtype=np.complex128)
    while len(table) < order:
        table = np.kron(table, np.array([[1, 1], [1, -1]]))
    return table


def ratio(pattern: RBGP4) -> float:
    verdict = verify(pattern)
    return verdict.sigma2 / verdict.sigma1


# Laws


@given(biregular_graphs(max_side=5), biregular_graphs(max_side=6), SEEDS, SIDES)
def test_the_character_bound_holds(
    outer: BipartiteGraph, inner: BipartiteGraph, seed: int, side: Any
) -> None:
    pattern = voltage_product(outer, inner, rng=seed, shift_side=side)
    shifts = np.zeros(outer.num_edges, np.int64) if pattern.shifts is None else pattern.shifts
    outside = singular_values(outer.biadjacency(float).toarray())
    inside = singular_values(inner.biadjacency(float).toarray())
    norms = [0.0]
    for character in characters(pattern.shift_modulus)[1:]:
        signed = np.zeros(outer.shape, dtype=np.complex128)
        signed[tuple(outer.edges.T)] = character[shifts]
        norms.append(float(singular_values(signed)[0]))
    found = singular_values(pattern.mask().astype(float))
    assert found[0] == pytest.approx(outside[0] * inside[0])
    assert found[1] <= max(outside[1] * inside[0], max(norms) * inside[1]) + 1e-9
    assert found[1] >= outside[1] * inside[0] - 1e-9


@given(biregular_graphs(max_side=5), biregular_graphs(max_side=6), SEEDS, SIDES)
def test_shape_degrees_tiles_and_storage_stay(
    outer: BipartiteGraph, inner: BipartiteGraph, seed: int, side: Any
) -> None:
    sizes: dict[str, Any] = {"repeat": (2, 1), "block": (1, 2)}
    pattern = voltage_product(outer, inner, rng=seed, shift_side=side, **sizes)
    plain = RBGP4(outer, (2, 1), inner, (1, 2))
    for name in ("shape", "row_degree", "col_degree", "tile_shape", "row_group", "nnz"):
        assert getattr(pattern, name) == getattr(plain, name)
    assert pattern == voltage_product(outer, inner, rng=seed, shift_side=side, **sizes)
    assert pattern_from_recipe(pattern.recipe) == pattern
    height, width = pattern.tile_shape
    tiles = pattern.mask().reshape(outer.left, height, outer.right, width).any(axis=(1, 3))
    assert (tiles == outer.biadjacency().toarray()).all()


@settings(max_examples=15)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([projective_plane(2), matching(5), field_lift(4, 4, 1, 2), array_code(2, 2)]),
    SIDES,
)
def test_quadratic_shifts_keep_to_the_character_table(
    a: int, b: int, inner: BipartiteGraph, side: Any
) -> None:
    pattern = voltage_product(complete(a, b), inner, shifts="quadratic", shift_side=side)
    order = pattern.shift_modulus
    found = singular_values(pattern.mask().astype(float))
    inside = singular_values(inner.biadjacency(float).toarray())
    norm = math.sqrt(order * math.ceil(a / order) * math.ceil(b / order))
    assert found[1] <= min(norm, math.sqrt(a * b)) * inside[1] + 1e-9


# Values from theory


@pytest.mark.parametrize(("q", "p", "j"), [(2, 2, 1), (4, 2, 2), (8, 2, 3), (5, 5, 1), (7, 7, 1)])
def test_a_field_lift_is_a_quadratic_voltage_product(q: int, p: int, j: int) -> None:
    pattern = voltage_product(complete(q, q), matching(p**j), shifts="quadratic")
    assert (pattern.mask() == field_lift(q, q, 1, j).biadjacency().toarray()).all()


def test_shifts_close_most_of_the_distance_to_the_ramanujan_bound() -> None:
    # 512 x 512, density 1/8: the inner graph is a tower of three 2-lifts of the complete one.
    inner = complete(4, 4)
    for seed in (1, 2, 3):
        inner = random_lift(inner, rng=seed)
    outer = complete(16, 16)
    plain = RBGP4(outer, (1, 1), inner, (1, 1))
    assert (plain.shape, plain.sparsity) == ((512, 512), 0.875)
    assert ratio(plain) == pytest.approx(0.809, abs=0.03)
    twisted = [ratio(voltage_product(outer, inner, rng=seed)) for seed in range(3)]
    assert min(twisted) > 0.30
    assert max(twisted) < 0.40
    assert ramanujan_bound(64, 64) / 64 == pytest.approx(0.248, abs=5e-4)
    quadratic = voltage_product(outer, inner, shifts="quadratic")
    # Sixteen rows of a Hadamard matrix of order 32 have at most the norm of all of them.
    assert ratio(quadratic) <= math.sqrt(32) / 16 * ratio(plain) + 1e-9
    assert ratio(quadratic) < min(twisted)


def test_given_shifts_are_kept() -> None:
    outer, inner = complete(2, 2), array_code(3, 2)
    pattern = voltage_product(outer, inner, shifts=[0, 1, 2, 3], group="cyclic")
    assert pattern == RBGP4(outer, (1, 1), inner, (1, 1), shifts=[0, 1, 2, 3])


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shifts": "best"}, "shifts is 'best', expected one of random, quadratic or an array"),
        ({"shifts": [0, 1]}, r"shifts has shape \(2,\), expected \(4,\)"),
        ({"shifts": [0, 1, 2, 8]}, "shifts range from 0 to 8, expected 0 to 7"),
        ({"group": "dihedral"}, "group is 'dihedral', expected one of auto, xor, cyclic"),
        ({"group": "cyclic"}, "8 inner vertices on the right have the group 'xor'"),
        ({"shift_side": "both"}, "shift_side is 'both'"),
        ({"repeat": matching(2)}, "repeat is not a complete graph"),
        ({"rng": -1}, "rng is -1, expected at least 0"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        voltage_product(complete(2, 2), matching(8), **options)


def test_a_cyclic_group_is_not_called_xor() -> None:
    with pytest.raises(ArgumentError, match="9 inner vertices on the left have the group 'cyclic'"):
        voltage_product(complete(2, 2), array_code(3, 2), group="xor", shift_side="left")
    with pytest.raises(ArgumentTypeError, match="factor 2 is a int"):
        voltage_product(complete(2, 2), 8)  # type: ignore[arg-type]
