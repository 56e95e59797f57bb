from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export import read_mask, read_masks, to_jax
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.products import RBGP4
from tests.export.test_entries import dense_of, exportables, values_of

jax = pytest.importorskip("jax", reason="JAX is optional")
jnp = jax.numpy

LAYOUTS = ("dense", "bcoo", "bcsr")
PATTERN = RBGP4(complete(2, 2), (2, 1), read_mask(np.eye(2)), (1, 1))


# Every new shape is compiled.
@settings(max_examples=4)
@given(exportables, st.sampled_from(LAYOUTS))
def test_every_layout_holds_the_same_matrix(obj: Exportable, layout: Any) -> None:
    mask = to_jax(obj, layout=layout)
    assert mask.dtype == bool
    assert mask.shape == obj.shape
    weights = to_jax(obj, values_of(obj, np.float32), layout=layout)
    assert weights.dtype == np.float32
    if layout != "dense":
        assert mask.nse == weights.nse == len(values_of(obj).ravel())
        assert bool(np.all(mask.data))
        np.testing.assert_array_equal(mask.indices, weights.indices)
        if 0 not in obj.shape:
            np.testing.assert_array_equal(weights.todense(), dense_of(obj))
        assert read_mask(mask) == read_mask(weights) == read_mask(dense_of(obj))
        return
    np.testing.assert_array_equal(weights, dense_of(obj))
    np.testing.assert_array_equal(mask, dense_of(obj) > 0)
    assert read_mask(mask) == read_mask(dense_of(obj))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "int8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_survives(layout: Any, dtype: str) -> None:
    values = jnp.arange(PATTERN.nnz).reshape(PATTERN.rows, -1).astype(dtype)
    weights = to_jax(PATTERN, values, layout=layout)
    assert weights.dtype == dtype
    full = weights if layout == "dense" else weights.todense()
    assert (full[PATTERN.mask()] == values.ravel()).all()
    assert read_mask(weights) == read_mask(full.astype("float32"))


def test_sparse_arrays_of_every_kind_are_read_as_masks() -> None:
    sparse: Any = pytest.importorskip("jax.experimental.sparse")
    # JAX marks padding by indices that lie outside.
    values = jnp.array([1.0, 0.5, -0.5, 2.0, 0.0, 3.0])
    pairs = np.array([[0, 0], [0, 1], [0, 1], [1, 2], [1, 0], [2, 3]])
    coo = sparse.BCOO((values, pairs), shape=(2, 3))
    assert read_mask(coo).edges.tolist() == [[0, 0], [1, 2]]
    csr = sparse.BCSR((values, np.array([0, 1, 1, 2, 0, 3]), np.array([0, 3, 5])), shape=(2, 3))
    old = sparse.CSR((values[:5], pairs[:5, 1], np.array([0, 3, 5])), shape=(2, 3))
    assert read_mask(csr) == read_mask(old) == read_mask(coo)
    tree = {"a": {"kernel": coo, "bias": values}, "b": jnp.ones((2, 3), "bfloat16")}
    assert read_masks(tree) == {"a.kernel": read_mask(coo), "b": complete(2, 3)}
    with pytest.raises(ArgumentError, match=r"shape \(2, 2, 2\), 3 dimensions, expected 2"):
        read_mask(sparse.BCOO((values[:1], np.zeros((1, 3), int)), shape=(2, 2, 2)))


def test_a_traced_array_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"source of type \w*Tracer"):
        jax.jit(read_mask)(values_of(PATTERN))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_and_gradients_go_through(layout: Any) -> None:
    x = np.random.default_rng(0).standard_normal((PATTERN.cols, 3)).astype(np.float32)
    values = jnp.asarray(values_of(PATTERN, np.float32))

    def loss(values: Any) -> Any:
        return (to_jax(PATTERN, values, layout=layout) @ x).sum()

    full = dense_of(PATTERN)
    np.testing.assert_allclose(loss(values), (full @ x).sum(), rtol=1e-5)
    expected = np.broadcast_to(x.sum(axis=1), full.shape)[full > 0].reshape(values.shape)
    np.testing.assert_allclose(jax.grad(loss)(values), expected, rtol=1e-5)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match="layout is 'csr', expected one of dense, bcoo, bcsr"):
        to_jax(PATTERN, layout="csr")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"values has shape \(2,\), expected \(8, 2\)"):
        to_jax(PATTERN, [1, 2], layout="bcoo")
    with pytest.raises(ArgumentTypeError, match="complex"):
        to_jax(PATTERN, np.ones((8, 2), complex).astype(np.complex64), layout="bcsr")
    with pytest.raises(ArgumentTypeError, match="cannot be read as an array"):
        to_jax(PATTERN, [[1], [1, 2]], layout="bcoo")
    with pytest.raises(ArgumentError, match="needs 32 bytes, more than max_bytes=31"):
        to_jax(PATTERN, max_bytes=31)
