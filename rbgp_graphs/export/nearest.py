"""The pattern that differs from a mask in few entries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.export.entries import MAX_BYTES, as_entries
from rbgp_graphs.export.kronecker import Factorizations, Tile, divisors, from_cells, named, sample
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import design

_ROUNDS = 4
#: A fit with fewer wrong entries, as a share of the edges, is not improved on.
_GOOD_FIT = 0.05
#: Tile rows, and rows of a tile, that all tile shapes are compared on.
_SAMPLE = 8
#: A shape that is wrong by a larger share there is not fitted to the whole mask. Masks without
#: structure are fitted with a share close to 1, that of no entries at all.
_PROMISING = 0.8
#: Shapes that are tried on some rows, and shapes that are then fitted to the whole mask.
_SHAPES, _FITS = 512, 4
#: Cells are counted in an array if there are at most this many for each edge.
_CELLS_PER_EDGE = 64


def nearest_pattern(graph: BipartiteGraph) -> tuple[RBGP4, int] | None:
    """Return an RBGP4 pattern near a mask, and the number of entries in which they differ.

    Parameters
    ----------
    graph : BipartiteGraph
        The mask.

    Returns
    -------
    (RBGP4, int) or None
        The best that was found among the fits described below and the design of the same shape
        and nearly the same sparsity. None if there is neither.

    Notes
    -----
    For a tile shape, tiles and places in a tile are chosen in turn by majority: a place counts
    if more than half of the chosen tiles have it, and a tile if it has more than half of the
    chosen places. That finds the product behind a mask with some entries flipped. All tile
    shapes are tried on some rows, and the most promising ones on all. It is a heuristic, and a
    nearer pattern may exist.
    """
    if graph.num_edges == 0:
        return None
    best: tuple[RBGP4, int] | None = None
    for tile in _promising_tiles(graph):
        found = _fit(graph, tile)
        if found is not None and (best is None or found[1] < best[1]):
            best = found
            if best[1] <= _GOOD_FIT * graph.num_edges:
                break
    if best is not None:
        clean = BipartiteGraph.from_biadjacency(as_entries(best[0], None, MAX_BYTES))
        best = Factorizations(clean).smallest() or best[0], best[1]
        if best[1] <= _GOOD_FIT * graph.num_edges:
            return best
    pattern = _same_density(graph)
    if pattern is not None:
        away = distance(graph, pattern)
        if best is None or away < best[1]:
            best = pattern, away
    return best


def distance(graph: BipartiteGraph, pattern: RBGP4) -> int:
    """Return the number of entries in which a mask and a pattern of its shape differ."""
    ours, theirs = graph.biadjacency(), as_entries(pattern, None, MAX_BYTES)
    return int(graph.num_edges + pattern.nnz - 2 * ours.multiply(theirs).nnz)


def _promising_tiles(graph: BipartiteGraph) -> list[Tile]:
    """Return the tile shapes that fit some rows best."""
    found = []
    samples: dict[int, tuple[BipartiteGraph, int]] = {}
    for height, width in _middle_tiles(graph):
        if height not in samples:
            samples[height] = _sample(graph, height)
        some, rows = samples[height]
        if some.num_edges:
            away = _Majority(some, (rows, width)).away / some.num_edges
            if away <= _PROMISING:
                found.append((away, (height, width)))
    # Of equally good shapes the one with the smallest tile has the smallest parts to get wrong.
    found.sort(key=lambda item: (item[0], item[1][0] * item[1][1]))
    return [tile for _, tile in found[:_FITS]]


def _middle_tiles(graph: BipartiteGraph) -> list[Tile]:
    """Return the tile shapes, those for which tile and outer graph have like sizes first."""
    cells = graph.left * graph.right
    shapes = [
        (height, width)
        for height in divisors(graph.left)
        for width in divisors(graph.right)
        if 1 < height * width < cells
    ]
    shapes.sort(key=lambda s: max((s[0] * s[1]) ** 2, cells) / min((s[0] * s[1]) ** 2, cells))
    return shapes[:_SHAPES]


def _sample(graph: BipartiteGraph, height: int) -> tuple[BipartiteGraph, int]:
    """Return some rows of some tile rows of this height as a graph, and how many of each."""
    i, a = sample(graph.left // height, _SAMPLE), sample(height, _SAMPLE)
    chosen: Any = graph.biadjacency()[(i[:, None] * height + a).ravel()]
    left, right = chosen.shape
    return BipartiteGraph(left, right, chosen.indptr, chosen.indices), len(a)


class _Majority:
    """Tiles and places that majorities choose, and how far their product is from the mask."""

    def __init__(self, graph: BipartiteGraph, tile: Tile) -> None:
        self.size = (graph.left // tile[0], graph.right // tile[1])
        degrees = np.diff(graph.indptr)
        i, a = np.divmod(np.arange(graph.left), tile[0])
        columns = graph.indices // tile[1]
        names, which = _numbered(np.repeat(i * self.size[1], degrees) + columns)
        in_tile = np.repeat(a * tile[1], degrees) + (graph.indices - columns * tile[1])
        place_names, place = _numbered(in_tile)
        counts = np.bincount(which, minlength=len(names))
        tiles = 2 * counts > counts.max()
        places = np.zeros(len(place_names), dtype=bool)
        for _ in range(_ROUNDS):
            before = places
            places = _more_than_half(place[tiles[which]], len(places), tiles.sum())
            tiles = _more_than_half(which[places[place]], len(tiles), places.sum())
            if np.array_equal(before, places):
                break
        common = int((tiles[which] & places[place]).sum())
        self.away = graph.num_edges + int(tiles.sum() * places.sum()) - 2 * common
        self.tiles, self.places = names[tiles], place_names[places]


def _numbered(cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells that may occur, ascending, and the position of each cell among them."""
    count = int(cells.max()) + 1
    if count <= _CELLS_PER_EDGE * cells.size:
        return np.arange(count), cells
    return np.unique(cells, return_inverse=True)


def _more_than_half(values: NDArray[np.int64], count: int, of: int) -> NDArray[np.bool_]:
    return 2 * np.bincount(values, minlength=count) > of


def _fit(graph: BipartiteGraph, tile: Tile) -> tuple[RBGP4, int] | None:
    """Return the pattern with tiles of a shape that majorities give, if it is biregular."""
    found = _Majority(graph, tile)
    outer = from_cells(found.tiles, found.size)
    inner = from_cells(found.places, tile)
    if not all(part.degrees and part.num_edges for part in (outer, inner)):
        return None
    return RBGP4(named(outer), (1, 1), named(inner), (1, 1)), found.away


def _same_density(graph: BipartiteGraph) -> RBGP4 | None:
    mean = graph.num_edges / graph.left
    step = graph.right // int(np.gcd(graph.left, graph.right))
    degrees = [
        d for d in range(step, graph.right + 1, step) if abs(d - mean) <= 2 * step + mean / 4
    ]
    for degree in sorted(degrees, key=lambda d: abs(d - mean))[:8]:
        try:
            return design(graph.left, graph.right, 1 - degree / graph.right)
        except InfeasibleError:
            continue
    return None
