r"""Upper bounds on the singular values of an abelian cover, one character at a time.

Let an abelian group with k elements act on a graph so that only its unit fixes a vertex. The Gram
matrix on the smaller side is then made of k matrices of the size of a set of representatives, one
for each character :math:`\chi`: the entry of :math:`H_\chi` for two representatives is the sum of
:math:`\chi(g - g')` over the ways to go from one to the other over a common neighbour, with
voltages g there and g' back.

To bound them by t, put :math:`K = 4^b` and let :math:`A_\chi` be :math:`K H_\chi` with every root
of unity replaced by integers that are less than 1 away, so that no row of
:math:`A_\chi - K H_\chi` sums to :math:`d_l d_r` in absolute value. If an integer matrix L is found
such that :math:`E = \lfloor K t \rfloor I - A_\chi - L L^*` is diagonally dominant by at least that
much, then :math:`t I - H_\chi` is positive definite. For the trivial character a multiple of the
all-ones matrix is added, as in `rbgp_graphs.spectral.cholesky`, where also stands why products of
integer matrices are exact. Conjugate characters have conjugate matrices.

The k small matrices are far cheaper than the whole graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.cholesky import BITS
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.roots import LARGEST_ORDER, roots_of_unity
from rbgp_graphs.spectral.threshold import Threshold

#: Largest size of a matrix: a factor then takes 64 MiB.
LARGEST_SIZE = 2048
#: Largest number of products of entries, about, for all characters.
_LARGEST_WORK = 2**39
#: Digits of voltages of all terms, and of all edges: arrays of at most 128 MiB.
_LARGEST_TERMS, _LARGEST_EDGES = 2**23, 2**24
#: Integers up to here are added and subtracted exactly with a bit to spare.
_EXACT = 2**52
#: Off-diagonal entries of E up to here have row sums below 2**63.
_LARGEST_REST = 2**48
#: Entries of matrices and of sums that are looked at together.
_CHUNK = 2**19
#: Rounding L to integers changes a row of E by about 0.47 n sqrt(t) 2**b in sum.
_ENOUGH, _LEAST = 0.85, 0.55
#: A single entry has no others to make up for it: its change reaches sqrt(t) 2**b.
_ENOUGH_FOR_ONE = 1.05

_IntArray = NDArray[np.int64]
_Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Blocks:
    """A graph taken apart by a group.

    Attributes
    ----------
    orders : tuple of int
        The group is the product of cyclic groups of these orders.
    size : int
        Number of orbits on the smaller side.
    pairs : ndarray of int64, shape (num_pairs,)
        The places ``u * size + u'`` of the entries of the matrices that are not zero, ascending.
    starts : ndarray of int64, shape (num_pairs,)
        Where the terms of each entry start.
    voltages : ndarray of int64, shape (num_terms, len(orders))
        The differences of voltages, one row for each term of the sums.
    walks : int
        Number of terms in each row of a matrix: sigma1 squared.
    largest_entry : int
        Largest number of terms of one entry.
    """

    orders: tuple[int, ...]
    size: int
    pairs: _IntArray
    starts: _IntArray
    voltages: _IntArray
    walks: int
    largest_entry: int


def split(graph: BipartiteGraph, orders: tuple[int, ...], copies_first: bool) -> Blocks | None:
    """Return the parts of a graph if a group acts on it in the way that is said.

    Parameters
    ----------
    graph : BipartiteGraph
        Biregular with an edge.
    orders : tuple of int
        Orders of the cyclic factors of the group, at least 2. Its elements are numbered in mixed
        radix, the last digit fastest.
    copies_first : bool
        Whether orbit u and group element g meet in vertex ``g * n + u``, where n is the number
        of orbits of the side, as in `rbgp_graphs.cyclic_lift`; else in ``u * k + g``, as in
        `rbgp_graphs.constructions.abelian_cover`.

    Returns
    -------
    Blocks or None
        None if the group changes the graph, or the matrices are too large.
    """
    k = math.prod(orders)
    if k < 2 or graph.left % k or graph.right % k or math.lcm(*orders) > LARGEST_ORDER:
        return None
    rows = Rows.of_graph(graph)
    n, m = (side // k for side in rows.matrix.shape)
    if n > LARGEST_SIZE or k * n * n * (n + rows.largest_degree) > _LARGEST_WORK:
        return None
    digits = len(orders)
    if n * rows.trivial * digits > _LARGEST_TERMS or graph.num_edges * digits > _LARGEST_EDGES:
        return None
    indices = rows.matrix.indices.astype(np.int64)
    if copies_first:
        copies, ends = np.divmod(indices.reshape(k, n, -1), m)
    else:
        ends, copies = np.divmod(indices.reshape(n, k, -1).swapaxes(0, 1), k)
    elements = _digits(np.arange(k), orders)
    differences = (_digits(copies, orders) - elements[:, None, None, :]) % orders
    labels = np.sort(ends * k + _numbers(differences, orders), axis=2)
    if (labels != labels[0]).any():
        return None
    ends, voltages = np.divmod(labels[0].ravel(), k)
    starts_at = np.repeat(np.arange(n), labels.shape[2])
    first, second = _common_ends(ends, m)
    place = starts_at[first] * n + starts_at[second]
    order = np.argsort(place, kind="stable")
    pairs, starts = np.unique(place[order], return_index=True)
    elements = _digits(voltages, orders)
    turns = ((elements[first] - elements[second]) % orders)[order]
    largest_entry = int(np.diff(starts, append=len(order)).max())
    return Blocks(orders, n, pairs, starts, turns, rows.trivial, largest_entry)


def _digits(numbers: _IntArray, orders: tuple[int, ...]) -> _IntArray:
    """Return the digits of group elements along a new last axis."""
    return np.stack(np.unravel_index(numbers, orders), axis=-1)


def _numbers(digits: _IntArray, orders: tuple[int, ...]) -> _IntArray:
    found: _IntArray = np.ravel_multi_index(tuple(np.moveaxis(digits, -1, 0)), orders)
    return found


def _common_ends(ends: _IntArray, count: int) -> tuple[_IntArray, _IntArray]:
    """Return all pairs of edges with the same right end; all ends are equally frequent."""
    groups = np.argsort(ends, kind="stable").reshape(count, -1)
    degree = groups.shape[1]
    return np.repeat(groups, degree, axis=1).ravel(), np.tile(groups, (1, degree)).ravel()


def propose(blocks: Blocks, threshold: Threshold) -> tuple[int, int] | None:
    """Return parameters of `is_proof` that should work, or None if there is too little room."""
    limit = float(threshold)
    bits = min(BITS[1], int(51 - math.log2(limit + blocks.largest_entry + 1)) // 2)
    if bits < BITS[0]:
        return None
    largest = max(
        float(np.linalg.eigvalsh(matrices)[:, -1].max()) for matrices in _matrices(blocks, bits)
    )
    scale = 4.0**bits
    room = limit * scale - largest
    row = math.sqrt(limit) * 2.0**bits
    unit = blocks.size * row
    if room < max(_LEAST * unit + 2 * blocks.walks, 1e-9 * limit * scale):
        return None
    enough = max(_ENOUGH * unit, _ENOUGH_FOR_ONE * row)
    return bits, math.ceil(min(enough, max(room / 2, min(0.8 * room, 0.7 * unit))))


def is_proof(blocks: Blocks, threshold: Threshold, bits: int, shift: int) -> bool:
    """Say whether the parameters prove that the squared singular values stay below a threshold.

    Parameters
    ----------
    blocks : Blocks
        The graph.
    threshold : Threshold
        The bound.
    bits : int
        The exponent b of the scale.
    shift : int
        What is subtracted from the diagonal before factors are computed.

    Returns
    -------
    bool
        True if all of them but the trivial one are below it. False says nothing.
    """
    if not (BITS[0] <= bits <= BITS[1] and 0 <= shift <= _EXACT):
        return False
    diagonal = threshold.floor(2 * bits)
    if not 0 <= diagonal + (4**bits + 1) * (blocks.largest_entry + 1) + blocks.walks <= _EXACT:
        return False
    return all(
        _are_below(matrices, diagonal, shift, blocks.walks) for matrices in _matrices(blocks, bits)
    )


def _matrices(blocks: Blocks, bits: int) -> Iterator[_Complex]:
    """Yield the integer matrices of all characters up to conjugation, some at a time.

    That of the trivial character comes without the trivial eigenvalue, or what is left of it.
    """
    n, orders = blocks.size, blocks.orders
    exponent = math.lcm(*orders)
    real, imaginary = roots_of_unity(exponent, 2 * bits)
    elements = _digits(np.arange(math.prod(orders)), orders)
    conjugates = _numbers(-elements % orders, orders)
    chosen = elements[conjugates >= np.arange(len(elements))]
    step = max(1, _CHUNK // max(n * n, len(blocks.voltages)))
    for start in range(0, len(chosen), step):
        some = chosen[start : start + step] * (exponent // np.array(orders))
        places = some @ blocks.voltages.T % exponent
        matrices = np.zeros((len(some), n * n), dtype=np.complex128)
        matrices.real[:, blocks.pairs] = np.add.reduceat(real[places], blocks.starts, axis=1)
        matrices.imag[:, blocks.pairs] = np.add.reduceat(imaginary[places], blocks.starts, axis=1)
        if start == 0:
            matrices[0] -= float(4**bits * blocks.walks // n)
        yield matrices.reshape(-1, n, n)


def _are_below(matrices: _Complex, diagonal: int, shift: int, margin: int) -> bool:
    """Say whether T I - A is positive definite by more than a margin, for all A."""
    place = np.arange(matrices.shape[-1])
    np.negative(matrices, out=matrices)
    matrices[:, place, place] += float(diagonal - shift)
    try:
        factors = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return False
    matrices[:, place, place] += float(shift)
    x, y = np.rint(factors.real), np.rint(factors.imag)
    # A NaN or an infinity fails the comparison.
    if not (np.einsum("cij,cij->ci", x, x) + np.einsum("cij,cij->ci", y, y) <= _EXACT).all():
        return False
    xt, yt = x.transpose(0, 2, 1), y.transpose(0, 2, 1)
    parts = (matrices.real - (x @ xt + y @ yt), matrices.imag - (y @ xt - x @ yt))
    if not max(np.abs(part).max() for part in parts) <= _LARGEST_REST:
        return False
    rest = sum(np.abs(part).astype(np.int64) for part in parts)
    own = parts[0].astype(np.int64)[:, place, place]
    others = rest.sum(axis=2) - rest[:, place, place]
    return bool((own > others + margin).all())
