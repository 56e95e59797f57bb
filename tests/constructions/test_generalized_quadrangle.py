from __future__ import annotations

import numpy as np
import pytest

from rbgp_graphs.constructions import generalized_quadrangle
from rbgp_graphs.constructions.generalized_quadrangle import quadrangle_field
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, InfeasibleError
from rbgp_graphs.spectral import verify
from tests.constructions.reference import check_against_reference

PARAMETERS = [
    *((2, 2), (3, 3), (4, 4), (5, 5), (2, 4), (4, 2), (3, 9), (9, 3)),
    *((3, 5), (5, 3), (4, 6), (6, 4), (6, 8), (8, 6), (7, 9), (8, 10)),
    *((4, 8), (8, 4)),
]


@pytest.mark.parametrize(
    ("s", "t", "name"),
    [(2, 2, "W(2)=GQ(2,2)"), (4, 4, "W(4)=GQ(4,4)"), (2, 4, "Q-(5,2)=GQ(2,4)")],
)
def test_the_reference_values_are_met(s: int, t: int, name: str) -> None:
    check_against_reference(generalized_quadrangle(s, t), name)


@pytest.mark.parametrize(("s", "t"), PARAMETERS)
def test_off_a_line_exactly_one_of_its_points_is_collinear_with_a_point(s: int, t: int) -> None:
    graph = generalized_quadrangle(s, t)
    size = s * t + 1
    assert graph.is_connected
    assert graph.shape == ((s + 1) * size, (t + 1) * size)
    assert graph.degrees == (t + 1, s + 1)
    # Small integers are exact in floating point, whose products are much quicker.
    matrix = graph.biadjacency(np.float64).toarray()
    joined = matrix @ matrix.T
    assert {*np.unique(joined).tolist()} == {0, 1, t + 1}
    collinear = (joined == 1).astype(np.float64)
    # A point of the line is collinear with the s others on it.
    np.testing.assert_array_equal(collinear @ matrix, 1 + (s - 1) * matrix)
    assert from_recipe(graph.recipe) == graph


@pytest.mark.parametrize("q", [2, 3])
def test_exchanging_the_parameters_exchanges_points_and_lines(q: int) -> None:
    assert generalized_quadrangle(q, q * q) == generalized_quadrangle(q * q, q).T


@pytest.mark.parametrize("q", [3, 5])
def test_the_points_are_those_of_the_symplectic_quadrangle(q: int) -> None:
    # All points of W(q) are regular, which no line is for odd q.
    for graph, regular in (
        (generalized_quadrangle(q, q), True),
        (generalized_quadrangle(q, q).T, False),
    ):
        matrix = graph.biadjacency(int).toarray()
        near = matrix @ matrix.T > 0
        far = np.flatnonzero(~near[0])
        spans = {int(near[near[0] & near[y]].all(axis=0).sum()) for y in far}
        assert (spans == {q + 1}) == regular


def test_the_points_of_the_larger_hermitian_variety_lie_on_as_many_lines_as_they_should() -> None:
    graph = generalized_quadrangle(9, 27)
    assert graph.shape == (2440, 6832)
    assert graph.degrees == (28, 10)
    # The lines come in the order of their points.
    assert [*graph.neighbors(0)] == [*range(28)]
    # No two lines share two points, and every point is collinear with t s others.
    gram = (graph.biadjacency(np.int64) @ graph.biadjacency(np.int64).T).tocsr()
    assert {*np.unique(gram.data).tolist()} == {1, 28}
    assert {*np.diff(gram.indptr).tolist()} == {1 + 28 * 9}


def test_small_parameters_with_a_smallest_one_below_two_are_not_built() -> None:
    # GQ(1, 3) and the like are grids and their duals.
    assert quadrangle_field(2, 4) == 4
    assert [t for t in range(2, 40) if quadrangle_field(4, t)] == [2, 4, 6, 8, 16]
    assert [t for t in range(2, 40) if quadrangle_field(9, t)] == [3, 7, 9, 27]


@pytest.mark.parametrize(("s", "t"), [(3, 3), (4, 2), (2, 4), (3, 5), (4, 6), (4, 8)])
def test_the_verdict_knows_the_exact_value(s: int, t: int) -> None:
    verdict = verify(generalized_quadrangle(s, t))
    assert verdict.is_ramanujan
    assert verdict.sigma2 == pytest.approx((s + t) ** 0.5, rel=1e-14)
    assert "theorem" in verdict.method


@pytest.mark.parametrize(
    ("s", "t", "nearest"),
    [
        (3, 4, r"\(2, 4\)"),
        (6, 6, r"\(4, 6\)"),
        (4, 9, r"\(3, 9\)"),
        (5, 8, r"\(4, 8\)"),
        (4, 15, r"\(4, 16\)"),
        (9, 2, r"\(9, 3\)"),
    ],
)
def test_other_parameters_are_refused_with_the_nearest(s: int, t: int, nearest: str) -> None:
    with pytest.raises(InfeasibleError, match=rf"no .* GQ\({s}, {t}\) is built.*{nearest}"):
        generalized_quadrangle(s, t)


def test_parameters_below_two_are_refused() -> None:
    with pytest.raises(ArgumentError, match="t is 1, expected at least 2"):
        generalized_quadrangle(2, 1)
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        generalized_quadrangle(2.0, 2)  # type: ignore[arg-type]


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="at most 16777216 fit"):
        generalized_quadrangle(64, 64)


def test_a_recipe_with_parameters_of_no_quadrangle_is_refused() -> None:
    with pytest.raises(FormatError, match=r"GQ\(2, 3\)"):
        from_recipe({"kind": "generalized_quadrangle", "s": 2, "t": 3})
