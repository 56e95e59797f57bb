"""One self-contained HTML page of texts, tables and figures."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentTypeError
from rbgp_graphs.viz import theme as style
from rbgp_graphs.viz.alternative import Table, action_of, table_of, text_of

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Attributes
    ----------
    title : str
        The heading.
    text : str
        Paragraphs, separated by empty lines. Plain text: nothing in it is read as HTML.
    figure : plotly.graph_objects.Figure or a sequence of them, optional
        The caption is the title of the figure. Figures of this package bring a text alternative
        and their data; for others, `text` should say what they show.
    table : Table, optional
        Shown below the text. It is where the data of a foreign figure can be read.

    Raises
    ------
    ArgumentTypeError
        If an attribute has another type.

    Examples
    --------
    >>> Section("Result", "96 % of the digits are read.").title
    'Result'
    """

    title: str
    text: str = ""
    figure: go.Figure | Sequence[go.Figure] | None = None
    table: Table | None = None

    def __post_init__(self) -> None:
        for name in ("title", "text"):
            check_text(f"{name} of a section", getattr(self, name))
        if self.table is not None and not isinstance(self.table, Table):
            raise ArgumentTypeError(f"table is a {type(self.table).__name__}, expected a Table")
        for figure in self.figures:
            if not isinstance(figure, style.graph_objects().Figure):
                raise ArgumentTypeError(
                    f"figure is a {type(figure).__name__}, expected a plotly.graph_objects.Figure"
                )

    @property
    def figures(self) -> tuple[go.Figure, ...]:
        """The figures, none, one or several."""
        if self.figure is None:
            return ()
        if isinstance(self.figure, (list, tuple)):
            return tuple(self.figure)
        return (self.figure,)


def check_text(name: str, value: Any) -> str:
    """Return `value` if it is a str, else raise `ArgumentTypeError`."""
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} is {value!r}, expected a str")
    return value


def render(title: str, sections: Sequence[Section], footer: str) -> bytes:
    """Return the page as UTF-8: no request leaves it, and every text is escaped.

    A content security policy lets only the two scripts of the page run and nothing be loaded.
    """
    library: str = require("plotly.offline", "viz").get_plotlyjs()
    script = read_asset("figures.js") + read_asset("report.js")
    css = read_asset("report.css")
    settings = {
        "config": style.CONFIG,
        "templates": {theme: style.template(theme) for theme in ("light", "dark")},
    }
    # A page of one figure has its title once.
    is_alone = [(each.title, len(each.figures)) for each in sections] == [(title, 1)]
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(library, script)}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{html.escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n",
        f"<header>\n<h1>{html.escape(title)}</h1>\n",
        f"{'' if is_alone else _contents(sections)}</header>\n<main>\n",
        *(_section(number, section, is_alone) for number, section in enumerate(sections, start=1)),
        f"</main>\n<footer><p>{html.escape(footer)}</p></footer>\n",
        f"{_data('settings', settings)}<script>{library}</script>\n<script>{script}</script>\n",
        "</body>\n</html>\n",
    ]
    # A title may hold lone surrogates, which UTF-8 has no bytes for.
    return "".join(parts).encode("utf-8", errors="xmlcharrefreplace")


def read_asset(name: str) -> str:
    """Return a style sheet or script of this package: ``figures.js`` works in any page."""
    return resources.files("rbgp_graphs.viz").joinpath(name).read_text("utf-8")


def _policy(*scripts: str) -> str:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _contents(sections: Sequence[Section]) -> str:
    items = "".join(
        f'<li><a href="#section-{number}">{html.escape(section.title)}</a></li>\n'
        for number, section in enumerate(sections, start=1)
    )
    return f'<nav aria-label="Contents">\n<ul>\n{items}</ul>\n</nav>\n'


def _section(number: int, section: Section, is_alone: bool) -> str:
    name = f"section-{number}"
    if is_alone:
        content = "".join(_figure(f"{name}-figure-1", section.figures[0], section, is_alone=True))
        return f'<section id="{name}" aria-label="Figure">\n{content}</section>\n'
    paragraphs = (part.strip() for part in section.text.split("\n\n"))
    parts = [
        f'<section id="{name}" aria-labelledby="{name}-title">\n',
        f'<h2 id="{name}-title">{html.escape(section.title)}</h2>\n',
        *(f"<p>{html.escape(part)}</p>\n" for part in paragraphs if part),
        _table(section.table, section.title) if section.table else "",
    ]
    figures = section.figures
    if figures:
        parts.append(f'<div class="gallery{" one" if len(figures) == 1 else ""}">\n')
        for place, figure in enumerate(figures, start=1):
            parts += _figure(f"{name}-figure-{place}", figure, section)
        parts.append("</div>\n")
    return "".join([*parts, "</section>\n"])


def _figure(
    name: str, figure: go.Figure, section: Section, *, is_alone: bool = False
) -> Iterator[str]:
    caption = html.escape(figure.layout.title.text or section.title)
    text, table = text_of(figure), table_of(figure)
    described = f' aria-describedby="{name}-text"' if text else ""
    yield "<figure>\n"
    if not is_alone:
        yield f"<figcaption><strong>{caption}</strong></figcaption>\n"
    yield f'<div class="{_plot_class(figure)}" data-figure="{name}" role="group" '
    yield f'aria-label="{caption}"{described}></div>\n'
    if text:
        yield f'<p class="description" id="{name}-text">{html.escape(text)}</p>\n'
    if table is not None and table.rows:
        yield f"<details>\n<summary>Data of this figure: {caption}</summary>\n"
        yield _table(table, str(figure.layout.title.text)) + "</details>\n"
    yield "</figure>\n"
    content = json.loads(figure.to_json())
    action = action_of(figure)
    if action is not None:
        content["action"] = action
    # The page has its own title, and controls that a keyboard can use instead of the sliders.
    for key in ("template", "title", "meta", "width", "sliders"):
        content["layout"].pop(key, None)
    if not _is_tall(figure):
        content["layout"].pop("height", None)
    if "legend" in content["layout"]:
        content["layout"]["legend"]["y"] = 1
    margin = content["layout"].setdefault("margin", {})
    margin["t"] = max(36, margin.get("t", 0) - 40)
    yield _data(name, content)


def _is_tall(figure: go.Figure) -> bool:
    """Return whether a figure keeps its height at any width, as those of several panels do."""
    return "yaxis2" in figure.layout or figure.layout.yaxis.visible is False


def _plot_class(figure: go.Figure) -> str:
    if _is_tall(figure):
        return "plot tall"
    if figure.layout.yaxis.scaleanchor is None:
        return "plot"
    has_scale = any(
        "showscale" in trace.marker and trace.marker.showscale
        for trace in figure.select_traces(selector={"type": "scatter"})
    )
    return "plot square scale" if has_scale else "plot square"


def _table(table: Table, label: str) -> str:
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in table.columns)
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>\n" for row in table.rows)
    # The region can be focused so that a keyboard can scroll it.
    name = f"{html.escape(label)}, table"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n"
    )


def _cells(row: Sequence[Any]) -> Iterator[str]:
    first, *others = (str(cell) for cell in row)
    yield f'<th scope="row">{html.escape(first)}</th>'
    for cell in others:
        if cell[:1].isdigit() or cell[:1] in ("-", "−"):
            kind = " class=number"
        else:
            kind = " class=long" if len(cell) > 20 else ""
        yield f"<td{kind}>{html.escape(cell)}</td>"


def _data(name: str, content: Any) -> str:
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'
