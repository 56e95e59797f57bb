"""The windows through which a page without a server shows a pattern of any size."""

from __future__ import annotations

import numpy as np

from rbgp_graphs.products import TensorProduct
from rbgp_graphs.viz.raster import Subject, levels

Range = tuple[int, int]

#: Cells a side of the window that shows single cells.
_NEAR = 64


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
