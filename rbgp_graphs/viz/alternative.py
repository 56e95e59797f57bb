"""The text and the table that say in words what a figure shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True)
class Table:
    """A table of a report, or the data of a figure.

    Attributes
    ----------
    columns : sequence of str
        The headings; the first column holds the headings of the rows.
    rows : sequence of sequence
        The cells, each row as long as `columns`. Anything with a ``str`` form.

    Raises
    ------
    ArgumentTypeError
        If `columns` or a row is a string or no sequence.
    ArgumentError
        If a row is longer or shorter than `columns`, or there is no column.

    Examples
    --------
    >>> Table(["level", "rows"], [["tile", 128]]).columns
    ('level', 'rows')
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __post_init__(self) -> None:
        columns = tuple(map(str, _as_sequence("columns", self.columns)))
        if not columns:
            raise ArgumentError("columns is empty, expected at least one heading")
        rows = tuple(tuple(_as_sequence("a row", row)) for row in _as_sequence("rows", self.rows))
        for place, row in enumerate(rows):
            if len(row) != len(columns):
                raise ArgumentError(
                    f"row {place} has {len(row)} cells, expected {len(columns)} as in columns"
                )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "rows", rows)


def _as_sequence(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise ArgumentTypeError(f"{name} is {value!r}, expected a sequence of cells")
    return tuple(value)


def attach(
    figure: go.Figure, text: str, table: Table, action: Mapping[str, Any] | None = None
) -> None:
    """Store the text alternative and the data of a figure in its ``layout.meta``.

    `action` is what the script of a page does with the figure: JSON-able, with the key
    ``kind`` (see ``figures.js``).
    """
    rows = [[str(cell) for cell in row] for row in table.rows]
    meta: dict[str, Any] = {"text": text, "columns": list(table.columns), "rows": rows}
    if action is not None:
        meta["action"] = action
    figure.update_layout(meta=meta)


def action_of(figure: go.Figure) -> Mapping[str, Any] | None:
    """Return what the script of a page does with a figure, or None."""
    meta = figure.layout.meta
    return meta.get("action") if isinstance(meta, dict) else None


def text_of(figure: go.Figure) -> str:
    """Return the text alternative of a figure, or "" if it has none."""
    meta = figure.layout.meta
    return str(meta.get("text", "")) if isinstance(meta, dict) else ""


def table_of(figure: go.Figure) -> Table | None:
    """Return the data table of a figure, or None if it has none."""
    meta = figure.layout.meta
    if not isinstance(meta, dict) or "columns" not in meta:
        return None
    return Table(meta["columns"], meta["rows"])


def percent(share: float) -> str:
    """Return a share in percent, with enough digits to tell a large sparsity from 100 %."""
    return f"{100 * share:.7g} %"


def as_bytes(count: float) -> str:
    """Return a number of bytes in a unit of readable size."""
    units = ["TiB", "GiB", "MiB", "KiB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    return f"{count:,.4g} {units[-1]}"
