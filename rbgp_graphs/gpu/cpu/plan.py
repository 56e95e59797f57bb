"""How a product is cut: registers, caches, threads. Pure functions of sizes."""

from __future__ import annotations

from dataclasses import dataclass

from rbgp_graphs.gpu.cpu.tables import Tables
from rbgp_graphs.gpu.cpu.target import Target
from rbgp_graphs.selection.blocking import MOST_ROWS, register_block, tiles_at_once

#: Sums of the sampled product that are kept in registers.
_SAMPLED_SUMS = {32: 16, 16: 8}
#: Most columns that are few.
_MOST_NARROW = 8
#: Cycles to gather a number from the second cache, and for a weight that is used for one vector.
_GATHER_CYCLES, _BROADCAST_CYCLES = 0.5, 0.6
#: Cycles to add a number to a sum in the cache by gather and scatter, and to a vector of sums.
_SCATTER_CYCLES, _UPDATE_CYCLES = 1.2, 0.5
#: A product smaller than this is not worth waking other threads: about 50 microseconds of work.
_SMALL_PRODUCT = 1 << 21


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cut of a forward or transposed product.

    Attributes
    ----------
    rows, vectors : int
        Rows of a group and vectors of columns that are in registers together.
    lanes : int
        Columns in a vector.
    tiles_at_once : int
        Tiles whose rows of X stay in the cache next to the registers while all groups pass.
    part_groups : int
        Groups whose sums wait in the cache meanwhile.
    num_threads : int
        Threads worth using.
    is_narrow : bool
        Whether the lanes run along neighbours instead of columns, which are few.
    """

    rows: int
    vectors: int
    lanes: int
    tiles_at_once: int
    part_groups: int
    num_threads: int
    is_narrow: bool = False

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes


@dataclass(frozen=True, kw_only=True)
class SampledPlan:
    """The cut of a sampled product.

    Attributes
    ----------
    rows, neighbours : int
        Rows of a group and columns whose products are in registers together.
    lanes, vectors : int
        Numbers in a vector, and vectors in a row of a panel.
    part_groups : int
        Groups that a thread takes at once.
    num_threads : int
        Threads worth using.
    """

    rows: int
    neighbours: int
    lanes: int
    vectors: int
    part_groups: int
    num_threads: int

    @property
    def width(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes


def plan_product(
    tables: Tables, columns: int, count: int, number_bytes: int, target: Target, num_threads: int
) -> Plan:
    """Return how to cut A X.

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
    cycles = columns * (1 / lanes + _GATHER_CYCLES / tables.row_group)
    if columns <= _MOST_NARROW and cycles < _BROADCAST_CYCLES:
        return _plan_narrow(tables, columns, count, lanes, target, num_threads)
    rows, vectors = register_block(tables.row_group, -(-columns // lanes), target.registers)
    row_bytes = vectors * lanes * number_bytes
    at_once = tiles_at_once(
        rows,
        tables.outer_degree,
        tables.inner_degree,
        tables.tile_cols * row_bytes,
        target.level1_bytes,
    )
    group_bytes = -(-tables.row_group // rows) * rows * row_bytes
    return Plan(
        rows=rows,
        vectors=vectors,
        lanes=lanes,
        tiles_at_once=at_once,
        part_groups=_part(tables, target.level2_bytes // 8 // group_bytes, num_threads),
        num_threads=_threads(tables, max(count, lanes), num_threads),
    )


def _plan_narrow(
    tables: Tables, columns: int, count: int, lanes: int, target: Target, num_threads: int
) -> Plan:
    """Return how to cut A X for so few columns that lanes are better used along the neighbours."""
    # A quarter of the registers for values and what was gathered.
    rows = max(1, min(tables.row_group, MOST_ROWS, target.registers * 3 // 4 // columns))
    return Plan(
        rows=rows,
        vectors=1,
        lanes=lanes,
        tiles_at_once=tables.outer_degree,
        part_groups=_part(tables, tables.num_groups, num_threads),
        num_threads=_threads(tables, max(count, lanes // 4), num_threads),
        is_narrow=True,
    )


def plan_transposed(
    tables: Tables, columns: int, count: int, number_bytes: int, target: Target, num_threads: int
) -> Plan:
    """Return how to cut the product of A transposed and Y (see `plan_product`).

    Blocks of rows do not overlap, because every row is added to the sums once.
    """
    lanes = target.lanes(number_bytes)
    divisors = [d for d in range(1, MOST_ROWS + 1) if tables.row_group % d == 0]
    cycles = columns * (1 / lanes + _SCATTER_CYCLES / tables.row_group)
    if columns <= _MOST_NARROW and cycles < _UPDATE_CYCLES:
        return Plan(
            rows=divisors[-1],
            vectors=1,
            lanes=lanes,
            tiles_at_once=1,
            part_groups=tables.num_groups,
            num_threads=_threads(tables, max(count, lanes // 4), num_threads),
            is_narrow=True,
        )
    rows, vectors = register_block(
        tables.row_group, -(-columns // lanes), target.registers, divisors
    )
    return Plan(
        rows=rows,
        vectors=vectors,
        lanes=lanes,
        tiles_at_once=1,
        part_groups=tables.num_groups,
        num_threads=_threads(tables, max(count, lanes), num_threads),
    )


def plan_sampled(
    tables: Tables, columns: int, count: int, number_bytes: int, target: Target, num_threads: int
) -> SampledPlan:
    """Return how to cut the sampled product of `count` columns in all (see `plan_product`)."""
    lanes = target.lanes(number_bytes)
    sums = _SAMPLED_SUMS[target.registers]
    rows = _divisor(tables.row_group, 4)
    neighbours = min(8, sums // rows, tables.inner_degree)
    # A power of two, so that the sums of a row never cross a vector's end.
    neighbours = 1 << (neighbours.bit_length() - 1)
    fitting = target.level1_bytes // 2 // (tables.tile_cols * lanes * number_bytes)
    vectors = min(-(-columns // lanes), max(8, fitting))
    return SampledPlan(
        rows=rows,
        neighbours=neighbours,
        lanes=lanes,
        vectors=vectors,
        part_groups=_part(tables, tables.num_groups, num_threads),
        num_threads=_threads(tables, count, num_threads),
    )


def _divisor(number: int, limit: int) -> int:
    """Return the largest divisor up to a limit."""
    return next(d for d in range(min(number, limit), 0, -1) if number % d == 0)


def _part(tables: Tables, fitting: int, num_threads: int) -> int:
    """Return how many groups make a chunk: at most `fitting`, and chunks for all threads."""
    groups = max(1, min(tables.num_groups, fitting))
    while groups > 1 and tables.num_outer * -(-tables.num_groups // groups) < 16 * num_threads:
        groups = -(-groups // 2)
    return groups


def _threads(tables: Tables, columns: int, num_threads: int) -> int:
    work = tables.rows * tables.row_degree * columns
    return 1 if work < _SMALL_PRODUCT else num_threads
