from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.selection import best_cover, ramanujan
from rbgp_graphs.spectral import verify

Request = tuple[int, int, int]
#: The module, whose name in the package is that of its function.
selected = sys.modules["rbgp_graphs.selection.ramanujan"]
SMALL: list[Request] = [
    (left, right, degree)
    for left in range(1, 9)
    for right in range(1, 9)
    for degree in range(1, right + 1)
]


def is_feasible(left: int, right: int, degree: int) -> bool:
    """Return whether a connected biregular graph can exist: the edges must span a tree."""
    return left * degree % right == 0 and left * degree >= left + right - 1


def assert_is_ramanujan(graph: BipartiteGraph, left: int, right: int, degree: int) -> None:
    assert graph.shape == (left, right)
    assert graph.degrees == (degree, left * degree // right)
    assert graph.is_connected
    bound = math.sqrt(degree - 1) + math.sqrt(left * degree // right - 1)
    values = np.linalg.svd(graph.biadjacency(float).toarray(), compute_uv=False)
    if len(values) > 1:
        assert values[1] <= bound + 1e-7


def nearest_degrees(message: str) -> list[int]:
    """Return the left degrees that an error message recommends."""
    found = re.search(r"(?:the nearest left degrees are|that works is) ([\d and]+)$", message)
    assert found is not None, message
    return [int(number) for number in found[1].split(" and ")]


@st.composite
def feasible_requests(draw: st.DrawFn, largest: int = 32) -> Request:
    common = draw(st.integers(1, 12))
    left = common * draw(st.integers(1, max(1, largest // common)))
    right = common * draw(st.integers(1, max(1, largest // common)))
    step = right // math.gcd(left, right)
    fewest = next(d for d in range(step, right + 1, step) if is_feasible(left, right, d))
    return left, right, draw(st.integers(fewest // step, right // step)) * step


# Laws


def test_every_small_feasible_request_is_met_exactly() -> None:
    met = 0
    for request in SMALL:
        if is_feasible(*request):
            assert_is_ramanujan(ramanujan(*request), *request)
            met += 1
    assert met > 90


@given(feasible_requests())
def test_every_feasible_request_is_met_exactly(request: Request) -> None:
    graph = ramanujan(*request)
    assert_is_ramanujan(graph, *request)
    assert from_recipe(graph.recipe) == graph
    assert verify(graph).is_ramanujan is True


@given(feasible_requests(largest=16), st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_graph(request: Request, seed: int) -> None:
    first = ramanujan(*request, rng=seed)
    assert ramanujan(*request, rng=seed) == first
    assert ramanujan(*request, rng=np.random.default_rng(seed)) == first


def test_without_a_seed_the_result_repeats_too() -> None:
    assert ramanujan(10, 10, 3) == ramanujan(10, 10, 3) == ramanujan(10, 10, 3, rng=0)
    assert ramanujan(10, 10, 3) != ramanujan(10, 10, 3, rng=1)


def test_small_infeasible_requests_name_degrees_that_work() -> None:
    wrong = []
    for left, right, degree in SMALL:
        if is_feasible(left, right, degree):
            continue
        with pytest.raises(InfeasibleError) as caught:
            ramanujan(left, right, degree)
        for other in nearest_degrees(str(caught.value)):
            if not is_feasible(left, right, other):
                wrong.append((left, right, degree, other))
            else:
                assert ramanujan(left, right, other).left_degrees[0] == other
    assert wrong == []


@given(st.integers(2, 60), st.integers(2, 60), st.data())
def test_infeasible_requests_name_degrees_that_work(
    left: int, right: int, data: st.DataObject
) -> None:
    degree = data.draw(st.integers(1, right))
    if is_feasible(left, right, degree):
        return
    with pytest.raises(InfeasibleError) as caught:
        ramanujan(left, right, degree)
    for other in nearest_degrees(str(caught.value)):
        assert is_feasible(left, right, other)


# Methods


@pytest.mark.parametrize("request_", [(64, 64, 8), (128, 128, 8), (24, 48, 6), (48, 24, 3)])
def test_a_tower_of_lifts_ends_on_the_shape(request_: Request) -> None:
    graph = ramanujan(*request_, method="lift", rng=3)
    assert_is_ramanujan(graph, *request_)
    recipe = graph.recipe
    levels = 0
    while recipe["kind"] == "two_lift":
        recipe, levels = recipe["base"], levels + 1
    assert levels >= 1
    base = from_recipe(recipe)
    assert base.left * 2**levels == graph.left
    assert verify(base).is_ramanujan is True


@pytest.mark.parametrize("request_", [(10, 10, 3), (15, 10, 4), (30, 42, 7)])
def test_covers_surpass_random_graphs(request_: Request) -> None:
    cover = ramanujan(*request_, method="cover")
    assert cover.recipe["kind"] == "abelian_cover"
    assert cover.shape == request_[:2]
    assert verify(cover).is_ramanujan
    assert ramanujan(*request_) == cover == ramanujan(*request_, rng=np.random.default_rng(0))
    sigma2, others = verify(cover).sigma2, verify(ramanujan(*request_, method="random")).sigma2
    assert sigma2 is not None
    assert others is not None
    assert sigma2 < 0.9 * others


def test_beyond_the_catalogue_a_cover_stays_well_below_the_bound() -> None:
    verdict = verify(ramanujan(640, 640, 40))
    assert verdict.is_ramanujan
    assert verdict.sigma2 is not None
    # A 2-lift or a random graph has 0.97 of the bound or more.
    assert verdict.sigma2 < 0.8 * verdict.bound


def test_of_a_cover_and_a_random_graph_the_better_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selected, "_BETTER_THAN_RANDOM", 0.0)
    found = best_cover.quick_cover((15, 10, 4), 0)
    assert found is not None
    assert ramanujan(15, 10, 4) == found.graph
    for weak in (replace(found, sigma2=0.999 * found.bound), None):
        monkeypatch.setattr(selected, "quick_cover", lambda *_, weak=weak: weak)
        assert ramanujan(15, 10, 4).recipe["kind"] == "bitmask"
    with pytest.raises(InfeasibleError, match="'cover' needs sides with a common divisor"):
        ramanujan(15, 10, 4, method="cover")


def test_covers_that_are_not_ramanujan_or_too_large_are_not_taken() -> None:
    # The only group is that of prime order, and no circulant of degree 3 is an expander.
    with pytest.raises(InfeasibleError, match="method 'cover' found no Ramanujan graph"):
        ramanujan(211, 211, 3, method="cover")
    assert_is_ramanujan(ramanujan(211, 211, 3), 211, 211, 3)
    assert best_cover.quick_cover((1 << 20, 1 << 20, 6), 0) is None


@pytest.mark.parametrize("request_", [(12, 12, 3), (15, 10, 4), (64, 64, 8), (30, 42, 7)])
def test_random_graphs_are_drawn_until_one_is_ramanujan(request_: Request) -> None:
    graph = ramanujan(*request_, method="random", rng=5)
    assert_is_ramanujan(graph, *request_)
    assert graph != ramanujan(*request_, method="random", rng=6)


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ((7, 4, 4), "complete"),
        ((57, 57, 8), "projective_plane"),
        ((168, 168, 4), "lps"),
        ((32, 32, 8), "field_lift"),
        ((25, 15, 3), "array_code"),
        ((15, 25, 5), "transpose"),
    ],
)
def test_explicit_families_come_first(request_: Request, kind: str) -> None:
    explicit = ramanujan(*request_, method="explicit")
    assert explicit.recipe["kind"] == kind
    assert ramanujan(*request_) == explicit
    assert ramanujan(*request_, rng=77) == explicit
    assert_is_ramanujan(explicit, *request_)


@pytest.mark.parametrize("half", [2, 3, 4, 7, 50])
def test_degree_two_gives_the_cycle(half: int) -> None:
    graph = ramanujan(half, half, 2)
    assert graph.is_connected
    assert graph.degrees == (2, 2)
    assert graph.girth() == 2 * half


@pytest.mark.parametrize(("left", "right", "degree"), [(1, 1, 1), (5, 1, 1), (1, 6, 6)])
def test_degree_one_gives_a_star_or_nothing(left: int, right: int, degree: int) -> None:
    assert ramanujan(left, right, degree) == complete(left, right)
    with pytest.raises(InfeasibleError, match="disconnected, so none is Ramanujan"):
        ramanujan(4, 4, 1)


def test_a_layer_of_full_size_comes_from_a_theorem() -> None:
    graph = ramanujan(4096, 4096, 256)
    assert graph.recipe == {"kind": "field_lift", "q": 256, "b": 256, "m": 1, "j": 4}


def test_graphs_beyond_the_limits_for_untrusted_recipes_can_be_asked_for() -> None:
    assert ramanujan(4097, 4097, 4097).is_complete


# Errors


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ((0, 3, 1), "left is 0, expected at least 1"),
        ((3, -1, 1), "right is -1, expected at least 1"),
        ((3, 3, 0), "degree is 0, expected at least 1"),
        ((3, 3, 4), "degree is 4, expected at most 3"),
    ],
)
def test_sizes_and_degrees_out_of_range_are_refused(request_: Request, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ramanujan(*request_)


@pytest.mark.parametrize("arguments", [(3.0, 3, 2), (3, "3", 2), (3, 3, None), (True, 3, 3)])
def test_arguments_of_a_wrong_type_are_refused(arguments: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        ramanujan(*arguments)


@pytest.mark.parametrize("method", ["best", "", None])
def test_unknown_methods_are_refused(method: Any) -> None:
    with pytest.raises(
        ArgumentError, match="expected one of auto, explicit, catalogue, cover, lift, random"
    ):
        ramanujan(4, 4, 2, method=method)


def test_seeds_of_a_wrong_type_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="rng is 'x'"):
        ramanujan(10, 10, 3, rng="x")


@pytest.mark.parametrize("method", ["explicit", "lift"])
def test_a_method_that_finds_nothing_says_which_one_would(
    method: Literal["explicit", "lift"],
) -> None:
    with pytest.raises(InfeasibleError, match="method='auto' tries every way"):
        ramanujan(9, 9, 4, method=method)
    assert ramanujan(9, 9, 4).degrees == (4, 4)
