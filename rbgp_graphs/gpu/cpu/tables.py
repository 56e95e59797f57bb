"""The index tables that kernels read: once for a pattern, independent of the values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.products import RBGP4


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Where the nonzeros of a pattern are, as sums of one number for each level.

    The k-th nonzero of a row has k = k_o * inner_degree + j. For a row of group (u_o, u_i), it
    stands in column ``tiles[u_o, k_o, 0] + inner[tiles[u_o, k_o, 1] + u_i * inner_degree + j]``.

    Attributes
    ----------
    tiles : ndarray of int64, shape (outer.left, outer_degree, 2)
        For each outer edge the first column of its tile and where its table begins.
    inner : ndarray of int32
        The tables of the shifts one after the other: columns inside a tile, of shape
        (inner.left, inner_degree) each, ascending in every row.
    group_rows : ndarray of int64, shape (row_group,)
        The rows of the group with u_i = 0 inside a tile; u_i adds `group_step`. If the inner
        factor is complete, all rows of a tile are one group.
    num_outer, num_groups : int
        Number of rows of tiles, and of groups in each.
    group_step : int
        Rows between the groups of neighbouring u_i.
    tile_rows, tile_cols : int
        Shape of a tile.
    rows, cols : int
        Shape of the pattern.
    incoming : ndarray of int64, shape (outer.right, outer_right_degree, 3)
        For each outer edge, seen from the right, the first row of its tile, how many nonzeros
        of a row come before the tile, and where its table begins.
    calls : dict
        What calls of known shapes have in common (see `rbgp_graphs.gpu.cpu.calls`).
    """

    tiles: NDArray[np.int64]
    inner: NDArray[np.int32]
    group_rows: NDArray[np.int64]
    num_outer: int
    num_groups: int
    group_step: int
    tile_rows: int
    tile_cols: int
    rows: int
    cols: int
    incoming: NDArray[np.int64]
    calls: dict[Any, Any] = field(default_factory=dict)

    @property
    def outer_degree(self) -> int:
        """Tiles in a row of tiles."""
        return int(self.tiles.shape[1])

    @property
    def inner_degree(self) -> int:
        """Nonzeros of a row inside a tile."""
        return int(self.inner.shape[-1])

    @property
    def row_group(self) -> int:
        """Rows that share their columns."""
        return len(self.group_rows)

    @property
    def row_degree(self) -> int:
        """Nonzeros of a row."""
        return self.outer_degree * self.inner_degree

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        return self.tiles.nbytes + self.inner.nbytes + self.group_rows.nbytes + self.incoming.nbytes


#: Where a pattern keeps what is derived from it, like a cached property.
_PLACE = "_cpu_tables"


def tables_of(pattern: RBGP4) -> Tables:
    """Return the tables of a pattern, made at the first call and kept as long as the pattern."""
    found: Tables | None = pattern.__dict__.get(_PLACE)
    if found is None:
        found = pattern.__dict__[_PLACE] = _make(pattern)
    return found


def _make(pattern: RBGP4) -> Tables:
    outer, repeat, inner, block = pattern.factors
    degree = outer.neighbor_table.shape[1]
    shifted = pattern.inner_tables.astype(np.int64)
    in_repeat = np.arange(repeat.left)[:, None] * (inner.left * block.left)
    group_rows, group_step = (in_repeat + np.arange(block.left)).ravel(), block.left
    tile_rows, tile_cols = pattern.tile_shape
    if shifted.shape[-1] == inner.right:
        shifted, group_rows, group_step = shifted[:, :1], np.arange(tile_rows), tile_rows
    num_groups = shifted.shape[1]
    # Axes: shift, u_i, v_r, k_i, v_b.
    columns = np.arange(repeat.right)[:, None, None] * inner.right + shifted[:, :, None, :, None]
    columns = columns * block.right + np.arange(block.right)
    columns = columns.reshape(len(shifted), num_groups, -1)
    tiles = np.empty((outer.left, degree, 2), np.int64)
    tiles[..., 0] = outer.neighbor_table.astype(np.int64) * tile_cols
    tiles[..., 1] = pattern.outer_edge_tables.reshape(outer.left, degree) * columns[0].size
    edges = outer.transpose_order
    left = edges // degree
    incoming = np.stack(
        [left * tile_rows, edges % degree * columns.shape[-1], tiles[..., 1].ravel()[edges]],
        axis=-1,
    )
    return Tables(
        tiles=tiles,
        inner=columns.astype(np.int32),
        group_rows=group_rows,
        num_outer=outer.left,
        num_groups=num_groups,
        group_step=group_step,
        tile_rows=tile_rows,
        tile_cols=tile_cols,
        rows=pattern.rows,
        cols=pattern.cols,
        incoming=incoming.reshape(outer.right, -1, 3).astype(np.int64),
    )
