"""The order of the nonzeros of a transposed pattern."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.products import RBGP4


def transpose_values(pattern: RBGP4, values: NDArray[Any]) -> NDArray[Any]:
    """Return the values of the transposed matrix, in the order of its own rows.

    Parameters
    ----------
    pattern : RBGP4
        The pattern that `values` belong to.
    values : ndarray, shape (rows, row_degree)
        Each row in ascending column order.

    Returns
    -------
    ndarray, shape (cols, col_degree)
        A new array: the values of ``pattern.T``, each row in ascending column order.

    Notes
    -----
    The nonzeros of the outer graph and of every shifted inner pattern change their order by a
    permutation of their edges, and the digits of the complete factors exchange places.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> pattern = RBGP4(complete(1, 1), (1, 1), complete(2, 3), (1, 1))
    >>> transpose_values(pattern, np.arange(6.0).reshape(2, 3))
    array([[0., 3.],
           [1., 4.],
           [2., 5.]])
    """
    outer, repeat, inner, block = pattern.factors
    outer_degree, inner_degree = (g.neighbor_table.shape[1] for g in (outer, inner))
    # Axes: outer edge, inner edge, u_r, u_b, v_r, v_b.
    tiles = (
        values.reshape(
            *(outer.left, repeat.left, inner.left, block.left),
            *(outer_degree, repeat.right, inner_degree, block.right),
        )
        .transpose(0, 4, 2, 6, 1, 3, 5, 7)
        .reshape(outer.num_edges, inner.num_edges, *repeat.shape[:1], block.left, repeat.right, -1)
    )
    tables = pattern.inner_tables.reshape(-1, inner.num_edges)
    inner_orders = np.argsort(tables, axis=1, kind="stable")
    edges = outer.transpose_order
    tiles = tiles[edges[:, None], inner_orders[pattern.outer_edge_tables[edges]]]
    # Axes: v_o, edge of v_o, v_i, edge of v_i, u_r, u_b, v_r, v_b.
    split = tiles.reshape(
        *(outer.right, -1, inner.right, inner.num_edges // inner.right), *tiles.shape[2:]
    )
    ordered = split.transpose(0, 6, 2, 7, 1, 4, 3, 5)
    return ordered.reshape(pattern.cols, pattern.col_degree)
