"""Whatever is written comes back, in the same bytes, wherever it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps, loads
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.testing.strategies import (
    bipartite_graphs,
    biregular_graphs,
    lifts,
    patterns,
    rbgp4_patterns,
)
from tests.encoding.forging import document_of

ANY_GRAPH = st.one_of(bipartite_graphs(), biregular_graphs(), lifts(max_levels=3))
EXPLICIT = [
    rg.complete(3, 5),
    rg.lps(3, 5),
    rg.lps(5, 3, allow_small=True),
    rg.field_lift(5, 4, 2, 2),
    rg.field_lift(4, 4),
    rg.projective_plane(3),
    rg.array_code(5, 7),
    rg.lps(3, 5).T,
    rg.projective_plane(4).T,
    rg.cyclic_lift(rg.two_lift(rg.complete(2, 3), [1, -1, 1, 1, -1, 1]).T, 3, [0, 1, 2] * 4).T,
]


@given(ANY_GRAPH)
def test_a_graph_comes_back_equal_and_gives_the_same_bytes_again(graph: rg.BipartiteGraph) -> None:
    data = dumps(graph)
    loaded = loads(data)
    assert loaded.graph == graph
    assert loaded.values is None
    assert loaded.graph.recipe == graph.recipe
    assert dumps(loaded.graph) == data


@pytest.mark.parametrize("graph", EXPLICIT, ids=repr)
def test_every_family_comes_back_from_its_parameters(graph: rg.BipartiteGraph) -> None:
    loaded = loads(dumps(graph)).graph
    assert loaded == graph
    assert loaded.recipe == graph.recipe
    assert "bits" not in loaded.recipe


@given(patterns(), st.sampled_from((None, np.float16, np.float32, np.float64)), st.data())
def test_a_pattern_comes_back_with_its_values(
    pattern: rg.TensorProduct, dtype: Any, data: st.DataObject
) -> None:
    values: NDArray[Any] | None = None
    if dtype is not None:
        seed = data.draw(st.integers(0, 2**32 - 1))
        shape = (pattern.rows, pattern.row_degree)
        values = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
        values[0, 0] = data.draw(st.sampled_from((-0.0, 0.0, np.finfo(dtype).smallest_subnormal)))
    written = dumps(pattern, values)
    loaded = loads(written)
    assert loaded.pattern == pattern
    assert type(loaded.pattern) is type(pattern)
    if values is None:
        assert loaded.values is None
    else:
        assert loaded.values is not None
        assert loaded.values.dtype == values.dtype
        assert loaded.values.flags.writeable
        assert loaded.values.tobytes() == values.tobytes()
    assert dumps(loaded.obj, loaded.values) == written


@given(rbgp4_patterns(twisted=True))
def test_a_twisted_pattern_keeps_its_shifts_and_its_mask(pattern: rg.RBGP4) -> None:
    for written in (pattern, pattern.T):
        loaded = loads(dumps(written)).pattern
        assert isinstance(loaded, rg.RBGP4)
        assert loaded.is_twisted == written.is_twisted
        if written.is_twisted:
            assert loaded.shift_side == written.shift_side
        assert_array_equal(loaded.mask(), written.mask())


@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order_and_strides_of_the_values_do_not_reach_the_file(order: str) -> None:
    pattern = rg.TensorProduct(rg.complete(3, 4))
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    strided = np.empty((4, 6), dtype=f"{order}f4").T[::2]
    strided[:] = values
    assert not strided.flags.c_contiguous
    data = dumps(pattern, strided)
    assert data == dumps(pattern, values)
    loaded = loads(data).values
    assert loaded is not None
    assert loaded.dtype.isnative
    assert_array_equal(loaded, values)


SCRIPT = """
import sys
import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps
base = rg.two_lift(rg.complete(2, 3), [1, -1, 1, 1, -1, 1])
pattern = rg.RBGP4(base, (2, 1), rg.field_lift(3, 3), (1, 2), shifts=[k % 9 for k in range(12)])
sys.stdout.buffer.write(dumps(pattern, [[0.5] * pattern.row_degree] * pattern.rows))
"""


def test_another_process_writes_the_same_bytes() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    pattern = loads(outputs[0]).pattern
    assert dumps(pattern, np.full((pattern.rows, pattern.row_degree), 0.5)) == outputs[0]


def signs(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).choice((-1, 1), size=count)


def test_a_pattern_of_a_million_nonzeros_takes_less_than_a_kilobyte() -> None:
    outer = rg.complete(8, 32)
    inner = rg.complete(8, 8)
    for level in range(2):
        outer = rg.two_lift(outer, signs(outer.num_edges, level))
        inner = rg.two_lift(inner, signs(inner.num_edges, level))
    pattern = rg.RBGP4(outer, (4, 1), inner, (1, 1))
    assert pattern.shape == (4096, 4096)
    assert pattern.sparsity == 0.9375
    size = len(dumps(pattern))
    assert size < 1000
    inner = rg.field_lift(8, 8, 1, 2)
    parameters = rg.RBGP4(rg.field_lift(32, 8, 1, 2).T, (4, 1), inner, (1, 1))
    assert parameters.shape == pattern.shape
    assert parameters.sparsity == pattern.sparsity
    assert len(dumps(parameters)) < min(size, 600)


def test_a_tower_of_twenty_lifts_comes_back() -> None:
    graph = rg.complete(1, 1)
    for level in range(20):
        graph = rg.two_lift(graph, signs(graph.num_edges, level))
    data = dumps(graph)
    # One bit for an edge that is lifted, in base64, and a frame for each level.
    assert len(data) < 2**20 / 8 * 4 / 3 + 20 * 60 + 400
    assert loads(data).graph == graph


def test_a_recipe_that_no_reader_accepts_is_not_written() -> None:
    graph = rg.complete(1, 2)
    for _ in range(64):
        graph = rg.cyclic_lift(graph, 1, [0, 0])
    with pytest.raises(ArgumentError, match="nested more than 64 deep"):
        dumps(graph)
    with pytest.raises(ArgumentError, match="nested more than 64 deep"):
        dumps(rg.TensorProduct(graph))
    shallower = rg.complete(1, 2)
    for _ in range(63):
        shallower = rg.cyclic_lift(shallower, 1, [0, 0])
    assert loads(dumps(shallower)).graph == shallower
    with pytest.raises(ArgumentError, match="nested more than 64 deep"):
        dumps(rg.TensorProduct(shallower))


def test_products_of_too_many_factors_and_sides_of_too_many_vertices_are_not_written() -> None:
    most = rg.TensorProduct(*[rg.complete(1, 1)] * 64)
    assert loads(dumps(most)).pattern == most
    with pytest.raises(ArgumentError, match="65 factors, the format allows 64"):
        dumps(rg.TensorProduct(*[rg.complete(1, 1)] * 65))
    wide = rg.BipartiteGraph(1, 2**32, np.array([0, 1]), np.array([2**32 - 1]))
    assert loads(dumps(wide), max_side=2**32).graph == wide
    wider = rg.BipartiteGraph(1, 2**32 + 1, np.array([0, 1]), np.array([2**32]))
    with pytest.raises(ArgumentError, match="a side has 4294967297 vertices"):
        dumps(wider)


def test_the_document_says_what_the_specification_says() -> None:
    graph = rg.field_lift(3, 3)
    document = document_of(dumps(graph))
    assert set(document) == {"digests", "recipe", "sha256", "type", "version"}
    assert document["digests"] == [graph.digest]
    assert document["recipe"] == {"kind": "field_lift", "q": 3, "b": 3, "m": 1, "j": 1}
    assert document["type"] == "graph"
    assert document["version"] == [1, 0]
