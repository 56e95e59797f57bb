"""In a process of its own: TensorFlow warns on import, and takes seconds and memory."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap

import pytest

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export import to_tensorflow


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is optional")
def test_tensorflow_holds_the_same_matrix() -> None:
    code = """
        import numpy as np
        import tensorflow as tf
        from hypothesis import given, settings
        from rbgp_graphs.export import read_mask, to_tensorflow
        from tests.export.test_entries import dense_of, exportables, values_of

        @settings(max_examples=6, deadline=None, database=None)
        @given(exportables)
        def check(obj):
            for dtype in (np.float16, np.float32, np.float64, np.int64):
                values, full = values_of(obj, dtype), dense_of(obj)
                weights = to_tensorflow(obj, values)
                assert weights.dtype == dtype and weights.indices.dtype == tf.int64
                assert weights.shape == obj.shape
                assert read_mask(weights) == read_mask(full)
                found = tf.sparse.to_dense(weights, validate_indices=True).numpy()
                np.testing.assert_array_equal(found, full)
                dense = to_tensorflow(obj, values, layout="dense")
                np.testing.assert_array_equal(dense.numpy(), full)
                assert dense.dtype == dtype
            mask = to_tensorflow(obj, layout="dense")
            assert mask.dtype == tf.bool
            assert read_mask(mask) == read_mask(full)
            sparse = to_tensorflow(obj)
            assert sparse.dtype == tf.bool and bool(tf.reduce_all(sparse.values))
            if 0 not in obj.shape:
                x = np.ones((obj.shape[1], 2))
                product = tf.sparse.sparse_dense_matmul(to_tensorflow(obj, values_of(obj)), x)
                np.testing.assert_allclose(product.numpy(), full @ x)

        check()
        print("checked")
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("checked\n"), done.stderr[-2000:]


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ArgumentError, match="layout is 'csr', expected one of sparse, dense"):
        to_tensorflow(complete(1, 2), layout="csr")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"values has shape \(3,\), expected \(2,\)"):
        to_tensorflow(complete(1, 2), [1, 2, 3])
