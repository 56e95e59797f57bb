from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export import read_mask, to_scipy
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from tests.export.test_entries import dense_of, exportables, values_of


@given(exportables, st.sampled_from(("csr", "bsr", "coo")), st.booleans())
def test_every_layout_holds_the_same_matrix(obj: Exportable, layout: Any, old: bool) -> None:
    if layout == "bsr" and 0 in obj.shape:
        return
    mask = to_scipy(obj, format=layout, spmatrix=old)
    weights = to_scipy(obj, values_of(obj), format=layout, spmatrix=old)
    kind = getattr(sparse, f"{layout}_{'matrix' if old else 'array'}")
    assert type(mask) is kind
    assert type(weights) is kind
    assert mask.dtype == bool
    assert read_mask(mask) == read_mask(weights) == read_mask(dense_of(obj))
    np.testing.assert_array_equal(mask.toarray(), dense_of(obj) > 0)
    np.testing.assert_array_equal(weights.toarray(), dense_of(obj))
    if layout == "bsr" and isinstance(obj, TensorProduct):
        assert mask.blocksize == obj.block_shape


@given(exportables)
def test_the_mask_gives_the_graph_back(obj: Exportable) -> None:
    graph = BipartiteGraph.from_biadjacency(to_scipy(obj, format="coo"))
    np.testing.assert_array_equal(graph.edges, np.argwhere(dense_of(obj)))


def test_zeros_stay_stored() -> None:
    assert to_scipy(complete(2, 2), [0.0, 1, 0, 1]).nnz == 4


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ArgumentError, match="format is 'dia', expected one of csr, bsr, coo"):
        to_scipy(complete(1, 1), format="dia")  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", ["coo", "dok"])
def test_a_matrix_too_large_for_its_rows_to_be_listed_is_refused(layout: Any) -> None:
    huge = sparse.coo_array(([1.0], ([1], [2])), shape=(2**31 - 1, 2**31 - 1)).asformat(layout)
    with pytest.raises(ArgumentError, match=r"2147483647.*bytes"):
        read_mask(huge)


def test_a_masked_array_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"filled\(0\)"):
        read_mask(np.ma.array(np.ones((2, 2)), mask=[[True, False], [False, False]]))
