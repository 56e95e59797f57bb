"""Every peer computes what it claims; a wrong result is refused before it is timed."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs.bench import CPU_PEERS, Peer, Prepared, compare, make_problem, random_matrix
from rbgp_graphs.bench.comparison import compare_on
from rbgp_graphs.bench.layers import compare_layers, make_network
from rbgp_graphs.bench.peers import own
from rbgp_graphs.bench.threads import limit_threads
from rbgp_graphs.testing.strategies import rbgp4_patterns

PATTERN = rg.RBGP4(rg.complete(2, 4), (4, 1), rg.field_lift(5, 5), (2, 2))
PRODUCTS = ("forward", "transposed", "sampled")


def right(pattern: rg.RBGP4, columns: int, product: Any, dtype: str) -> Any:
    """Return a problem and its result, computed in float64 and rounded once."""
    problem = make_problem(random_matrix(pattern, dtype), columns, product=product)
    dense = problem.csr("pattern")
    X, gradient = problem.X.astype(float), problem.gradient.astype(float)
    result = {
        "forward": lambda: dense.astype(float) @ X,
        "transposed": lambda: dense.astype(float).T @ gradient,
        "sampled": lambda: gradient @ X.T,
    }[product]()
    return problem, result.astype(problem.dtype)


@settings(max_examples=15)
@given(
    rbgp4_patterns(),
    st.integers(1, 20),
    st.sampled_from(PRODUCTS),
    st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
)
def test_a_right_result_has_an_error_below_one_and_a_wrong_one_above(
    pattern: rg.RBGP4, columns: int, product: Any, dtype: str
) -> None:
    problem, result = right(pattern, columns, product, dtype)
    assert problem.error(result, "own") <= 1
    for kind in ("own", "dense"):
        assert problem.error(result[:-1], kind) == math.inf
    spoiled = result.copy()
    spoiled[0, 0] = np.nan
    assert problem.error(spoiled, "own") == math.inf
    # An entry is off by the sum of the sizes of its terms.
    _, magnitude = problem._exact("pattern")
    i, j = np.unravel_index(np.argmax(magnitude), magnitude.shape)
    if magnitude[i, j] > 0:
        at = problem._checked
        place = (at[i], j) if product == "sampled" else (i, at[j])
        wrong = result.astype(float)
        wrong[place] += magnitude[i, j]
        assert problem.error(wrong, "own") > 1


@pytest.mark.parametrize(("dtype", "bits"), [("float16", 11), ("bfloat16", 8), ("float32", 24)])
def test_what_rounding_explains_follows_the_dtype(dtype: str, bits: int) -> None:
    problem, result = right(PATTERN, 5, "forward", dtype)
    _, magnitude = problem._exact("pattern")
    i, j = np.unravel_index(np.argmax(magnitude), magnitude.shape)
    wrong = result.astype(float)
    # The spacing of numbers with so many bits, for the result and for each term of a long sum.
    shift = magnitude[i, j] * 2.0 ** (1 - bits)
    wrong[i, problem._checked[j]] += shift / 8
    assert problem.error(wrong, "own") <= 1
    wrong[i, problem._checked[j]] += (PATTERN.row_degree + 4) * shift
    assert problem.error(wrong, "own") > 1


def test_masks_to_compare_with_have_the_density_of_the_pattern() -> None:
    parallel = rg.BipartiteGraph.from_edges([(0, 0), (1, 1)], shape=(2, 2))
    pattern = rg.RBGP4(parallel, (4, 1), rg.complete(2, 2), (16, 16))
    problem = make_problem(random_matrix(pattern), 3)
    assert problem.unstructured_csr.nnz == problem.block_bsr.nnz == problem.pattern.nnz
    assert set(np.diff(problem.unstructured_csr.indptr)) == {problem.pattern.row_degree}
    assert problem.block_bsr.blocksize == (16, 16)
    assert problem.unstructured_csr.has_canonical_format


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_every_peer_that_is_here_is_right(product: Any, dtype: str) -> None:
    found = compare(random_matrix(PATTERN, dtype), 7, product=product, rounds=1)
    assert found.own.name == "rbgp_graphs"
    names = [m.name for m in found.measurements] + [a.name for a in found.absent]
    assert sorted(names) == sorted(["rbgp_graphs", *(peer.name for peer in CPU_PEERS)])
    assert all(0 <= m.error <= 1 and m.milliseconds > 0 for m in found.measurements)
    assert {"numpy dense"} <= {m.name for m in found.measurements}
    fastest = found.fastest("dense")
    assert fastest is not None
    assert fastest.gflops == pytest.approx(fastest.useful_gflops / (1 - PATTERN.sparsity))
    assert found.fastest("own") is None


def test_a_wrong_peer_is_refused() -> None:
    wrong = Peer(
        name="liar",
        kind="dense",
        pack=lambda problem: Prepared(run=lambda: np.zeros((PATTERN.rows, 3), np.float32)),
    )
    with pytest.raises(rg.BackendError, match="liar is off by"):
        compare(random_matrix(PATTERN), 3, peers=[wrong], rounds=1)


def test_a_peer_that_is_missing_or_fails_is_named_with_the_reason() -> None:
    def fail(problem: Any) -> Prepared:
        raise NotImplementedError("no such layout\nand more")

    peers = [
        Peer(name="away", kind="dense", pack=fail, missing=lambda: "pip install away"),
        Peer(name="weak", kind="dense", pack=fail),
        Peer(name="few", kind="dense", pack=fail, products=()),
    ]
    found = compare(random_matrix(PATTERN), 3, peers=peers, rounds=1)
    reasons = {absent.name: absent.reason for absent in found.absent}
    assert reasons == {
        "away": "pip install away",
        "weak": "NotImplementedError: no such layout",
        "few": "has no forward product",
    }


def test_an_error_of_this_package_is_not_hidden() -> None:
    problem = make_problem(random_matrix(PATTERN), 3)

    def fail(problem: Any) -> Prepared:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        compare_on(problem, [replace(own(), pack=fail)], rounds=1)
    with pytest.raises(rg.BackendError, match="abacus"):
        compare(random_matrix(PATTERN), 3, backend="abacus", peers=[], rounds=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_columns": 0}, "num_columns is 0, expected at least 1"),
        ({"product": "backward"}, "product is 'backward', expected one of forward"),
        ({"rounds": 0}, "rounds is 0, expected at least 1"),
        ({"threads": 0}, "threads is 0, expected at least 1"),
    ],
)
def test_wrong_requests_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"num_columns": 2, "peers": [], **change}
    with pytest.raises(rg.ArgumentError, match=message):
        compare(random_matrix(PATTERN), **arguments)


def test_a_network_is_right_next_to_a_dense_one() -> None:
    pattern = rg.RBGP4(rg.complete(2, 2), (4, 1), rg.field_lift(5, 5), (1, 4))
    found = compare_layers(pattern, 3, 5, rounds=1)
    assert found.own.error <= 1
    assert found.fastest("dense") is not None
    network = make_network(pattern, 3, 5)
    with pytest.raises(rg.BackendError, match="liar has a relative error"):
        network.check("liar", network.exact * 1.001, "own")


def test_the_load_of_other_processes_is_told_where_the_system_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = random_matrix(PATTERN)
    found = compare(matrix, 3, peers=[], rounds=1).other_load
    assert found is None or 0 <= found < 1024
    # A processor that worked for days meanwhile.
    clock = iter([0.0, 1e6])
    monkeypatch.setattr("rbgp_graphs.bench.comparison.busy_seconds", lambda: next(clock))
    disturbed = compare(matrix, 3, peers=[], rounds=1).other_load
    assert disturbed is not None
    assert disturbed > 100
    monkeypatch.setattr("rbgp_graphs.bench.comparison.busy_seconds", lambda: None)
    assert compare(matrix, 3, peers=[], rounds=1).other_load is None


def test_threads_are_limited_and_put_back() -> None:
    controller = pytest.importorskip("threadpoolctl").threadpool_info

    def pools() -> dict[str, int]:
        return {pool["filepath"]: pool["num_threads"] for pool in controller()}

    before = pools()
    with limit_threads(1) as threads:
        assert threads == 1
        assert set(pools().values()) <= {1}
    # Numba loads a library of its own when it is first asked for its threads.
    assert before.items() <= pools().items()
    with limit_threads(None) as threads:
        assert threads >= 1
    assert threading.active_count() >= 1
