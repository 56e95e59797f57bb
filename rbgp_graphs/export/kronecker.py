"""Masks taken apart into Kronecker factors, plain and with shifted tiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4


def factorizations(graph: BipartiteGraph) -> list[RBGP4]:
    r"""Return all ways to write a biregular mask as an RBGP4 pattern without shifts.

    Parameters
    ----------
    graph : BipartiteGraph
        The mask.

    Returns
    -------
    list of RBGP4
        Equal to the mask, one for each tile shape, each with the largest dense block and the
        largest repetition inside a tile. Those with the smallest index come first. Empty if
        the mask is not biregular or has no edges.

    Notes
    -----
    The edges are pairs of a tile and a place in the tile. The mask is a Kronecker product for
    this tile shape exactly if every tile that occurs meets every place that occurs, that is, if
    the number of edges is the number of tiles times the number of places. Blocks and
    repetitions are found in the same way. All of this is integer arithmetic.

    Examples
    --------
    >>> from rbgp_graphs import array_code, complete
    >>> pattern = RBGP4(array_code(3, 2), (2, 1), array_code(2, 2), (1, 3))
    >>> found = factorizations(BipartiteGraph.from_biadjacency(pattern.mask()))
    >>> any(other == pattern for other in found)
    True
    """
    if not graph.degrees or graph.num_edges == 0:
        return []
    block, core = take_block(graph)
    rows, cols = core.edges.T
    found = []
    for height, width in _tile_shapes(core):
        split = _split(rows, cols, core.shape, (height, width))
        if split is not None:
            outer, tile = split
            repeat, inner = take_repeat(tile)
            found.append(RBGP4(outer, repeat, inner, block))
    return sorted(found, key=cost)


def cost(pattern: RBGP4) -> tuple[int, int, int]:
    """Return by what patterns of the same mask are ranked, the best one lowest."""
    tile = pattern.tile_shape
    return pattern.index_bytes, -pattern.row_group * pattern.block.right, tile[0] * tile[1]


def take_block(graph: BipartiteGraph) -> tuple[tuple[int, int], BipartiteGraph]:
    """Return the shape of the largest dense element block, and the pattern of the blocks."""
    shape = (_run_length(graph), _run_length(graph.T))
    edges = graph.edges
    kept = edges[(edges[:, 0] % shape[0] == 0) & (edges[:, 1] % shape[1] == 0)]
    size = (graph.left // shape[0], graph.right // shape[1])
    core = BipartiteGraph.from_edges(kept // shape, shape=size)
    # Equal digests of rows are all that the run lengths know.
    if core.num_edges * shape[0] * shape[1] != graph.num_edges:
        return (1, 1), graph
    return shape, core


def take_repeat(tile: BipartiteGraph) -> tuple[tuple[int, int], BipartiteGraph]:
    """Return how often a tile repeats its smallest period, down and across, and that period."""
    height, width = _period(tile), _period(tile.T)
    edges = tile.edges
    inner = edges[(edges[:, 0] < height) & (edges[:, 1] < width)]
    repeat = (tile.left // height, tile.right // width)
    if len(inner) * repeat[0] * repeat[1] != tile.num_edges:
        return (1, 1), tile
    return repeat, BipartiteGraph.from_edges(inner, shape=(height, width))


def _row_digests(graph: BipartiteGraph) -> NDArray[np.uint64]:
    """Return a number for each row; equal rows have equal ones, others almost surely not."""
    weights = np.random.default_rng(0).integers(1, 2**64, graph.right, dtype=np.uint64)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(weights[graph.indices])))
    digests: NDArray[np.uint64] = sums[graph.indptr[1:]] - sums[graph.indptr[:-1]]
    return digests


def _run_length(graph: BipartiteGraph) -> int:
    """Return the largest h such that rows h k to h k + h - 1 are equal for every k."""
    digests = _row_digests(graph)
    changes = np.flatnonzero(digests[1:] != digests[:-1]) + 1
    return int(np.gcd.reduce(changes, initial=graph.left))


def _period(graph: BipartiteGraph) -> int:
    """Return the smallest divisor p of the number of rows such that rows p apart are equal."""
    digests = _row_digests(graph)
    return next(
        p for p in _divisors(graph.left) if (digests[p:] == digests[:-p]).all() or p == graph.left
    )


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _tile_shapes(core: BipartiteGraph) -> Iterator[tuple[int, int]]:
    """Yield the tile shapes that the first row and the first column allow."""
    sides: list[list[int]] = []
    for lists, size in ((core.T.neighbors(0), core.left), (core.neighbors(0), core.right)):
        sides.append([d for d in _divisors(size) if _is_grid(lists // d, lists % d)])
    for height in sides[0]:
        for width in sides[1]:
            yield height, width


def _is_grid(tiles: NDArray[np.int64], places: NDArray[np.int64]) -> bool:
    """Return whether pairs, all different, are all pairs of what occurs first and second."""
    return len(np.unique(tiles)) * len(np.unique(places)) == len(tiles)


def _split(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    shape: tuple[int, int],
    tile: tuple[int, int],
) -> tuple[BipartiteGraph, BipartiteGraph] | None:
    """Return the outer graph and the tile if the edges are a Kronecker product of the two."""
    size = (shape[0] // tile[0], shape[1] // tile[1])
    outer = _occurring(rows // tile[0] * size[1] + cols // tile[1], size[0] * size[1])
    if len(rows) % len(outer):
        return None
    places = _occurring(rows % tile[0] * tile[1] + cols % tile[1], tile[0] * tile[1])
    if len(outer) * len(places) != len(rows):
        return None
    return from_cells(outer, size), from_cells(places, tile)


def _occurring(cells: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    seen = np.zeros(count, dtype=bool)
    seen[cells] = True
    return np.flatnonzero(seen)


def from_cells(cells: NDArray[np.int64], shape: tuple[int, int]) -> BipartiteGraph:
    """Return the graph of some cells, numbered row by row."""
    pairs = np.column_stack(np.divmod(cells, shape[1]))
    return BipartiteGraph.from_edges(pairs, shape=shape)


# Shifted tiles ------------------------------------------------------------------------------


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
        The first tile has the shift 0.

    Notes
    -----
    Two tiles can only be shifts of each other by an amount that moves the first neighbour of the
    first row in one to a neighbour in the other, so few amounts are tried.
    """
    if not graph.degrees or graph.num_edges == 0:
        return None
    block, core = take_block(graph)
    best: RBGP4 | None = None
    for turned in (False, True):
        side = core.T if turned else core
        for height, width, fewest_tiles in _equal_tile_shapes(side):
            limit = below if best is None else best.index_bytes
            if 4 * fewest_tiles >= limit:
                continue
            found = _twisted(side, (height, width), block[::-1] if turned else block, limit)
            if found is not None:
                best = found.T if turned else found
    return best


def _equal_tile_shapes(core: BipartiteGraph) -> Iterator[tuple[int, int, int]]:
    """Yield shapes whose tiles hold equally many of the first row and the first column.

    The third number is a lower bound of the number of tiles that are there.
    """
    sides = []
    for lists, size in ((core.T.neighbors(0), core.left), (core.neighbors(0), core.right)):
        divisors = [d for d in _divisors(size)[1:] if _is_even(lists // d)]
        sides.append([(d, len(np.unique(lists // d))) for d in divisors])
    for height, in_column in sides[0]:
        for width, in_row in sides[1]:
            fewest = max(in_row * (core.left // height), in_column * (core.right // width))
            yield height, width, fewest


def _is_even(tiles: NDArray[np.int64]) -> bool:
    counts = np.bincount(tiles)
    return len(np.unique(counts[counts > 0])) == 1


def _twisted(
    core: BipartiteGraph, tile: tuple[int, int], block: tuple[int, int], below: int
) -> RBGP4 | None:
    rows, cols = core.edges.T
    size = (core.left // tile[0], core.right // tile[1])
    # The tiles of the first rows rule most shapes out at a small part of the cost.
    top = slice(0, int(core.indptr[tile[0]]))
    if _match_tiles(rows[top], cols[top], cols[top] // tile[1], tile) is None:
        return None
    which = rows // tile[0] * size[1] + cols // tile[1]
    cells = _occurring(which, size[0] * size[1])
    # The index holds a shift for each tile, and the edges of one.
    if len(cells) < 2 or 4 * len(cells) >= below:
        return None
    outer = from_cells(cells, size)
    matched = _match_tiles(rows, cols, which, tile)
    if outer.degrees is None or matched is None:
        return None
    pattern = RBGP4(outer, matched[0], matched[1], block, matched[2])
    return pattern if pattern.index_bytes < below else None


def _match_tiles(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    which: NDArray[np.int64],
    tile: tuple[int, int],
) -> tuple[tuple[int, int], BipartiteGraph, NDArray[np.int64]] | None:
    """Return repetition, inner graph and shifts if all tiles are shifts of the first one.

    The edges are sorted by row and column; `which` numbers the tile of each.
    """
    _, counts = np.unique(which, return_counts=True)
    if (counts != counts[0]).any():
        return None
    order = np.argsort(which, kind="stable")
    u, v = (
        (part % n)[order].reshape(len(counts), -1)
        for part, n in zip((rows, cols), tile, strict=True)
    )
    repeat, inner = take_repeat(
        BipartiteGraph.from_edges(np.column_stack((u[0], v[0])), shape=tile)
    )
    if inner.degrees is None or inner.is_complete:
        return None
    kept = (u < inner.left) & (v < inner.right)
    if (kept.sum(axis=1) != inner.num_edges).any() or not _repeats(u, v, tile, inner.shape):
        return None
    if (u[kept].reshape(len(counts), -1) != u[0][kept[0]]).any():
        return None
    shifts = _find_shifts(v[kept].reshape(len(counts), inner.left, -1), inner.right)
    return None if shifts is None else (repeat, inner, shifts)


def _repeats(
    u: NDArray[np.int64], v: NDArray[np.int64], tile: tuple[int, int], inner: tuple[int, int]
) -> bool:
    """Return whether every tile repeats its part of the shape `inner`, as the first one does."""
    copies = (tile[0] // inner[0]) * (tile[1] // inner[1])
    codes = np.sort(u % inner[0] * inner[1] + v % inner[1], axis=1)
    by_copy = codes.reshape(len(codes), -1, copies)
    if (by_copy != by_copy[:, :, :1]).any():
        return False
    return bool((np.diff(by_copy[:, :, 0], axis=1) > 0).all())


def _find_shifts(lists: NDArray[np.int64], modulus: int) -> NDArray[np.int64] | None:
    """Return the shift of each tile against the first one, if all are shifts of it.

    `lists` has the shape (num_tiles, rows, degree) and ascends along the last axis.
    """
    is_xor = modulus & (modulus - 1) == 0
    shifts = np.zeros(len(lists), dtype=np.int64)
    # Most masks fail at the second tile.
    for part in (slice(1, 2), slice(2, None)):
        targets = lists[part]
        open_tiles = np.arange(len(targets))
        for place in range(lists.shape[2]):
            first = targets[open_tiles, 0, place]
            amounts = first ^ lists[0, 0, 0] if is_xor else (first - lists[0, 0, 0]) % modulus
            moved = lists[0][None] ^ amounts[:, None, None] if is_xor else None
            if moved is None:
                moved = (lists[0][None] + amounts[:, None, None]) % modulus
            fits = (np.sort(moved, axis=-1) == targets[open_tiles]).all(axis=(1, 2))
            shifts[part][open_tiles[fits]] = amounts[fits]
            open_tiles = open_tiles[~fits]
        if len(open_tiles):
            return None
    return shifts
