"""How a product is cut for registers and caches, for the kernels and for the cost model."""

from __future__ import annotations

from collections.abc import Iterable

#: Most rows and most vectors of a block.
MOST_ROWS = MOST_VECTORS = 8
#: With so many rows in registers the first cache need not hold what X has to give.
_ROWS_ENOUGH = 5
#: Cycles for a vector of X from the second cache and for a weight from the third, as far as they
#: do not hide behind the multiplications. Chosen by times at 4096 x 4096, 256 columns.
_VECTOR_CYCLES, _WEIGHT_CYCLES = 0.5, 0.4
#: Fewest values of a row to use between two passes over the sums.
_SHORTEST_RUN = 16
#: Values of a row that are worth passing over the sums again.
_LONG_RUN = 32


def register_block(
    group: int, wanted: int, registers: int, allowed: Iterable[int] | None = None
) -> tuple[int, int]:
    """Return how many rows and vectors of columns have their sums in registers together.

    Parameters
    ----------
    group : int
        Rows that share their columns.
    wanted : int
        Vectors of columns in all.
    registers : int
        Vector registers of the processor.
    allowed : iterable of int, optional
        Numbers of rows to choose from; any up to 8 and to the group by default.

    Examples
    --------
    >>> register_block(4, 16, registers=32)
    (4, 4)
    """

    def cycles(block: tuple[int, int]) -> float:
        rows, vectors = block
        # Two multiplications or four instructions of any kind in a cycle.
        instructions = rows * vectors + rows + vectors + 3
        cycles = max(rows * vectors / 2, instructions / 4)
        cycles += _VECTOR_CYCLES * vectors + _WEIGHT_CYCLES * rows
        return -(-group // rows) * -(-wanted // vectors) * cycles

    blocks = [
        (rows, vectors)
        for rows in (range(1, min(group, MOST_ROWS) + 1) if allowed is None else allowed)
        for vectors in range(1, min(MOST_VECTORS, wanted) + 1)
        # The sums, one vector of X for each, and one broadcast weight.
        if rows * vectors + vectors + 1 <= registers
    ]
    return min(blocks, key=cycles)


def tiles_at_once(
    rows: int, outer_degree: int, inner_degree: int, tile_bytes: int, level1_bytes: int
) -> int:
    """Return how many tiles of a row of tiles are multiplied before the next group's turn.

    Parameters
    ----------
    rows : int
        Rows of a block.
    outer_degree, inner_degree : int
        Tiles in a row of tiles, and nonzeros of a row in each.
    tile_bytes : int
        What X has for a tile, in one panel.
    level1_bytes : int
        Size of the first cache.
    """
    if rows >= _ROWS_ENOUGH:
        return outer_degree
    if inner_degree >= _LONG_RUN:
        return 1
    # Half of the first cache for X, the rest for values and sums; but long enough runs of values,
    # because every run begins with a wait.
    fitting = level1_bytes // 2 // tile_bytes
    return min(outer_degree, max(-(-_SHORTEST_RUN // inner_degree), fitting))
