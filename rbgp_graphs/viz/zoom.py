"""The windows through which a page without a server shows a pattern of any size."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz.raster import Subject, levels

Range = tuple[int, int]

#: Cells a side of the window that shows single cells.
_NEAR = 64
#: Edges of all factors together that a page may carry, at four bytes each.
_MOST_EDGES = 1 << 20


def zoom_windows(subject: Subject) -> list[tuple[Range, Range]]:
    """Return windows as pairs of row and column range: the whole, a few tiles, one tile, cells.

    Each has at most a quarter of the area of the one before, and holds the first nonzero.
    """
    row, col = first_cell(subject)
    wanted = []
    if levels(subject):
        tile = levels(subject)[0]
        corner = row // tile.rows * tile.rows, col // tile.cols * tile.cols
        wanted = [(*corner, 4 * tile.rows, 4 * tile.cols), (*corner, tile.rows, tile.cols)]
    wanted.append((row // _NEAR * _NEAR, col // _NEAR * _NEAR, _NEAR, _NEAR))
    windows = [((0, subject.shape[0]), (0, subject.shape[1]))]
    for top, left, height, width in wanted:
        window = (_range(top, height, subject.shape[0]), _range(left, width, subject.shape[1]))
        if 4 * _area(window) <= _area(windows[-1]):
            windows.append(window)
    return windows


def first_cell(subject: Subject) -> tuple[int, int]:
    """Return row and column of the first nonzero, or (0, 0) if there is none."""
    if isinstance(subject, TensorProduct):
        return 0, int(subject.row(0)[0])
    if subject.num_edges == 0:
        return 0, 0
    row = int(np.flatnonzero(subject.left_degrees)[0])
    return row, int(subject.neighbors(row)[0])


def _range(start: int, length: int, size: int) -> Range:
    start = max(0, min(start, size - length))
    return start, min(size, start + length)


def _area(window: tuple[Range, Range]) -> int:
    (top, bottom), (left, right) = window
    return (bottom - top) * (right - left)


def zoom_data(subject: Subject, rows: Range, cols: Range) -> dict[str, Any] | None:
    """Return what ``figures.js`` needs to draw any part of a window at any zoom, JSON-able.

    That is the factors of a product, not its cells, so that it is small at any size. None if the
    factors themselves have too many edges for a page.
    """
    is_product = isinstance(subject, TensorProduct)
    factors = subject.factors if isinstance(subject, TensorProduct) else (subject,)
    names = subject.factor_names if isinstance(subject, TensorProduct) else ("graph",)
    if sum(0 if factor.is_complete else factor.num_edges for factor in factors) > _MOST_EDGES:
        return None
    data: dict[str, Any] = {
        "kind": "zoom",
        "shape": list(subject.shape),
        "names": list(names),
        "factors": [_factor_data(factor, is_product) for factor in factors],
        "bounds": {"rows": list(rows), "cols": list(cols)},
    }
    if isinstance(subject, RBGP4) and subject.shifts is not None:
        data |= {"shifts": _pack(subject.shifts), "side": subject.shift_side}
    return data


def _factor_data(factor: BipartiteGraph, is_regular: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"left": factor.left, "right": factor.right}
    data["degrees"] = list(factor.degrees or (0, 0))
    if not factor.is_complete or not is_regular:
        data["neighbors"] = _pack(factor.edges[:, 1])
    if not is_regular:
        data["indptr"] = _pack(factor.indptr)
    return data


def _pack(numbers: NDArray[Any]) -> str:
    return base64.b64encode(numbers.astype("<i4").tobytes()).decode("ascii")
