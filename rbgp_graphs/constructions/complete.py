"""Complete bipartite graphs."""

from __future__ import annotations

import numpy as np

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.graph import BipartiteGraph

_LARGEST_NUM_EDGES = 2**31


def complete(left: int, right: int) -> BipartiteGraph:
    r"""Return the complete bipartite graph :math:`K_{a,b}`.

    Parameters
    ----------
    left, right : int
        Number of left and of right vertices, at least 1.

    Returns
    -------
    BipartiteGraph
        Every left vertex is adjacent to every right vertex.

    Raises
    ------
    ArgumentError
        If a size is below 1.
    InfeasibleError
        If the graph would have more than 2**31 edges.

    Notes
    -----
    Its singular values are :math:`\sqrt{ab}` once and 0 otherwise, so it is Ramanujan.

    Examples
    --------
    >>> complete(4, 32).degrees
    (32, 4)
    """
    left, right = as_int("left", left, minimum=1), as_int("right", right, minimum=1)
    if left * right > _LARGEST_NUM_EDGES:
        raise InfeasibleError(
            f"complete({left}, {right}) has {left * right} edges, at most {_LARGEST_NUM_EDGES} "
            "fit; take a product of smaller complete graphs"
        )
    indptr = np.arange(left + 1, dtype=np.int64) * right
    indices = np.tile(np.arange(right, dtype=np.int32), left)
    recipe = {"kind": "complete", "left": left, "right": right}
    return BipartiteGraph(left, right, indptr, indices, recipe)
