from __future__ import annotations

import numpy as np
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.gpu.transpose import transpose_values
from rbgp_graphs.products import RBGP4
from rbgp_graphs.testing.strategies import rbgp4_patterns


@given(rbgp4_patterns())
def test_the_order_is_that_of_the_rows_of_the_transposed_pattern(pattern: RBGP4) -> None:
    numbers = np.arange(1.0, pattern.nnz + 1).reshape(pattern.rows, pattern.row_degree)
    full = pattern.to_csr(numbers).toarray().T
    values = transpose_values(pattern, numbers)
    expected = [full[j, pattern.T.row(j)] for j in range(pattern.cols)]
    np.testing.assert_array_equal(values, expected)


@given(rbgp4_patterns())
def test_transposing_twice_gives_the_values_back(pattern: RBGP4) -> None:
    numbers = np.arange(pattern.nnz).reshape(pattern.rows, pattern.row_degree)
    there = transpose_values(pattern, numbers)
    np.testing.assert_array_equal(transpose_values(pattern.T, there), numbers)


def test_the_result_is_a_copy_for_any_strides() -> None:
    pattern = RBGP4(complete(1, 1), (1, 1), complete(2, 3), (1, 1))
    storage = np.arange(12.0).reshape(2, 6)
    result = transpose_values(pattern, storage[:, ::-2])
    assert not np.shares_memory(result, storage)
    np.testing.assert_array_equal(result, [[5, 11], [3, 9], [1, 7]])
