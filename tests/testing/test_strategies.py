"""The strategies generate what they promise, and not only the easy part of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import rbgp_graphs as rg
from rbgp_graphs.testing.strategies import (
    bipartite_graphs,
    biregular_graphs,
    complete_graphs,
    factor_graphs,
    lifts,
    patterns,
    rbgp4_patterns,
    signings,
    tensor_products,
)


@given(biregular_graphs(max_side=6, min_degree=2))
def test_biregular_graphs_keep_their_promise(graph: rg.BipartiteGraph) -> None:
    assert graph.degrees is not None
    assert min(graph.degrees) >= 2
    assert max(graph.shape) <= 6


@given(lifts(max_levels=3, max_edges=100))
def test_lifts_are_biregular_and_know_how_they_were_made(graph: rg.BipartiteGraph) -> None:
    assert graph.degrees is not None
    assert graph.recipe["kind"] in ("two_lift", "cyclic_lift", "lift")


@given(st.one_of(factor_graphs(), complete_graphs()))
def test_factors_have_an_edge(graph: rg.BipartiteGraph) -> None:
    assert graph.degrees is not None
    assert graph.num_edges > 0


@given(st.data())
def test_signings_fit_their_graph(data: st.DataObject) -> None:
    base = data.draw(biregular_graphs(min_degree=0))
    signs = data.draw(signings(base))
    assert rg.two_lift(base, signs).num_edges == 2 * base.num_edges


@given(tensor_products(max_factors=2))
def test_products_have_no_more_factors_than_asked(pattern: rg.TensorProduct) -> None:
    assert 1 <= len(pattern.factors) <= 2


@given(rbgp4_patterns(twisted=False))
def test_plain_patterns_are_not_twisted(pattern: rg.RBGP4) -> None:
    assert not pattern.is_twisted


def unequal(graph: rg.BipartiteGraph) -> bool:
    return graph.degrees is not None and graph.degrees[0] != graph.degrees[1] != 1


def lifted_twice(graph: rg.BipartiteGraph) -> bool:
    return bool(graph.recipe["base"]["kind"] in ("two_lift", "cyclic_lift", "lift"))


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [
        (bipartite_graphs(), lambda g: g.degrees is None),
        (bipartite_graphs(), lambda g: g.shape == (0, 0)),
        (bipartite_graphs(), lambda g: g.num_edges == 0 and min(g.shape) > 0),
        (biregular_graphs(), unequal),
        (biregular_graphs(), lambda g: g.is_complete and g.num_edges > 4),
        (biregular_graphs(), lambda g: not g.is_connected),
        (biregular_graphs(), lambda g: g.girth() == 6),
        (biregular_graphs(min_degree=0), lambda g: g.num_edges == 0),
        (lifts(), lifted_twice),
        (lifts(), lambda g: g.recipe["kind"] == "lift" and g.recipe["k"] > 2),
        (patterns(), lambda p: isinstance(p, rg.RBGP4) and p.is_twisted),
        (patterns(), lambda p: not isinstance(p, rg.RBGP4) and len(p.factors) == 3),
        (rbgp4_patterns(twisted=True), lambda p: p.is_twisted and p.shift_side == "left"),
        (rbgp4_patterns(twisted=True), lambda p: p.is_twisted and p.shift_modulus == 3),
        (rbgp4_patterns(twisted=True), lambda p: p.is_twisted and p.shift_modulus == 4),
    ],
)
def test_the_interesting_cases_occur(
    strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]
) -> None:
    quick = settings(max_examples=2000, database=None, phases=[Phase.generate])
    found = find(strategy, condition, settings=quick)
    assert condition(found)


def test_a_case_that_cannot_occur_is_not_found() -> None:
    with pytest.raises(NoSuchExample):
        find(biregular_graphs(), lambda g: g.degrees is None, settings=settings(max_examples=50))
