"""What products of one shape have in common: the plan, the kernels and most of the job table."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu.cpu import threads
from rbgp_graphs.gpu.cpu.compiler import function
from rbgp_graphs.gpu.cpu.order import visiting_order
from rbgp_graphs.gpu.cpu.plan import Plan, SampledPlan, plan_product, plan_sampled, plan_transposed
from rbgp_graphs.gpu.cpu.tables import Tables
from rbgp_graphs.gpu.cpu.target import Target, host

_KEPT = 256
#: Entries of the table of panels: address of X, address of the result, number of columns.
PANEL_ENTRIES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelCall:
    """A forward or transposed product of one shape.

    Attributes
    ----------
    plan : Plan
        How it is cut.
    run : callable
        The kernel ``run(job, scratch, first_panel)``.
    template : list of int
        The job table without what depends on the arrays.
    places : dict of str to int
        Where the entries of the table are.
    kept : tuple
        Arrays and kernels that the template points to.
    panel_bytes : int
        Bytes of a panel.
    panel_starts, panel_widths : list of int
        The panels of one matrix: where they begin, and how many numbers are copied side by side.
    scratch_bytes : int
        Memory that every thread needs.
    sum_dtype : dtype
        In what the sums are kept.
    """

    plan: Plan
    run: Callable[..., None]
    template: list[int]
    places: dict[str, int]
    kept: tuple[Any, ...]
    panel_bytes: int
    panel_starts: list[int]
    panel_widths: list[int]
    scratch_bytes: int
    sum_dtype: np.dtype[Any]

    def table(self, panels: list[int], **entries: int) -> array[int]:
        """Return the job with the given entries, counters at zero, and the panels behind it."""
        size, count = len(self.template), len(panels) // PANEL_ENTRIES
        numbers = [*self.template, *([0] * count), *panels]
        places = self.places
        for name, value in entries.items():
            numbers[places[name]] = value
        table = array("q", numbers)
        start = table.buffer_info()[0]
        table[places["counters"]] = start + 8 * size
        table[places["panels"]] = start + 8 * (size + count)
        table[places["num_panels"]] = count
        return table

    def multiply(self, panels: list[int], *arrays: NDArray[Any] | None, **entries: int) -> None:
        """Run the kernel on panels of arrays, in as many threads as the plan says."""
        table = self.table(panels, **entries)
        address = table.buffer_info()[0]
        count, num_threads, run = len(panels) // PANEL_ENTRIES, self.plan.num_threads, self.run

        def work(k: int) -> None:
            run(address, threads.scratch(self.scratch_bytes), k * count // num_threads)
            threads.trim()

        threads.run(work, num_threads, table, arrays)


def panel_call(tables: Tables, *key: Any) -> PanelCall:
    """Return the call for a product, from the pattern's memory if it has been made before.

    The key is made of: whether the product is the transposed one, the columns of one matrix and
    those of the whole batch, the dtype's name, the activation and the number of threads.
    """
    return _remembered(tables, _panel_call, key)  # type: ignore[no-any-return]


def sampled_call(tables: Tables, *key: Any) -> SampledCall:
    """Return the call for a sampled product, from the pattern's memory if it is there.

    The key is made of: the columns of one pair of matrices, the number of pairs, the dtype's name
    and the number of threads.
    """
    return _remembered(tables, _sampled_call, key)  # type: ignore[no-any-return]


def _remembered(tables: Tables, make: Callable[..., Any], key: tuple[Any, ...]) -> Any:
    found = tables.calls.get((make, key))
    if found is None:
        if len(tables.calls) >= _KEPT:
            tables.calls.clear()
        found = tables.calls[make, key] = make(tables, *key)
    return found


def _panel_call(
    tables: Tables,
    transpose: bool,
    columns: int,
    count: int,
    dtype: str,
    activation: str | None,
    num_threads: int,
) -> PanelCall:
    from rbgp_graphs.gpu.cpu.job import FIELDS, table
    from rbgp_graphs.gpu.cpu.storage import STORAGES

    storage, target = STORAGES[dtype], host()
    size = storage.computed_bytes
    plan_it = plan_transposed if transpose else plan_product
    plan = plan_it(tables, columns, count, size, target, num_threads)
    pack = _kernel("pack", dtype, target, plan.lanes)
    finish = _kernel("finish", dtype, target, plan.lanes, activation)
    name = "transposed" if transpose else "product"
    if plan.is_narrow:
        name = "narrow " + name
    options: tuple[Any, ...] = (plan.rows, columns if plan.is_narrow else plan.vectors)
    if name == "product":
        options += (plan.tiles_at_once == 1,)
    run = _kernel(name, dtype, target, plan.lanes, *options)
    block_rows = _block_rows(tables, plan)
    row_bytes = plan.width * size
    x_rows, panel_row = tables.rows if transpose else tables.cols, row_bytes
    if plan.is_narrow:
        x_rows, panel_row = columns, -(-x_rows // plan.lanes) * row_bytes
    sums_at = x_rows * panel_row
    if transpose:
        tiles, slot_rows, slot_step = tables.incoming, np.zeros(1, np.int64), 1
        places_at = weights_at = sums_at + tables.tile_cols * row_bytes
        converted = plan.rows * tables.inner_degree
    else:
        tiles, slot_rows, slot_step = tables.tiles, block_rows, tables.group_step
        places_at = sums_at + plan.part_groups * block_rows.size * row_bytes
        places_bytes = 8 * (plan.tiles_at_once * tables.inner_degree + 1)
        if plan.is_narrow:
            places_bytes = columns * (tables.row_degree // plan.lanes + 1) * row_bytes
        weights_at = places_at + places_bytes + -places_bytes % target.vector_bytes
        converted = plan.rows * plan.tiles_at_once * tables.inner_degree
    # The row after the last one of a list is loaded too.
    inner_rows = np.append(tables.inner.astype(np.int64) * row_bytes, 0)
    part_blocks = plan.part_groups * len(block_rows)
    # Values and results pass through the other half of the cache.
    num_tiles = len(tables.tiles if transpose else tables.incoming)
    held = min(num_tiles, target.level2_bytes // 2 * num_tiles // sums_at)
    order = _remembered(tables, _order, (transpose, held))
    groups = tables.tile_cols if transpose else plan.part_groups
    squares, singles = squares_of(slot_rows.ravel(), slot_step, groups, plan.lanes)
    starts = np.arange(0, columns, plan.width)
    widths = np.minimum(plan.width, columns - starts)
    num_parts = -(-tables.num_groups // plan.part_groups)
    template = table(
        pack=pack.address,
        finish=finish.address,
        x_rows=x_rows,
        panel_row=panel_row,
        tiles=tiles.ctypes.data,
        outer_degree=tiles.shape[1],
        inner=tables.inner.ctypes.data,
        inner_degree=tables.inner_degree,
        inner_rows=inner_rows.ctypes.data,
        num_groups=tables.num_groups,
        group_step=tables.group_step,
        tile_rows=tables.tile_rows,
        tile_cols=tables.tile_cols,
        block_rows=block_rows.ctypes.data,
        num_blocks=len(block_rows),
        slot_rows=slot_rows.ctypes.data,
        slot_step=slot_step,
        squares=squares.ctypes.data,
        num_squares=len(squares),
        singles=singles.ctypes.data,
        num_singles=len(singles),
        square_groups=groups,
        order=order.ctypes.data,
        num_chunks=len(tiles) * (1 if transpose else num_parts),
        num_parts=num_parts,
        part_groups=plan.part_groups,
        tiles_at_once=plan.tiles_at_once,
        ahead=tables.tile_cols * row_bytes // (part_blocks * tables.inner_degree),
        sums_at=sums_at,
        places_at=places_at,
        weights_at=weights_at,
    )
    return PanelCall(
        plan=plan,
        run=run,
        template=template.tolist(),
        places={name: place for place, name in enumerate(FIELDS)},
        kept=(
            tiles,
            tables.inner,
            inner_rows,
            order,
            block_rows,
            slot_rows,
            squares,
            singles,
            pack,
            finish,
        ),
        panel_bytes=sums_at,
        panel_starts=starts.tolist(),
        panel_widths=[tables.rows if transpose else tables.cols]
        if plan.is_narrow
        else widths.tolist(),
        scratch_bytes=weights_at + (size * converted if storage.is_converted else 0),
        sum_dtype=_sum_dtype(dtype),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SampledCall:
    """A sampled product of one shape: pack both operands, then compute.

    Attributes
    ----------
    run, pack : callable
        The kernels ``run(job)`` and ``pack(job, source, width, panel, row_bytes)``.
    template : ndarray of int64
        The job table without what depends on the arrays.
    places : dict of str to int
        Where the entries of the table are.
    kept : tuple
        Arrays that the template points to.
    width : int
        Columns of a panel.
    panel_row, x_panel, y_panel : int
        Bytes of a row of a panel, and of the panels of X and dY.
    x_start, buffer_bytes : int
        Where the panels of X begin after those of dY, and the bytes of all.
    num_threads : int
        Threads worth using.
    sum_dtype : dtype
        In what the sums are kept.
    """

    run: Callable[..., None]
    pack: Callable[..., None]
    template: NDArray[np.int64]
    places: dict[str, int]
    kept: tuple[Any, ...]
    width: int
    panel_row: int
    x_panel: int
    y_panel: int
    x_start: int
    buffer_bytes: int
    num_threads: int
    sum_dtype: np.dtype[Any]

    def pack_table(self, *, x_row: int, x_col: int, rows: int) -> NDArray[np.int64]:
        """Return the job table for packing `rows` rows of an operand."""
        from rbgp_graphs.gpu.cpu.job import table

        return table(x_rows=rows, x_row=x_row, x_col=x_col)

    def table(self, **entries: int) -> NDArray[np.int64]:
        """Return the job table with the given entries."""
        table = self.template.copy()
        for name, value in entries.items():
            table[self.places[name]] = value
        start = table.__array_interface__["data"][0]
        table[self.places["counters"]] = start + 8 * self.places["counter"]
        return table


def _sampled_call(
    tables: Tables, columns: int, count: int, dtype: str, num_threads: int
) -> SampledCall:
    from rbgp_graphs.gpu.cpu.job import FIELDS, table
    from rbgp_graphs.gpu.cpu.storage import STORAGES

    storage, target = STORAGES[dtype], host()
    size = storage.computed_bytes
    plan = plan_sampled(tables, columns, columns * count, size, target, num_threads)
    sums = _sum_dtype(dtype)
    block_rows = _block_rows(tables, plan)
    panels = count * -(-columns // plan.width)
    panel_row = plan.width * size
    x_panel, y_panel = tables.cols * panel_row, tables.rows * panel_row
    num_parts = -(-tables.num_groups // plan.part_groups)
    template = table(
        num_panels=panels,
        tiles=tables.tiles.ctypes.data,
        outer_degree=tables.outer_degree,
        inner=tables.inner.ctypes.data,
        inner_degree=tables.inner_degree,
        num_groups=tables.num_groups,
        group_step=tables.group_step,
        tile_rows=tables.tile_rows,
        block_rows=block_rows.ctypes.data,
        num_blocks=len(block_rows),
        num_chunks=tables.num_outer * num_parts,
        num_parts=num_parts,
        part_groups=plan.part_groups,
        x_panel=x_panel,
        y_panel=y_panel,
        panel_row=panel_row,
    )
    return SampledCall(
        run=_kernel("sampled", sums.name, target, plan.lanes, plan.rows, plan.neighbours),
        pack=_kernel("pack", dtype, target, plan.lanes),
        template=template,
        places={name: place for place, name in enumerate(FIELDS)},
        kept=(tables.tiles, tables.inner, block_rows),
        width=plan.width,
        panel_row=panel_row,
        x_panel=x_panel,
        y_panel=y_panel,
        x_start=panels * y_panel,
        buffer_bytes=panels * (x_panel + y_panel),
        num_threads=plan.num_threads,
        sum_dtype=sums,
    )


def _order(tables: Tables, transpose: bool, held: int) -> NDArray[np.int64]:
    """Return the order of rows or columns of tiles for a cache that holds so many tiles of X."""
    if transpose:
        return visiting_order(tables.incoming[..., 0] // tables.tile_rows, held)
    return visiting_order(tables.tiles[..., 0] // tables.tile_cols, held)


def squares_of(
    slot_rows: NDArray[np.int64], slot_step: int, groups: int, lanes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how the finished sums of `groups` groups make runs of neighbouring rows.

    Returns
    -------
    squares : ndarray of int64, shape (num_squares, 1 + lanes)
        The first of `lanes` neighbouring rows, and where the sums of these rows stand.
    singles : ndarray of int64, shape (num_singles, 2)
        Any other row, and where its sums stand.
    """
    rows = np.arange(groups)[:, None] * slot_step + slot_rows
    rows, places = np.unique(rows, return_index=True)
    run = np.cumsum(np.diff(rows, prepend=rows[0]) != 1)
    starts = np.searchsorted(run, run)
    place = np.arange(len(rows)) - starts
    length = np.searchsorted(run, run, side="right") - starts
    is_square = place < length // lanes * lanes
    squares = places[is_square].reshape(-1, lanes)
    first = rows[is_square].reshape(-1, lanes)[:, :1]
    return np.hstack([first, squares]), np.stack([rows, places], axis=1)[~is_square]


def _sum_dtype(dtype: str) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype == "float64" else np.float32)


def _block_rows(tables: Tables, plan: Plan | SampledPlan) -> NDArray[np.int64]:
    """Return the rows of each block inside a tile.

    Rows of a block lie far apart and the next block has the rows behind them, so that each of the
    runs of values that are read side by side goes on in memory: processors foresee that, but not
    several runs in one page that end soon. If the rows do not come out even, the last row takes
    the free places.
    """
    blocks = -(-tables.row_group // plan.rows)
    numbers = np.arange(plan.rows) * blocks + np.arange(blocks)[:, None]
    rows: NDArray[np.int64] = tables.group_rows[np.minimum(numbers, tables.row_group - 1)]
    return rows


@functools.lru_cache(maxsize=4096)
def _kernel(kind: str, dtype: str, target: Target, lanes: int, *options: Any) -> Any:
    """Return a compiled kernel."""
    from rbgp_graphs.gpu.cpu.finish_kernel import finish_text
    from rbgp_graphs.gpu.cpu.narrow_kernel import narrow_text
    from rbgp_graphs.gpu.cpu.narrow_transposed_kernel import narrow_transposed_text
    from rbgp_graphs.gpu.cpu.pack_kernel import pack_text
    from rbgp_graphs.gpu.cpu.product_kernel import product_text
    from rbgp_graphs.gpu.cpu.sampled_kernel import sampled_text
    from rbgp_graphs.gpu.cpu.storage import STORAGES
    from rbgp_graphs.gpu.cpu.transposed_kernel import transposed_text

    makers: dict[str, Callable[..., str]] = {
        "pack": pack_text,
        "finish": finish_text,
        "product": product_text,
        "narrow product": narrow_text,
        "transposed": transposed_text,
        "narrow transposed": narrow_transposed_text,
        "sampled": sampled_text,
    }
    arguments = {"pack": 5, "finish": 8, "sampled": 1}
    name = " ".join(str(part) for part in (kind, dtype, lanes, *options))
    make = functools.partial(makers[kind], STORAGES[dtype], lanes, *options)
    return function(name, make, target, arguments.get(kind, 3))
