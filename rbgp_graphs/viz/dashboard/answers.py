"""What the server answers: events change the state, the state says what the page shows."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rbgp_graphs.errors import ArgumentError, RBGPError
from rbgp_graphs.viz import summary
from rbgp_graphs.viz.alternative import text_of
from rbgp_graphs.viz.dashboard import downloads, events, figures, layout
from rbgp_graphs.viz.dashboard.inspection import inspect
from rbgp_graphs.viz.dashboard.state import State, read_query
from rbgp_graphs.viz.dashboard.subjects import Shelf, verdict_of
from rbgp_graphs.viz.raster import Subject
from rbgp_graphs.viz.theme import Theme, as_theme

#: Events that one request may bring, and what the notice says of what no caller could foresee.
_MOST_EVENTS = 1000
_LONGEST_MESSAGE = 600


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows.

    Attributes
    ----------
    state : State
        What is drawn; there is a pattern for it.
    draft : State
        What the controls of the design say. It differs from `state` where there is no such
        pattern, and the next change of the design starts from it.
    notice : str
        Why an event changed nothing.
    refused : tuple of str
        Controls that keep what the reader entered although it means nothing.
    """

    state: State
    draft: State
    notice: str = ""
    refused: tuple[str, ...] = ()


def answer(shelf: Shelf, asked: Any) -> dict[str, Any]:
    """Return what changes on a page after some events.

    Parameters
    ----------
    shelf : Shelf
        What the app can show.
    asked : mapping
        ``state`` and ``draft``, the queries that the last answer gave, or None; ``events``,
        pairs of a name and a value, in their order; ``scheme``, ``"light"`` or ``"dark"``;
        ``drawn``, the key of the visible part that the page draws.

    Returns
    -------
    dict
        ``state``, ``draft``; ``keys``: a name for what each part of the page shows; ``values`` of
        the controls, ``props`` of other components, ``plots`` to draw.

    Raises
    ------
    ArgumentError
        If `asked` is of another form. What is wrong with an event is part of the answer.
    """
    before, happened, scheme, drawn = _read(shelf, asked)
    after = follow(shelf, before, happened)
    state = after.state
    subject = shelf.subject(state.source, state)
    query = state.as_query(shelf.start)
    keys = part_keys(state, shelf.start, scheme)
    shown: dict[str, Any] = {"props": {}, "plots": {}}
    if drawn != keys["pattern"]:
        shown = _pattern(subject, state, scheme)
    shown["props"] |= _controls(state, subject, query)
    shown["props"]["notice"] = {"children": after.notice}
    values = events.shown_by(state, after.draft)
    return shown | {
        "state": query,
        "draft": after.draft.as_query(shelf.start),
        "keys": keys,
        "values": {name: value for name, value in values.items() if name not in after.refused},
    }


def _read(shelf: Shelf, asked: Any) -> tuple[Page, list[tuple[str, Any]], Theme, Any]:
    if not isinstance(asked, Mapping):
        raise ArgumentError("the request is no JSON object")
    happened = asked.get("events")
    if not (isinstance(happened, list) and len(happened) <= _MOST_EVENTS):
        raise ArgumentError(f"events are no list of at most {_MOST_EVENTS:,}")
    for each in happened:
        if not (isinstance(each, list) and len(each) == 2 and isinstance(each[0], str)):
            raise ArgumentError("an event is no pair of a name and a value")
    state, draft = (
        State(source=shelf.start) if query is None else read_query(str(query), shelf.start)
        for query in (asked.get("state"), asked.get("draft"))
    )
    page = Page(state=state, draft=draft)
    try:
        _checked(shelf, state)
    except RBGPError as error:
        # The app was started again, without the files that a page has open.
        start = State(source=shelf.start)
        page = _refused(Page(state=start, draft=start), error, "url")
    pairs = [(name, value) for name, value in happened]
    return page, pairs, as_theme(asked.get("scheme")), asked.get("drawn")


def follow(shelf: Shelf, page: Page, happened: list[tuple[str, Any]]) -> Page:
    """Return the page after some events; what each of them says wrong is in its notice."""
    for name, value in happened:
        page = _after(shelf, page, name, value)
    return page


def _after(shelf: Shelf, page: Page, name: str, value: Any) -> Page:
    is_design = name in events.DESIGN
    base = page.draft if is_design else page.state
    try:
        new = _changed(shelf, name, value, base)
    except RBGPError as error:
        return _refused(page, error, name)
    if new == base == page.state:
        return page
    try:
        _checked(shelf, new)
    except RBGPError as error:
        return _refused(replace(page, draft=new) if is_design else page, error, name)
    # A design that works answers what was wrong with the one before.
    return replace(page, state=new, draft=new, notice="" if is_design else page.notice)


def _refused(page: Page, error: RBGPError, name: str) -> Page:
    rest = "does not follow this address" if name == "url" else "still shows what it did"
    notice = f"{_short(error)} The page {rest}."
    return replace(page, notice=notice, refused=(*page.refused, name))


def _changed(shelf: Shelf, name: str, value: Any, state: State) -> State:
    if name == "url":
        return read_query(str(value), shelf.start)
    if name == "open":
        return state.with_source(_opened(shelf, value))
    if name == "open-other":
        return replace(state, other=_opened(shelf, value), view="compare")
    shape = (1, 1) if name in events.DESIGN else shelf.subject(state.source, state).shape
    return events.after(name, value, state, shape)


def _opened(shelf: Shelf, value: Any) -> str:
    try:
        name, content = str(value["name"]), base64.b64decode(value["content"], validate=True)
    except (TypeError, KeyError, ValueError):
        raise ArgumentError("the browser sent a file that is cut short") from None
    return shelf.open(name, content)


def _checked(shelf: Shelf, state: State) -> None:
    figures.check(shelf.subject(state.source, state), state)
    if state.other:
        shelf.subject(state.other, state)


def _short(error: RBGPError) -> str:
    text = str(error)
    text = text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " ..."
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _controls(state: State, subject: Subject, query: str) -> dict[str, Any]:
    """Return what the controls show beside their values."""
    steps = figures.num_steps(subject) if state.view == "tiling" else 1
    inner = "the best one"
    if state.source != "design":
        inner = "of a design"
    elif state.inner is not None:
        inner = "{} × {}, degree {}".format(*state.inner)
    choices = events.inner_choices(state) if state.source == "design" else []
    pressed = events.pressed_by(state)
    return {
        "headline": {"children": summary.headline(subject)},
        "inner-slider": {"max": len(choices)},
        "inner-note": {"children": inner},
        "step": {"max": steps - 1},
        "step-note": {"children": f"{min(state.step, steps - 1) + 1} of {steps}"},
        "step-part": {"hidden": state.view != "tiling"},
        "peers-part": {"hidden": state.view != "compare"},
        "no-other": {"hidden": not state.other},
        "downloads": {"children": layout.downloads(query, downloads.offered())},
        **{name: {"aria-pressed": value} for name, value in pressed.items()},
    }


# Parts of the page ----------------------------------------------------------------------------


def part_keys(state: State, start: str, scheme: str) -> dict[str, str]:
    """Return for every part of the page what it depends on: the colours, and a query."""
    plain = State()
    pattern = replace(state, view=plain.view, step=0, peers=plain.peers, other="")
    section = replace(state, shown_rows=None, shown_cols=None, cell=None)
    if state.view != "tiling":
        section = replace(section, step=0)
    if state.view != "compare":
        section = replace(section, peers=plain.peers, other="")
    about = pattern.with_source(pattern.source)
    parts = {"pattern": pattern, "about": about, "section": section}
    return {name: scheme + part.as_query(start) for name, part in parts.items()}


def part(shelf: Shelf, name: str, scheme: str, query: str) -> dict[str, Any]:
    """Return a part of the page that comes after the visible part of the pattern.

    Parameters
    ----------
    shelf : Shelf
        What the app can show.
    name : {"about", "section"}
        Verdict and numbers, or the figures below.
    scheme, query : str
        What `part_keys` puts together.

    Returns
    -------
    dict
        ``props`` of components and ``plots`` to draw.

    Raises
    ------
    RBGPError
        If there is no such part, or no pattern.
    """
    state = read_query(query, shelf.start)
    subject = shelf.subject(state.source, state)
    if name == "about":
        return {"props": _about(subject), "plots": {}}
    if name == "section":
        return _section(shelf, state, as_theme(scheme), f"{scheme}{query}")
    raise ArgumentError(f"there is no part {name[:40]!r}")


def _pattern(subject: Subject, state: State, theme: Theme) -> dict[str, Any]:
    figure = figures.shown_part(subject, state, theme)
    caption = str(figure.layout.title.text)
    cell: list[Any] = []
    if state.cell is not None:
        words, found = inspect(subject, *state.cell)
        cell = [*layout.paragraphs(words), layout.table(found, "Edges of this cell")]
    props = {
        "pattern-caption": {"children": caption},
        "pattern-text": {"children": text_of(figure)},
        "pattern-data": {"children": layout.data_of(figure, caption)},
        "cell": {"children": cell},
    }
    return {"props": props, "plots": {"pattern": layout.plot(figure, "click")}}


def _about(subject: Subject) -> dict[str, Any]:
    numbers = layout.table(figures.key_numbers(subject), "Table of key numbers")
    try:
        verdict = verdict_of(subject)
        found = layout.paragraphs(summary.answer(subject, verdict))
        content = summary.verdicts(subject, verdict)
        if content is not None:
            found.append(layout.table(content, "Table of verdicts"))
    except RBGPError as error:
        found = layout.paragraphs(_short(error))
    return {
        "verdict": {"children": found},
        "numbers": {"children": numbers},
    }


def _section(shelf: Shelf, state: State, theme: Theme, key: str) -> dict[str, Any]:
    try:
        drawn = figures.view_figures(shelf, state, theme)
    except RBGPError as error:
        return {"props": {"figures": {"children": layout.paragraphs(_short(error))}}, "plots": {}}
    # A new name for each drawing: the old one keeps its listeners.
    names = [layout.plot_name(state.view, key, number) for number in range(len(drawn))]
    children = [layout.figure(*pair) for pair in zip(drawn, names, strict=True)]
    click = "candidate" if state.view == "space" else None
    plots = {name: layout.plot(figure, click) for name, figure in zip(names, drawn, strict=True)}
    return {"props": {"figures": {"children": children}}, "plots": plots}
