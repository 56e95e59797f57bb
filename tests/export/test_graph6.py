from __future__ import annotations

import io
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, lps
from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.export.graph6 import encode_graph6, encode_sparse6, read_graph6
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.testing.strategies import bipartite_graphs

LIMIT = 10**6


def encode(graph: BipartiteGraph, suffix: str) -> bytes:
    if suffix == "s6":
        return encode_sparse6(*graph.shape, graph.edges)
    return encode_graph6(*graph.shape, graph.edges, LIMIT)


def read(data: bytes, **options: Any) -> BipartiteGraph:
    return read_graph6(io.BytesIO(data), options.pop("limit", LIMIT), **options)


def networkx_graph(graph: BipartiteGraph) -> Any:
    joint = nx.Graph()
    joint.add_nodes_from(range(sum(graph.shape)))
    joint.add_edges_from((u, v + graph.left) for u, v in graph.edges.tolist())
    return joint


# Beside small orders, those at which the number of vertices takes more characters.
graphs = st.one_of(
    bipartite_graphs(max_side=9),
    st.builds(
        lambda left, right, edge: BipartiteGraph.from_edges([edge], shape=(left, right)),
        st.integers(20, 40),
        st.integers(20, 40),
        st.tuples(st.integers(0, 19), st.integers(0, 19)),
    ),
)


@given(graphs, st.sampled_from(("g6", "s6")))
def test_graphs_go_there_and_back(graph: BipartiteGraph, suffix: str) -> None:
    data = encode(graph, suffix)
    assert read(data, left=graph.left) == graph
    header = b">>graph6<<" if suffix == "g6" else b">>sparse6<<"
    assert read(header + data.strip() + b"\r\n", left=graph.left) == graph
    if not (graph.left_degrees == 0).any() and not (graph.right_degrees == 0).any():
        assert read(data) == graph


@given(graphs)
def test_networkx_and_this_package_understand_each_other(graph: BipartiteGraph) -> None:
    joint = networkx_graph(graph)
    if joint.number_of_nodes():
        assert encode(graph, "g6") == nx.to_graph6_bytes(joint, header=False)
        assert read(nx.to_sparse6_bytes(joint), left=graph.left) == graph
        assert nx.utils.graphs_equal(nx.from_sparse6_bytes(encode(graph, "s6").strip()), joint)


@pytest.mark.parametrize("suffix", ["g6", "s6"])
def test_large_graphs_are_those_of_networkx(suffix: str) -> None:
    graph = lps(5, 13)
    data = encode_sparse6(*graph.shape, graph.edges)
    if suffix == "g6":
        data = encode_graph6(*graph.shape, graph.edges, 10**7)
    else:
        assert data == nx.to_sparse6_bytes(networkx_graph(graph), header=False)
    assert read(data, limit=10**8) == graph


def test_every_order_that_pads_specially_is_read() -> None:
    for order in range(2, 70):
        for right in range(1, min(order, 4)):
            graph = complete(order - right, right)
            last = BipartiteGraph.from_edges([(0, 0)], shape=(order - right, right))
            for case in (graph, last):
                data = encode(case, "s6")
                assert read(data, left=case.left) == case
                # NetworkX also pads specially where the format need not.
            joint = nx.from_sparse6_bytes(data.strip())
            assert nx.utils.graphs_equal(joint, networkx_graph(case))


def test_the_number_of_vertices_takes_one_three_or_six_sextets() -> None:
    none = np.empty((0, 2), dtype=np.int64)
    for order, length in ((62, 1), (63, 4), (258047, 4), (258048, 8), (2**30, 8)):
        data = encode_sparse6(order, 0, none)
        assert len(data) == length + 2
        if order < 10**6:
            assert read(data, limit=10**7, left=order).shape == (order, 0)


def test_other_numberings_of_connected_graphs_are_coloured() -> None:
    path = nx.path_graph(5)
    for data in (nx.to_graph6_bytes(path), nx.to_sparse6_bytes(path)):
        found = read(data)
        assert found.shape == (3, 2)
        assert found.edges.tolist() == [[0, 0], [1, 0], [1, 1], [2, 1]]
    for graph, message in (
        (nx.cycle_graph(5), "not bipartite"),
        (nx.disjoint_union(path, path), "not connected"),
    ):
        with pytest.raises(FormatError, match=message):
            read(nx.to_graph6_bytes(graph))


FORGED = {
    "empty": (b"", "the line is empty"),
    "of sparse6 without a graph": (b":", "the line is empty"),
    "with only a header": (b">>graph6<<\n", "the line is empty"),
    "with a lone mark": (b"~", "ends inside the number of vertices"),
    "with two marks": (b"~~???", "ends inside the number of vertices"),
    "with a wrong alphabet": (b"Bo\x80", "character outside the range"),
    "with spaces": (b"B o", "character outside the range"),
    "with two graphs": (b"Bo\nBo\n", "more than one line"),
    "too short": (b"F?", "1 characters follow the number of vertices, 7; expected 4"),
    "too long": (b"Boo", "2 characters follow"),
    "of a huge order": (b"~~~~~~~~?", "more than max_bytes"),
    "of a huge sparse6": (b":~~~~~~~~?", "more than max_bytes"),
    "with a bit beyond the end": (b"A`", "a bit is set after the last cell"),
    "with open sides": (b"C?", "pass left, from 0 to 4"),
    "of a triangle": (b"Bw", "not bipartite"),
    "with a loop": (b":A~", "not connected"),
    "with a double edge": (b":Ab", "twice"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_graphs_are_refused(case: str) -> None:
    data, message = FORGED[case]
    with pytest.raises((FormatError, ArgumentError), match=message):
        read(data)


def test_a_wrong_left_is_refused() -> None:
    data = encode(complete(2, 3), "g6")
    for left in (1, 3, 6):
        with pytest.raises(FormatError, match=f"do not cross after left={left}"):
            read(data, left=left)


def test_graph6_that_needs_too_much_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"graph6 of 2000 .* the suffix .s6 needs less"):
        encode_graph6(1000, 1000, np.zeros((1, 2), np.int64), LIMIT)
    with pytest.raises(ArgumentError, match="the format ends at"):
        encode_sparse6(2**36, 0, np.empty((0, 2), np.int64))
    with pytest.raises(FormatError, match="more than max_bytes=100"):
        read(encode(complete(30, 30), "g6"), limit=100)
