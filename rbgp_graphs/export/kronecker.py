"""Masks taken apart into Kronecker factors."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.constructions import complete
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4

Tile = tuple[int, int]

#: A test of a tile shape looks at this many tile rows and rows of a tile before it looks at all.
_SAMPLE = 8
#: Cells are marked in an array of bools if there are at most this many for each edge.
_CELLS_PER_EDGE = 64


class Factorizations:
    r"""All ways to write a biregular mask as an RBGP4 pattern without shifts.

    Parameters
    ----------
    graph : BipartiteGraph
        The mask.

    Attributes
    ----------
    block : (int, int)
        Shape of the largest dense element block.
    core : BipartiteGraph
        The pattern of the blocks.

    Notes
    -----
    The edges are pairs of a tile and a place in the tile. The mask is a Kronecker product for
    this tile shape exactly if every tile that occurs meets every place that occurs, that is, if
    the number of edges is the number of tiles times the number of places. The same holds for the
    edges in some rows, if those are all pairs of some tile rows and some rows of a tile; so a few
    rows rule most shapes out. If the mask is a product for one tile shape, it is one for a
    multiple of that shape exactly if the graph of its tiles is a product. All of this is integer
    arithmetic.

    Examples
    --------
    >>> from rbgp_graphs import array_code, complete
    >>> pattern = RBGP4(array_code(3, 2), (2, 1), array_code(2, 2), (1, 3))
    >>> found = Factorizations(BipartiteGraph.from_biadjacency(pattern.mask()))
    >>> found.smallest() == pattern
    True
    """

    def __init__(self, graph: BipartiteGraph) -> None:
        self.block, self.core = take_block(graph)

    @functools.cached_property
    def outer_graphs(self) -> dict[Tile, BipartiteGraph]:
        """The graph of the tiles for each tile shape that is possible, in blocks.

        Empty if the mask is not biregular or has no edges.
        """
        core = self.core
        if not core.degrees or core.num_edges == 0:
            return {}
        found = {(1, 1): core}
        for tile in sorted(_possible_tiles(core), key=_area):
            if tile in found:
                continue
            fitting = [t for t in found if tile[0] % t[0] == 0 == tile[1] % t[1]]
            base = max(fitting, key=_area)
            outer = quotient(found[base], (tile[0] // base[0], tile[1] // base[1]))
            if outer is not None:
                found[tile] = outer
        return found

    def pattern(self, tile: Tile) -> RBGP4:
        """Return the pattern with tiles of a possible shape and the largest repetition."""
        table = self.core.neighbor_table[: tile[0]]
        inside = table[table // tile[1] == table[0, 0] // tile[1]].reshape(tile[0], -1) % tile[1]
        inner = take_repeat(inside, tile[1])
        repeat = (tile[0] // inner.left, tile[1] // inner.right)
        return RBGP4(named(self.outer_graphs[tile]), repeat, named(inner), self.block)

    def smallest(self) -> RBGP4 | None:
        """Return the pattern that ranks first, or None if there is none."""
        best: RBGP4 | None = None
        for tile, outer in sorted(self.outer_graphs.items(), key=lambda item: _index(item[1])):
            if best is not None and _index(outer) > best.index_bytes:
                break
            found = self.pattern(tile)
            best = found if best is None else min(best, found, key=cost)
        return best

    def all(self) -> list[RBGP4]:
        """Return one pattern for each tile shape, those with the smallest index first."""
        return sorted((self.pattern(tile) for tile in self.outer_graphs), key=cost)


def cost(pattern: RBGP4) -> tuple[int, int, int]:
    """Return by what patterns of the same mask are ranked, the best one lowest."""
    return pattern.index_bytes, -pattern.row_group * pattern.block.right, _area(pattern.tile_shape)


def _area(tile: Tile) -> int:
    return tile[0] * tile[1]


def _index(outer: BipartiteGraph) -> int:
    return 0 if outer.is_complete else 4 * outer.num_edges


# Tiles --------------------------------------------------------------------------------------


def divisors(number: int) -> list[int]:
    """Return the divisors of a positive number, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})


def _possible_tiles(core: BipartiteGraph) -> list[Tile]:
    """Return the tile shapes that the first row and the first column allow."""
    sides = []
    for lists, size in ((core.T.neighbors(0), core.left), (core.neighbors(0), core.right)):
        grids = []
        for d in divisors(size):
            tiles, places = np.divmod(lists, d)
            if len(np.unique(tiles)) * len(np.unique(places)) == len(lists):
                grids.append(d)
        sides.append(grids)
    return [(height, width) for height in sides[0] for width in sides[1]]


def quotient(graph: BipartiteGraph, tile: Tile) -> BipartiteGraph | None:
    """Return the graph of the tiles if a left regular graph is a product for this tile shape."""
    tile_rows, places = graph.left // tile[0], tile[0]
    if _tiles_if_product(graph, tile, sample(tile_rows, _SAMPLE), sample(places, _SAMPLE)) is None:
        return None
    cells = _tiles_if_product(graph, tile, np.arange(tile_rows), np.arange(places))
    if cells is None:
        return None
    return from_cells(cells, (tile_rows, graph.right // tile[1]))


def sample(size: int, count: int) -> NDArray[np.int64]:
    """Return some numbers below `size`, ascending: the same ones every time."""
    # Numbers at equal distances would all be the first row of a tile.
    return np.sort(np.random.default_rng(0).choice(size, min(size, count), replace=False))


def _tiles_if_product(
    graph: BipartiteGraph, tile: Tile, i: NDArray[np.int64], a: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Return the tiles that occur in rows a of tile rows i, if these rows are a product."""
    chosen = graph.neighbor_table[(i[:, None] * tile[0] + a).ravel()].reshape(len(i), len(a), -1)
    across = graph.right // tile[1]
    columns = chosen // tile[1]
    tiles = _occurring(i[:, None, None] * across + columns, graph.left // tile[0] * across)
    if chosen.size % len(tiles):
        return None
    places = _occurring(a[:, None] * tile[1] + (chosen - columns * tile[1]), _area(tile))
    return tiles if len(tiles) * len(places) == chosen.size else None


def _occurring(cells: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if count > _CELLS_PER_EDGE * cells.size:
        return np.unique(cells)
    seen = np.zeros(count, dtype=bool)
    seen[cells] = True
    return np.flatnonzero(seen)


def from_cells(cells: NDArray[np.int64], shape: tuple[int, int]) -> BipartiteGraph:
    """Return the graph of some cells, numbered row by row and ascending."""
    rows, columns = np.divmod(cells, shape[1])
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=shape[0]))))
    return BipartiteGraph(*shape, indptr, columns)


def named(graph: BipartiteGraph) -> BipartiteGraph:
    """Return a complete graph by its construction, and any other one as it is."""
    return complete(*graph.shape) if graph.is_complete else graph


# Blocks and repetitions ---------------------------------------------------------------------


def take_block(graph: BipartiteGraph) -> tuple[tuple[int, int], BipartiteGraph]:
    """Return the shape of the largest dense element block, and the pattern of the blocks."""
    if graph.num_edges == 0:
        return (1, 1), graph
    shape = (_run_length(graph), _run_length(graph.T))
    if shape == (1, 1):
        return shape, graph
    edges = graph.edges
    kept = edges[(edges[:, 0] % shape[0] == 0) & (edges[:, 1] % shape[1] == 0)]
    size = (graph.left // shape[0], graph.right // shape[1])
    core = BipartiteGraph.from_edges(kept // shape, shape=size)
    # Equal digests of rows are all that the run lengths know.
    if core.num_edges * shape[0] * shape[1] != graph.num_edges:
        return (1, 1), graph
    return shape, core


def _run_length(graph: BipartiteGraph) -> int:
    """Return the largest h such that rows h k to h k + h - 1 are equal for every k."""
    weights = np.random.default_rng(0).integers(1, 2**64, graph.right, dtype=np.uint64)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(weights[graph.indices])))
    # Equal rows have equal digests, others almost surely not.
    digests = sums[graph.indptr[1:]] - sums[graph.indptr[:-1]]
    changes = np.flatnonzero(digests[1:] != digests[:-1]) + 1
    return int(np.gcd.reduce(changes, initial=graph.left))


def take_repeat(table: NDArray[np.integer], width: int) -> BipartiteGraph:
    """Return the smallest graph that a tile repeats down and across.

    Parameters
    ----------
    table : ndarray of int, shape (height, degree)
        The columns of each row of the tile, ascending.
    width : int
        Number of columns of the tile.

    Returns
    -------
    BipartiteGraph
        Its sides divide those of the tile.
    """
    height = next(p for p in divisors(len(table)) if repeats_down(table, p))
    width = next(q for q in divisors(width) if repeats_across(table, q, width))
    degree = int(np.searchsorted(table[0], width))
    inner = table[:height, :degree]
    return BipartiteGraph(height, width, np.arange(height + 1) * degree, inner.ravel())


def repeats_down(tables: NDArray[np.integer], height: int) -> bool:
    """Return whether rows `height` apart are equal, in each table of shape (rows, degree)."""
    first, later = tables[..., :-height, :], tables[..., height:, :]
    return np.array_equal(first[..., :1, :], later[..., :1, :]) and np.array_equal(first, later)


def repeats_across(tables: NDArray[np.integer], period: int, width: int) -> bool:
    """Return whether tables of `width` columns hold the same in each `period` of them."""
    copies = width // period
    if tables.shape[-1] % copies:
        return False
    parts = tables.reshape(*tables.shape[:-1], copies, -1)
    offsets = period * np.arange(copies, dtype=parts.dtype)[:, None]
    for rows in (slice(1), slice(None)):
        some = parts[..., rows, :, :]
        if not np.array_equal(some - offsets, np.broadcast_to(some[..., :1, :], some.shape)):
            return False
    return True
