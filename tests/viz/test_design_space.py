import base64
from typing import Any

import numpy as np
import pytest

from rbgp_graphs import complete, design_space, viz
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.selection import Candidate
from rbgp_graphs.viz.alternative import action_of

CANDIDATES = design_space(30, 30, 0.5, device="default")


@pytest.fixture(scope="module")
def figure() -> Any:
    return viz.design_space(CANDIDATES, pictures=3)


def test_every_candidate_is_a_dot_at_its_time_and_gap(figure: Any) -> None:
    front, beaten, ring = figure.data[:3]
    drawn = sorted(zip(front.x + beaten.x, front.y + beaten.y, strict=True))
    expected = sorted((1e3 * c.seconds, c.normalized_gap) for c in CANDIDATES)
    np.testing.assert_allclose(drawn, expected)
    assert (front.name, len(front.x)) == ("Pareto-optimal", sum(c.pareto for c in CANDIDATES))
    best = max((c for c in CANDIDATES if c.pareto), key=lambda c: c.normalized_gap)
    assert (ring.x, ring.y) == ((1e3 * best.seconds,), (best.normalized_gap,))


def test_pictures_are_corners_of_the_patterns(figure: Any) -> None:
    action: Any = action_of(figure)
    front = sorted((c for c in CANDIDATES if c.pareto), key=lambda c: c.seconds)
    pictured = 0
    for choice, candidate in zip(action["choices"], front, strict=True):
        assert (choice["x"], choice["y"]) == (1e3 * candidate.seconds, candidate.normalized_gap)
        if "levels" in choice:
            cells = np.frombuffer(base64.b64decode(choice["levels"]), np.uint8)
            expected = candidate.build().mask()[:128, :128]
            assert np.array_equal(cells.reshape(choice["height"], choice["width"]), expected)
            pictured += 1
    assert 3 <= pictured <= 4
    chosen = front[action["chosen"]]
    assert np.array_equal(figure.data[action["preview"]].z, chosen.build().mask()[:128, :128])
    assert "first 30 × 30 cells" in figure.layout.annotations[action["annotation"]].text
    assert figure.data[action["ring"]].name == "shown below"


def test_dots_know_their_place_in_the_list(figure: Any) -> None:
    choices: Any = action_of(figure)["choices"]  # type: ignore[index]
    front, beaten = figure.data[:2]
    for place, x, y in zip(front.customdata, front.x, front.y, strict=True):
        assert (choices[place]["x"], choices[place]["y"]) == (x, y)
    assert set(beaten.customdata) == {-1}


def test_the_table_holds_the_pareto_front(figure: Any) -> None:
    front = [c for c in CANDIDATES if c.pareto]
    rows = figure.layout.meta["rows"]
    assert sorted(row[1] for row in rows) == sorted(f"{c.normalized_gap:.4f}" for c in front)
    assert f"{len(CANDIDATES)} candidates, {len(front)} of them" in figure.layout.meta["text"]


def test_candidates_that_all_lose_are_listed() -> None:
    beaten = [c for c in CANDIDATES if not c.pareto]
    figure = viz.design_space(beaten, pictures=1)
    assert figure.data[0].name == "beaten by another one"
    assert len(figure.layout.meta["rows"]) == len(beaten)


def untimed() -> Candidate:
    return Candidate(
        outer=(2, 2, 2), inner=(3, 3, 3), repeat=1, block=(1, 1), twisted=False, ratio=0.0
    )


@pytest.mark.parametrize(
    ("candidates", "error", "match"),
    [
        ([], ArgumentError, "holds no candidate"),
        ("front", ArgumentTypeError, "candidates is 'front'"),
        (3, ArgumentTypeError, "candidates is 3"),
        ([complete(2, 2)], ArgumentTypeError, "candidate 0 is a BipartiteGraph"),
        ([untimed()], ArgumentError, "candidate 0 has no predicted time"),
        (
            [*CANDIDATES, *design_space(6, 6, 0.5, device="default")],
            ArgumentError,
            "several shapes",
        ),
    ],
)
def test_bad_candidates_are_refused(candidates: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        viz.design_space(candidates)


def test_the_number_of_pictures_is_checked() -> None:
    with pytest.raises(ArgumentError, match="pictures is -1"):
        viz.design_space(CANDIDATES, -1)


def test_without_pictures_nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Candidate, "build")
    figure = viz.design_space(CANDIDATES, pictures=0)
    assert action_of(figure) is None
    assert [trace.name for trace in figure.data][-1] == "largest gap"
    assert figure.layout.meta["rows"]
