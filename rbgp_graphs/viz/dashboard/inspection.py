"""Why a cell of a pattern is nonzero, or why it is not."""

from __future__ import annotations

import numpy as np

from rbgp_graphs._validation import as_int
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz.alternative import Table
from rbgp_graphs.viz.raster import Subject

#: So many columns of a row, or rows of a column, are listed.
_MOST_LISTED = 16
_MISSING = {
    "outer": "there is no tile here: the outer graph lacks the edge",
    "inner": "the tile exists, but the inner graph lacks the edge",
}


def inspect(subject: Subject, row: int, col: int) -> tuple[str, Table]:
    """Say in words and in a table why a cell is nonzero or zero.

    Parameters
    ----------
    subject : TensorProduct or BipartiteGraph
        The pattern.
    row, col : int
        The cell.

    Returns
    -------
    text : str
        What the cell is and why, and where the nonzeros of its row and column are.
    table : Table
        A row for every factor: the edge that decides, and whether it is there.

    Raises
    ------
    ArgumentError
        If the cell lies outside the pattern.

    Examples
    --------
    >>> from rbgp_graphs import RBGP4, projective_plane
    >>> p = RBGP4(projective_plane(2), (4, 1), projective_plane(3), (1, 1))
    >>> text, table = inspect(p, 0, 0)
    >>> ((0, 0) in p) == text.startswith("Row 0, column 0 is nonzero")
    True
    >>> table.rows[0][0], table.rows[0][3]
    ('outer', 'yes')
    """
    row = as_int("row", row, minimum=0, maximum=subject.shape[0] - 1)
    col = as_int("column", col, minimum=0, maximum=subject.shape[1] - 1)
    if isinstance(subject, BipartiteGraph):
        edges = [("the graph", row, col, subject.has_edge(row, col), "")]
    else:
        edges = _factor_edges(subject, row, col)
    missing = [name for name, _, _, is_edge, _ in edges if not is_edge]
    place = f"Row {row:,}, column {col:,}"
    if not missing:
        text = f"{place} is nonzero: every factor has the edge of this cell."
        if isinstance(subject, BipartiteGraph):
            text = f"{place} is nonzero: the graph has this edge."
    else:
        why = _MISSING.get(missing[0], f"{missing[0]} lacks the edge")
        text = f"{place} is zero: {why}."
    body = [
        (name, f"{u:,}", f"{v:,}", "yes" if is_edge else "no", note)
        for name, u, v, is_edge, note in edges
    ]
    columns = ["factor", "left vertex", "right vertex", "edge", "how found"]
    return f"{text} {_neighbors(subject, row, col)}", Table(columns, body)


def _factor_edges(p: TensorProduct, row: int, col: int) -> list[tuple[str, int, int, bool, str]]:
    positions = p.factor_positions(row, col)
    found = []
    for name, factor, (u, v) in zip(p.factor_names, p.factors, positions, strict=True):
        left, right = factor.shape
        place = f"digit {u:,} of {left:,} of the row, {v:,} of {right:,} of the column"
        found.append((name, u, v, factor.has_edge(u, v), place))
    if not isinstance(p, RBGP4) or p.shifts is None or not found[0][3]:
        return found
    u_o, v_o = positions[0]
    place_in_row = int(np.searchsorted(p.outer.neighbors(u_o), v_o))
    amount = int(p.shifts[int(p.outer.indptr[u_o]) + place_in_row])
    name, u, v, _, place = found[2]
    if p.shift_side == "right":
        v = int(p.unshift(v, amount))
    else:
        u = int(p.unshift(u, amount))
    note = f"{place}; the outer edge shifts {p.shift_side} vertices by {amount:,}"
    found[2] = (name, u, v, p.inner.has_edge(u, v), note)
    return found


def _neighbors(subject: Subject, row: int, col: int) -> str:
    if isinstance(subject, TensorProduct):
        in_row, in_col = subject.row(row), subject.T.row(col)
    else:
        in_row, in_col = subject.neighbors(row), subject.T.neighbors(col)
    return (
        f"Nonzeros of row {row:,}: {_listed(in_row.tolist(), 'columns')}. "
        f"Nonzeros of column {col:,}: {_listed(in_col.tolist(), 'rows')}."
    )


def _listed(places: list[int], kind: str) -> str:
    if not places:
        return "none"
    text = ", ".join(f"{place:,}".replace(",", "\u2009") for place in places[:_MOST_LISTED])
    more = f" and {len(places) - _MOST_LISTED:,} more" if len(places) > _MOST_LISTED else ""
    return f"{len(places):,}, in {kind} {text}{more}"
