"""The four-factor pattern RBGP4, plain or with a shift on every outer edge."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_array
from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph, encode_bytes
from rbgp_graphs.products.tensor import MAX_BYTES, TensorProduct, corner_counts, count_below

ShiftSide = Literal["left", "right"]


class RBGP4(TensorProduct):
    r"""The pattern :math:`G_o \otimes G_r \otimes G_i \otimes G_b` of four bipartite graphs.

    `outer` says which tiles are there, `repeat` (complete) repeats the rows of a tile,
    `inner` is the pattern inside a tile and `block` (complete) the dense element block.
    Row :math:`((u_o |U_r| + u_r) |U_i| + u_i) |U_b| + u_b`; columns likewise.

    A pattern may be *twisted*: every outer edge carries a shift of the inner pattern. The inner
    vertex :math:`v` then stands at :math:`v \oplus s` where the number of inner vertices of that
    side is a power of two, else at :math:`(v + s)` modulo that number. Tiles stay tiles, and the
    spectral gap grows.

    Parameters
    ----------
    outer : BipartiteGraph
        Which tiles are there.
    repeat : (int, int) or complete BipartiteGraph
        Repetition of rows and columns inside a tile, as a rule ``(n, 1)``.
    inner : BipartiteGraph
        The pattern inside a tile.
    block : (int, int) or complete BipartiteGraph
        The dense element block.
    shifts : array_like of int, shape (outer.num_edges,), optional
        One shift for each outer edge, in the order of ``outer.edges``, from 0 to the number of
        inner vertices on the shifted side minus 1. All zero is the same as None.
    shift_side : {"right", "left"}
        Which inner vertices are shifted. The transpose of a pattern twisted on the right is
        twisted on the left.

    Raises
    ------
    ArgumentTypeError
        If a factor has the wrong type.
    ArgumentError
        If `outer` or `inner` is not biregular, `repeat` or `block` is not complete, or the
        shifts do not fit.

    Notes
    -----
    The untwisted pattern is the one of [1]_. All rows with the same :math:`u_o` and
    :math:`u_i` have the same columns: these ``row_group`` rows share index loads.

    References
    ----------
    .. [1] D. T. Vooturi, G. Varma and K. Kothapalli, Ramanujan bipartite graph products for
       efficient block sparse neural networks, arXiv:2006.13486.

    Examples
    --------
    >>> from rbgp_graphs import field_lift
    >>> pattern = RBGP4(field_lift(4, 4, 1, 2), (4, 1), field_lift(8, 8, 1, 1), (1, 1))
    >>> pattern.shape, pattern.sparsity, pattern.row_group
    ((1024, 256), 0.875, 4)
    """

    def __init__(
        self,
        outer: BipartiteGraph,
        repeat: tuple[int, int] | BipartiteGraph,
        inner: BipartiteGraph,
        block: tuple[int, int] | BipartiteGraph,
        shifts: ArrayLike | None = None,
        shift_side: ShiftSide = "right",
    ) -> None:
        super().__init__(outer, _as_complete("repeat", repeat), inner, _as_complete("block", block))
        if shift_side not in ("left", "right"):
            raise ArgumentError(f"shift_side is {shift_side!r}, expected 'left' or 'right'")
        self._shift_side: ShiftSide = shift_side
        self._shifts = _as_shifts(shifts, outer.num_edges, self.shift_modulus)

    @property
    def factor_names(self) -> tuple[str, ...]:
        """What the factors are called in reports, most significant first."""
        return ("outer", "repeat", "inner", "block")

    @property
    def outer(self) -> BipartiteGraph:
        """Which tiles are there."""
        return self._factors[0]

    @property
    def repeat(self) -> BipartiteGraph:
        """The complete graph that repeats rows and columns inside a tile."""
        return self._factors[1]

    @property
    def inner(self) -> BipartiteGraph:
        """The pattern inside a tile."""
        return self._factors[2]

    @property
    def block(self) -> BipartiteGraph:
        """The complete graph of the dense element block."""
        return self._factors[3]

    @property
    def row_group(self) -> int:
        """Number of rows that share one list of columns."""
        return self.repeat.left * self.block.left

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Rows and columns of a tile, the part of the matrix that one outer edge fills."""
        return self.rows // self.outer.left, self.cols // self.outer.right

    @property
    def block_shape(self) -> tuple[int, int]:
        """Shape of the dense element block."""
        return self.block.shape

    @property
    def is_twisted(self) -> bool:
        """Whether some outer edge shifts the inner pattern."""
        return self._shifts is not None

    @property
    def shifts(self) -> NDArray[np.int64] | None:
        """The shift of each outer edge, read-only, or None for a plain product."""
        return self._shifts

    @property
    def shift_side(self) -> ShiftSide:
        """Which inner vertices the shifts move."""
        return self._shift_side

    @property
    def shift_modulus(self) -> int:
        """Number of inner vertices on the shifted side: the order of the shift group."""
        return self.inner.left if self._shift_side == "left" else self.inner.right

    @property
    def index_bytes(self) -> int:
        """Bytes of the index tables that a product needs, at four bytes an entry."""
        return super().index_bytes + (4 * self.outer.num_edges if self.is_twisted else 0)

    # Shifted tiles --------------------------------------------------------------------------

    def shift(self, vertices: ArrayLike, amount: ArrayLike) -> NDArray[np.int64]:
        """Return where shifts by `amount` move inner vertices of the shifted side."""
        size = self.shift_modulus
        if size & (size - 1) == 0:
            return np.bitwise_xor(vertices, amount).astype(np.int64)
        return np.add(vertices, amount).astype(np.int64) % size

    def unshift(self, vertices: ArrayLike, amount: ArrayLike) -> NDArray[np.int64]:
        """Return which inner vertices of the shifted side `shift` moves to `vertices`."""
        return self.shift(vertices, self.inverse_shift(amount))

    def inverse_shift(self, amount: ArrayLike) -> NDArray[np.int64]:
        """Return the amount that undoes a shift."""
        size = self.shift_modulus
        given = np.asarray(amount, dtype=np.int64)
        return given if size & (size - 1) == 0 else -given % size

    @functools.cached_property
    def _distinct_shifts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shifts = np.zeros(self.outer.num_edges, np.int64) if self._shifts is None else self._shifts
        distinct, which = np.unique(shifts, return_inverse=True)
        distinct.flags.writeable = which.flags.writeable = False
        return distinct, which

    @functools.cached_property
    def inner_tables(self) -> NDArray[Any]:
        """Columns of the inner pattern under each distinct shift.

        Integers of shape (num_distinct_shifts, inner.left, inner_left_degree), ascending along
        the last axis. `outer_edge_tables` says which table an outer edge takes.
        """
        table = self.inner.neighbor_table
        distinct, _ = self._distinct_shifts
        if not self.is_twisted:
            return table[None]
        if self._shift_side == "right":
            tables = np.sort(self.shift(table[None], distinct[:, None, None]), axis=-1)
        else:
            tables = table[self.unshift(np.arange(self.inner.left)[None], distinct[:, None])]
        tables.flags.writeable = False
        return tables

    @property
    def outer_edge_tables(self) -> NDArray[np.int64]:
        """Position in `inner_tables` for each outer edge: int64, shape (outer.num_edges,)."""
        return self._distinct_shifts[1]

    def group_columns(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return the column lists of the row groups of some outer rows.

        Parameters
        ----------
        start, stop : int
            Range of left vertices of `outer`; all by default.

        Returns
        -------
        ndarray of int32 or int64, shape (stop - start, inner.left, row_degree)
            Entry ``[u_o, u_i]`` holds the ascending columns that all rows with these two
            digits share.
        """
        stop = self.outer.left if stop is None else stop
        dtype = self._index_dtype
        degree = self.outer.neighbor_table.shape[1]
        tiles = self.outer.neighbor_table[start:stop].astype(dtype)
        which = self.outer_edge_tables.reshape(-1, degree)[start:stop]
        inner = self.inner_tables.astype(dtype)[which]
        columns = self._join_columns(tiles[:, None], inner.transpose(0, 2, 1, 3))
        return columns.reshape(stop - start, self.inner.left, self.row_degree)

    def _join_columns(self, tiles: NDArray[Any], inner: NDArray[Any]) -> NDArray[Any]:
        """Join digits (..., k_o) and (..., k_o, k_i) to columns (..., k_o, v_r, k_i, v_b)."""
        dtype = inner.dtype
        repeat = np.arange(self.repeat.right, dtype=dtype)[:, None, None]
        block = np.arange(self.block.right, dtype=dtype)
        columns: NDArray[Any] = tiles[..., None, None, None] * dtype.type(self.repeat.right)
        columns = (columns + repeat) * dtype.type(self.inner.right) + inner[..., None, :, None]
        joined: NDArray[Any] = columns * dtype.type(self.block.right) + block
        return joined

    # Overrides that follow the shifts -------------------------------------------------------

    def _has_cell(self, positions: Sequence[tuple[int, int]]) -> bool:
        if self._shifts is None:
            return super()._has_cell(positions)
        (u_o, v_o), _, (u_i, v_i), _ = positions
        if not self.outer.has_edge(u_o, v_o):
            return False
        place = np.searchsorted(self.outer.neighbors(u_o), v_o)
        amount = int(self._shifts[self.outer.indptr[u_o] + place])
        if self._shift_side == "right":
            return self.inner.has_edge(u_i, int(self.unshift(v_i, amount)))
        return self.inner.has_edge(int(self.unshift(u_i, amount)), v_i)

    def row(self, i: int) -> NDArray[np.int64]:
        """Return the columns of the nonzeros of a row (see `TensorProduct.row`)."""
        (u_o, _), _, (u_i, _), _ = self.factor_positions(i, 0)
        if self._shifts is None:
            return super().row(i)
        tiles = self.outer.neighbors(u_o).astype(np.int64)
        amounts = self._shifts[self.outer.indptr[u_o] : self.outer.indptr[u_o + 1]]
        if self._shift_side == "right":
            inner = np.sort(self.shift(self.inner.neighbors(u_i)[None], amounts[:, None]), axis=-1)
        else:
            inner = self.inner.neighbor_table[self.unshift(u_i, amounts)]
        return self._join_columns(tiles, inner.astype(np.int64)).ravel()

    def columns(self, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
        """Return the columns of the nonzeros of all rows (see `TensorProduct.columns`)."""
        if self._shifts is None:
            return super().columns(max_bytes)
        self._check_bytes("columns", self.nnz * self._index_dtype.itemsize, max_bytes)
        sizes = (self.outer.left, self.repeat.left, self.inner.left, self.block.left)
        groups = self.group_columns()[:, None, :, None, :]
        # A view of a broadcast array is read-only, and SciPy changes index arrays in place.
        return np.array(np.broadcast_to(groups, (*sizes, self.row_degree))).reshape(self.rows, -1)

    def block_pattern(self) -> RBGP4:
        """Return the pattern of the element blocks: one cell for each block."""
        return RBGP4(self.outer, self.repeat, self.inner, (1, 1), self._shifts, self._shift_side)

    @property
    def T(self) -> RBGP4:
        """The transposed pattern, again an RBGP4."""
        shifts = None if self._shifts is None else self._shifts[self.outer.transpose_order]
        outer, repeat, inner, block = (factor.T for factor in self._factors)
        side: ShiftSide = "left" if self._shift_side == "right" else "right"
        return RBGP4(outer, repeat, inner, block, shifts, side)

    def count_before(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nonzeros in the first rows and columns (see `TensorProduct.count_before`)."""
        if self._shifts is None:
            return super().count_before(rows, cols)
        tile_rows, tile_cols = self.tile_shape
        (u, rows), (v, cols) = np.divmod(rows, tile_rows), np.divmod(cols, tile_cols)
        before, in_row, in_col, is_edge = corner_counts(self.outer, u, v)
        row_degree, col_degree = self._degrees_below(0)
        total: NDArray[np.int64] = (
            before * (tile_rows * row_degree)
            + in_row * (rows * row_degree)[:, None]
            + in_col * (cols * col_degree)[None, :]
        )
        a, b = np.nonzero(is_edge)
        # A regular factor counts alike under every shift, so only the cut tiles need theirs.
        edge = np.searchsorted(
            self.outer.edges @ np.array([self.outer.right, 1]), u[a] * self.outer.right + v[b]
        )
        total[a, b] += self._tile_counts(rows[a], cols[b], self.outer_edge_tables[edge])
        return total

    def _tile_counts(
        self, rows: NDArray[np.int64], cols: NDArray[np.int64], tables: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Count the nonzeros before cells (rows[k], cols[k]) of tiles with the given shifts."""
        row_size, col_size = self.inner.left * self.block.left, self.inner.right * self.block.right
        (u_r, rows), (v_r, cols) = np.divmod(rows, row_size), np.divmod(cols, col_size)
        row_degree, col_degree = self._degrees_below(1)
        total: NDArray[np.int64] = (u_r * v_r) * (row_size * row_degree)
        total += v_r * rows * row_degree + u_r * cols * col_degree
        (u_i, u_b), (v_i, v_b) = np.divmod(rows, self.block.left), np.divmod(cols, self.block.right)
        inside = np.zeros_like(total)
        height, width = self.block.shape
        inner_rows = np.repeat(np.arange(self.inner.left), self.inner_tables.shape[-1])
        for table in np.unique(tables):
            at = np.flatnonzero(tables == table)
            x_marks, y_marks = np.unique([u_i[at], u_i[at] + 1]), np.unique([v_i[at], v_i[at] + 1])
            inner_cols = self.inner_tables[table].ravel().astype(np.int64)
            corner = count_below(inner_rows, inner_cols, x_marks, y_marks)
            x, next_x = np.searchsorted(x_marks, [u_i[at], u_i[at] + 1])
            y, next_y = np.searchsorted(y_marks, [v_i[at], v_i[at] + 1])
            before, below = corner[x, y], corner[next_x, y]
            beside, beyond = corner[x, next_y], corner[next_x, next_y]
            inside[at] = (
                before * (height * width)
                + (below - before) * (u_b[at] * width)
                + (beside - before) * (v_b[at] * height)
                + (beyond - below - beside + before) * (u_b[at] * v_b[at])
            )
        return total + inside

    # Identity -------------------------------------------------------------------------------

    @property
    def recipe(self) -> dict[str, Any]:
        """How to build this pattern again: a JSON-able dict with the key ``kind``."""
        recipe: dict[str, Any] = {
            "kind": "rbgp4",
            "outer": self.outer.recipe,
            "repeat": list(self.repeat.shape),
            "inner": self.inner.recipe,
            "block": list(self.block.shape),
        }
        if self._shifts is not None:
            recipe["shifts"] = encode_bytes(self._shifts.astype("<u4"))
            recipe["shift_side"] = self._shift_side
        return recipe

    @property
    def digest(self) -> str:
        """SHA-256 of the structure in hexadecimal; equal patterns have equal digests."""
        if self._shifts is None:
            return super().digest
        state = hashlib.sha256(f"{super().digest}\n{self._shift_side}\n".encode())
        state.update(self._shifts.astype("<i8").tobytes())
        return state.hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        return (RBGP4, (*self._factors, self._shifts, self._shift_side))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RBGP4):
            return super().__eq__(other)
        twist = (self._shift_side, self._shifts), (other._shift_side, other._shifts)
        same_twist = (self._shifts is None and other._shifts is None) or (
            twist[0][0] == twist[1][0] and np.array_equal(self._shifts, other._shifts)  # type: ignore[arg-type]
        )
        return bool(super().__eq__(other)) and same_twist

    def __hash__(self) -> int:
        return hash(self.digest)


def _as_complete(name: str, value: Any) -> BipartiteGraph:
    if isinstance(value, BipartiteGraph):
        if not value.is_complete or 0 in value.shape:
            raise ArgumentError(f"{name} is not a complete graph, expected one or a pair (m, n)")
        return complete(*value.shape)
    try:
        left, right = value
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            f"{name} is {value!r}, expected a pair (m, n) or a complete BipartiteGraph"
        ) from None
    return complete(left, right)


def _as_shifts(shifts: Any, num_edges: int, modulus: int) -> NDArray[np.int64] | None:
    if shifts is None:
        return None
    array = as_array("shifts", shifts)
    if not np.issubdtype(array.dtype, np.integer):
        raise ArgumentTypeError(f"shifts has dtype {array.dtype}, expected integers")
    if array.shape != (num_edges,):
        raise ArgumentError(
            f"shifts has shape {array.shape}, expected ({num_edges},): one for each outer edge"
        )
    if array.size and (array.min() < 0 or array.max() >= modulus):
        raise ArgumentError(
            f"shifts range from {array.min()} to {array.max()}, expected 0 to {modulus - 1}"
        )
    if not array.any():
        return None
    own = array.astype(np.int64)
    own.flags.writeable = False
    return own
