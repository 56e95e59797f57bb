"""What the kernels know of a pattern: a few sizes, and small tables of neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import BackendError
from rbgp_graphs.products import RBGP4

#: Kernels count rows, columns and table entries in 32 bits.
_LARGEST_INDEX = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """The sizes of a pattern, under the names that the kernels use.

    Attributes
    ----------
    uo, ur, ui, ub : int
        Left vertices of the four factors: a row has the digits (u_o, u_r, u_i, u_b).
    vo, vr, vi, vb : int
        Right vertices: a column has the digits (v_o, v_r, v_i, v_b).
    do, di : int
        Left degrees of the outer and the inner graph.
    twisted : bool
        Whether tiles differ by shifts.

    Notes
    -----
    The entries of a row lie in the order (k_o, v_r, k_i, v_b). A *pair* (k_o, v_r) fills
    ``di * vb`` neighbouring entries; they meet ``vi * vb`` neighbouring rows of the dense operand,
    the *slab* of the pair. Seen as the tensor (V_o, V_r, V_i, V_b, N), the slab is the box
    ``[v_o, v_r, :, :, columns]``.
    """

    uo: int
    ur: int
    ui: int
    ub: int
    vo: int
    vr: int
    vi: int
    vb: int
    do: int
    di: int
    twisted: bool = False

    @property
    def rows(self) -> int:
        """Rows of the matrix."""
        return self.uo * self.ur * self.ui * self.ub

    @property
    def cols(self) -> int:
        """Columns of the matrix."""
        return self.vo * self.vr * self.vi * self.vb

    @property
    def row_degree(self) -> int:
        """Nonzeros of a row."""
        return self.pairs * self.pair

    @property
    def nnz(self) -> int:
        """Nonzeros of the matrix."""
        return self.rows * self.row_degree

    @property
    def group(self) -> int:
        """Rows that share (u_o, u_i), and with it all their columns."""
        return self.ur * self.ub

    @property
    def pairs(self) -> int:
        """Pairs (k_o, v_r) of a row."""
        return self.do * self.vr

    @property
    def pair(self) -> int:
        """Nonzeros of a row in one pair."""
        return self.di * self.vb

    @property
    def slab(self) -> int:
        """Rows of the dense operand under one pair."""
        return self.vi * self.vb

    @property
    def constants(self) -> dict[str, int]:
        """The macros that specialise a kernel to the pattern."""
        names = ("uo", "ur", "ui", "ub", "vr", "vi", "vb", "do", "di")
        return {f"RBGP_{name.upper()}": getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """The neighbour tables of a pattern, as int32 arrays.

    Attributes
    ----------
    outer_columns : ndarray, shape (uo, do)
        v_o of each outer edge.
    outer_tables : ndarray, shape (uo, do)
        Which inner table the edge takes; all zero in a plain pattern.
    inner_columns : ndarray, shape (num_tables, ui, di)
        v_i of each inner edge, ascending along the last axis; one table for each distinct shift.
    """

    outer_columns: NDArray[np.int32]
    outer_tables: NDArray[np.int32]
    inner_columns: NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class TransposeSources:
    """Where the values of a transposed pattern stand in the untransposed one, as int32 arrays.

    Attributes
    ----------
    outer : ndarray, shape (vo, outer right degree)
        ``u_o * do + k_o`` for each outer edge of the transposed pattern.
    inner : ndarray, shape (num_tables, vi, inner right degree)
        ``u_i * di + k_i`` for each inner edge of the transposed pattern.
    """

    outer: NDArray[np.int32]
    inner: NDArray[np.int32]


def dimensions(pattern: RBGP4) -> Dimensions:
    """Return the sizes of a pattern.

    Raises
    ------
    BackendError
        If the pattern is so large that the kernels could not count its rows, columns or values
        of a row in 32 bits.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> size = dimensions(RBGP4(complete(2, 3), (4, 1), complete(5, 6), (1, 2)))
    >>> size.group, size.pairs, size.pair, size.slab
    (4, 3, 12, 12)
    """
    (uo, vo), (ur, vr), (ui, vi), (ub, vb) = (factor.shape for factor in pattern.factors)
    do, di = (factor.neighbor_table.shape[1] for factor in (pattern.outer, pattern.inner))
    left, right = {"uo": uo, "ur": ur, "ui": ui, "ub": ub}, {"vo": vo, "vr": vr, "vi": vi, "vb": vb}
    size = Dimensions(**left, **right, do=do, di=di, twisted=pattern.is_twisted)
    entries = pattern.inner_tables.size
    if max(size.rows, size.cols, size.row_degree, entries, uo * do) > _LARGEST_INDEX:
        raise BackendError(
            f"the pattern has shape {pattern.shape} and {entries} entries in its inner tables; "
            f'the CUDA kernels count up to {_LARGEST_INDEX}: use backend="numpy"'
        )
    return size


def tables(pattern: RBGP4) -> Tables:
    """Return the neighbour tables of a pattern.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> tables(RBGP4(complete(1, 2), (1, 1), complete(1, 2), (1, 1), shifts=[0, 1])).outer_tables
    array([[0, 1]], dtype=int32)
    """
    outer = pattern.outer.neighbor_table
    return Tables(
        outer_columns=_int32(outer),
        outer_tables=_int32(pattern.outer_edge_tables.reshape(outer.shape)),
        inner_columns=_int32(pattern.inner_tables),
    )


def row_parts(
    size: Dimensions, own: Tables, fits: Callable[[Dimensions], bool]
) -> Iterator[tuple[Dimensions, Tables]]:
    """Yield a pattern in parts of neighbouring rows, from the first to the last.

    Parameters
    ----------
    size : Dimensions
        The pattern.
    own : Tables
        Its tables, arrays of any module.
    fits : callable
        Says whether a part is small enough; one that is not is halved while it has rows enough.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> pattern = RBGP4(complete(2, 3), (3, 1), complete(5, 6), (1, 2))
    >>> parts = row_parts(dimensions(pattern), tables(pattern), lambda part: part.rows <= 10)
    >>> [(part.uo, part.ur, part.rows) for part, _ in parts]
    [(1, 1, 5), (1, 2, 10), (1, 1, 5), (1, 2, 10)]
    """
    axis = next((name for name in ("uo", "ur", "ui", "ub") if getattr(size, name) > 1), None)
    if axis is None or fits(size):
        yield size, own
        return
    middle = getattr(size, axis) // 2
    for half in (slice(None, middle), slice(middle, None)):
        extent: dict[str, Any] = {axis: len(range(getattr(size, axis))[half])}
        part = replace(size, **extent)
        cut = own
        if axis == "uo":
            outer, which = own.outer_columns[half], own.outer_tables[half]
            cut = replace(own, outer_columns=outer, outer_tables=which)
        elif axis == "ui":
            cut = replace(own, inner_columns=own.inner_columns[:, half])
        yield from row_parts(part, cut, fits)


def transpose_sources(pattern: RBGP4) -> TransposeSources:
    """Return where the values of ``pattern.T`` stand in those of `pattern`.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> transpose_sources(RBGP4(complete(1, 1), (1, 1), complete(2, 3), (1, 1))).inner
    array([[[0, 3],
            [1, 4],
            [2, 5]]], dtype=int32)
    """
    outer, inner = pattern.outer, pattern.inner
    columns = pattern.inner_tables.reshape(-1, inner.num_edges)
    order = np.argsort(columns, axis=1, kind="stable")
    return TransposeSources(
        outer=_int32(outer.transpose_order.reshape(outer.right, -1)),
        inner=_int32(order.reshape(len(columns), inner.right, -1)),
    )


def _int32(array: NDArray[Any]) -> NDArray[np.int32]:
    return np.ascontiguousarray(array, dtype=np.int32)
