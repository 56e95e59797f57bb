"""Addresses describe states, and nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs import ArgumentError
from rbgp_graphs.viz.dashboard.state import (
    LARGEST_SIDE,
    LONGEST_QUERY,
    PEERS,
    VIEWS,
    State,
    read_query,
)

_places = st.integers(0, 10**6)
_ranges = st.none() | st.tuples(_places, st.integers(1, 10**6)).map(lambda t: (t[0], sum(t)))
_sources = st.sampled_from(["design", "start", "z.eJwDAAAAAAE", "m.0123456789abcdef"])


def _is_long_enough(share: float) -> bool:
    return share == 0 or share > 1e-20


states = st.builds(
    State,
    source=_sources,
    rows=st.integers(8, LARGEST_SIDE),
    cols=st.integers(8, LARGEST_SIDE),
    sparsity=st.floats(0, 1, exclude_max=True, allow_subnormal=False).filter(_is_long_enough)
    | st.integers(0, 999_999).map(lambda k: k / 10**6),
    row_group=st.integers(1, 128),
    inner=st.none() | st.tuples(_places, _places, _places),
    shown_rows=_ranges,
    shown_cols=_ranges,
    cell=st.none() | st.tuples(_places, _places),
    view=st.sampled_from(sorted(VIEWS)),
    step=_places,
    peers=st.sets(st.sampled_from(sorted(PEERS))).map(lambda s: tuple(p for p in PEERS if p in s)),
    other=st.just("") | _sources,
)


@given(states, st.sampled_from(["design", "start"]))
def test_the_address_of_a_state_brings_it_back(state: State, start: str) -> None:
    query = state.as_query(start)
    assert read_query(query, start) == state
    assert query == "" or query.startswith("?")
    assert all(" " <= letter <= "~" for letter in query)


def test_addresses_have_no_digits_that_say_nothing() -> None:
    assert State(sparsity=0.8).as_query() == "?sparsity=0.8"
    assert State(sparsity=1 - 2.0**-11).as_query() == "?sparsity=0.99951171875"


def test_an_empty_address_is_the_state_that_the_app_starts_in() -> None:
    assert read_query("") == State()
    assert read_query("?", "start") == State(source="start")
    assert State().as_query() == ""


@given(st.text(min_size=1).filter(lambda text: "=" not in text and text.strip("&;?")))
def test_any_other_text_is_refused_with_a_short_message(text: str) -> None:
    with pytest.raises(ArgumentError) as found:
        read_query("?" + text)
    assert len(str(found.value)) < 400


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("?rows=7", "rows is '7', expected a whole number from 8 to 1,048,576"),
        ("?rows=1e9", "whole number"),
        ("?rows=99999999999999999999", "whole number"),
        ("?cols=", "cols is ''"),
        ("?sparsity=1", "expected a share of zeros"),
        ("?sparsity=nan", "expected a share of zeros"),
        ("?sparsity=-0.5", "expected a share of zeros"),
        ("?shown-rows=64:64", "whose end"),
        ("?shown-rows=-5:5", "such as 0:64"),
        ("?shown-rows=0:1e400", "such as 0:64"),
        ("?inner=1,2", "expected 3 numbers"),
        ("?cell=1,2,3", "expected 2 numbers"),
        ("?view=secret", "expected one of spectrum"),
        ("?peers=unstructured,secret", "expected one of unstructured"),
        ("?source=../../etc/passwd", "what the app wrote itself"),
        ("?other=z.%3Cscript%3E", "what the app wrote itself"),
        ("?rows=8&rows=8", "'rows' twice"),
        ("?color=red", "names 'color'"),
        ("?" + "&".join(f"a{k}=1" for k in range(60)), "more than 50"),
        ("?source=z." + "A" * LONGEST_QUERY, "at most"),
    ],
)
def test_what_is_wrong_in_an_address_is_named(query: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read_query(query)
