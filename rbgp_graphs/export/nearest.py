"""The pattern that differs from a mask in few entries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.export.entries import MAX_BYTES, as_entries
from rbgp_graphs.export.kronecker import factorizations, from_cells
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import design

_ROUNDS = 4
#: A fit with fewer wrong entries, as a share of the edges, is not improved on.
_GOOD_FIT = 0.05
#: Edges that all fits together may visit: some seconds.
_WORK = 1 << 28


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
    For each tile shape, tiles and places in a tile are chosen in turn by majority: a place counts
    if more than half of the chosen tiles have it, and a tile if it has more than half of the
    chosen places. That finds the product behind a mask with some entries flipped; it is a
    heuristic, and a nearer pattern may exist.
    """
    if graph.num_edges == 0:
        return None
    best: tuple[RBGP4, int] | None = None
    work = 0
    for tile in _tile_shapes(graph):
        work += graph.num_edges * _ROUNDS
        if work > _WORK or (best is not None and best[1] <= _GOOD_FIT * graph.num_edges):
            break
        found = _fit(graph, tile)
        if found is not None and (best is None or found[1] < best[1]):
            best = found
    if best is not None:
        clean = BipartiteGraph.from_biadjacency(as_entries(best[0], None, MAX_BYTES))
        best = factorizations(clean)[0], best[1]
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


def _tile_shapes(graph: BipartiteGraph) -> Iterator[tuple[int, int]]:
    """Yield the tile shapes, those for which tile and outer graph have like sizes first."""
    shapes = [
        (height, width)
        for height in range(1, graph.left + 1)
        if graph.left % height == 0
        for width in range(1, graph.right + 1)
        if graph.right % width == 0
        if 1 < height * width < graph.left * graph.right
    ]
    middle = (graph.left * graph.right) ** 0.5
    yield from sorted(shapes, key=lambda s: max(s[0] * s[1] / middle, middle / (s[0] * s[1])))


def _fit(graph: BipartiteGraph, tile: tuple[int, int]) -> tuple[RBGP4, int] | None:
    rows, cols = graph.edges.T
    size = (graph.left // tile[0], graph.right // tile[1])
    which = rows // tile[0] * size[1] + cols // tile[1]
    place = rows % tile[0] * tile[1] + cols % tile[1]
    counts = np.bincount(which, minlength=size[0] * size[1])
    tiles = 2 * counts > counts.max()
    places = np.zeros(tile[0] * tile[1], dtype=bool)
    for _ in range(_ROUNDS):
        before = places
        places = _majority(place[tiles[which]], len(places), int(tiles.sum()))
        tiles = _majority(which[places[place]], len(tiles), int(places.sum()))
        if np.array_equal(before, places):
            break
    common = int((tiles[which] & places[place]).sum())
    away = graph.num_edges + int(tiles.sum()) * int(places.sum()) - 2 * common
    outer = from_cells(np.flatnonzero(tiles), size)
    inside = factorizations(from_cells(np.flatnonzero(places), tile))
    if outer.degrees is None or outer.num_edges == 0 or not inside:
        return None
    # Of the ways to write the tile, one has an outer graph of a single vertex on each side.
    whole = next(p for p in inside if p.outer.shape == (1, 1))
    return RBGP4(outer, whole.repeat, whole.inner, whole.block), away


def _majority(values: NDArray[np.int64], count: int, of: int) -> NDArray[np.bool_]:
    return 2 * np.bincount(values, minlength=count) > of


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
