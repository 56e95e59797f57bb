"""Exact proofs that a graph is not Ramanujan: an integer test vector, or a cut without edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.threshold import Threshold

#: Largest entries of test vectors, tried in turn: small entries make small certificates.
_SCALES = (2**5, 2**10, 2**16, 2**24, 2**30)


def exceeds(rows: Rows, vector: NDArray[np.int32], threshold: Threshold) -> bool:
    """Say whether an integer vector shows that an eigenvalue that counts is too large.

    Parameters
    ----------
    rows : Rows
        The matrix S.
    vector : ndarray of int32, shape (n,)
        A vector x. If the all-ones vector is left out, its entries must sum to 0.
    threshold : Threshold
        The bound t.

    Returns
    -------
    bool
        Whether x has the right length and sum and :math:`x^T G x > t |x|^2`, in integers.
    """
    if vector.shape != (rows.size,):
        return False
    wide = vector.astype(np.int64)
    if rows.trivial and wide.sum() != 0:
        return False
    # Entries below 2**31 times fewer than 2**31 nonzeros in a column stay below 2**62.
    image = rows.matrix.astype(np.int64).T @ wide
    square = sum(x * x for x in wide.tolist())
    value = rows.sign * sum(x * x for x in image.tolist())
    return square > 0 and threshold.compare(value, square) > 0


def find_vector(
    rows: Rows, leading: NDArray[np.float64], threshold: Threshold
) -> NDArray[np.int32] | None:
    """Round a leading vector to a test vector, or return None if no rounding is good enough."""
    for scale in _SCALES:
        rounded = np.rint(leading * (scale / np.abs(leading).max())).astype(np.int64)
        if rows.trivial:
            # The sum is spread over the entries, which changes each of them by about one half.
            share, rest = divmod(int(rounded.sum()), rows.size)
            rounded -= share
            rounded[:rest] -= 1
        vector: NDArray[np.int32] = rounded.astype(np.int32)
        if exceeds(rows, vector, threshold):
            return vector
    return None


def component_mask(graph: BipartiteGraph) -> NDArray[np.bool_]:
    """Return which left and right vertices lie in the component of the first left vertex."""
    from scipy.sparse import csgraph

    size = graph.left + graph.right
    columns = graph.indices.astype(np.int64) + graph.left
    indptr = np.concatenate((graph.indptr, np.full(graph.right, graph.num_edges)))
    ones = np.ones(graph.num_edges, dtype=np.int8)
    joined = sparse.csr_array((ones, columns, indptr), shape=(size, size))
    _, labels = csgraph.connected_components(joined, directed=False)
    mask: NDArray[np.bool_] = labels == labels[0]
    return mask


def is_cut_without_edges(graph: BipartiteGraph, mask: NDArray[np.bool_]) -> bool:
    """Say whether a mask of left, then right vertices splits the graph and no edge crosses."""
    if mask.shape != (graph.left + graph.right,) or mask.all() or not mask.any():
        return False
    left, right = graph.edges.T
    return bool((mask[left] == mask[graph.left + right]).all())
