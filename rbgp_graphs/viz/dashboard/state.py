"""What the app shows, as a value with a query string that reproduces it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlencode

from rbgp_graphs.errors import ArgumentError

Range = tuple[int, int]

#: Largest number of rows and of columns that the app designs or opens.
LARGEST_SIDE = 1 << 20
#: Smallest number of rows and of columns that the app designs.
SMALLEST_SIDE = 8
#: Longest query string that is read.
LONGEST_QUERY = 16_384

#: The sections below the pattern and their headings.
VIEWS = {
    "spectrum": "Spectrum",
    "factors": "Factors",
    "graphs": "Graphs",
    "tiling": "Tiling",
    "space": "Design space",
    "compare": "Compare",
}
#: What a pattern can be compared with.
PEERS = {
    "unstructured": "unstructured",
    "blocks": "blocks",
    "n-of-m": "N of M",
    "banded": "banded",
    "butterfly": "butterfly",
}
_TOKEN = re.compile(r"(design|start|m\.[0-9a-f]{16}|z\.[A-Za-z0-9_-]+)\Z")


@dataclass(frozen=True, kw_only=True)
class State:
    """Everything that the app shows.

    Attributes
    ----------
    source : str
        Where the pattern comes from: ``design``, ``start`` (what the app was started with),
        ``z.`` and the packed content of a small file, or ``m.`` and the name of a file that this
        run of the app holds in memory.
    rows, cols : int
        Shape of a designed pattern.
    sparsity : float
        Its share of zeros.
    row_group : int
        Rows that share one column list.
    inner : (int, int, int) or None
        Left side, right side and left degree of the inner graph; None for the best.
    shown_rows, shown_cols : (int, int) or None
        Half-open ranges of the visible part; None for all.
    cell : (int, int) or None
        Row and column of the inspected cell.
    view : str
        A key of `VIEWS`.
    step : int
        Step of the tiling.
    peers : tuple of str
        Keys of `PEERS`, what the pattern is compared with.
    other : str
        The source of one more pattern to compare with, or "".
    """

    source: str = "design"
    rows: int = 1024
    cols: int = 1024
    sparsity: float = 0.9375
    row_group: int = 4
    inner: tuple[int, int, int] | None = None
    shown_rows: Range | None = None
    shown_cols: Range | None = None
    cell: tuple[int, int] | None = None
    view: str = "spectrum"
    step: int = 0
    peers: tuple[str, ...] = ("unstructured", "blocks")
    other: str = ""

    def with_source(self, source: str) -> State:
        """Return the state that shows another pattern, whole."""
        return replace(self, source=source, shown_rows=None, shown_cols=None, cell=None, step=0)

    def as_query(self, start: str = "design") -> str:
        """Return the query string, with what differs from the state that the app starts in."""
        plain = State(source=start)
        pairs = [
            (name, write(getattr(self, field)))
            for name, (field, _, write) in _FIELDS.items()
            if getattr(self, field) != getattr(plain, field)
        ]
        return "?" + urlencode(pairs, safe=":,.-_") if pairs else ""


def read_query(text: str, start: str = "design") -> State:
    """Return the state that a query string describes.

    Parameters
    ----------
    text : str
        The part of an address from the question mark on; may be empty.
    start : str
        The source of an address that names none.

    Returns
    -------
    State
        Each value within the limits of the app. Whether there is such a pattern, and whether the
        ranges lie in it, shows when it is made.

    Raises
    ------
    ArgumentError
        If a name is unknown or occurs twice, or a value is not of its form.

    Examples
    --------
    >>> state = read_query("?rows=4096&cols=4096&shown-rows=0:64")
    >>> state.rows, state.shown_rows
    (4096, (0, 64))
    >>> state.as_query()
    '?rows=4096&cols=4096&shown-rows=0:64'
    """
    if len(text) > LONGEST_QUERY:
        raise ArgumentError(
            f"the address has {len(text)} characters after its path, at most {LONGEST_QUERY} are "
            "read"
        )
    found: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise ArgumentError("the address names more than 50 values") from None
    for name, value in pairs:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise ArgumentError(f"the address names {name[:40]!r}, expected one of {known}")
        field, read, _ = _FIELDS[name]
        if field in found:
            raise ArgumentError(f"the address names {name!r} twice")
        found[field] = read(name, value)
    return State(**{"source": start, **found})


def as_range(name: str, text: str) -> Range | None:
    """Return the half-open range ``A:B``; None where the text is blank or ``all``."""
    if text.strip() in ("", "all"):
        return None
    match = re.fullmatch(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", text, re.ASCII)
    if match is None or int(match[1]) >= int(match[2]):
        raise ArgumentError(
            f"{name} is {_shown(text)}, expected a range such as 0:64 whose end, which is not "
            "part of it, lies beyond its start"
        )
    return int(match[1]), int(match[2])


def as_count(name: str, text: Any, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`."""
    match = re.fullmatch(r"\s*(-?\d{1,15})(\.0*)?\s*", str(text), re.ASCII)
    if match is None or not low <= int(match[1]) <= high:
        raise ArgumentError(
            f"{name} is {_shown(text)}, expected a whole number from {low:,} to {high:,}"
        )
    return int(match[1])


def as_share(name: str, text: Any) -> float:
    """Return a number from 0 up to but not including 1."""
    match = re.fullmatch(r"\s*(0?\.\d{1,40}|0)\s*", str(text), re.ASCII)
    if match is None:
        raise ArgumentError(
            f"{name} is {_shown(text)}, expected a share of zeros from 0 up to but not including "
            "1, such as 0.9375"
        )
    return float(match[1])


def _shown(value: Any) -> str:
    text = repr(str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _side(name: str, text: str) -> int:
    return as_count(name, text, SMALLEST_SIDE, LARGEST_SIDE)


def _numbers(name: str, text: str, count: int) -> tuple[int, ...]:
    parts = text.split(",")
    if len(parts) != count:
        raise ArgumentError(f"{name} is {_shown(text)}, expected {count} numbers with commas")
    return tuple(as_count(name, part, 0, LARGEST_SIDE) for part in parts)


def _source(name: str, text: str) -> str:
    if not _TOKEN.match(text):
        raise ArgumentError(
            f"{name} is {_shown(text)}, expected design, start or what the app wrote itself"
        )
    return text


def _one_of(choices: Any) -> Any:
    def read(name: str, text: str) -> str:
        if text not in choices:
            raise ArgumentError(f"{name} is {_shown(text)}, expected one of {', '.join(choices)}")
        return text

    return read


def _peers(name: str, text: str) -> tuple[str, ...]:
    chosen = [part for part in text.split(",") if part]
    for part in chosen:
        _one_of(PEERS)(name, part)
    return tuple(peer for peer in PEERS if peer in chosen)


def _write_range(value: Range | None) -> str:
    return "all" if value is None else "{}:{}".format(*value)


def _write_numbers(value: tuple[int, ...] | None) -> str:
    return "" if value is None else ",".join(map(str, value))


def _optional(count: int) -> Any:
    return lambda name, text: _numbers(name, text, count) if text else None


def _write_share(value: float) -> str:
    return f"{Decimal(repr(value)):f}" if value else "0"


#: Name in the address: the attribute, how its text is read, and how it is written.
_FIELDS: dict[str, tuple[str, Any, Any]] = {
    "source": ("source", _source, str),
    "rows": ("rows", _side, str),
    "cols": ("cols", _side, str),
    "sparsity": ("sparsity", as_share, _write_share),
    "row-group": ("row_group", lambda n, t: as_count(n, t, 1, LARGEST_SIDE), str),
    "inner": ("inner", _optional(3), _write_numbers),
    "shown-rows": ("shown_rows", as_range, _write_range),
    "shown-cols": ("shown_cols", as_range, _write_range),
    "cell": ("cell", _optional(2), _write_numbers),
    "view": ("view", _one_of(VIEWS), str),
    "step": ("step", lambda n, t: as_count(n, t, 0, LARGEST_SIDE), str),
    "peers": ("peers", _peers, ",".join),
    "other": ("other", lambda n, t: _source(n, t) if t else "", str),
}
