"""The one graph type of the package."""

from __future__ import annotations

import base64
import copy
import functools
import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy import sparse

from rbgp_graphs._validation import as_array, as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    import networkx

Recipe = Mapping[str, Any]

_INDEX_LIMIT = 2**31 - 1
#: Recipes write vertices in four bytes.
_LARGEST_SIDE = 2**32
#: Graphs with at most this many cells keep a bitmask, which answers `has_edge` in 0.2 us.
_BITMASK_CELLS = 1 << 22
#: Cayley graphs: their left vertices all look alike, and so do their right vertices.
_CAYLEY_KINDS = frozenset({"chiu", "lps", "morgenstern"})
#: Entries that one step of `girth` and `diameter` may hold at a time.
_STEP_ENTRIES = 1 << 24


class BipartiteGraph:
    r"""A simple bipartite graph with fixed sides, stored by its biadjacency matrix.

    The left vertices are the rows and the right vertices the columns of the biadjacency
    matrix :math:`B`. A graph is immutable; two graphs are equal if they have the same shape
    and the same edges, however they were built.

    Build one with a construction such as `rbgp_graphs.lps`, or with `from_biadjacency`,
    `from_edges` or `from_networkx`, which check what they are given.

    Parameters
    ----------
    left, right : int
        Number of left and of right vertices.
    indptr : ndarray of int64, shape (left + 1,)
        Where the neighbours of each left vertex start in `indices`.
    indices : ndarray of int32 or int64, shape (num_edges,)
        The right neighbours of the left vertices, strictly ascending for each.
    recipe : dict, optional
        How the graph was built (see `recipe`).

    Notes
    -----
    The constructor trusts its arguments: it is what constructions call after they have
    checked theirs.

    Examples
    --------
    >>> square = BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 0), (1, 1)], shape=(2, 2))
    >>> square.degrees, square.girth()
    ((2, 2), 4)
    """

    __slots__ = ("__dict__", "_indices", "_indptr", "_recipe", "_shape")

    def __init__(
        self,
        left: int,
        right: int,
        indptr: NDArray[np.int64],
        indices: NDArray[Any],
        recipe: Recipe | None = None,
    ) -> None:
        self._shape = (left, right)
        index_dtype = np.int32 if right <= _INDEX_LIMIT else np.int64
        self._indptr = indptr.astype(np.int64, copy=False)
        self._indices = indices.astype(index_dtype, copy=False)
        self._indptr.flags.writeable = False
        self._indices.flags.writeable = False
        self._recipe = recipe

    # Building -------------------------------------------------------------------------------

    @classmethod
    def from_edges(
        cls, edges: ArrayLike | Iterable[tuple[int, int]], shape: tuple[int, int]
    ) -> BipartiteGraph:
        """Build the graph with the given edges.

        Parameters
        ----------
        edges : array_like of int, shape (num_edges, 2)
            Pairs of a left and a right vertex, in any order, each at most once.
        shape : (int, int)
            Number of left and of right vertices.

        Returns
        -------
        BipartiteGraph
            The graph.

        Raises
        ------
        ArgumentTypeError
            If `edges` does not hold integers.
        ArgumentError
            If a vertex lies outside `shape`, or an edge occurs twice.

        Examples
        --------
        >>> BipartiteGraph.from_edges([(0, 1), (1, 0)], shape=(2, 2)).neighbors(0)
        array([1], dtype=int32)
        """
        left, right = _as_shape(shape)
        if not isinstance(edges, Iterable):
            raise ArgumentTypeError(f"edges is {edges!r}, expected pairs (left, right)")
        pairs = as_array("edges", edges if hasattr(edges, "__array__") else list(edges))
        if pairs.size == 0:
            pairs = np.empty((0, 2), dtype=np.int64)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ArgumentError(f"edges has shape {pairs.shape}, expected (num_edges, 2)")
        if not np.issubdtype(pairs.dtype, np.integer):
            raise ArgumentTypeError(f"edges has dtype {pairs.dtype}, expected integers")
        u, v = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
        for name, vertices, size in (("left", u, left), ("right", v, right)):
            outside = (vertices < 0) | (vertices >= size)
            if outside.any():
                edge = pairs[outside][0].tolist()
                raise ArgumentError(
                    f"edge {tuple(edge)} has a {name} vertex outside 0..{size - 1} "
                    f"for shape ({left}, {right})"
                )
        indptr, indices, distinct = sort_edges(u, v, left, right)
        if not distinct:
            raise ArgumentError("edges holds an edge twice, expected a simple graph")
        return cls(left, right, indptr, indices)

    @classmethod
    def from_biadjacency(cls, matrix: Any) -> BipartiteGraph:
        """Build the graph whose edges are the nonzero entries of a matrix.

        Parameters
        ----------
        matrix : array_like or SciPy sparse array, shape (left, right)
            Numbers or bools. Every entry is finite; explicit zeros are not edges.

        Returns
        -------
        BipartiteGraph
            The graph.

        Raises
        ------
        ArgumentTypeError
            If the entries are not numbers.
        ArgumentError
            If the matrix is not two-dimensional or holds NaN or infinity.

        Examples
        --------
        >>> BipartiteGraph.from_biadjacency([[1, 1], [0, 1]]).num_edges
        3
        """
        if sparse.issparse(matrix):
            given: Any = matrix
            csr = sparse.csr_array(given, copy=True)
            csr.sum_duplicates()
            _check_entries(csr.data)
            csr.eliminate_zeros()
            csr.sort_indices()
            left, right = _as_shape(csr.shape)
            return cls(left, right, csr.indptr.astype(np.int64), csr.indices.copy())
        dense = as_array("matrix", matrix)
        if dense.ndim != 2:
            raise ArgumentError(f"matrix has {dense.ndim} dimensions, expected 2")
        _check_entries(dense)
        u, v = np.nonzero(dense)
        indptr = np.concatenate(([0], np.cumsum(np.bincount(u, minlength=dense.shape[0]))))
        left, right = _as_shape(dense.shape)
        return cls(left, right, indptr, v)

    @classmethod
    def from_networkx(cls, graph: networkx.Graph[Any]) -> BipartiteGraph:
        """Build the graph from a NetworkX graph with the node attribute ``bipartite``.

        Parameters
        ----------
        graph : networkx.Graph
            Undirected. Nodes with ``bipartite=0`` become the left vertices, nodes with
            ``bipartite=1`` the right ones, each in the order of ``graph.nodes``.

        Returns
        -------
        BipartiteGraph
            The graph.

        Raises
        ------
        ArgumentTypeError
            If `graph` is not an undirected NetworkX graph without parallel edges.
        ArgumentError
            If a node lacks the attribute, or an edge joins two nodes of one side.

        Examples
        --------
        >>> import networkx as nx
        >>> BipartiteGraph.from_networkx(nx.complete_bipartite_graph(2, 3)).shape
        (2, 3)
        """
        import networkx as nx

        if not isinstance(graph, nx.Graph) or graph.is_directed() or graph.is_multigraph():
            raise ArgumentTypeError(
                f"graph is a {type(graph).__name__}, expected an undirected networkx.Graph"
            )
        position: dict[Any, tuple[int, int]] = {}
        sizes = [0, 0]
        for node, attributes in graph.nodes(data=True):
            side = attributes.get("bipartite")
            if side not in (0, 1):
                raise ArgumentError(f"node {node!r} has bipartite={side!r}, expected 0 or 1")
            position[node] = (int(side), sizes[side])
            sizes[side] += 1
        edges = np.empty((graph.number_of_edges(), 2), dtype=np.int64)
        for row, (a, b) in enumerate(graph.edges()):
            (side_a, index_a), (side_b, index_b) = position[a], position[b]
            if side_a == side_b:
                raise ArgumentError(f"edge ({a!r}, {b!r}) joins two nodes with bipartite={side_a}")
            edges[row] = (index_a, index_b) if side_a == 0 else (index_b, index_a)
        return cls.from_edges(edges, shape=(sizes[0], sizes[1]))

    # Structure ------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Number of left and of right vertices."""
        return self._shape

    @property
    def left(self) -> int:
        """Number of left vertices."""
        return self._shape[0]

    @property
    def right(self) -> int:
        """Number of right vertices."""
        return self._shape[1]

    @property
    def num_edges(self) -> int:
        """Number of edges."""
        return len(self._indices)

    @property
    def indptr(self) -> NDArray[np.int64]:
        """Row pointers of the biadjacency matrix: int64, shape (left + 1,), read-only."""
        return self._indptr

    @property
    def indices(self) -> NDArray[Any]:
        """Column indices, ascending in each row: shape (num_edges,), read-only."""
        return self._indices

    @property
    def edges(self) -> NDArray[np.int64]:
        """The edges as pairs (left, right), sorted: int64, shape (num_edges, 2)."""
        return np.column_stack((self._edge_rows, self._indices.astype(np.int64)))

    @property
    def _edge_rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(self.left, dtype=np.int64), np.diff(self._indptr))

    @functools.cached_property
    def left_degrees(self) -> NDArray[np.int64]:
        """Degrees of the left vertices: int64, shape (left,)."""
        return _frozen(np.diff(self._indptr))

    @functools.cached_property
    def right_degrees(self) -> NDArray[np.int64]:
        """Degrees of the right vertices: int64, shape (right,)."""
        return _frozen(np.bincount(self._indices, minlength=self.right).astype(np.int64))

    @functools.cached_property
    def degrees(self) -> tuple[int, int] | None:
        """Left and right degree if the graph is biregular, else None."""
        if 0 in self.shape:
            return (0, 0)
        sides = (self.left_degrees, self.right_degrees)
        if any(side.min() != side.max() for side in sides):
            return None
        return (int(sides[0][0]), int(sides[1][0]))

    @property
    def is_complete(self) -> bool:
        """Whether every left vertex is adjacent to every right vertex."""
        return self.num_edges == self.left * self.right

    @property
    def neighbor_table(self) -> NDArray[Any]:
        """Neighbours of all left vertices, ascending in each row: shape (left, left_degree).

        Raises `ArgumentError` if the left degrees differ.
        """
        if self.left == 0 or (self.left_degrees != self.left_degrees[0]).any():
            raise ArgumentError("the left degrees differ or there is no left vertex: no table")
        return self._indices.reshape(self.left, -1)

    def neighbors(self, u: int) -> NDArray[Any]:
        """Return the right neighbours of a left vertex, ascending (a read-only view)."""
        row = as_int("u", u, minimum=0, maximum=self.left - 1)
        return self._indices[self._indptr[row] : self._indptr[row + 1]]

    def has_edge(self, u: int, v: int) -> bool:
        """Return whether left vertex `u` and right vertex `v` are adjacent.

        Under a microsecond up to four million cells, else a binary search.
        """
        u, v = as_int("u", u), as_int("v", v)
        if not (0 <= u < self.left and 0 <= v < self.right):
            return False
        bits = self._bitmask
        if bits is not None:
            cell = u * self.right + v
            return bool(bits[cell >> 3] >> (7 - (cell & 7)) & 1)
        start, end = self._indptr[u], self._indptr[u + 1]
        place = start + np.searchsorted(self._indices[start:end], v)
        return bool(place < end and self._indices[place] == v)

    @functools.cached_property
    def _bitmask(self) -> bytes | None:
        if self.left * self.right > _BITMASK_CELLS:
            return None
        return np.packbits(self.biadjacency().toarray()).tobytes()

    def biadjacency(self, dtype: DTypeLike = bool) -> sparse.csr_array[Any, tuple[int, int]]:
        """Return the biadjacency matrix.

        Parameters
        ----------
        dtype : dtype
            Type of the ones.

        Returns
        -------
        scipy.sparse.csr_array, shape (left, right)
            A new array in canonical form: sorted indices, no duplicates.
        """
        index = np.int32 if max(self.num_edges, self.right) <= _INDEX_LIMIT else np.int64
        ones = np.ones(self.num_edges, dtype=dtype)
        parts = (ones, self._indices.astype(index), self._indptr.astype(index))
        matrix: sparse.csr_array[Any, tuple[int, int]] = sparse.csr_array(parts, shape=self.shape)
        matrix.has_canonical_format = True
        return matrix

    @property
    def T(self) -> BipartiteGraph:
        """The graph with its sides exchanged."""
        indptr, indices, _ = sort_edges(self._indices, self._edge_rows, self.right, self.left)
        known = self._recipe
        if known is None:
            recipe = None
        elif known["kind"] == "transpose":
            recipe = known["of"]
        elif known["kind"] == "complete":
            recipe = {"kind": "complete", "left": self.right, "right": self.left}
        else:
            recipe = {"kind": "transpose", "of": known}
        return BipartiteGraph(self.right, self.left, indptr, indices, recipe)

    @functools.cached_property
    def transpose_order(self) -> NDArray[np.int64]:
        """Position in this graph of each edge of ``self.T``: int64, shape (num_edges,)."""
        return _frozen(np.argsort(self._indices, kind="stable").astype(np.int64))

    # Distances ------------------------------------------------------------------------------

    @functools.cached_property
    def num_components(self) -> int:
        """Number of connected components; a vertex without neighbours is one of its own."""
        size = self.left + self.right
        if size == 0:
            return 0
        if 0 < self.num_edges == self.left * self.right:
            return 1
        # csgraph takes as long to import as the rest of the package.
        from scipy.sparse import csgraph

        columns = self._indices.astype(np.int64) + self.left
        indptr = np.concatenate((self._indptr, np.full(self.right, self.num_edges)))
        ones = np.ones(self.num_edges, dtype=np.int8)
        joined = sparse.csr_array((ones, columns, indptr), shape=(size, size))
        count, _ = csgraph.connected_components(joined, directed=False)
        return int(count)

    @property
    def is_connected(self) -> bool:
        """Whether the graph has exactly one component."""
        return self.num_components == 1

    def girth(self) -> float:
        """Return the length of a shortest cycle, or ``math.inf`` in a forest.

        Returns
        -------
        int or math.inf
            An even number from 4 up, or infinity.

        Notes
        -----
        Counts non-backtracking walks from all left vertices: with D the degrees, the counts
        obey ``A[k+1] = A[k] A - A[k-1] (D - 1)``, and the first k at which two walks share
        both ends gives the girth 2k. Time grows with left * degree**(girth / 2), memory is
        bounded. In the Cayley graphs of this package all left vertices look alike, and one is
        enough.
        """
        matrix = self.biadjacency(np.int64)
        steps = (matrix, sparse.csr_array(matrix.T))
        excess = (self.right_degrees - 1, self.left_degrees - 1)
        best: float = math.inf
        start, rows = 0, 1
        end = 1 if self._is_cayley else self.left
        while start < end and best > 4:
            found, width = self._girth_from(slice(start, start + rows), steps, excess, best)
            best = min(best, found)
            start += rows
            rows = max(1, min(self.left, _STEP_ENTRIES // max(1, width)))
        return best

    @property
    def _is_cayley(self) -> bool:
        recipe = self._recipe or {}
        recipe = recipe["of"] if recipe.get("kind") == "transpose" else recipe
        return recipe.get("kind") in _CAYLEY_KINDS

    def _girth_from(
        self,
        roots: slice,
        steps: tuple[Any, Any],
        excess: tuple[NDArray[np.int64], NDArray[np.int64]],
        best: float,
    ) -> tuple[float, int]:
        """Return the shortest cycle through `roots` below `best`, and the walks per root."""
        count = len(range(*roots.indices(self.left)))
        previous = sparse.csr_array(
            (np.ones(count), np.arange(roots.start, roots.start + count), np.arange(count + 1)),
            shape=(count, self.left),
            dtype=np.int64,
        )
        walks = steps[0][roots]
        width = 1
        length = 1
        while walks.nnz and 2 * length < best:
            width = max(width, walks.nnz // count)
            if walks.data.max() > 1:
                return 2 * length, width
            grown = walks @ steps[length % 2]
            # The walk of length 1 steps back over all edges of the root, later ones over one less.
            weight = excess[length % 2] + (length == 1)
            backtracking = previous.multiply(weight[None, :])
            previous, walks = walks, sparse.csr_array(grown - backtracking)
            walks.eliminate_zeros()
            length += 1
        return math.inf, width

    def diameter(self) -> float:
        """Return the largest distance between two vertices, ``math.inf`` if disconnected.

        Returns
        -------
        int or math.inf
            The diameter; 0 for a graph with one vertex or none.

        Notes
        -----
        Balls around all vertices grow together as rows of bits, so the time is about
        vertices * edges * diameter / 64 word operations. In the Cayley graphs of this package
        one vertex of each side is enough.
        """
        size = self.left + self.right
        if size <= 1:
            return 0
        if not self.is_connected:
            return math.inf
        order = self.transpose_order
        by_right = (
            np.concatenate(([0], np.cumsum(self.right_degrees)))[:-1],
            self._edge_rows[order],
        )
        by_left = (self._indptr[:-1], self._indices)
        largest = 0
        words = max(1, min(-(-size // 64), _STEP_ENTRIES // max(1, self.num_edges)))
        everyone = np.array([0, self.left]) if self._is_cayley else np.arange(size)
        words = min(words, -(-len(everyone) // 64))
        for start in range(0, len(everyone), 64 * words):
            roots = everyone[start : start + 64 * words]
            place, bit = np.divmod(np.arange(len(roots)), 64)
            balls = np.zeros((size, words), dtype=np.uint64)
            balls[roots, place] = np.uint64(1) << bit.astype(np.uint64)
            full = np.bitwise_or.reduce(balls, axis=0)
            radius = 0
            while not (balls == full).all():
                left, right = balls[: self.left], balls[self.left :]
                wider_left = left | np.bitwise_or.reduceat(right[by_left[1]], by_left[0], axis=0)
                right |= np.bitwise_or.reduceat(left[by_right[1]], by_right[0], axis=0)
                balls[: self.left] = wider_left
                radius += 1
            largest = max(largest, radius)
        return largest

    # Identity -------------------------------------------------------------------------------

    @property
    def recipe(self) -> dict[str, Any]:
        """How to build this graph again: a JSON-able dict with the key ``kind``.

        `rbgp_graphs.constructions.from_recipe` turns it into an equal graph. A graph that no
        construction made holds its edges: a bitmask, or the neighbour lists where these are
        shorter.
        """
        if self._recipe is not None:
            return copy.deepcopy(dict(self._recipe))
        left, right = self.shape
        if left * right <= 32 * self.num_edges + 32 * left:
            bits = np.packbits(self.biadjacency().toarray())
            return {"kind": "bitmask", "left": left, "right": right, "bits": encode_bytes(bits)}
        return {
            "kind": "edges",
            "left": left,
            "right": right,
            "left_degrees": encode_bytes(self.left_degrees.astype("<u4")),
            "neighbors": encode_bytes(self._indices.astype("<u4")),
        }

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of shape and edges in hexadecimal; equal graphs have equal digests."""
        state = hashlib.sha256(f"{self.left} {self.right}\n".encode())
        state.update(self._indptr.astype("<i8").tobytes())
        state.update(self._indices.astype("<i8").tobytes())
        return state.hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BipartiteGraph):
            return NotImplemented
        return (
            self.shape == other.shape
            and np.array_equal(self._indptr, other._indptr)
            and np.array_equal(self._indices, other._indices)
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            BipartiteGraph,
            (self.left, self.right, self._indptr, self._indices, self._recipe),
        )

    def __repr__(self) -> str:
        kind = self._recipe["kind"] if self._recipe is not None else "edges"
        degrees = self.degrees
        form = f"degrees={degrees}" if degrees is not None else f"num_edges={self.num_edges}"
        return f"<BipartiteGraph {self.left} x {self.right}, {form}, from {kind}>"


def sort_edges(
    u: NDArray[Any], v: NDArray[Any], left: int, right: int
) -> tuple[NDArray[np.int64], NDArray[Any], bool]:
    """Return row pointers, columns sorted within rows, and whether all edges are distinct.

    Parameters
    ----------
    u, v : ndarray of int, shape (num_edges,)
        End points inside ``left`` and ``right``.
    left, right : int
        Sizes of the sides.

    Returns
    -------
    indptr : ndarray of int64, shape (left + 1,)
    indices : ndarray of int32 or int64, shape (num_edges,)
    distinct : bool
    """
    dtype = np.int32 if max(left, right) <= _INDEX_LIMIT else np.int64
    ones = np.ones(len(u), dtype=np.int8)
    rows_first = sparse.coo_array(
        (ones, (u.astype(dtype), v.astype(dtype))), shape=(left, right)
    ).tocsc()
    # CSC to CSR visits the columns in order, which sorts every row in linear time.
    csr = rows_first.tocsr()
    return csr.indptr.astype(np.int64), csr.indices, csr.nnz == len(u)


def encode_bytes(array: NDArray[Any]) -> str:
    """Return the bytes of an array in base64."""
    return base64.b64encode(array.tobytes()).decode("ascii")


def _as_shape(shape: Any) -> tuple[int, int]:
    try:
        left, right = shape
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"shape is {shape!r}, expected a pair (left, right)") from None
    return (
        as_int("left", left, minimum=0, maximum=_LARGEST_SIDE),
        as_int("right", right, minimum=0, maximum=_LARGEST_SIDE),
    )


def _check_entries(entries: NDArray[Any]) -> None:
    if entries.dtype != bool and not np.issubdtype(entries.dtype, np.number):
        raise ArgumentTypeError(f"matrix has dtype {entries.dtype}, expected numbers or bools")
    if np.issubdtype(entries.dtype, np.inexact) and not np.isfinite(entries).all():
        raise ArgumentError("matrix holds NaN or infinity, expected finite entries")


def _frozen(array: NDArray[np.int64]) -> NDArray[np.int64]:
    array.flags.writeable = False
    return array
