"""All signings of small complete graphs: the mean characteristic polynomial."""

from __future__ import annotations

import itertools
import math

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray


def coefficients(gram: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the characteristic polynomials of integer matrices (Faddeev and LeVerrier)."""
    size = gram.shape[-1]
    step, found = np.zeros_like(gram), [np.ones(len(gram), dtype=np.int64)]
    for k in range(1, size + 1):
        step = gram @ step + found[-1][:, None, None] * np.eye(size, dtype=np.int64)
        found.append(-np.trace(gram @ step, axis1=1, axis2=2) // k)
    return np.stack(found, axis=1)


def matchings(left: int, right: int) -> list[int]:
    """Count the matchings with k edges of the complete bipartite graph, by listing them."""
    graph = nx.complete_bipartite_graph(left, right)
    return [
        sum(
            len({v for edge in edges for v in edge}) == 2 * k
            for edges in itertools.combinations(graph.edges, k)
        )
        for k in range(min(left, right) + 1)
    ]


@pytest.mark.parametrize(("left", "right"), [(2, 2), (2, 3), (3, 3), (2, 4), (3, 4)])
def test_the_mean_characteristic_polynomial_is_the_matching_polynomial(
    left: int, right: int
) -> None:
    num_edges = left * right
    bits = (np.arange(2**num_edges)[:, None] >> np.arange(num_edges)) & 1
    signed = (1 - 2 * bits).reshape(-1, left, right)
    polynomials = coefficients(signed @ signed.transpose(0, 2, 1))
    sums = polynomials.sum(axis=0)
    # The characteristic polynomial of the lift's new eigenvalues is even: x^(right - left) p(x^2).
    signs = [(-1) ** k * count * 2**num_edges for k, count in enumerate(matchings(left, right))]
    assert sums.tolist() == signs
    assert matchings(left, right)[-1] == math.perm(right, left)
