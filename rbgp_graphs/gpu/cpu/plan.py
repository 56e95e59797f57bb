"""How a product is cut: registers, caches, threads. Pure functions of sizes."""

from __future__ import annotations

from dataclasses import dataclass

from rbgp_graphs.gpu.cpu.tables import Tables
from rbgp_graphs.gpu.cpu.target import Target

#: Most rows of a block; more rows would leave registers for too few columns.
_MOST_ROWS = 8
_MOST_ROWS_OF_16 = 4
_MOST_VECTORS = 8
#: Fewest values of a row to use between two passes over the sums.
_SHORTEST_RUN = 32
#: A product smaller than this is not worth waking other threads: about 50 microseconds of work.
_SMALL_PRODUCT = 1 << 21


@dataclass(frozen=True, kw_only=True)
class ProductPlan:
    """The cut of a product with a panel of X.

    Attributes
    ----------
    rows, vectors : int
        Sums held in registers: rows of a group, and vectors of columns.
    lanes : int
        Columns in a vector.
    num_blocks : int
        Blocks of rows that cover a group; the last one overlaps the one before.
    tiles_at_once : int
        Tiles whose rows of X stay in the cache next to the registers while all groups pass.
    part_groups : int
        Groups whose sums wait in the cache meanwhile.
    num_threads : int
        Threads worth using.
    """

    rows: int
    vectors: int
    lanes: int
    num_blocks: int
    tiles_at_once: int
    part_groups: int
    num_threads: int

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes


def plan_product(
    tables: Tables, columns: int, count: int, number_bytes: int, target: Target, num_threads: int
) -> ProductPlan:
    """Return how to cut a product.

    Parameters
    ----------
    tables : Tables
        The pattern.
    columns, count : int
        Columns of one matrix X, and of all matrices of a batch.
    number_bytes : int
        Size of a sum.
    target : Target
        The processor.
    num_threads : int
        Threads that may be used.
    """
    lanes = target.lanes(number_bytes)
    most_rows = _MOST_ROWS if target.registers >= 32 else _MOST_ROWS_OF_16
    num_blocks = -(-tables.row_group // most_rows)
    rows = -(-tables.row_group // num_blocks)
    vectors = _vectors(rows, -(-columns // lanes), target.registers)
    row_bytes = vectors * lanes * number_bytes
    tile_bytes = tables.tile_cols * row_bytes
    # Half of the first cache for X, the rest for values and sums; but long enough runs of
    # values, because every run begins with a wait.
    tiles_at_once = max(-(-_SHORTEST_RUN // tables.inner_degree), target.level1_bytes // 2 // tile_bytes)
    group_bytes = num_blocks * rows * row_bytes
    part_groups = max(1, min(tables.num_groups, target.level2_bytes // 8 // group_bytes))
    # Enough chunks to share them evenly.
    while part_groups > 1 and _chunks(tables, part_groups) < 4 * num_threads:
        part_groups = -(-part_groups // 2)
    work = tables.rows * tables.row_degree * max(count, lanes)
    return ProductPlan(
        rows=rows,
        vectors=vectors,
        lanes=lanes,
        num_blocks=num_blocks,
        tiles_at_once=min(tiles_at_once, tables.outer_degree),
        part_groups=part_groups,
        num_threads=1 if work < _SMALL_PRODUCT else num_threads,
    )


def _chunks(tables: Tables, part_groups: int) -> int:
    return tables.num_outer * -(-tables.num_groups // part_groups)


def _vectors(rows: int, wanted: int, registers: int) -> int:
    """Return how many vectors of each row to hold for `wanted` vectors of columns."""
    # rows * vectors sums, one vector of X for each, and one broadcast value.
    most = max(1, min(_MOST_VECTORS, (registers - 1) // (rows + 1)))

    def cycles(vectors: int) -> float:
        # Two multiplications or four instructions of any kind in a cycle.
        instructions = rows * vectors + rows + vectors + 3
        return -(-wanted // vectors) * max(rows * vectors / 2, instructions / 4)

    return min(range(1, most + 1), key=cycles)
