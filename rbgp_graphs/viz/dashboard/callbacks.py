"""What happens on the page: events change the state, the state changes what is shown."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any

import dash
from dash import ALL, ClientsideFunction, Input, Output, State, ctx, no_update

from rbgp_graphs.errors import ArgumentError, RBGPError
from rbgp_graphs.viz import summary
from rbgp_graphs.viz.alternative import text_of
from rbgp_graphs.viz.dashboard import events, figures, layout
from rbgp_graphs.viz.dashboard.downloads import offered
from rbgp_graphs.viz.dashboard.inspection import inspect
from rbgp_graphs.viz.dashboard.state import State as Shown
from rbgp_graphs.viz.dashboard.state import read_query
from rbgp_graphs.viz.dashboard.subjects import LARGEST_FILE_BYTES, Shelf, verdict_of
from rbgp_graphs.viz.raster import Subject
from rbgp_graphs.viz.theme import as_theme

#: What the notice says of what no caller could have foreseen.
_LONGEST_MESSAGE = 600


def connect(app: dash.Dash, shelf: Shelf) -> None:
    """Add all callbacks to an app."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("rbgp", "scheme"), Output("scheme", "data"), Input("url", "pathname")
    )
    _connect_state(app, shelf)
    _connect_pattern(app, shelf)
    _connect_rest(app, shelf)


# Events -> state ------------------------------------------------------------------------------


def _connect_state(app: dash.Dash, shelf: Shelf) -> None:
    outputs = [
        Output("url", "search"),
        Output("state", "data"),
        Output("shown", "data"),
        Output("subject", "data"),
        Output("section", "data"),
        Output("notice", "children"),
        Output("inner-slider", "max"),
        Output("inner-note", "children"),
        Output("step", "max"),
        Output("step-note", "children"),
        Output("step-part", "hidden"),
        Output("peers-part", "hidden"),
        Output("no-other", "hidden"),
        *(Output(name, "value") for name in events.CONTROLS),
        *(Output(name, "aria-pressed") for name in (*events.VIEW_BUTTONS, *events.PEER_BUTTONS)),
    ]

    @app.callback(
        outputs,
        inputs={
            "search": Input("url", "search"),
            "values": {name: Input(name, "value") for name in events.CONTROLS},
            "clicks": [Input(name, "n_clicks") for name in events.BUTTONS],
            "drag": Input("pattern", "relayoutData"),
            "click": Input("pattern", "clickData"),
            "candidate": Input({"type": "candidates", "name": ALL}, "clickData"),
            "contents": Input("open", "contents"),
            "other": Input("open-other", "contents"),
        },
        state={
            "names": [State("open", "filename"), State("open-other", "filename")],
            "current": State("state", "data"),
        },
    )
    def update(
        search: str | None,
        values: dict[str, Any],
        clicks: list[Any],  # noqa: ARG001
        drag: Any,
        click: Any,
        candidate: list[Any],
        contents: str | None,
        other: str | None,
        names: list[str | None],
        current: str | None,
    ) -> Any:
        event = _event()
        given = {**values, "drag": drag, "click": click, "candidate": next(iter(candidate), None)}
        old: Shown | None = None
        try:
            if current is None or event == "url":
                new = read_query(search or "", shelf.start)
            else:
                old = read_query(current, shelf.start)
                if event == "open":
                    new = old.with_source(shelf.open(names[0] or "", _decoded(contents)))
                elif event == "open-other":
                    token = shelf.open(names[1] or "", _decoded(other))
                    new = replace(old, other=token, view="compare")
                else:
                    shape = shelf.subject(old.source, old).shape
                    new = events.after(event, old, given, shape)
            if new == old:
                raise dash.exceptions.PreventUpdate
            subject = _checked(shelf, new)
        except RBGPError as error:
            if current is not None:
                # The controls keep what the reader entered, the page what it showed.
                kept: list[Any] = [no_update] * len(outputs)
                kept[5] = layout.notice(f"{_short(error)} The page still shows what it did.")
                return kept
            new, text = (
                Shown(source=shelf.start),
                f"{_short(error)} The page shows a start instead.",
            )
            subject = _checked(shelf, new)
            return _shown(new, old, subject, shelf, search, text)
        return _shown(new, old, subject, shelf, search, "")


def _event() -> str:
    found = ctx.triggered_id
    if isinstance(found, dict):
        return "candidate"
    if found == "pattern":
        return "click" if any("clickData" in key for key in ctx.triggered_prop_ids) else "drag"
    return str(found or "url")


def _checked(shelf: Shelf, state: Shown) -> Subject:
    subject = shelf.subject(state.source, state)
    figures.check(subject, state)
    if state.other:
        shelf.subject(state.other, state)
    return subject


def _decoded(contents: str | None) -> bytes:
    try:
        _, _, text = (contents or "").partition(",")
        if len(text) > LARGEST_FILE_BYTES * 4 // 3 + 4:
            raise ArgumentError(f"the file is larger than {LARGEST_FILE_BYTES:,} bytes")
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ArgumentError("the browser sent a file that is cut short") from None


def _short(error: RBGPError) -> str:
    text = str(error)
    text = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " ..."
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _shown(
    new: Shown, old: Shown | None, subject: Subject, shelf: Shelf, search: str | None, text: str
) -> list[Any]:
    query = new.as_query(shelf.start)
    steps = figures.num_steps(subject) if new.view == "tiling" else 1
    keys = _keys(new, shelf.start)
    before = _keys(old, shelf.start) if old is not None else (None,) * 3
    inner = "the best one"
    if new.source != "design":
        inner = "of a design"
    elif new.inner is not None:
        inner = "{} × {}, degree {}".format(*new.inner)
    return [
        no_update if query == (search or "") else query,
        query,
        *(no_update if key == was else key for key, was in zip(keys, before, strict=True)),
        layout.notice(text),
        events.num_inner_choices(new),
        inner,
        steps - 1,
        f"{min(new.step, steps - 1) + 1} of {steps}",
        new.view != "tiling",
        new.view != "compare",
        not new.other,
        *events.shown_by(new).values(),
        *events.pressed_by(new).values(),
    ]


def _keys(state: Shown, start: str) -> tuple[str, str, str]:
    """Return what the visible part, the words and the section below depend on, as queries."""
    plain = Shown()
    part = replace(state, view=plain.view, step=0, peers=plain.peers, other="")
    whole = part.with_source(part.source)
    section = replace(state, shown_rows=None, shown_cols=None, cell=None)
    if state.view != "tiling":
        section = replace(section, step=0)
    if state.view != "compare":
        section = replace(section, peers=plain.peers, other="")
    return part.as_query(start), whole.as_query(start), section.as_query(start)


# State -> page --------------------------------------------------------------------------------


def _connect_pattern(app: dash.Dash, shelf: Shelf) -> None:
    @app.callback(
        Output("pattern", "figure"),
        Output("pattern-caption", "children"),
        Output("pattern-text", "children"),
        Output("pattern-data", "children"),
        Output("cell", "children"),
        Input("shown", "data"),
        Input("scheme", "data"),
        prevent_initial_call=True,
    )
    def draw(query: str | None, scheme: str | None) -> Any:
        state, subject = _found(shelf, query, scheme)
        figure = figures.shown_part(subject, state, as_theme(scheme))
        caption, text = figure.layout.title.text, text_of(figure)
        data = layout.data_of(figure, caption)
        cell: list[Any] = []
        if state.cell is not None:
            words, found = inspect(subject, *state.cell)
            cell = [*layout.paragraphs(words), layout.table(found, "Edges of this cell")]
        figure.update_layout(meta=None, height=None)
        return layout.untitled(figure), caption, text, data, cell


def _connect_rest(app: dash.Dash, shelf: Shelf) -> None:
    @app.callback(
        Output("headline", "children"),
        Output("verdict", "children"),
        Output("numbers", "children"),
        Input("subject", "data"),
        prevent_initial_call=True,
    )
    def describe(query: str | None) -> Any:
        _, subject = _found(shelf, query, "light")
        numbers = layout.table(figures.key_numbers(subject), "Table of key numbers")
        try:
            verdict = verdict_of(subject)
        except RBGPError as error:
            return summary.headline(subject), layout.paragraphs(_short(error)), numbers
        found = layout.paragraphs(summary.answer(subject, verdict))
        content = summary.verdicts(subject, verdict)
        if content is not None:
            found.append(layout.table(content, "Table of verdicts"))
        return summary.headline(subject), found, numbers

    @app.callback(
        Output("figures", "children"),
        Input("section", "data"),
        Input("scheme", "data"),
        prevent_initial_call=True,
    )
    def draw_section(query: str | None, scheme: str | None) -> Any:
        state, _ = _found(shelf, query, scheme)
        try:
            drawn = figures.view_figures(shelf, state, as_theme(scheme))
        except RBGPError as error:
            return layout.paragraphs(_short(error))
        return [
            layout.figure(
                figure,
                f"{state.view}-{number}",
                f"{query} {scheme} {number}",
                clickable=state.view == "space",
            )
            for number, figure in enumerate(drawn)
        ]

    @app.callback(
        Output("downloads", "children"), Input("state", "data"), prevent_initial_call=True
    )
    def link(query: str | None) -> Any:
        if query is None:
            raise dash.exceptions.PreventUpdate
        return layout.downloads(query, offered())


def _found(shelf: Shelf, query: str | None, scheme: str | None) -> tuple[Shown, Subject]:
    if query is None or scheme not in ("light", "dark"):
        raise dash.exceptions.PreventUpdate
    state = read_query(query, shelf.start)
    return state, shelf.subject(state.source, state)
