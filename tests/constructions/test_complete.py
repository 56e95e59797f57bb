from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.constructions.recipes import from_recipe
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError

SIDES = st.integers(1, 20)


@given(SIDES, SIDES)
def test_every_cell_is_an_edge(left: int, right: int) -> None:
    graph = complete(left, right)
    assert graph.is_complete
    assert graph.degrees == (right, left)
    np.testing.assert_array_equal(graph.biadjacency().toarray(), np.ones((left, right), bool))
    assert complete(right, left) == graph.T
    assert graph.T.recipe == complete(right, left).recipe
    assert from_recipe(graph.recipe) == graph


def test_numpy_integers_are_sizes_too() -> None:
    assert complete(np.int64(2), np.uint8(3)).recipe == {"kind": "complete", "left": 2, "right": 3}  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 2)])
def test_sizes_below_one_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match="expected at least 1"):
        complete(*sizes)


@pytest.mark.parametrize("sizes", [(2.0, 3), ("2", 3), (True, 3), (3, None)])
def test_sizes_that_are_no_integers_are_refused(sizes: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected an integer"):
        complete(*sizes)


def test_too_many_edges_are_refused_before_anything_is_built() -> None:
    with pytest.raises(InfeasibleError, match="take a product of smaller complete graphs"):
        complete(2**31, 2**31)
