"""What one output tile of a product loads and computes, counted from the pattern."""

from __future__ import annotations

from dataclasses import dataclass

from rbgp_graphs.products import RBGP4

#: Bytes of an entry of an index table, and of an accumulator.
INDEX_BYTES = ACCUMULATOR_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class TileSteps:
    """The work for one output tile of ``W @ X``, tile after tile of W.

    The scheme is that of the kernels for these patterns: a block of threads computes an output
    tile as high as a tile of W. For every tile that exists in its row of tiles it loads the
    values of that tile and the matching rows of X into shared memory, and adds their product to
    accumulators in registers. The index table of the inner graph is loaded once.

    Attributes
    ----------
    row : int
        The row of tiles, a left vertex of the outer graph.
    tiles : tuple of int
        Columns of the tiles that exist in this row, ascending.
    tile_columns_of_w : int
        Columns of tiles in W, those of zeros included.
    tile_rows, tile_depth, tile_cols : int
        Rows of the output tile, columns of a tile of W, columns of the output tile.
    tile_row_degree, tile_col_degree : int
        Nonzeros in every row and every column of a tile of W.
    row_group : int
        Rows that share one column list.
    table_entries : int
        Column indices of the inner graph.
    itemsize : int
        Bytes of a value.
    """

    row: int
    tiles: tuple[int, ...]
    tile_columns_of_w: int
    tile_rows: int
    tile_depth: int
    tile_cols: int
    tile_row_degree: int
    tile_col_degree: int
    row_group: int
    table_entries: int
    itemsize: int

    @property
    def value_bytes(self) -> int:
        """Bytes of the values of one tile of W."""
        return self.tile_rows * self.tile_row_degree * self.itemsize

    @property
    def operand_bytes(self) -> int:
        """Bytes of the tile of X that belongs to one tile of W."""
        return self.tile_depth * self.tile_cols * self.itemsize

    @property
    def table_bytes(self) -> int:
        """Bytes of the index table, loaded once."""
        return INDEX_BYTES * self.table_entries

    @property
    def shared_bytes(self) -> int:
        """Bytes in shared memory during a step."""
        return self.value_bytes + self.operand_bytes + self.table_bytes

    @property
    def accumulator_bytes(self) -> int:
        """Bytes of the accumulators, which all threads together hold in registers."""
        return ACCUMULATOR_BYTES * self.tile_rows * self.tile_cols

    @property
    def result_bytes(self) -> int:
        """Bytes of the output tile, written once."""
        return self.itemsize * self.tile_rows * self.tile_cols

    @property
    def step_flops(self) -> int:
        """Multiplications and additions of one step."""
        return 2 * self.tile_rows * self.tile_row_degree * self.tile_cols

    def loaded_bytes(self, steps: int) -> int:
        """Return the bytes read from global memory after some steps."""
        return self.table_bytes + steps * (self.value_bytes + self.operand_bytes)

    @property
    def dense_bytes(self) -> int:
        """Bytes that a dense product with the same tiles reads for this output tile."""
        dense_tile = self.tile_rows * self.tile_depth * self.itemsize
        return self.tile_columns_of_w * (dense_tile + self.operand_bytes)

    @property
    def dense_flops(self) -> int:
        """Operations of a dense product for this output tile."""
        return 2 * self.tile_rows * self.tile_depth * self.tile_cols * self.tile_columns_of_w

    @property
    def intensity(self) -> float:
        """Operations per byte read or written, over the whole output tile."""
        moved = self.loaded_bytes(len(self.tiles)) + self.result_bytes
        return self.step_flops * len(self.tiles) / moved


def tile_steps(pattern: RBGP4, row: int, tile_cols: int, itemsize: int) -> TileSteps:
    """Return the work for the output tile of one row of tiles."""
    height, width = pattern.tile_shape
    inner_left, inner_right = pattern.inner.degrees or (0, 0)
    return TileSteps(
        row=row,
        tiles=tuple(pattern.outer.neighbors(row).tolist()),
        tile_columns_of_w=pattern.outer.right,
        tile_rows=height,
        tile_depth=width,
        tile_cols=tile_cols,
        tile_row_degree=pattern.repeat.right * inner_left * pattern.block.right,
        tile_col_degree=pattern.repeat.left * inner_right * pattern.block.left,
        row_group=pattern.row_group,
        table_entries=pattern.inner.num_edges,
        itemsize=itemsize,
    )
