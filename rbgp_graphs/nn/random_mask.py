"""Random masks without the structure of a product: what the sparse layers are compared with."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from rbgp_graphs._validation import as_generator, as_int
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph

MaskKind = Literal["unstructured", "block"]
#: Sides of the dense blocks of a block mask, tried in this order.
_BLOCK_SIDES = (4, 2, 1)


def random_mask(
    rows: int, cols: int, row_degree: int, kind: MaskKind, *, rng: Any = None
) -> BipartiteGraph:
    """Return a random mask without the structure of a product, as a graph.

    Parameters
    ----------
    rows, cols : int
        Shape.
    row_degree : int
        Nonzeros of a row on average; their number is exactly ``rows * row_degree``.
    kind : {"unstructured", "block"}
        "unstructured": any entries of the matrix, all choices equally likely. "block": dense
        blocks of 4 x 4, or of 2 x 2 or single entries where those do not fit, as many in each
        row of blocks.
    rng : int, numpy.random.Generator or None
        Source of randomness.

    Returns
    -------
    BipartiteGraph
        Outputs on the left. Its degrees differ from vertex to vertex, as a rule.

    Raises
    ------
    ArgumentError
        If the kind is unknown or a size leaves its range.

    Examples
    --------
    >>> mask = random_mask(8, 8, 4, "block", rng=0)
    >>> mask.num_edges, mask.neighbors(0).tolist() in ([0, 1, 2, 3], [4, 5, 6, 7])
    (32, True)
    """
    rows, cols = as_int("rows", rows, minimum=1), as_int("cols", cols, minimum=1)
    row_degree = as_int("row_degree", row_degree, minimum=1, maximum=cols)
    if kind not in get_args(MaskKind):
        raise ArgumentError(f"kind is {kind!r}, expected one of {', '.join(get_args(MaskKind))}")
    generator = as_generator(rng)
    if kind == "unstructured":
        mask = np.zeros(rows * cols, dtype=bool)
        mask[generator.permutation(rows * cols)[: rows * row_degree]] = True
        return BipartiteGraph.from_biadjacency(mask.reshape(rows, cols))
    side = next(s for s in _BLOCK_SIDES if all(n % s == 0 for n in (rows, cols, row_degree)))
    order = generator.permuted(np.tile(np.arange(cols // side), (rows // side, 1)), axis=1)
    blocks = np.zeros((rows // side, cols // side), dtype=bool)
    np.put_along_axis(blocks, order[:, : row_degree // side], True, axis=1)
    ones = np.ones((side, side), dtype=bool)
    return BipartiteGraph.from_biadjacency(np.kron(blocks, ones))
