from __future__ import annotations

import numpy as np
import pytest

from rbgp_graphs.constructions import margulis_gabber_galil
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from tests.constructions.reference import reference


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_the_edges_are_those_of_the_definition_merged(n: int) -> None:
    counts = np.zeros((n * n, n * n))
    for x in range(n):
        for y in range(n):
            for u, v in ((x, y), (x, x + y), (x, x + y + 1), (x + y, y), (x + y + 1, y)):
                counts[x * n + y, u % n * n + v % n] += 1
    graph = margulis_gabber_galil(n)
    np.testing.assert_array_equal(graph.biadjacency(bool).toarray(), counts > 0)
    assert counts.max() > 1
    assert graph.is_connected
    assert graph.degrees is None
    assert from_recipe(graph.recipe) == graph
    if n == 8:
        values = np.linalg.svd(counts, compute_uv=False)
        expected = float(reference("MGG bipartite n=8")["lambda2"])
        assert values[1] == pytest.approx(expected, rel=1e-12)
        assert values[1] > 4


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="n is 2, expected at least 3"):
        margulis_gabber_galil(2)
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        margulis_gabber_galil(True)
    with pytest.raises(InfeasibleError, match="take a smaller n"):
        margulis_gabber_galil(10**5)
