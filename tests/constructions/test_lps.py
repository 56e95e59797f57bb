from __future__ import annotations

import functools
import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rbgp_graphs._validation import is_prime
from rbgp_graphs.constructions import lps
from rbgp_graphs.constructions.lps import quaternions
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

ODD_PRIMES = [n for n in range(3, 132) if is_prime(n)]
#: Both residues modulo 4 for p and for q, the groups PSL and PGL.
PAIRS = [(3, 5), (3, 7), (5, 7), (7, 11), (3, 11), (5, 11), (11, 7), (13, 11), (7, 13), (13, 17)]


def is_square(p: int, q: int) -> bool:
    """Return whether p is a square modulo q: the group is then PSL, else PGL."""
    return pow(p, (q - 1) // 2, q) == 1


@functools.cache
def values_by_blocks(p: int, q: int) -> NDArray[np.float64]:
    """Return all singular values, from the blocks under a symmetry of order q.

    The vertices are numbered (point, entry, determinant). Multiplication by the matrices
    (1 t; 0 1) adds t to the entry and permutes nothing else.
    """
    graph = lps(p, q)
    matrix = np.zeros(graph.shape)
    matrix[tuple(graph.edges.T)] = 1
    split = matrix.reshape(q + 1, q, -1, q + 1, q, (q - 1) // 2)
    assert (np.roll(split, (1, 1), axis=(1, 4)) == split).all()
    by_entry = np.fft.rfft(split[:, 0], axis=3).transpose(3, 0, 1, 2, 4)
    size = (q + 1) * (q - 1) // 2
    # All blocks but the first stand for themselves and their conjugates.
    values = np.linalg.svd(by_entry.reshape(-1, size, size), compute_uv=False)
    found: NDArray[np.float64] = np.sort(np.concatenate((values, values[1:])).ravel())
    return found[::-1]


@given(st.sampled_from(ODD_PRIMES))
def test_there_are_p_plus_one_quaternions_of_norm_p(p: int) -> None:
    found = quaternions(p)
    assert found.shape == (p + 1, 4)
    assert len({*map(tuple, found.tolist())}) == p + 1
    assert (np.square(found).sum(axis=1) == p).all()
    odd = found % 2 == 1
    expected = [True, False, False, False] if p % 4 == 1 else [False, True, True, True]
    assert (odd == expected).all()


@given(st.sampled_from(ODD_PRIMES))
def test_the_quaternions_contain_their_conjugates_up_to_sign(p: int) -> None:
    found = quaternions(p)
    known = {*map(tuple, found.tolist())} | {*map(tuple, (-found).tolist())}
    assert len(known) == 2 * (p + 1)
    assert {*map(tuple, (found * [1, -1, -1, -1]).tolist())} <= known


@pytest.mark.parametrize("p", [3, 5, 7, 11, 13])
def test_eight_units_times_the_quaternions_are_all_of_norm_p(p: int) -> None:
    # Jacobi: a prime has 8 (p + 1) representations as a sum of four squares.
    reach = range(-math.isqrt(p), math.isqrt(p) + 1)
    count = sum(sum(a * a for a in four) == p for four in itertools.product(reach, repeat=4))
    assert count == 8 * len(quaternions(p))


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_size_degree_and_components_are_those_of_the_theorem(p: int, q: int) -> None:
    graph = lps(p, q)
    size = q * (q * q - 1) // 2
    assert graph.shape == (size, size)
    assert graph.degrees == (p + 1, p + 1)
    assert graph.is_connected
    assert graph.recipe == {"kind": "lps", "p": p, "q": q}
    assert from_recipe(graph.recipe) == graph


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_girth_and_diameter_keep_to_the_bounds_of_the_theorem(p: int, q: int) -> None:
    graph = lps(p, q)
    if is_square(p, q):
        assert graph.girth() >= 2 * math.log(q, p)
    else:
        assert graph.girth() >= 4 * math.log(q, p) - math.log(4, p)
        assert graph.diameter() <= 2 * math.log(2 * graph.left, p) + 2 * math.log(2, p) + 1


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_every_nontrivial_singular_value_is_at_most_twice_the_root_of_p(p: int, q: int) -> None:
    values = values_by_blocks(p, q)
    assert values[0] == pytest.approx(p + 1)
    assert values[1] <= 2 * math.sqrt(p) + 1e-9


@pytest.mark.parametrize(("p", "q"), [(3, 5), (5, 7), (3, 7)])
def test_the_blocks_have_the_singular_values_of_the_graph(p: int, q: int) -> None:
    graph = lps(p, q)
    whole = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    np.testing.assert_allclose(values_by_blocks(p, q), whole, atol=1e-9)


@pytest.mark.parametrize(
    ("p", "q", "sigma2"),
    [
        (3, 5, 3),
        (3, 7, 3),
        (3, 11, (1 + math.sqrt(33)) / 2),
        (5, 7, 4),
        (5, 11, (3 + math.sqrt(33)) / 2),
        (7, 11, 1 + math.sqrt(17)),
        (7, 13, 5),
        (13, 17, (3 + 5 * math.sqrt(5)) / 2),
    ],
)
def test_second_singular_values_have_the_known_closed_forms(p: int, q: int, sigma2: float) -> None:
    assert values_by_blocks(p, q)[1] == pytest.approx(sigma2, rel=1e-12)


@pytest.mark.parametrize(("p", "q"), [(5, 11), (11, 7), (3, 13)])
def test_the_cover_of_a_cayley_graph_of_psl_is_symmetric(p: int, q: int) -> None:
    assert is_square(p, q)
    graph = lps(p, q)
    assert graph == graph.T


@pytest.mark.parametrize(("p", "q"), [(3, 5), (5, 7), (3, 13)])
def test_the_graph_looks_the_same_from_every_vertex(p: int, q: int) -> None:
    matrix = lps(p, q).biadjacency(np.float64).toarray()
    gram = matrix @ matrix.T
    walks = gram.copy()
    for _ in range(4):
        walks = walks @ gram
        assert (np.diagonal(walks) == walks[0, 0]).all()


@pytest.mark.parametrize(("p", "q"), [(13, 5), (17, 5), (7, 5)])
def test_some_small_graphs_are_simple_and_can_be_asked_for(p: int, q: int) -> None:
    with pytest.raises(ArgumentError, match="allow_small=True tries anyway"):
        lps(p, q)
    graph = lps(p, q, allow_small=True)
    assert graph.degrees == (p + 1, p + 1)
    assert BipartiteGraph.from_edges(graph.edges, shape=graph.shape) == graph
    assert graph.recipe["allow_small"] is True
    assert from_recipe(graph.recipe) == graph


def test_small_graphs_with_parallel_edges_are_refused() -> None:
    message = r"lps\(31, 5\) has parallel edges; q\*\*2 > 4 \* p = 124 makes the graph simple"
    with pytest.raises(InfeasibleError, match=message):
        lps(31, 5, allow_small=True)


@pytest.mark.parametrize(("p", "q"), [(5, 3), (7, 5), (11, 3), (29, 7), (31, 5)])
def test_a_small_q_is_refused_with_the_smallest_that_works(p: int, q: int) -> None:
    with pytest.raises(ArgumentError, match=rf"expected q\*\*2 > 4 \* p = {4 * p}") as caught:
        lps(p, q)
    found = re.search(r"at least (\d+) for p", str(caught.value))
    assert found is not None
    smallest = int(found[1])
    assert is_prime(smallest)
    assert smallest**2 > 4 * p
    smaller = [n for n in range(3, smallest) if is_prime(n) and n != p]
    assert all(n * n <= 4 * p for n in smaller)
    assert lps(p, smallest).degrees == (p + 1, p + 1)


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        (4, 7, "p is 4, expected an odd prime; the nearest are 3 and 5"),
        (5, 9, "q is 9, expected an odd prime; the nearest are 7 and 11"),
        (2, 7, "p is 2, expected an odd prime; the nearest is 3"),
        (-3, 7, "p is -3, expected an odd prime; the nearest is 3"),
        (7, 7, "p and q are both 7, expected different primes such as q=11"),
    ],
)
def test_numbers_that_are_no_different_odd_primes_are_refused(p: int, q: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        lps(p, q)


@pytest.mark.parametrize(("p", "q"), [(3.0, 5), (3, "5"), (True, 5), (3, None)])
def test_arguments_of_a_wrong_type_are_refused(p: Any, q: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        lps(p, q)


def test_too_many_edges_are_refused_before_anything_is_built() -> None:
    with pytest.raises(InfeasibleError, match="at most 268435456 fit; take a smaller q"):
        lps(5, 1009)
