from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs import TensorProduct, complete, projective_plane, ramanujan
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4, voltage_product
from rbgp_graphs.selection import design, twist
from rbgp_graphs.spectral import verify
from rbgp_graphs.testing.strategies import rbgp4_patterns


def sigma2(pattern: RBGP4) -> float:
    values = np.append(np.linalg.svd(pattern.mask().astype(float), compute_uv=False), 0.0)
    return float(values[1])


@given(rbgp4_patterns(), st.integers(0, 3), st.integers(0, 99))
def test_sigma2_never_grows_and_all_else_stays(pattern: RBGP4, tries: int, seed: int) -> None:
    twisted = twist(pattern, tries=tries, rng=seed)
    assert twisted.factors == pattern.factors
    assert twisted.shift_side == pattern.shift_side
    assert sigma2(twisted) <= sigma2(pattern) * (1 + 1e-9) + 1e-12
    assert twist(pattern, tries=tries, rng=seed) == twisted


@settings(max_examples=10)
@given(rbgp4_patterns(), st.integers(0, 99))
def test_more_tries_are_never_worse(pattern: RBGP4, seed: int) -> None:
    found = [sigma2(twist(pattern, tries=tries, rng=seed)) for tries in (0, 1, 5)]
    assert found[2] <= found[1] * (1 + 1e-8) + 1e-9
    assert found[1] <= found[0] * (1 + 1e-8) + 1e-9


def test_the_outer_graph_alone_limits_a_good_twist() -> None:
    plain = RBGP4(projective_plane(2), (2, 1), complete(4, 4), (1, 1))
    assert twist(plain) == plain  # nothing is left to gain
    outer, inner = ramanujan(16, 16, 8), ramanujan(16, 16, 3)
    ratio = [v.sigma2 / v.sigma1 for v in (verify(outer), verify(inner))]
    assert ratio[0] < ratio[1]
    twisted = verify(twist(RBGP4(outer, (4, 1), inner, (1, 2)), tries=4))
    assert ratio[0] - 1e-9 <= twisted.sigma2 / twisted.sigma1 < ratio[1]


def test_the_best_of_several_draws_beats_the_first() -> None:
    outer, inner = complete(16, 16), ramanujan(32, 32, 4)
    plain = RBGP4(outer, (1, 1), inner, (1, 1))
    best = verify(twist(plain)).sigma2
    draws = [verify(voltage_product(outer, inner, rng=seed)).sigma2 for seed in range(3)]
    assert best < min(draws) < max(draws) < 0.55 * verify(plain).sigma2


def test_the_transpose_is_twisted_on_the_other_side() -> None:
    pattern = RBGP4(complete(4, 8), (2, 1), ramanujan(8, 8, 3), (1, 1)).T
    twisted = twist(pattern, tries=2)
    assert twisted.is_twisted
    assert twisted.shift_side == "left"
    assert sigma2(twisted) == pytest.approx(sigma2(twisted.T))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="pattern is a TensorProduct, expected an RBGP4"):
        twist(TensorProduct(complete(2, 2)))  # type: ignore[arg-type]
    plain = RBGP4(complete(2, 2), (1, 1), complete(2, 2), (1, 1))
    with pytest.raises(ArgumentError, match="tries is -1, expected at least 0"):
        twist(plain, tries=-1)
    with pytest.raises(ArgumentTypeError, match="rng is 'x'"):
        twist(plain, rng="x")


# The keyword of design


@settings(max_examples=12)
@given(
    st.sampled_from([32, 64, 128]),
    st.sampled_from([32, 64, 128]),
    st.sampled_from([0.5, 0.75, 0.875]),
    st.sampled_from(["gap", "balanced", "speed"]),
)
def test_a_twisted_design_meets_its_request(
    rows: int, cols: int, sparsity: float, objective: Any
) -> None:
    pattern = design(rows, cols, sparsity, objective=objective, twist=True)
    assert pattern.shape == (rows, cols)
    assert pattern.sparsity == sparsity
    assert verify(pattern).connected
    assert pattern == design(rows, cols, sparsity, objective=objective, twist=True)


@pytest.mark.parametrize("sparsity", [0.75, 0.875])
def test_a_twisted_design_has_a_far_better_gap_for_the_same_row_group(sparsity: float) -> None:
    plain = design(1024, 1024, sparsity)
    twisted = design(1024, 1024, sparsity, twist=True)
    assert not plain.is_twisted
    assert twisted.is_twisted
    assert twisted.row_group == plain.row_group == 4
    ratios = [v.sigma2 / v.sigma1 for v in (verify(plain), verify(twisted))]
    assert ratios[1] < 0.7 * ratios[0]
    group, degree = twisted.row_group, twisted.col_degree
    assert ratios[1] ** 2 >= group / degree * (1 - degree / 1024) / (1 - group / 1024) - 1e-12


def test_twist_must_be_a_bool() -> None:
    with pytest.raises(ArgumentTypeError, match="twist is 1, expected True or False"):
        design(64, 64, 0.5, twist=1)  # type: ignore[arg-type]
