"""The answer of the server to events: none is lost, whatever batches they come in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg

pytest.importorskip("dash", reason="dash is not installed")

from plotly.io.json import to_json_plotly

from rbgp_graphs.viz.dashboard.answers import Page, answer, follow, part
from rbgp_graphs.viz.dashboard.state import State, read_query
from rbgp_graphs.viz.dashboard.subjects import LARGEST_FILE_BYTES, Shelf

SMALL = "?rows=64&cols=64&sparsity=0.75"
PLANE = rg.dumps(rg.projective_plane(3))


def asked(shelf: Shelf, *events: Any, before: Any = None, drawn: Any = None) -> dict[str, Any]:
    """Return the answer to events after an earlier one, as the page gets it."""
    before = before or {"state": None, "draft": None}
    request = {
        "state": before["state"],
        "draft": before["draft"],
        "events": [list(event) for event in events],
        "scheme": "light",
        "drawn": drawn,
    }
    found = json.loads(to_json_plotly(answer(shelf, json.loads(json.dumps(request)))))
    assert isinstance(found, dict)
    return found


def opened(data: bytes, name: str = "plane.rbgp") -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(data).decode()}


_clicks = st.sampled_from(
    ["in", "out", "up", "down", "left", "right", "whole", "no-cell", "use-design", "use-start",
     "view-factors", "view-tiling", "view-compare", "peer-banded", "peer-blocks", "no-other"]
).map(lambda name: (name, None))  # fmt: skip
_values = st.sampled_from(
    [("rows", "128"), ("rows", "96"), ("cols", "1000"), ("cols", "48"), ("rows-slider", "6"),
     ("zeros", "87.5"), ("zeros", "x"), ("group", "2"), ("group", "3"), ("inner-slider", "1"),
     ("inner-slider", "99"), ("row-range", "3:17"), ("row-range", "0:9999"), ("col-range", "all"),
     ("inspected", "5, 7"), ("inspected", "9999, 0"), ("step", "1"), ("click", [3.2, 4.9]),
     ("drag", [[20.5, 3.5], [1.5, 18.5]]), ("url", SMALL), ("url", "?view=secret"),
     ("open", opened(PLANE)), ("open", opened(b"nothing")), ("open-other", opened(PLANE))]
)  # fmt: skip
_events = st.lists(_clicks | _values, max_size=8)


@settings(max_examples=40, deadline=None)
@given(_events, st.data())
def test_batches_make_no_difference(events: list[Any], data: Any) -> None:
    shelf = Shelf(None)
    start = read_query(SMALL)
    whole = follow(shelf, Page(state=start, draft=start), events)
    page = Page(state=start, draft=start)
    while events:
        size = data.draw(st.integers(1, len(events)))
        page = follow(shelf, Page(state=page.state, draft=page.draft), events[:size])
        events = events[size:]
    assert (page.state, page.draft) == (whole.state, whole.draft)
    # What is shown can be shown: by its address, in both of its forms.
    state = whole.state.as_query(shelf.start)
    again = follow(shelf, Page(state=start, draft=start), [("url", state)])
    assert (again.state, again.notice) == (whole.state, "")


def test_the_first_answer_shows_what_the_address_says() -> None:
    shelf = Shelf(None)
    found = asked(shelf, ("url", SMALL + "&shown-rows=0:32&cell=3,5&view=tiling&step=1"))
    assert found["state"] == SMALL + "&shown-rows=0:32&cell=3,5&view=tiling&step=1"
    assert found["draft"] == found["state"]
    values = ("64", "64", "75", "0:32", "all", "3, 5", "1")
    names = ("rows", "cols", "zeros", "row-range", "col-range", "inspected", "step")
    assert tuple(found["values"][name] for name in names) == values
    assert found["props"]["notice"] == {"children": ""}
    assert found["props"]["step-part"] == {"hidden": False}
    assert found["props"]["view-tiling"] == {"aria-pressed": "true"}
    assert "64\u00a0×\u00a064" in found["props"]["headline"]["children"]
    assert "Row 3, column 5" in json.dumps(found["props"]["cell"])
    assert found["plots"]["pattern"]["click"] == "click"
    # Captions, data and sizes are parts of the page, not of the drawing.
    layout = found["plots"]["pattern"]["layout"]
    assert not {"title", "meta", "width", "height"} & set(layout)
    assert [layout["yaxis"]["range"], layout["xaxis"]["range"]] == [[31.5, -0.5], [-0.5, 63.5]]


def test_what_is_drawn_is_not_sent_again() -> None:
    shelf = Shelf(None)
    first = asked(shelf, ("url", SMALL))
    drawn = first["keys"]["pattern"]
    same = asked(shelf, ("view-factors", None), before=first, drawn=drawn)
    assert same["plots"] == {}
    assert same["keys"]["section"] != first["keys"]["section"]
    assert (same["keys"]["pattern"], same["keys"]["about"]) == (drawn, first["keys"]["about"])
    zoomed = asked(shelf, ("in", None), before=same, drawn=drawn)
    assert set(zoomed["plots"]) == {"pattern"}
    assert zoomed["keys"] == same["keys"] | {"pattern": "light" + SMALL + "&shown-rows=16:48"
                                             "&shown-cols=16:48"}  # fmt: skip


def test_a_design_that_is_none_yet_can_become_one() -> None:
    shelf = Shelf(None)
    first = asked(shelf, ("url", SMALL))
    refused = asked(shelf, ("rows", "90"), before=first, drawn=first["keys"]["pattern"])
    assert refused["state"] == SMALL
    assert refused["draft"] == "?rows=90&cols=64&sparsity=0.75"
    assert "still shows" in refused["props"]["notice"]["children"]
    # The control keeps what was typed, and the slider beside it follows.
    assert "rows" not in refused["values"]
    assert refused["values"]["rows-slider"] == "6"
    assert refused["plots"] == {}
    made = asked(shelf, ("group", "1"), ("cols", "90"), ("zeros", "80"), before=refused)
    assert made["state"] == made["draft"] == "?rows=90&cols=90&sparsity=0.8&row-group=1"
    assert made["props"]["notice"] == {"children": ""}
    # What works without the draft leaves it.
    left = asked(shelf, ("in", None), before=refused)
    assert left["draft"] == left["state"] == SMALL + "&shown-rows=16:48&shown-cols=16:48"
    assert left["values"]["rows"] == "64"


def test_an_event_that_means_nothing_stops_no_other() -> None:
    shelf = Shelf(None)
    name = "<img src=x onerror=alert(1)>.rbgp"
    found = asked(
        shelf,
        ("url", SMALL),
        ("open", opened(b"nothing", name)),
        ("no-such-event", None),
        ("in", None),
    )
    assert found["state"] == SMALL + "&shown-rows=16:48&shown-cols=16:48"
    assert "no-such-event" in found["props"]["notice"]["children"]
    absurd = asked(shelf, ("url", "?shown-rows=0:999999999"))
    assert absurd["state"] == ""
    assert "the nearest range is 0:1,024" in absurd["props"]["notice"]["children"]
    assert "this address" in absurd["props"]["notice"]["children"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (opened(b"nothing"), "still shows"),
        (opened(b"x" * (LARGEST_FILE_BYTES + 1)), "is larger than 16,777,216"),
        (opened(PLANE, "plane.pt"), "the suffix '.pt'"),
        ({"name": "plane.rbgp", "content": "%"}, "cut short"),
        ({"name": "plane.rbgp", "content": 5}, "cut short"),
        ({"name": "plane.rbgp"}, "cut short"),
        (None, "cut short"),
    ],
)
def test_a_file_that_is_none_is_explained(value: Any, message: str) -> None:
    found = asked(Shelf(None), ("url", SMALL), ("open", value))
    assert found["state"] == SMALL
    assert message in found["props"]["notice"]["children"]


def test_a_file_is_opened_and_compared() -> None:
    shelf = Shelf(rg.design(64, 64, 0.75))
    found = asked(shelf, ("url", ""), ("open", opened(PLANE)))
    source = read_query(found["state"]).source
    assert source.startswith("z.")
    assert shelf.subject(source, State()) == rg.projective_plane(3)
    assert found["props"]["inner-slider"] == {"max": 0}
    beside = asked(shelf, ("use-start", None), ("open-other", opened(PLANE)), before=found)
    assert beside["state"] == f"?view=compare&other={source}"
    assert beside["props"]["no-other"] == {"hidden": False}


def test_a_page_whose_file_is_gone_goes_on_with_the_start() -> None:
    query = "?source=m.0123456789abcdef&view=graphs"
    found = asked(Shelf(None), ("in", None), before={"state": query, "draft": query})
    assert found["state"] == "?shown-rows=256:768&shown-cols=256:768"
    assert "open it again" in found["props"]["notice"]["children"]


@pytest.mark.parametrize("view", ["space", "graphs", "compare"])
def test_the_section_has_a_place_for_every_plot(view: str) -> None:
    shelf = Shelf(None)
    found = part(shelf, "section", "dark", f"{SMALL}&view={view}")
    text = to_json_plotly(found["props"])
    assert found["plots"]
    for name, plot in found["plots"].items():
        assert text.count(f'"id":"{name}"') == 1
        assert plot["click"] == ("candidate" if view == "space" else None)
        assert (plot["action"] is not None) == (view == "graphs")
    other = part(shelf, "section", "light", f"{SMALL}&view={view}")
    assert not set(other["plots"]) & set(found["plots"])


def test_a_section_that_a_pattern_has_not_is_explained() -> None:
    found = part(Shelf(rg.projective_plane(3)), "section", "light", "?view=tiling")
    assert found["plots"] == {}
    assert "has no tiles" in to_json_plotly(found["props"])
