from __future__ import annotations

import pickle
import threading
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import random_biregular
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu import RBGP4Matrix, Sequential, matmul
from rbgp_graphs.gpu.cpu import chain
from rbgp_graphs.products import RBGP4
from tests.gpu.oracle import dtypes, matrix_of, normal, seeds


def pattern_of(rows: int, cols: int) -> RBGP4:
    return RBGP4(
        random_biregular(rows, cols, cols // 2, rng=0),
        (2, 2),
        random_biregular(4, 4, 2, rng=1),
        (1, 1),
    )


@pytest.fixture(name="layers")
def three_layers() -> list[Any]:
    rng = np.random.default_rng(0)
    shapes = ((4, 6), (2, 4), (6, 2))
    matrices = [matrix_of(pattern_of(*shape), k) for k, shape in enumerate(shapes)]
    return [
        (matrices[0], rng.standard_normal(32), "relu"),
        matrices[1],
        (matrices[2].T.T, None, "silu"),
    ]


@given(seeds, dtypes, st.sampled_from([(), (1,), (7,), (40,), (150,)]), st.booleans())
def test_layers_compute_what_products_one_by_one_compute(
    seed: int, dtype: Any, columns: tuple[int, ...], batch: bool
) -> None:
    rng = np.random.default_rng(seed)
    first, second = matrix_of(pattern_of(4, 6), seed, dtype), matrix_of(pattern_of(4, 2), 1, dtype)
    bias = normal(rng, (32,), dtype)
    network = Sequential([(first, bias, "gelu"), (second.T, None, "relu"), second])
    shape = ((3,) if batch and columns else ()) + (48, *columns)
    X = normal(rng, shape, dtype)
    expected = matmul(first, X, bias=bias, activation="gelu")
    expected = second @ matmul(second.T, expected, activation="relu")
    result = network(X)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(network(X), expected)


def test_results_do_not_share_the_buffers(layers: list[Any]) -> None:
    network = Sequential(layers)
    a, b = np.ones((48, 3)), np.full((48, 3), 2.0)
    first = network(a)
    kept = first.copy()
    network(b)
    np.testing.assert_array_equal(first, kept)
    out = np.empty((48, 3))
    assert network(a, out=out) is out
    np.testing.assert_array_equal(out, kept)


def test_changes_of_values_and_biases_take_effect(layers: list[Any]) -> None:
    network, X = Sequential(layers), np.ones((48, 2))
    before = network(X)
    layers[0][0].values[...] = 0
    layers[0][1][...] = 1
    after = network(X)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, Sequential(layers)(X))


def test_threads_do_not_share_the_buffers(layers: list[Any]) -> None:
    network = Sequential(layers)
    operands = [np.random.default_rng(k).standard_normal((48, 9)) for k in range(6)]
    expected = [network(X) for X in operands]
    results: dict[int, Any] = {}

    def work(k: int) -> None:
        results[k] = [network(operands[k]) for _ in range(20)]

    callers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for k in range(6):
        for result in results[k]:
            np.testing.assert_array_equal(result, expected[k])


def test_samples_in_rows_are_passed_transposed(layers: list[Any]) -> None:
    network, samples = Sequential(layers), np.random.default_rng(0).standard_normal((5, 48))
    out = np.empty((5, 48))
    network(samples.T, out=out.T)
    np.testing.assert_allclose(out, network(np.ascontiguousarray(samples.T)).T)


def test_a_network_says_what_it_is_and_can_be_pickled(layers: list[Any]) -> None:
    network = Sequential(layers)
    assert (network.shape, len(network)) == ((48, 48), 3)
    assert [A.shape for A in network.matrices] == [(32, 48), (16, 32), (48, 16)]
    assert repr(network) == "<Sequential 48 x 48, 3 layers>"
    X = np.ones(48)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(network))(X), network(X))


def test_bad_layers_and_operands_are_refused(layers: list[Any]) -> None:
    A: RBGP4Matrix = layers[0][0]
    with pytest.raises(ArgumentTypeError, match="layers is a int, expected matrices"):
        Sequential(5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="layers is a RBGP4Matrix, expected matrices"):
        Sequential(A)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="layers is empty"):
        Sequential([])
    for bad in (3, (), (A, None, None, None), (np.eye(2), None)):
        with pytest.raises(ArgumentTypeError, match=r"(?s)layer 0 is .*expected an RBGP4Matrix or"):
            Sequential([bad])
    with pytest.raises(ArgumentError, match=r"layer 0 has shape \(32, 48\) .* with 32 columns"):
        Sequential([A, A])
    with pytest.raises(ArgumentError, match=r"bias has shape \(3,\)"):
        Sequential([(A, np.ones(3))])
    with pytest.raises(ArgumentError, match="activation is 'tanh'"):
        Sequential([(A, None, "tanh")])
    network = Sequential(layers)
    with pytest.raises(ArgumentError, match=r"X has shape \(32, 2\), expected \(48,\)"):
        network(np.ones((32, 2)))
    with pytest.raises(ArgumentError, match="out overlaps the bias of layer 0"):
        Sequential([(A, layers[0][1])])(np.ones(48), out=layers[0][1])
    with pytest.raises(BackendError, match="'nothing' cannot be used"):
        Sequential(layers, backend="nothing")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_between_layers_stay_packed_where_panels_fit(dtype: Any) -> None:
    pattern = pattern_of(4, 4)
    square = [matrix_of(pattern, k, dtype) for k in range(3)]
    X = normal(np.random.default_rng(0), (32, 150), dtype)
    expected = X
    for A in square:
        expected = matmul(A, expected, activation="relu")
    packed = mock.Mock(wraps=chain._run)
    with mock.patch.object(chain, "_run", packed):
        result = Sequential([(A, None, "relu") for A in square], backend="cpu")(X)
    np.testing.assert_array_equal(result, expected)
    sources, goals = zip(*(call.args[-2:] for call in packed.call_args_list), strict=True)
    assert [place.ndim == 1 for place in sources] == [False, True, True]
    assert [place.ndim == 1 for place in goals] == [True, True, False]
