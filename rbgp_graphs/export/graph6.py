"""The formats graph6 and sparse6 of small-graph programs, written and read as whole arrays."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.export.npz import check_bytes, read_bytes
from rbgp_graphs.graph import BipartiteGraph

#: Largest number of vertices that the formats can say.
_LARGEST_ORDER = 2**36 - 1
_HEADERS = (b">>graph6<<", b">>sparse6<<")


def encode_graph6(left: int, right: int, edges: NDArray[np.int64], max_bytes: int) -> bytes:
    r"""Return a bipartite graph in graph6.

    Parameters
    ----------
    left, right : int
        Number of vertices; the right ones follow the left ones.
    edges : ndarray of int64, shape (num_edges, 2)
        Pairs of a left and a right vertex, each counted from 0.
    max_bytes : int
        Refuse to allocate more; a byte is needed for each of the pairs of vertices.

    Returns
    -------
    bytes
        One line.

    Raises
    ------
    ArgumentError
        If more than `max_bytes` are needed.

    Notes
    -----
    The format is that of nauty: the upper triangle of the adjacency matrix, column by column,
    six cells in a byte.

    References
    ----------
    .. [1] B. D. McKay, Description of graph6, sparse6 and digraph6 encodings,
       https://users.cecs.anu.edu.au/~bdm/data/formats.txt

    Examples
    --------
    >>> encode_graph6(1, 2, np.array([[0, 0], [0, 1]]), 1000)
    b'Bo\n'
    """
    order = _check_order(left + right)
    cells = order * (order - 1) // 2
    cells += -cells % 6
    if cells > max_bytes:
        raise ArgumentError(
            f"graph6 of {order} vertices needs {cells} bytes of memory, more than "
            f"max_bytes={max_bytes}; the suffix .s6 needs less for sparse graphs"
        )
    u, v = edges[:, 0], edges[:, 1] + left
    bits = np.zeros(cells, dtype=np.uint8)
    bits[v * (v - 1) // 2 + u] = 1
    return _encode_order(order) + _as_characters(bits) + b"\n"


def encode_sparse6(left: int, right: int, edges: NDArray[np.int64]) -> bytes:
    r"""Return a bipartite graph in sparse6.

    Parameters
    ----------
    left, right : int
        Number of vertices; the right ones follow the left ones.
    edges : ndarray of int64, shape (num_edges, 2)
        Pairs of a left and a right vertex, each counted from 0.

    Returns
    -------
    bytes
        One line.

    Notes
    -----
    The stream holds a number x after a bit b. It adds b to the current vertex v; then x > v
    makes x the current vertex, and any other x is a neighbour of v.

    Examples
    --------
    >>> encode_sparse6(1, 2, np.array([[0, 0], [0, 1]]))
    b':Bc\n'
    """
    order = _check_order(left + right)
    width = _vertex_bits(order)
    placed = edges[np.lexsort((edges[:, 0], edges[:, 1]))]
    u, v = placed[:, 0], placed[:, 1] + left
    steps = np.diff(v, prepend=0)
    jumps = steps > 1
    place = np.arange(len(u)) + np.cumsum(jumps)
    tokens = np.empty(len(u) + int(jumps.sum()), dtype=np.int64)
    tokens[place] = ((steps == 1).astype(np.int64) << width) | u
    tokens[place[jumps] - 1] = (1 << width) | v[jumps]
    bits = np.empty((len(tokens), width + 1), dtype=np.uint8)
    for position in range(width + 1):
        bits[:, position] = (tokens >> (width - position)) & 1
    padding = np.ones(-bits.size % 6, dtype=np.uint8)
    last = int(v[-1]) if len(v) else 0
    if width < 6 and order == 1 << width and len(padding) > width and last == order - 2:
        # Ones alone would read as another edge.
        padding[0] = 0
    stream = np.concatenate((bits.ravel(), padding))
    return b":" + _encode_order(order) + _as_characters(stream) + b"\n"


def read_graph6(file: BinaryIO, limit: int, left: int | None = None) -> BipartiteGraph:
    """Return the bipartite graph in a graph6 or sparse6 file.

    Parameters
    ----------
    file : binary file
        One graph in either format, with or without the header of the format.
    limit : int
        Largest number of bytes that the arrays may need.
    left : int, optional
        The first so many vertices are the left ones.

    Returns
    -------
    BipartiteGraph
        Without `left`, the left vertices are the first ones if there is exactly one way to cut
        the vertices so that all edges cross; else, in a connected graph, those on the side of
        vertex 0.

    Raises
    ------
    FormatError
        If the file does not hold one graph, it is not bipartite, its sides are not determined,
        or more than `limit` bytes are needed.
    """
    data = read_bytes(file, limit)
    for header in _HEADERS:
        data = data.removeprefix(header)
    lines = data.split(b"\n")
    if len(lines) > 2 or any(lines[1:]):
        raise FormatError("the file has more than one line, expected one graph")
    line = lines[0].removesuffix(b"\r")
    is_sparse = line.startswith(b":")
    codes = np.frombuffer(line, dtype=np.uint8)[int(is_sparse) :]
    if not len(codes):
        raise FormatError("the line is empty, expected a graph")
    if codes.min() < 63 or codes.max() > 126:
        raise FormatError("the line has a character outside the range ? to ~ of the format")
    order, sextets = _decode_order(codes - 63)
    check_bytes(16 * order, limit)
    decode = _decode_sparse6 if is_sparse else _decode_graph6
    u, v = decode(order, sextets, limit)
    return _with_sides(order, u, v, left)


def _decode_graph6(
    order: int, sextets: NDArray[np.uint8], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cells = order * (order - 1) // 2
    if len(sextets) != -(-cells // 6):
        raise FormatError(
            f"{len(sextets)} characters follow the number of vertices, {order}; expected "
            f"{-(-cells // 6)}"
        )
    check_bytes(8 * len(sextets), limit)
    bits = _as_bits(sextets)
    if bits[cells:].any():
        raise FormatError("a bit is set after the last cell")
    check_bytes(40 * int(np.count_nonzero(bits)), limit)
    place = np.flatnonzero(bits)
    v = ((1 + np.sqrt(1 + 8 * place.astype(np.float64))) / 2).astype(np.int64)
    # The square root may round to the next integer.
    v -= v * (v - 1) // 2 > place
    v += v * (v + 1) // 2 <= place
    return place - v * (v - 1) // 2, v


def _decode_sparse6(
    order: int, sextets: NDArray[np.uint8], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    width = _vertex_bits(order)
    count = 6 * len(sextets) // (width + 1)
    check_bytes(8 * len(sextets) + 64 * count, limit)
    bits = _as_bits(sextets)[: count * (width + 1)].reshape(count, width + 1)
    x = np.zeros(count, dtype=np.int64)
    for position in range(1, width + 1):
        x = 2 * x + bits[:, position]
    steps = np.cumsum(bits[:, 0], dtype=np.int64)
    # v[t] = max(v[t - 1] + b[t], x[t]) is a running maximum once the steps are taken off.
    v = np.maximum.accumulate(np.maximum(x - steps, 0)) + steps
    before = np.concatenate(([0], v[:-1]))[:count].astype(np.int64) + bits[:, 0]
    ended = np.flatnonzero(before >= order)
    end = ended[0] if len(ended) else count
    is_edge = (x <= before)[:end]
    return x[:end][is_edge], before[:end][is_edge]


def _with_sides(
    order: int, u: NDArray[np.int64], v: NDArray[np.int64], left: int | None
) -> BipartiteGraph:
    """Return the bipartite graph with edges (u[k], v[k]), u <= v, among all vertices."""
    lowest, highest = (int(u.max()) + 1, int(v.min())) if len(u) else (0, order)
    if left is None and lowest == highest:
        left = lowest
    if left is not None:
        if not lowest <= left <= highest or left > order:
            raise FormatError(f"some edges of the {order} vertices do not cross after left={left}")
        return _checked(left, order - left, u, v - left)
    if lowest < highest:
        raise FormatError(
            f"vertices without edges leave the sides open: pass left, from {lowest} to {highest}"
        )
    from scipy import sparse
    from scipy.sparse import csgraph

    ones = np.ones(len(u), dtype=np.int8)
    adjacency = sparse.csr_array((ones, (u, v)), shape=(order, order))
    distance = csgraph.breadth_first_order(adjacency, 0, directed=False)
    if len(distance[0]) != order:
        raise FormatError("the graph is not connected, so its sides are not determined")
    reached, parent = distance
    side = np.zeros(order, dtype=np.int64)
    for vertex in reached[1:].tolist():
        side[vertex] = 1 - side[parent[vertex]]
    if (side[u] == side[v]).any():
        raise FormatError("the graph is not bipartite")
    number = np.where(side == 0, np.cumsum(side == 0), np.cumsum(side == 1)) - 1
    u, v = np.where(side[u] == 0, u, v), np.where(side[u] == 0, v, u)
    count = int((side == 0).sum())
    return _checked(count, order - count, number[u], number[v])


def _checked(left: int, right: int, u: NDArray[np.int64], v: NDArray[np.int64]) -> BipartiteGraph:
    return BipartiteGraph.from_edges(np.column_stack((u, v)), shape=(left, right))


# Characters ---------------------------------------------------------------------------------


def _check_order(order: int) -> int:
    if order > _LARGEST_ORDER:
        raise ArgumentError(f"{order} vertices, the format ends at {_LARGEST_ORDER}")
    return order


def _vertex_bits(order: int) -> int:
    return max(1, (order - 1).bit_length()) if order else 1


def _encode_order(order: int) -> bytes:
    if order <= 62:
        return bytes([63 + order])
    marks, count = (1, 3) if order <= 258047 else (2, 6)
    digits = ((order >> 6 * place) & 63 for place in reversed(range(count)))
    return bytes([126] * marks + [63 + digit for digit in digits])


def _decode_order(sextets: NDArray[np.uint8]) -> tuple[int, NDArray[np.uint8]]:
    marks = 2 if (sextets[:2] == 63).sum() == 2 else int(sextets[0] == 63)
    count = (1, 3, 6)[marks]
    digits = sextets[marks : marks + count].tolist()
    if len(digits) != count:
        raise FormatError("the line ends inside the number of vertices")
    order = 0
    for digit in digits:
        order = order << 6 | digit
    return order, sextets[marks + count :]


def _as_characters(bits: NDArray[np.uint8]) -> bytes:
    packed: NDArray[Any] = np.packbits(bits.reshape(-1, 6), axis=1)
    return ((packed >> 2) + np.uint8(63)).tobytes()


def _as_bits(sextets: NDArray[np.uint8]) -> NDArray[np.uint8]:
    shifted = (sextets << 2).astype(np.uint8)
    return np.unpackbits(shifted[:, None], axis=1)[:, :6].reshape(-1)
