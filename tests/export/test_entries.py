from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.entries import Exportable, as_entries
from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.products.tensor import MAX_BYTES
from rbgp_graphs.testing.strategies import bipartite_graphs, patterns

#: Whatever can be exported.
exportables: st.SearchStrategy[Exportable] = st.one_of(bipartite_graphs(), patterns(max_side=3))


def values_of(obj: Exportable, dtype: Any = np.float64) -> Any:
    """Return distinct values for all nonzeros."""
    if isinstance(obj, TensorProduct):
        return np.arange(1, obj.nnz + 1, dtype=dtype).reshape(obj.rows, -1)
    return np.arange(1, obj.num_edges + 1, dtype=dtype)


def dense_of(obj: Exportable) -> Any:
    """Return the dense matrix of `values_of`, by single rows."""
    full = np.zeros(obj.shape)
    values = iter(values_of(obj).ravel())
    for i in range(obj.shape[0]):
        for j in obj.row(i) if isinstance(obj, TensorProduct) else obj.neighbors(i):
            full[i, j] = next(values)
    return full


@given(exportables)
def test_values_go_to_the_nonzeros_in_the_order_of_csr(obj: Exportable) -> None:
    matrix = as_entries(obj, values_of(obj), MAX_BYTES)
    np.testing.assert_array_equal(matrix.toarray(), dense_of(obj))
    np.testing.assert_array_equal(as_entries(obj, None, MAX_BYTES).toarray(), dense_of(obj) > 0)
    assert matrix.has_canonical_format


def test_float16_becomes_float32_which_scipy_knows() -> None:
    matrix = as_entries(complete(1, 2), np.array([0.1, 2], np.float16), MAX_BYTES)
    assert matrix.dtype == np.float32
    assert matrix.toarray()[0, 0] == np.float16(0.1)


@pytest.mark.parametrize("obj", [complete(2, 3), TensorProduct(complete(2, 3))])
def test_values_that_do_not_fit_are_refused(obj: Exportable) -> None:
    with pytest.raises(ArgumentError, match=r"values has shape \(5,\), expected "):
        as_entries(obj, np.ones(5), MAX_BYTES)
    for bad in (np.ones(6, complex), ["a"] * 6, [None] * 6):
        with pytest.raises(ArgumentTypeError, match=r"values has dtype .*, expected real numbers"):
            as_entries(obj, bad, MAX_BYTES)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="values cannot be read as an array"):
        as_entries(obj, [[1], [1, 2]], MAX_BYTES)


def test_other_objects_are_refused() -> None:
    matrix = RBGP4Matrix(RBGP4(complete(1, 1), (1, 1), complete(1, 1), (1, 1)), [[1.0]])
    for obj in (matrix, np.eye(2), None):
        with pytest.raises(ArgumentTypeError, match=r"expected a BipartiteGraph.*pass \.pattern"):
            as_entries(obj, None, MAX_BYTES)  # type: ignore[arg-type]


def test_indices_that_need_too_much_are_refused() -> None:
    pattern = TensorProduct(complete(8, 8), complete(8, 8))
    with pytest.raises(ArgumentError, match="needs 16384 bytes, more than max_bytes=16383"):
        as_entries(pattern, None, 16383)
    assert as_entries(pattern, None, 16384).nnz == 4096
