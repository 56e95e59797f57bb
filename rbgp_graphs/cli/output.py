"""What a command prints: one JSON document, or text that fits the terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.status import Status

#: Version of the JSON documents. It grows when a key changes its meaning or goes away.
SCHEMA = 1
_WIDEST = 100


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of text cells.

    Attributes
    ----------
    columns : sequence of str
        The headings. Those that start with ``>`` (which is not shown) align to the right.
    rows : sequence of sequences of str
        The cells.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


#: A line, a list of named facts, or a table.
Text = str | Mapping[str, str] | Table


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command has found.

    Attributes
    ----------
    data : dict
        JSON-able; all numbers finite.
    text : sequence of str, mapping or Table
        The same for people.
    exit_code : int
        0, or 1 if a check said no.
    """

    data: dict[str, Any]
    text: Sequence[Text] = ()
    exit_code: int = 0


def text_width() -> int:
    """Return how many columns the text may take: those of the terminal, else 80."""
    return min(shutil.get_terminal_size().columns, _WIDEST)


def print_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document, on one line with sorted keys, to standard output."""
    text = json.dumps({"schema": SCHEMA, **document}, sort_keys=True, allow_nan=False)
    _write(sys.stdout, text + "\n")


def print_text(parts: Sequence[Text]) -> None:
    """Write text, facts and tables to standard output, a blank line between them."""
    if not parts:
        return
    buffer = io.StringIO()
    console = _console(sys.stdout, file=buffer)
    for number, part in enumerate(parts):
        if number:
            console.print()
        if isinstance(part, str):
            console.print(part, markup=False)
        else:
            console.print(_table(part) if isinstance(part, Table) else _facts(part))
    # Cells are padded to the width of their column, also at the end of a line.
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    _write(sys.stdout, "\n".join(lines) + "\n")


def print_line(text: str, stream: TextIO) -> None:
    """Write a line at once, wrapped if it goes to a terminal."""
    if stream.isatty():
        text = "\n".join(_wrap(line) for line in text.splitlines())
    _write(stream, text + "\n")


def can_print(text: str) -> bool:
    """Return whether standard output has an encoding for all characters of a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Working:
    """What `working` shows on a terminal; elsewhere its methods do nothing."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def say(self, message: str) -> None:
        """Show another message."""
        if self._status is not None:
            self._status.update(message)

    def print_line(self, text: str, stream: TextIO) -> None:
        """Write a line at once, above the message."""
        if self._status is not None:
            self._status.stop()
        print_line(text, stream)
        if self._status is not None:
            self._status.start()


@contextlib.contextmanager
def working(message: str) -> Iterator[Working]:
    """Show on a terminal that something takes its time."""
    if not _is_animated():
        yield Working(None)
        return
    with _console(sys.stderr).status(message) as status:
        yield Working(status)


def _wrap(line: str) -> str:
    return textwrap.fill(line, text_width(), break_long_words=False, break_on_hyphens=False)


def _is_animated() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


def _console(stream: TextIO, file: TextIO | None = None) -> Console:
    """Return a console for a stream that writes to `file`; it obeys NO_COLOR."""
    from rich.console import Console

    return Console(
        file=file or stream,
        force_terminal=stream.isatty(),
        width=text_width(),
        highlight=False,
        emoji=False,
    )


def _facts(pairs: Mapping[str, str]) -> RenderableType:
    from rich.table import Table as Grid
    from rich.text import Text as Plain

    grid = Grid.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(Plain(name), Plain(value))
    return grid


def _table(table: Table) -> RenderableType:
    from rich.table import Table as Grid
    from rich.text import Text as Plain

    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in table.columns:
        right = name.startswith(">")
        grid.add_column(Plain(name.removeprefix(">")), justify="right" if right else "left")
    for row in table.rows:
        grid.add_row(*(Plain(cell) for cell in row))
    return grid
