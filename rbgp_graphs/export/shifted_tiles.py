"""Masks taken apart into tiles that are shifts of one another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.export.kronecker import (
    Tile,
    divisors,
    named,
    repeats_across,
    repeats_down,
    sample,
    take_block,
    take_repeat,
)
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4

#: Rows that a tile shape has to fit before all are looked at.
_SAMPLE = 16


def twisted_factorization(graph: BipartiteGraph, below: int) -> RBGP4 | None:
    """Return a twisted pattern that equals a biregular mask, if there is a short one.

    Parameters
    ----------
    graph : BipartiteGraph
        The mask.
    below : int
        Only patterns with a smaller ``index_bytes`` count.

    Returns
    -------
    RBGP4 or None
        The twisted pattern with the smallest index, shifted on the right or on the left.
        The first tile has the shift 0, and another one has not.

    Notes
    -----
    Two tiles can only be shifts of each other by an amount that moves the first neighbour of the
    first row in one to a neighbour in the other, so few amounts are tried.
    """
    block, core = take_block(graph)
    if not core.degrees or core.num_edges == 0:
        return None
    best: RBGP4 | None = None
    for turned in (False, True):
        side = core.T if turned else core
        for tile, fewest_tiles in _equal_tiles(side):
            limit = below if best is None else best.index_bytes
            if 4 * fewest_tiles >= limit:
                continue
            found = _twisted(side, tile, block[::-1] if turned else block, limit)
            if found is not None:
                best = found.T if turned else found
    return best


def _equal_tiles(core: BipartiteGraph) -> Iterator[tuple[Tile, int]]:
    """Yield shapes whose tiles hold equally many of the first row and the first column.

    The number is a lower bound of the number of tiles that are there.
    """
    sides = []
    for lists, size in ((core.T.neighbors(0), core.left), (core.neighbors(0), core.right)):
        counts = [(d, np.unique(lists // d, return_counts=True)[1]) for d in divisors(size)[1:]]
        sides.append([(d, len(found)) for d, found in counts if found.min() == found.max()])
    for height, in_column in sides[0]:
        for width, in_row in sides[1]:
            fewest = max(in_row * (core.left // height), in_column * (core.right // width))
            yield (height, width), fewest


def _twisted(core: BipartiteGraph, tile: Tile, block: Tile, below: int) -> RBGP4 | None:
    """Return the twisted pattern with this tile shape if its index is smaller than `below`."""
    table = core.neighbor_table
    height, width = tile
    in_row = len(np.unique(table[0] // width))
    tile_rows, across = core.left // height, core.right // width
    num_tiles = tile_rows * in_row
    few = table[sample(core.left, _SAMPLE)].reshape(-1, 1, in_row, table.shape[1] // in_row)
    if num_tiles < 2 or _places_in_tiles(few, width) is None:
        return None
    tiles = table.reshape(tile_rows, height, in_row, -1)
    first_two = tiles[:1, :, :2] if in_row > 1 else tiles[:2]
    pair = _places_in_tiles(first_two, width)
    if pair is None:
        return None
    inner = take_repeat(pair[0], width)
    # Shifts for all tiles, and the tiles themselves unless all are there.
    index = 4 * (num_tiles * (1 if in_row == across else 2) + inner.num_edges)
    if inner.degrees is None or inner.is_complete or index >= below:
        return None
    if _inner_shifts(pair, width, inner) is None:
        return None
    places = _places_in_tiles(tiles, width)
    shifts = None if places is None else _inner_shifts(places, width, inner)
    columns = tiles[:, 0, :, 0].ravel() // width
    outer = BipartiteGraph(tile_rows, across, np.arange(tile_rows + 1) * in_row, columns)
    if shifts is None or not shifts.any() or outer.degrees is None:
        return None
    repeat = (height // inner.left, width // inner.right)
    return RBGP4(named(outer), repeat, inner, block, shifts)


def _places_in_tiles(tiles: NDArray[np.integer], width: int) -> NDArray[np.integer] | None:
    """Return the columns inside each tile, or None if one is in the next tile already.

    From shape (tile_rows, height, tiles_in_row, degree) to (num_tiles, height, degree).
    """
    columns = tiles // width
    if (columns != columns[:, :1, :, :1]).any():
        return None
    places = (tiles - columns * width).swapaxes(1, 2)
    return places.reshape(-1, *places.shape[2:])


def _inner_shifts(
    places: NDArray[np.integer], width: int, inner: BipartiteGraph
) -> NDArray[np.int64] | None:
    """Return the shift of each tile if all are the repetition of `inner` up to shifts."""
    if not (repeats_down(places, inner.left) and repeats_across(places, inner.right, width)):
        return None
    degree = inner.num_edges // inner.left
    return _find_shifts(places[:, : inner.left, :degree], inner.right)


def _find_shifts(lists: NDArray[np.integer], modulus: int) -> NDArray[np.int64] | None:
    """Return the shift of each tile against the first one, if all are shifts of it.

    `lists` has the shape (num_tiles, rows, degree) and ascends along the last axis.
    """
    is_xor = modulus & (modulus - 1) == 0
    num_tiles, _, degree = lists.shape
    base = lists[0].astype(np.int64)

    def shift(places: Any, amounts: Any) -> Any:
        return places ^ amounts if is_xor else (places + amounts) % modulus

    # One pair for each amount by which the first row of a tile can be moved.
    which = np.repeat(np.arange(num_tiles), degree)
    first = lists[:, 0].ravel()
    amounts = shift(first.astype(np.int64), base[0, 0] if is_xor else -base[0, 0])
    keys = which * modulus + first
    for place in base[0]:
        wanted = which * modulus + shift(place, amounts)
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        fits = keys[found] == wanted
        which, amounts = which[fits], amounts[fits]
    shifts = np.zeros(num_tiles, dtype=np.int64)
    open_tiles = np.arange(num_tiles)
    while len(open_tiles):
        tiles, chosen = np.unique(which, return_index=True)
        if not np.array_equal(tiles, open_tiles):
            return None
        shifts[tiles] = amounts[chosen]
        moved = np.sort(shift(base[None], amounts[chosen][:, None, None]), axis=-1)
        fits = (moved == lists[tiles]).all(axis=(1, 2))
        open_tiles = tiles[~fits]
        left = np.isin(which, open_tiles)
        left[chosen] = False
        which, amounts = which[left], amounts[left]
    return shifts
