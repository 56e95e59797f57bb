from __future__ import annotations

import math

import numpy as np
import pytest

from rbgp_graphs.constructions import morgenstern
from rbgp_graphs.constructions.finite_field import finite_field
from rbgp_graphs.constructions.morgenstern import _even_generators, _odd_generators
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, InfeasibleError
from rbgp_graphs.spectral import verify
from tests.constructions.reference import check_against_reference


@pytest.mark.parametrize("d", [2, 4])
def test_the_reference_values_are_met(d: int) -> None:
    check_against_reference(morgenstern(2, d), f"Morgenstern(q=2,d={d})")


@pytest.mark.parametrize(
    ("q", "sigma2"), [(2, (3 + math.sqrt(5)) / 2), (3, 1 + math.sqrt(5)), (4, None)]
)
def test_the_bound_of_the_theorem_is_kept(q: int, sigma2: float | None) -> None:
    graph = morgenstern(q, 2)
    size = q**2 * (q**4 - 1) // (1 if q % 2 == 0 else 2)
    assert graph.shape == (size, size)
    assert graph.degrees == (q + 1, q + 1)
    assert graph.is_connected
    verdict = verify(graph)
    assert verdict.is_ramanujan
    assert verdict.sigma2 <= 2 * math.sqrt(q)
    if sigma2 is not None:
        assert verdict.sigma2 == pytest.approx(sigma2, rel=1e-9)
    assert graph.girth() >= 2 / 3 * math.log(2 * size if q % 2 else size, q)
    assert from_recipe(graph.recipe) == graph


@pytest.mark.parametrize(("q", "d"), [(2, 2), (4, 2), (3, 2), (5, 2), (3, 4)])
def test_there_are_q_plus_one_generators_closed_under_inversion(q: int, d: int) -> None:
    field = finite_field("q", q**d)
    found = (_odd_generators if q % 2 else _even_generators)(field, q, d)
    assert found.shape == (q + 1, 2, 2)
    # The inverse of (1, b; c, 1) is (1, -b; -c, 1) up to a scalar.
    pairs = {(int(m[0, 1]), int(m[1, 0])) for m in found}
    inverse = {(int(field.negate(b)), int(field.negate(c))) for b, c in pairs}
    assert len(pairs) == q + 1
    assert inverse == pairs
    product = field.multiply(found[:, 0, 1], found[:, 1, 0])
    assert len(np.unique(product)) == 1


@pytest.mark.parametrize(("q", "d"), [(2, 2), (3, 2)])
def test_the_graph_looks_the_same_from_every_vertex(q: int, d: int) -> None:
    matrix = morgenstern(q, d).biadjacency(np.int64).toarray()
    gram = matrix @ matrix.T
    walks = gram
    for _ in range(5):
        walks = walks @ gram
        assert len(np.unique(np.diagonal(walks))) == 1


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="q is 6, expected a prime power"):
        morgenstern(6, 2)
    with pytest.raises(
        ArgumentError, match="d is 3, expected an even number; the nearest are 2, 4"
    ):
        morgenstern(2, 3)
    with pytest.raises(ArgumentError, match="d is 0, expected at least 2"):
        morgenstern(2, 0)
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        morgenstern(2, 2.0)  # type: ignore[arg-type]
    with pytest.raises(InfeasibleError, match="at most 16777216 fit"):
        morgenstern(3, 6)
    with pytest.raises(FormatError, match="goes beyond max_side"):
        from_recipe({"kind": "morgenstern", "q": 2**40, "d": 64})
