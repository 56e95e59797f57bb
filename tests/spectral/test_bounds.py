from __future__ import annotations

import decimal
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rbgp_graphs.constructions import projective_plane
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral import ramanujan_bound, trace_bound
from rbgp_graphs.spectral.bounds import compare_square_with_bound
from rbgp_graphs.testing.strategies import biregular_graphs, lifts

DEGREES = st.integers(1, 60)


@given(DEGREES, DEGREES)
def test_the_ramanujan_bound_is_symmetric_and_at_most_sigma_one(dl: int, dr: int) -> None:
    bound = ramanujan_bound(dl, dr)
    assert bound == ramanujan_bound(dr, dl)
    assert bound**2 == pytest.approx(dl + dr - 2 + 2 * math.sqrt((dl - 1) * (dr - 1)))
    # sigma1^2 - bound^2 = (sqrt((dl-1)(dr-1)) - 1)^2, so only (2, 2) reaches it.
    assert bound <= math.sqrt(dl * dr) + 1e-12


@given(DEGREES, DEGREES, st.integers(0, 150))
def test_squares_are_compared_with_the_bound_as_with_sixty_digits(
    dl: int, dr: int, square: int
) -> None:
    with decimal.localcontext(decimal.Context(prec=60)):
        roots = [decimal.Decimal(n).sqrt() for n in (square, dl - 1, dr - 1)]
        difference = roots[0] - roots[1] - roots[2]
        expected = (
            0 if abs(difference) < decimal.Decimal(10) ** -50 else int(math.copysign(1, difference))
        )
    assert compare_square_with_bound(square, dl, dr) == expected


@given(st.integers(1, 10**9))
def test_twice_the_root_is_a_tie_at_every_size(p: int) -> None:
    assert compare_square_with_bound(4 * p, p + 1, p + 1) == 0
    assert compare_square_with_bound(4 * p + 1, p + 1, p + 1) == 1
    assert compare_square_with_bound(4 * p - 1, p + 1, p + 1) == -1


@given(st.one_of(biregular_graphs(), lifts()))
def test_no_graph_falls_below_the_trace_bound(graph: BipartiteGraph) -> None:
    assert graph.degrees is not None
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    bound = trace_bound(graph.left, graph.right, graph.degrees[0])
    if len(values) > 1:
        assert values[1] >= bound - 1e-6
    else:
        assert bound == 0


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.data())
def test_the_trace_bound_counts_from_the_smaller_side(
    a: int, b: int, common: int, data: st.DataObject
) -> None:
    left, right = a * common, b * common
    assume(min(left, right) > 1)
    step = right // math.gcd(left, right)
    degree = step * data.draw(st.integers(1, right // step))
    right_degree = left * degree // right
    bound = trace_bound(left, right, degree)
    assert bound == pytest.approx(trace_bound(right, left, right_degree))
    small, own, other = min((left, degree, right_degree), (right, right_degree, degree))
    assert bound**2 == pytest.approx(own * (small - other) / (small - 1), abs=1e-9)


@pytest.mark.parametrize("q", [2, 3, 4, 5])
def test_projective_planes_meet_the_trace_bound(q: int) -> None:
    plane = projective_plane(q)
    assert trace_bound(*plane.shape, q + 1) == pytest.approx(math.sqrt(q))


@pytest.mark.parametrize(
    ("degrees", "bound"), [((2, 2), 2), ((5, 10), 5), ((1, 1), 0), ((1, 10), 3), ((17, 17), 8)]
)
def test_some_bounds_are_integers(degrees: tuple[int, int], bound: int) -> None:
    assert ramanujan_bound(*degrees) == bound


@pytest.mark.parametrize("degrees", [(0, 3), (3, 0), (-1, 2)])
def test_degrees_below_one_have_no_bound(degrees: tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match=r"(left|right)_degree is -?\d, expected at least 1"):
        ramanujan_bound(*degrees)


@pytest.mark.parametrize("degrees", [(2.0, 3), ("2", 3), (True, 3)])
def test_degrees_of_a_wrong_type_have_no_bound(degrees: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"left_degree is .*, expected an integer"):
        ramanujan_bound(*degrees)


@pytest.mark.parametrize("sizes", [(0, 3, 1), (3, 0, 1), (3, 3, 0), (-2, 3, 1), ("3", 3, 1)])
def test_sizes_out_of_range_have_no_trace_bound(sizes: Any) -> None:
    with pytest.raises(ArgumentError):
        trace_bound(*sizes)
