"""A window of a pattern drawn with characters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.cli.facts import Subject
from rbgp_graphs.viz.raster import Raster, densities, levels, pixel_step

#: Characters across and down. A character is about twice as high as wide.
_COLUMNS, _LINES = 72, 36
_HALVES = " ▀▄█"
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .+%@"


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """What is drawn of a window, and how.

    Attributes
    ----------
    raster : Raster
        The densities.
    is_exact : bool
        Whether every pixel is one cell, drawn as half a character.
    """

    raster: Raster
    is_exact: bool

    def lines(self, ascii_only: bool = False) -> list[str]:
        """Return the picture in a frame, and a line or two on how to read it."""
        body = self._half_blocks() if self.is_exact and not ascii_only else self._shades(ascii_only)
        corners, side = ("++++-|", "|") if ascii_only else ("┌┐└┘─│", "│")
        rule = corners[4] * max(map(len, body))
        framed = [f"{corners[0]}{rule}{corners[1]}"]
        framed += [f"{side}{line}{side}" for line in body]
        return [*framed, f"{corners[2]}{rule}{corners[3]}", *self._legend(ascii_only)]

    def _half_blocks(self) -> list[str]:
        cells = self.raster.density > 0
        if len(cells) % 2:
            cells = np.vstack([cells, np.zeros((1, cells.shape[1]), dtype=bool)])
        codes = cells[::2] + 2 * cells[1::2]
        return ["".join(_HALVES[code] for code in line) for line in codes.tolist()]

    def _shades(self, ascii_only: bool) -> list[str]:
        shades = _ASCII_SHADES if ascii_only else _SHADES
        return ["".join(shades[code] for code in line) for line in self._codes().tolist()]

    def _codes(self) -> NDArray[np.int64]:
        """Return 0 for empty pixels, else 1 to 4 in proportion to the densest pixel."""
        density = self.raster.density
        largest = float(density.max()) or 1.0
        # Densities that should be equal may differ by rounding.
        return np.ceil(4 * density / largest - 1e-9).astype(np.int64)

    def _legend(self, ascii_only: bool) -> list[str]:
        raster = self.raster
        (top, bottom), (first, last) = raster.row_edges[[0, -1]], raster.col_edges[[0, -1]]
        window = f"rows {top}:{bottom}, columns {first}:{last}"
        if self.is_exact:
            return [f"{window}; each {'character' if ascii_only else 'half block'} is one cell"]
        lines = [f"{window}; each character is {raster.row_step} x {raster.col_step} cells"]
        shades = _ASCII_SHADES if ascii_only else _SHADES
        largest = float(raster.density.max())
        limits = [f"{shades[code]} {largest * code / 4:.3%}" for code in range(1, 5)]
        lines.append(f"share of nonzeros, at most: {'  '.join(limits)}")
        return lines


def draw(subject: Subject, rows: tuple[int, int], cols: tuple[int, int], columns: int) -> Picture:
    """Return a window at the resolution that `columns` characters allow.

    Pixels follow the blocks of the pattern (see `rbgp_graphs.viz.raster`). The cost does not
    depend on the size of the pattern.
    """
    across = min(columns, _COLUMNS)
    down = max(1, across * _LINES // _COLUMNS)
    height, width = rows[1] - rows[0], cols[1] - cols[0]
    is_exact = width <= across and height <= 2 * down
    parts = levels(subject)
    row_step = 1 if is_exact else pixel_step(height, [part.rows for part in parts], down)
    col_step = pixel_step(width, [part.cols for part in parts], across)
    row_edges, col_edges = _edges(rows, row_step), _edges(cols, col_step)
    return Picture(
        raster=Raster(
            row_edges=row_edges,
            col_edges=col_edges,
            row_step=row_step,
            col_step=col_step,
            density=densities(subject, row_edges, col_edges),
        ),
        is_exact=is_exact,
    )


def _edges(window: tuple[int, int], step: int) -> NDArray[np.int64]:
    """Return the ends of a range and the multiples of `step` between them."""
    start, stop = window
    marks = np.arange(start // step, -(-stop // step) + 1, dtype=np.int64) * step
    return np.clip(marks, start, stop)
