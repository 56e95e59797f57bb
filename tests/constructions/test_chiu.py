from __future__ import annotations

import math
import re

import numpy as np
import pytest

from rbgp_graphs._validation import is_prime
from rbgp_graphs.constructions import chiu
from rbgp_graphs.constructions.chiu import is_chiu_prime
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.spectral import verify
from tests.constructions.reference import check_against_reference


def test_the_reference_values_are_met() -> None:
    graph = chiu(3)
    check_against_reference(graph, "Chiu(2,3)")
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    assert values[1] == pytest.approx(1 + math.sqrt(2), rel=1e-12)


def test_the_graph_of_seventeen_has_the_known_girth_and_value() -> None:
    graph = chiu(17)
    assert graph.shape == (2448, 2448)
    assert graph.degrees == (3, 3)
    assert graph.is_connected
    assert graph.girth() == 14
    # The cover of a Cayley graph of PSL is symmetric.
    assert graph == graph.T
    verdict = verify(graph)
    assert verdict.is_ramanujan
    assert verdict.sigma2 == pytest.approx(2.791287847478, abs=1e-11)
    assert from_recipe(graph.recipe) == graph


def test_the_primes_are_those_for_which_both_numbers_are_squares() -> None:
    for q in filter(is_prime, range(3, 400)):
        squares = {n * n % q for n in range(1, q)}
        assert is_chiu_prime(q) == (-2 % q in squares and 13 % q in squares)


@pytest.mark.parametrize("q", [5, 7, 11, 13, 19, 41])
def test_other_primes_are_refused_with_the_nearest(q: int) -> None:
    with pytest.raises(ArgumentError, match="-2 and 13 are squares") as caught:
        chiu(q)
    below, above = map(int, re.findall(r"nearest are (\d+) and (\d+)", str(caught.value))[0])
    assert below < q < above
    assert is_chiu_prime(below)
    assert is_chiu_prime(above)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="q is 9, expected an odd prime"):
        chiu(9)
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        chiu(3.0)  # type: ignore[arg-type]
    with pytest.raises(InfeasibleError, match="at most 16777216 fit"):
        chiu(next(q for q in range(300, 1000) if is_chiu_prime(q)))
