"""Controls change the state as they say, and show it again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import rbgp_graphs as rg
from rbgp_graphs import ArgumentError
from rbgp_graphs.viz.dashboard.events import (
    CONTROLS,
    after,
    as_percent,
    inner_choices,
    pressed_by,
    shown_by,
)
from rbgp_graphs.viz.dashboard.figures import check, key_numbers, num_steps, view_figures
from rbgp_graphs.viz.dashboard.state import PEERS, VIEWS, State
from rbgp_graphs.viz.dashboard.subjects import Shelf, designed

SMALL = State(rows=64, cols=64, sparsity=0.75)
SHAPE = (64, 64)


def changed(event: str, value: Any, state: State = SMALL) -> State:
    return after(event, value, state, SHAPE)


def test_every_control_shows_the_state_that_it_sets() -> None:
    assert tuple(shown_by(SMALL, SMALL)) == CONTROLS
    assert changed("rows", "128").rows == 128
    assert changed("rows-slider", 7).rows == 128
    assert changed("cols", 96).cols == 96
    wide = changed("cols", 96)
    assert shown_by(wide, wide)["cols-slider"] == "7"
    assert shown_by(SMALL, wide)["cols"] == "96"
    assert changed("zeros", "87.5 %").sparsity == 0.875
    assert changed("zeros-slider", 3).sparsity == 0.875
    assert changed("group", "2").row_group == 2
    assert changed("group-slider", 0).row_group == 1
    assert changed("row-range", "3:5").shown_rows == (3, 5)
    assert changed("col-range", "all").shown_cols is None
    assert changed("step", 2).step == 2
    assert changed("click", [3.2, 70]).cell == (63, 3)
    assert changed("drag", [[63.5, -0.5], [9.5, 19.5]]).shown_cols == (10, 20)
    assert changed("inspected", " 5, 12").cell == (5, 12)
    assert shown_by(changed("inspected", "5,12"), SMALL)["inspected"] == "5, 12"
    assert changed("inspected", "", State(cell=(1, 2))).cell is None
    assert changed("in", 1).shown_rows == (16, 48)
    assert changed("whole", 1, changed("in", 1)).shown_rows is None
    assert changed("use-start", 1).source == "start"
    assert changed("no-cell", 1, State(cell=(1, 2))).cell is None


def test_buttons_stay_pressed() -> None:
    for view in VIEWS:
        state = changed(f"view-{view}", 1)
        assert [k for k, v in pressed_by(state).items() if v == "true" and "view" in k] == [
            f"view-{view}"
        ]
    without = changed("peer-blocks", 1)
    assert without.peers == ("unstructured",)
    assert changed("peer-blocks", 2, without).peers == ("unstructured", "blocks")


def test_every_place_of_the_inner_slider_is_a_pattern() -> None:
    choices = inner_choices(SMALL)
    assert len(choices) > 3
    for place in (1, len(choices)):
        state = changed("inner-slider", place)
        assert state.inner == choices[place - 1].inner
        assert shown_by(state, state)["inner-slider"] == str(place)
        pattern = designed(64, 64, 0.75, 4, state.inner)
        assert pattern.inner.shape == state.inner[:2]
        assert (pattern.shape, pattern.row_group) == (SHAPE, 4)
    # Another layer starts at its best inner graph.
    assert changed("rows", 128, state).inner is None


def test_a_clicked_candidate_is_shown() -> None:
    choices = [c for c in rg.design_space(64, 64, 0.75, device="default") if c.pareto]
    best = choices[0]
    state = changed("candidate", [1e3 * best.seconds, best.normalized_gap])
    assert (state.row_group, state.inner) == (best.row_group, best.inner)


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("rows", ""), ("rows", None), ("rows", "4.5"), ("zeros", "100"), ("zeros", "1e-999999"),
        ("zeros", "x"), ("group", "-1"), ("row-range", "9:3"), ("inspected", "64, 0"),
        ("inspected", "5"), ("inspected", "1, 2, 3"), ("rows-slider", 99), ("inner-slider", 10**6),
        ("no-such-event", 1), ("click", None), ("click", ["a", 1]), ("click", [float("nan"), 1]),
        ("candidate", [1]), ("drag", {"autosize": True}),
    ],
)  # fmt: skip
def test_what_a_control_should_not_hold_is_refused(event: str, value: Any) -> None:
    state = State(rows=64, cols=64, sparsity=0.75, cell=(1, 1))
    with pytest.raises(ArgumentError):
        changed(event, value, state)


def test_percents_are_exact() -> None:
    assert as_percent("zeros", "99.90234375") == 1 - 2.0**-10
    assert as_percent("zeros", 0) == 0.0


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_every_view_has_figures_with_words_and_data(view: str) -> None:
    peers = tuple(PEERS) if view == "compare" else ()
    state = State(rows=64, cols=64, sparsity=0.75, view=view, step=1, peers=peers)
    for theme in ("light", "dark"):
        for figure in view_figures(Shelf(None), state, theme):
            meta = figure.layout.meta
            assert meta["text"]
            assert meta["rows"]


def test_views_that_a_graph_has_not_are_explained() -> None:
    shelf = Shelf(rg.projective_plane(3))
    for view in ("factors", "tiling", "space"):
        with pytest.raises(ArgumentError):
            view_figures(shelf, State(source="start", view=view), "light")
    for size, sparsity in ((1024, 0.875), (4096, 0.9375)):
        large = State(rows=size, cols=size, sparsity=sparsity, view="compare")
        with pytest.raises(ArgumentError, match="up to 512 × 512, or up to 2048 × 2048 with"):
            view_figures(Shelf(None), large, "light")
    assert num_steps(rg.projective_plane(3)) == 1


def test_what_the_app_starts_with_is_compared() -> None:
    start = State(view="compare")
    (figure,) = view_figures(Shelf(None), start, "light")
    names = [row[0] for row in figure.layout.meta["rows"]]
    assert names == ["this pattern", *(PEERS[peer] for peer in start.peers)]
    assert len(names) == 3


def test_steps_of_the_tiling_differ() -> None:
    assert num_steps(designed(256, 256, 0.75, 4, (8, 8, 4))) > 1
    state = State(rows=256, cols=256, sparsity=0.75, inner=(8, 8, 4), view="tiling")
    drawn = [view_figures(Shelf(None), replace(state, step=k), "light")[0] for k in range(2)]
    captions = [figure.layout.annotations[0].text for figure in drawn]
    assert captions[0] != captions[1]


def test_the_numbers_have_a_predicted_time() -> None:
    pattern = designed(64, 64, 0.75, 4, None)
    assert key_numbers(pattern).rows[-1][0].startswith("Predicted product")
    assert not key_numbers(rg.projective_plane(3)).rows[-1][0].startswith("Predicted")


@pytest.mark.parametrize(
    "state", [State(shown_rows=(0, 65)), State(shown_cols=(64, 65)), State(cell=(64, 0))]
)
def test_what_lies_outside_the_pattern_is_refused(state: State) -> None:
    with pytest.raises(ArgumentError):
        check(designed(64, 64, 0.75, 4, None), state)
