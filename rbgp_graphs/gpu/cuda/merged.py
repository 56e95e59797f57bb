"""The same pattern with fewer digits: where a graph is complete, two digits become one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu.cuda.tables import Dimensions, Tables

#: Longest run of columns that becomes a block: as many sums as a stage of a kernel has.
_LONGEST_RUN = 64
#: Values for each entry of a table; a table with more entries would cost more than it saves.
_FEWEST_VALUES = 32


def merged(size: Dimensions, tables: Tables) -> tuple[Dimensions, Tables]:
    """Return a pattern in the form that suits the kernels best.

    Its rows, its columns and the order of its values stay as they are.

    Parameters
    ----------
    size : Dimensions
        The pattern.
    tables : Tables
        Its tables, as NumPy arrays.

    Returns
    -------
    tuple of Dimensions and Tables
        An equal pattern. Where the inner graph is complete, the rows of all u_i share their
        columns and are one group. Where the outer graph is complete and all tiles are equal, so
        are the rows of all u_o. Where one u_i is left, all neighbours go into the outer table,
        and those beside each other into one block of up to 64 columns.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete, cyclic_lift
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions, tables
    >>> from rbgp_graphs.products import RBGP4
    >>> outer = cyclic_lift(complete(2, 2), 3, [0, 1, 2, 0])
    >>> pattern = RBGP4(outer, (4, 1), complete(8, 32), (1, 1))
    >>> size, own = merged(dimensions(pattern), tables(pattern))
    >>> size.group, size.ui, size.vb, size.di
    (32, 1, 32, 1)
    """
    if size.di == size.vi:
        size = replace(size, ui=1, ub=size.ui * size.ub, twisted=False)
        tables = Tables(
            outer_columns=tables.outer_columns,
            outer_tables=np.zeros_like(tables.outer_tables),
            inner_columns=tables.inner_columns[:1, :1],
        )
    if size.do == size.vo and not size.twisted:
        size = replace(size, uo=1, ur=size.uo * size.ur)
        tables = Tables(
            outer_columns=tables.outer_columns[:1],
            outer_tables=tables.outer_tables[:1],
            inner_columns=tables.inner_columns,
        )
    return _in_one_table(size, tables) if size.ui == 1 else (size, tables)


def _in_one_table(size: Dimensions, tables: Tables) -> tuple[Dimensions, Tables]:
    """Return the pattern of one inner row with all its neighbours in the outer table."""
    inner = tables.inner_columns[tables.outer_tables, 0]
    # Axes: u_o, k_o, v_r, k_i.
    slabs = tables.outer_columns[:, :, None].astype(np.int64) * size.vr + np.arange(size.vr)
    columns = slabs[..., None] * size.vi + inner[:, :, None, :]
    # A block that is too long is cut first.
    cut = max((n for n in _up_to(size.vb) if size.vb % n == 0), key=_worth)
    pieces = columns.reshape(size.uo, -1, 1) * (size.vb // cut) + np.arange(size.vb // cut)
    columns = pieces.reshape(size.uo, -1)
    run = _best_run(columns, cut)
    if size.group * cut * run < _FEWEST_VALUES:
        return size, tables
    outer = np.ascontiguousarray(columns[:, ::run] // run, dtype=np.int32)
    one = replace(
        size,
        vo=size.cols // (cut * run),
        vr=1,
        vi=1,
        vb=cut * run,
        do=outer.shape[1],
        di=1,
        twisted=False,
    )
    return one, Tables(
        outer_columns=outer,
        outer_tables=np.zeros_like(outer),
        inner_columns=np.zeros((1, 1, 1), np.int32),
    )


def _best_run(columns: NDArray[np.int64], block: int) -> int:
    """Return how many entries beside each other become one in all rows."""
    found = [1]
    for run in _up_to(min(columns.shape[1], _LONGEST_RUN // block)):
        parts = columns.reshape(-1, run) if columns.shape[1] % run == 0 else columns[:0]
        starts = parts[:, :1]
        if len(parts) and not (starts % run).any() and (parts == starts + np.arange(run)).all():
            found.append(run)
    return max(found, key=lambda run: _worth(block * run))


def _worth(columns: int) -> tuple[bool, bool, int]:
    """Order the lengths of blocks: by what the units that copy boxes take, then by size."""
    return columns % 16 == 0, columns % 8 == 0, columns


def _up_to(most: int) -> range:
    return range(1, min(most, _LONGEST_RUN) + 1)
