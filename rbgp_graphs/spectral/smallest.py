"""The smallest singular value of the smaller side, in floating point."""

from __future__ import annotations

import math

from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.spectral.gram import Rows
from rbgp_graphs.spectral.numeric import DENSE_SIDE, dense_singular_values
from rbgp_graphs.spectral.spectrum import twisted_core


def smallest_singular_value(pattern: BipartiteGraph | TensorProduct) -> float:
    """Return the smallest of as many singular values as the smaller side has vertices.

    Parameters
    ----------
    pattern : BipartiteGraph or TensorProduct
        A graph with an edge and biregular, or a product of such graphs.

    Returns
    -------
    float
        Below 1e-7 times the largest one it is only known to be about 0.

    Examples
    --------
    >>> from rbgp_graphs import affine_plane
    >>> round(smallest_singular_value(affine_plane(4)), 9)
    2.0
    """
    if isinstance(pattern, BipartiteGraph):
        return _of_graph(pattern)
    factors = list(pattern.factors)
    if isinstance(pattern, RBGP4) and pattern.is_twisted:
        factors = [twisted_core(pattern)[0], pattern.repeat, pattern.block]
    narrow = [factor.left >= factor.right for factor in factors]
    wide = [factor.left <= factor.right for factor in factors]
    if not all(narrow) and not all(wide):
        # The product of the smaller sides is smaller than either side: the rank is not full.
        return 0.0
    return math.prod(_of_graph(factor) for factor in factors)


def _of_graph(graph: BipartiteGraph) -> float:
    if graph.is_complete:
        return math.sqrt(graph.num_edges) if min(graph.shape) == 1 else 0.0
    if min(graph.shape) <= DENSE_SIDE:
        return float(dense_singular_values(graph.biadjacency(float))[-1])
    return math.sqrt(max(0.0, -Rows.of_graph(graph).negated().leading()[0]))
