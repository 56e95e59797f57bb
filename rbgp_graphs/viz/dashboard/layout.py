"""The page of the app: controls on one side, pattern, verdict and figures on the other."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from dash import html

from rbgp_graphs.viz.alternative import Table, action_of, table_of, text_of
from rbgp_graphs.viz.dashboard import events
from rbgp_graphs.viz.dashboard.events import GROUP_EXPONENTS, SIDE_EXPONENTS, ZEROS_EXPONENTS
from rbgp_graphs.viz.dashboard.state import PEERS, VIEWS
from rbgp_graphs.viz.dashboard.subjects import LARGEST_FILE_BYTES, SUFFIXES
from rbgp_graphs.viz.theme import CONFIG

#: The button for the first range would show the last answer of the server, not the whole.
_CONFIG: Any = {
    **CONFIG,
    "modeBarButtonsToRemove": [*CONFIG["modeBarButtonsToRemove"], "resetScale2d"],
    "doubleClick": "autosize",
    "scrollZoom": True,
}
#: Characters above which a cell of a table keeps a readable width.
_LONG_TEXT = 24
_MOVE_NAMES = {
    "in": "Zoom in",
    "out": "Zoom out",
    "left": "Left",
    "right": "Right",
    "up": "Up",
    "down": "Down",
    "whole": "All",
}


def page(*, has_start: bool) -> html.Div:
    """Return the page, before anything is shown on it."""
    return html.Div(
        [
            html.A("Skip to the pattern", href="#pattern-part", className="skip"),
            html.Header(
                [
                    html.H1("Sparsity patterns"),
                    html.P(id="headline"),
                    html.P(id="busy", role="status"),
                ]
            ),
            html.Div(
                [
                    html.Div(_controls(has_start=has_start), className="side", id="controls"),
                    html.Main(_main(), id="main"),
                ],
                className="columns",
            ),
        ],
        className="app",
    )


def _aria(**attributes: str) -> dict[str, Any]:
    return {f"aria-{name}": value for name, value in attributes.items()}


def _controls(*, has_start: bool) -> list[Any]:
    return [
        html.Section(
            [
                html.H2("Design", id="design-title"),
                _quantity("rows", "Rows", SIDE_EXPONENTS),
                _quantity("cols", "Columns", SIDE_EXPONENTS),
                _quantity("zeros", "Zeros in percent", ZEROS_EXPONENTS),
                _quantity("group", "Row group", GROUP_EXPONENTS),
                _slider("inner-slider", "Inner graph", 0, 1, note="inner-note"),
                html.P(
                    [
                        _button("use-design", "Show the design"),
                        _button("use-start", "Show the file", hidden=not has_start),
                    ],
                    className="buttons",
                ),
            ],
            **_aria(labelledby="design-title"),
        ),
        html.Section(
            [
                html.H2("Open", id="open-title"),
                html.P(_file_button("open", "Open a pattern or mask"), className="buttons"),
                html.P(
                    f"Or drop it on the page: {', '.join(SUFFIXES)}; at most "
                    f"{LARGEST_FILE_BYTES >> 20} MiB. It stays on this machine.",
                    className="hint",
                ),
                html.H2("Download"),
                html.Ul(id="downloads", className="links"),
            ],
            **_aria(labelledby="open-title"),
        ),
    ]


def _quantity(name: str, label: str, ends: tuple[int, int]) -> html.Div:
    """Return a number that can be typed, and a slider for the usual ones."""
    return html.Div(
        [
            html.Label(label, htmlFor=name),
            _text(name, numeric=True),
            html.Label(f"{label}, slider", htmlFor=f"{name}-slider", className="unseen"),
            _range(f"{name}-slider", *ends),
        ],
        className="quantity",
    )


def _slider(name: str, label: str, low: int, high: int, *, note: str) -> html.Div:
    return html.Div(
        [
            html.Label(label, htmlFor=name),
            html.Span(id=note, className="note"),
            _range(name, low, high),
        ],
        className="quantity",
    )


def _range(name: str, low: int, high: int) -> html.Div:
    return _input(id=name, type="range", min=low, max=high, value=low)


def _text(name: str, *, numeric: bool = False) -> html.Div:
    return _input(id=name, type="text", inputMode="numeric" if numeric else "text")


def _input(**properties: Any) -> html.Div:
    """Return the place of an input. Those of Dash write back what was typed a moment ago."""
    attributes: dict[str, Any] = {"data-input": json.dumps(properties)}
    return html.Div(className="input", **attributes)


def _button(name: str, label: str, **attributes: Any) -> html.Button:
    return html.Button(label, id=name, type="button", **attributes)


def _file_button(name: str, label: str) -> html.Button:
    limits = {"data-accept": ",".join(SUFFIXES), "data-largest": str(LARGEST_FILE_BYTES)}
    return _button(name, label, **limits)


def _toggles(label: str, buttons: Mapping[str, str], labels: Mapping[str, str]) -> html.Div:
    """Return buttons that stay pressed."""
    made = [
        html.Button(labels[value], id=name, type="button", **_aria(pressed="false"))
        for name, value in buttons.items()
    ]
    return html.Div(made, role="group", className="buttons", **_aria(label=label))


def _main() -> list[Any]:
    return [
        html.Div(id="notice", role="alert"),
        html.Section(
            [
                html.H2("Pattern", id="pattern-part", tabIndex=-1),
                html.Div(_window_controls(), className="bar"),
                html.Figure(
                    [
                        html.Figcaption(html.Strong(id="pattern-caption")),
                        html.Div(
                            html.Div(id="pattern", className="plot"),
                            role="group",
                            id="pattern-group",
                            **_aria(labelledby="pattern-caption", describedby="pattern-text"),
                        ),
                        html.P(id="pattern-text", className="description"),
                        html.Div(id="pattern-data"),
                    ]
                ),
                html.Div(_cell_controls(), className="cell"),
            ],
            className="wide",
            **_aria(labelledby="pattern-part"),
        ),
        html.Section(
            [html.H2("Is it Ramanujan?", id="verdict-title"), html.Div(id="verdict")],
            **_aria(labelledby="verdict-title"),
        ),
        html.Section(
            [html.H2("Key numbers", id="numbers-title"), html.Div(id="numbers")],
            **_aria(labelledby="numbers-title"),
        ),
        html.Section(
            [
                html.H2("More figures", id="more-title"),
                _toggles("Show", events.VIEW_BUTTONS, VIEWS),
                html.Div(
                    _slider("step", "Step", 0, 1, note="step-note"), id="step-part", hidden=True
                ),
                html.Div(
                    [
                        _toggles("Compare with", events.PEER_BUTTONS, PEERS),
                        html.Div(
                            [
                                _file_button("open-other", "Compare with a file"),
                                _button("no-other", "Leave the file out", hidden=True),
                            ],
                            className="buttons",
                        ),
                    ],
                    id="peers-part",
                    hidden=True,
                ),
                html.Div(id="figures"),
            ],
            className="wide",
            **_aria(labelledby="more-title"),
        ),
    ]


def _window_controls() -> list[Any]:
    return [
        *(_button(name, label) for name, label in _MOVE_NAMES.items()),
        _pair("row-range", "Rows shown"),
        _pair("col-range", "Columns shown"),
    ]


def _pair(name: str, label: str) -> html.Span:
    return html.Span([html.Label(label, htmlFor=name), _text(name)], className="pair")


def _cell_controls() -> list[Any]:
    return [
        html.H3("Inspect a cell", id="cell-title"),
        html.P("Click in the figure, or type a row and a column as in 5, 12.", className="hint"),
        html.Div(
            [_pair("inspected", "Row, column"), _button("no-cell", "No cell")], className="bar"
        ),
        html.Div(id="cell", **_aria(live="polite")),
    ]


# Parts that the server fills ----------------------------------------------------------------------


def table(content: Table, label: str) -> html.Div:
    """Return a table that scrolls inside the page, also with the keyboard."""
    head = [html.Th(cell, scope="col") for cell in content.columns]
    body = [
        html.Tr([html.Th(str(row[0]), scope="row"), *map(_cell, row[1:])]) for row in content.rows
    ]
    return html.Div(
        html.Table([html.Thead(html.Tr(head)), html.Tbody(body)]),
        className="scroll",
        tabIndex=0,
        role="region",
        **_aria(label=label),
    )


def _cell(content: Any) -> html.Td:
    text = str(content)
    return html.Td(text, className="long" if len(text) > _LONG_TEXT else "")


def data_of(figure: Any, caption: str) -> list[Any]:
    """Return the data table of a figure, folded; nothing if it has none."""
    content = table_of(figure)
    if content is None or not content.rows:
        return []
    return [
        html.Details(
            [html.Summary(f"Data of this figure: {caption}"), table(content, f"Data: {caption}")]
        )
    ]


def figure(content: Any, name: str) -> html.Figure:
    """Return the place of a figure, with caption, text alternative and data table."""
    caption, text = str(content.layout.title.text or ""), text_of(content)
    described = _aria(describedby=f"{name}-text") if text else {}
    place = html.Div(
        id=name, className="plot", style={"height": f"{content.layout.height or 480}px"}
    )
    return html.Figure(
        [
            html.Figcaption(html.Strong(caption)),
            html.Div(place, role="group", **_aria(label=caption), **described),
            html.P(text, id=f"{name}-text", className="description"),
            *data_of(content, caption),
        ],
        key=name,
    )


def plot_name(view: str, key: str, number: int) -> str:
    """Return the name of a figure, another one for each drawing."""
    return f"{view}-{number}-{zlib.crc32(key.encode()):08x}"


def plot(content: Any, click: str | None = None) -> dict[str, Any]:
    """Return what plotly.js draws, and the event that a click in it is.

    The page shows title, text and data itself, and says how large the figure is.
    """
    drawn = content.to_plotly_json()
    layout, action = drawn["layout"], action_of(content) or {}
    for name in ("title", "width", "height", "meta"):
        layout.pop(name, None)
    top = layout.get("margin", {}).get("t", 60)
    layout["margin"] = {**layout.get("margin", {}), "t": max(36, top - 40)}
    if layout.get("legend", {}).get("yref") == "container":
        layout["legend"] = {**layout["legend"], "y": 1}
    return {
        "data": drawn["data"],
        "layout": layout,
        "config": _CONFIG,
        "click": click,
        "action": action if action.get("kind") == "neighbors" else None,
    }


def paragraphs(text: str) -> list[Any]:
    """Return a text of several paragraphs."""
    return [html.P(part) for part in text.split("\n\n") if part.strip()]


def downloads(query: str, names: Sequence[tuple[str, str]]) -> list[Any]:
    """Return links to what the server makes of a state."""
    return [
        html.Li(html.A(label, href=f"/download/{name}{query}", download=name))
        for name, label in names
    ]
