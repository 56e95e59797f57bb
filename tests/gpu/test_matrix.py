from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.constructions import complete, random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.testing.strategies import rbgp4_patterns
from tests.gpu.oracle import DTYPES, assert_close, dense, dtypes, matrix_of, normal, seeds

#: Ways to lay out the same numbers in memory.
LAYOUTS: dict[str, Any] = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1, ..., ::-1].copy()[::-1, ..., ::-1],
    "rows apart": lambda a: np.repeat(a, 3, axis=0)[1::3],
    "swapped": lambda a: a.swapaxes(0, -1).copy().swapaxes(0, -1),
}
layouts = st.sampled_from(sorted(LAYOUTS))


@pytest.fixture
def pattern() -> RBGP4:
    outer, inner = random_biregular(3, 6, 2, rng=1), random_biregular(4, 4, 3, rng=2)
    return RBGP4(outer, (2, 1), inner, (2, 1), shifts=[0, 1, 2, 3, 1, 2])


@pytest.fixture(name="A")
def small_matrix(pattern: RBGP4) -> RBGP4Matrix:
    return matrix_of(pattern, 0)


# Products -------------------------------------------------------------------------------------


@given(rbgp4_patterns(), seeds, dtypes, dtypes, layouts, layouts)
def test_products_on_either_side_take_any_dtype_and_strides(
    pattern: RBGP4, seed: int, of_values: Any, of_operand: Any, one: str, other: str
) -> None:
    rng = np.random.default_rng(seed)
    values = LAYOUTS[one](normal(rng, (pattern.rows, pattern.row_degree), of_values))
    A = RBGP4Matrix(pattern, values)
    full, dtype = dense(A), np.promote_types(of_values, of_operand)
    X = LAYOUTS[other](normal(rng, (pattern.cols, 3), of_operand))
    Y = LAYOUTS[other](normal(rng, (pattern.rows, 3), of_operand))
    assert_close(A @ X, full, X, dtype)
    assert_close(A.T @ Y, full.T, Y, dtype)
    assert_close((Y.T @ A).T, full.T, Y, dtype)
    assert_close((X.T @ A.T).T, full, X, dtype)
    assert_close(A @ X[:, 0], full, X[:, 0], dtype)
    assert_close(Y[:, 0] @ A, full.T, Y[:, 0], dtype)


@given(rbgp4_patterns(), seeds, st.lists(st.integers(0, 3), min_size=1, max_size=3), layouts)
def test_batches_follow_numpy(pattern: RBGP4, seed: int, batch: list[int], layout: str) -> None:
    rng = np.random.default_rng(seed)
    A = matrix_of(pattern, seed)
    X = LAYOUTS[layout](normal(rng, (*batch, pattern.cols, 2), np.float64))
    Y = LAYOUTS[layout](normal(rng, (*batch, 2, pattern.rows), np.float64))
    np.testing.assert_allclose(A @ X, dense(A) @ X, atol=1e-9)
    np.testing.assert_allclose(Y @ A, Y @ dense(A), atol=1e-9)
    gradient = A.sampled_matmul(Y.swapaxes(-1, -2), X)
    product = Y.swapaxes(-1, -2) @ X.swapaxes(-1, -2)
    expected = product.reshape(-1, *pattern.shape).sum(axis=0)
    full = pattern.to_csr(gradient).toarray()
    np.testing.assert_allclose(full, expected * pattern.mask(), atol=1e-9)


@given(rbgp4_patterns(), seeds)
def test_the_sampled_product_of_the_transpose_has_its_own_order(pattern: RBGP4, seed: int) -> None:
    rng = np.random.default_rng(seed)
    A = matrix_of(pattern, seed)
    Y, X = normal(rng, (pattern.rows, 4), np.float64), normal(rng, (pattern.cols, 4), np.float64)
    full = A.T.pattern.to_csr(A.T.sampled_matmul(X, Y)).toarray()
    np.testing.assert_allclose(full, pattern.to_csr(A.sampled_matmul(Y, X)).toarray().T)


@given(rbgp4_patterns(), seeds)
def test_the_sampled_product_is_the_gradient_of_the_values(pattern: RBGP4, seed: int) -> None:
    rng = np.random.default_rng(seed)
    A = matrix_of(pattern, seed)
    X, dY = normal(rng, (pattern.cols, 3), np.float64), normal(rng, (pattern.rows, 3), np.float64)
    step = rng.standard_normal(A.values.shape)
    moved = RBGP4Matrix(pattern, A.values + step)
    # The loss sum(dY * (A @ X)) is linear in the values.
    change = (dY * (moved @ X)).sum() - (dY * (A @ X)).sum()
    np.testing.assert_allclose((A.sampled_matmul(dY, X) * step).sum(), change, atol=1e-8)


def test_empty_and_single_columns_keep_their_shape(A: RBGP4Matrix) -> None:
    rows, cols = A.shape
    assert (A @ np.ones((cols, 0))).shape == (rows, 0)
    assert (np.ones((0, rows)) @ A).shape == (0, cols)
    assert (A.T @ np.ones((2, 0, rows, 1))).shape == (2, 0, cols, 1)
    assert (A @ np.ones((cols, 1))).shape == (rows, 1)
    assert (A @ np.ones(cols)).shape == (rows,)
    empty = A.sampled_matmul(np.ones((rows, 0)), np.ones((cols, 0)))
    np.testing.assert_array_equal(empty, np.zeros_like(A.values))


def test_vectors_give_the_outer_product_at_the_nonzeros(A: RBGP4Matrix, pattern: RBGP4) -> None:
    y, x = np.arange(1.0, A.shape[0] + 1), np.arange(1.0, A.shape[1] + 1)
    full = pattern.to_csr(A.sampled_matmul(y, x)).toarray()
    np.testing.assert_array_equal(full, np.outer(y, x) * pattern.mask())


def test_the_sampled_product_writes_to_out(A: RBGP4Matrix) -> None:
    y, x = np.ones(A.shape[0]), np.ones(A.shape[1])
    out = np.full(A.values.shape, np.nan)
    assert A.sampled_matmul(y, x, out=out) is out
    assert (out == 1).all()
    back = np.full(A.T.values.shape, np.nan)
    assert A.T.sampled_matmul(x, y, out=back) is back
    assert (back == 1).all()


@pytest.mark.parametrize(
    ("operand", "dtype"),
    [
        (np.arange(24), np.float64),
        (np.arange(24, dtype=np.int8), np.float32),
        (np.ones(24, dtype=bool), np.float32),
        (list(range(24)), np.float64),
        (np.arange(24.0).astype(">f4"), np.float32),
    ],
)
def test_integers_bools_lists_and_swapped_bytes_are_operands(
    pattern: RBGP4, operand: Any, dtype: Any
) -> None:
    A = matrix_of(pattern, 0, np.float32)
    result = A @ operand
    assert result.dtype == dtype
    np.testing.assert_allclose(result, dense(A) @ np.asarray(operand, float), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(operand @ A.T, result)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_exactly_the_rows_that_store_them(
    A: RBGP4Matrix, pattern: RBGP4, special: float
) -> None:
    X = np.ones((A.shape[1], 2))
    X[5, 1] = special
    with np.errstate(invalid="ignore"):
        result = A @ X
    touched = np.zeros(result.shape, dtype=bool)
    touched[:, 1] = pattern.mask()[:, 5]
    np.testing.assert_array_equal(~np.isfinite(result), touched)
    poisoned = A.values.copy()
    poisoned[3, 0] = special
    with np.errstate(invalid="ignore"):
        result = RBGP4Matrix(pattern, poisoned) @ np.ones((A.shape[1], 2))
    assert np.argwhere(~np.isfinite(result)).tolist() == [[3, 0], [3, 1]]


def test_two_threads_multiply_at_once(A: RBGP4Matrix) -> None:
    rng = np.random.default_rng(0)
    operands = [normal(rng, (A.shape[1], 50), np.float64) for _ in range(8)]
    results: dict[int, NDArray[Any]] = {}

    def work(k: int) -> None:
        results[k] = A @ operands[k]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, X in enumerate(operands):
        np.testing.assert_allclose(results[k], dense(A) @ X)


# The matrix -----------------------------------------------------------------------------------


def test_values_are_shared_and_changes_take_effect(pattern: RBGP4) -> None:
    values = np.ones((pattern.rows, pattern.row_degree))
    A = RBGP4Matrix(pattern, values)
    view, x = A.T, np.ones(A.shape[1])
    assert A.values is values
    assert (A @ x == pattern.row_degree).all()
    values *= 2
    assert (A @ x == 2 * pattern.row_degree).all()
    assert (view @ np.ones(A.shape[0]) == 2 * pattern.col_degree).all()
    assert (view.values == 2).all()


@given(rbgp4_patterns(), seeds, dtypes)
def test_the_transpose_is_a_view_of_the_transposed_pattern(
    pattern: RBGP4, seed: int, dtype: Any
) -> None:
    A = matrix_of(pattern, seed, dtype)
    T = A.T
    assert T.pattern == pattern.T
    assert T.shape == (A.shape[1], A.shape[0])
    assert (T.dtype, T.nnz) == (A.dtype, A.nnz)
    assert T.values.shape == (pattern.cols, pattern.col_degree)
    np.testing.assert_array_equal(dense(T), dense(A).T)
    np.testing.assert_array_equal(T.to_dense(), A.to_dense().T)
    np.testing.assert_array_equal(T.to_csr().toarray(), A.to_csr().toarray().T)
    assert T.T.values is A.values
    assert T.T.pattern is pattern
    with pytest.raises(ValueError, match="read-only"):
        T.values[0, 0] = 1


@given(rbgp4_patterns(), seeds, dtypes)
def test_dense_matrices_go_there_and_back(pattern: RBGP4, seed: int, dtype: Any) -> None:
    A = matrix_of(pattern, seed, dtype)
    W = A.to_dense()
    assert W.dtype == dtype
    np.testing.assert_array_equal(W, dense(A))
    np.testing.assert_array_equal(RBGP4Matrix.from_dense(pattern, W).values, A.values)


def test_from_dense_names_the_first_entry_outside(A: RBGP4Matrix, pattern: RBGP4) -> None:
    W = A.to_dense()
    i, j = np.argwhere(~pattern.mask())[7]
    for value in (2.5, np.nan):
        W[i, j] = value
        with pytest.raises(ArgumentError, match=rf"W\[{i}, {j}\] is {value} .* strict=False"):
            RBGP4Matrix.from_dense(pattern, W)
        loose = RBGP4Matrix.from_dense(pattern, W, strict=False)
        np.testing.assert_array_equal(loose.values, A.values)


def test_from_dense_refuses_other_shapes_and_dtypes(pattern: RBGP4) -> None:
    with pytest.raises(ArgumentError, match=r"W has shape \(2, 3\), expected \(48, 24\)"):
        RBGP4Matrix.from_dense(pattern, np.ones((2, 3)))
    with pytest.raises(ArgumentTypeError, match=r"W has dtype int64.*cast"):
        RBGP4Matrix.from_dense(pattern, np.zeros(pattern.shape, dtype=np.int64))


def test_to_dense_refuses_what_is_too_large(A: RBGP4Matrix) -> None:
    with pytest.raises(ArgumentError, match="9216 bytes, more than max_bytes=9215"):
        A.to_dense(max_bytes=9215)
    assert A.to_dense(max_bytes=9216).shape == A.shape


def test_copies_and_pickles_own_their_values(A: RBGP4Matrix) -> None:
    for matrix in (A, A.T):
        for twin in (copy.deepcopy(matrix), pickle.loads(pickle.dumps(matrix))):
            assert twin.pattern == matrix.pattern
            np.testing.assert_array_equal(twin.values, matrix.values)
            assert not np.shares_memory(twin._stored.values, A.values)
    assert copy.copy(A).values is A.values


def test_the_representation_says_what_it_is(A: RBGP4Matrix) -> None:
    assert repr(A) == "<RBGP4Matrix 48 x 24, float64, sparsity 75.00%>"
    assert repr(A.T) == "<RBGP4Matrix 24 x 48, float64, sparsity 75.00%, transposed>"


# Refusals -------------------------------------------------------------------------------------


def test_only_rbgp4_patterns_are_accepted(pattern: RBGP4) -> None:
    with pytest.raises(ArgumentTypeError, match="pattern is a TensorProduct, expected an RBGP4"):
        RBGP4Matrix(TensorProduct(complete(2, 2)), np.ones((2, 2)))  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="pattern is a tuple"):
        RBGP4Matrix((2, 2), np.ones((2, 2)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (np.int64, r"values has dtype int64, expected float16, .* cast it"),
        (bool, r"values has dtype bool, .* cast it"),
        (np.longdouble, r"values has dtype float128|longdouble"),
        (">f4", r"values has dtype >f4, .* cast it"),
        (np.complex128, "values has dtype complex128, expected real numbers"),
        (object, "values has dtype object, expected real numbers"),
        ("U1", "values has dtype <U1, expected real numbers"),
    ],
)
def test_values_of_other_dtypes_are_refused(pattern: RBGP4, dtype: Any, message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        RBGP4Matrix(pattern, np.zeros((pattern.rows, pattern.row_degree)).astype(dtype))


def test_values_of_another_shape_are_refused(pattern: RBGP4) -> None:
    with pytest.raises(ArgumentError, match=r"values has shape \(3,\), expected .* \(48, 6\)"):
        RBGP4Matrix(pattern, np.ones(3))


@pytest.mark.parametrize("shape", [(), (23,), (25,), (48, 2), (2, 24), (3, 23, 2)])
def test_wrong_shapes_name_both_shapes_and_what_is_expected(
    A: RBGP4Matrix, shape: tuple[int, ...]
) -> None:
    text = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(
        ArgumentError,
        match=rf"A has shape \(48, 24\) and X has shape {text}; .* \(24,\) or \(\.\.\., 24, N\)",
    ):
        A @ np.ones(shape)
    if shape == (48, 2):
        return
    with pytest.raises(
        ArgumentError,
        match=rf"X has shape {text} and A has shape \(48, 24\); .* \(48,\) or \(\.\.\., M, 48\)",
    ):
        np.ones(shape) @ A


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((48,), (24, 1)),
        ((48, 2), (24, 3)),
        ((24, 2), (48, 2)),
        ((2, 48, 2), (3, 24, 2)),
        ((2, 48, 2), (24, 2)),
        ((), ()),
    ],
)
def test_the_sampled_product_refuses_shapes_that_do_not_fit(
    A: RBGP4Matrix, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    with pytest.raises(ArgumentError, match=r"A has shape \(48, 24\), dY has shape .*expected"):
        A.sampled_matmul(np.ones(left), np.ones(right))


def test_operands_that_are_no_dense_numbers_are_refused(A: RBGP4Matrix) -> None:
    cols = A.shape[1]
    for operand, message in [
        (np.ones(cols, complex), "X has dtype complex128"),
        (np.full(cols, "1"), "X has dtype <U1"),
        (np.full(cols, None), "X has dtype object"),
        (np.ones(cols, np.longdouble), "would have dtype"),
        ([[1.0], [1.0, 2.0]], "X of type list cannot be read"),
        (sparse.eye_array(cols), r"X is a sparse array.*X\.toarray"),
        (np.ma.masked_array(np.ones(cols)), "X is a masked array"),
        (A, r"X is an RBGP4Matrix.*X\.to_dense"),
        (None, "X has dtype object"),
        ("text", "X has dtype <U4"),
    ]:
        with pytest.raises(ArgumentTypeError, match=message):
            A @ operand
    with pytest.raises(ArgumentTypeError, match="X is a sparse array"):
        sparse.eye_array(A.shape[0]) @ A


def test_numpy_functions_do_not_mistake_the_matrix_for_an_array(A: RBGP4Matrix) -> None:
    with pytest.raises(TypeError):
        np.add(A, 1)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        np.ones(A.shape[0]) * A  # type: ignore[operator]


class _OnDevice:
    # The number of Vulkan, for which there is no backend; tests/gpu/cuda has those for CUDA.
    def __dlpack_device__(self) -> tuple[int, int]:
        return (7, 0)

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("nothing is copied from the device")


def test_operands_on_a_device_are_refused(A: RBGP4Matrix) -> None:
    with pytest.raises(BackendError, match=r"X lies on device \(7, 0\).*copy it to one"):
        A @ _OnDevice()
    with pytest.raises(BackendError, match="dY lies on device"):
        A.sampled_matmul(_OnDevice(), np.ones(A.shape[1]))  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sampled_product_promotes_its_operands_only(pattern: RBGP4, dtype: Any) -> None:
    A = matrix_of(pattern, 0, np.float64)
    y, x = np.ones(A.shape[0], dtype), np.ones(A.shape[1], np.float16)
    assert A.sampled_matmul(y, x).dtype == dtype
    assert A.sampled_matmul(y.astype(np.int64), x).dtype == np.float64
