from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import FormatError
from rbgp_graphs.export import graphml, read_mask, to_igraph, to_networkx, write
from rbgp_graphs.export.entries import MAX_BYTES, Exportable, as_entries
from rbgp_graphs.export.graphml import encode_graphml, read_graphml
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.testing.strategies import bipartite_graphs
from tests.export.test_entries import dense_of, exportables, values_of


def read(data: bytes | memoryview | str, limit: int = 10**6) -> BipartiteGraph:
    return read_graphml(io.BytesIO(data.encode() if isinstance(data, str) else data), limit)


@given(exportables)
def test_networkx_reads_what_was_written(obj: Exportable) -> None:
    rows, cols = obj.shape
    data = encode_graphml(as_entries(obj, values_of(obj), MAX_BYTES), True)
    joint = nx.read_graphml(io.BytesIO(data), node_type=lambda name: int(name[1:]))
    assert list(joint.nodes(data="bipartite")) == [*enumerate([0] * rows + [1] * cols)]
    full = np.zeros(obj.shape)
    for u, v, weight in joint.edges(data="weight"):
        full[u, v - rows] = weight
    np.testing.assert_array_equal(full, dense_of(obj))
    assert read(data) == read_mask(dense_of(obj))


@given(bipartite_graphs())
def test_what_networkx_writes_is_read(graph: BipartiteGraph) -> None:
    stream = io.BytesIO()
    nx.write_graphml_xml(to_networkx(graph), stream)
    assert read(stream.getvalue()) == graph
    stream = io.BytesIO()
    nx.write_graphml_xml(to_networkx(graph, np.zeros(graph.num_edges)), stream)
    assert read(stream.getvalue()).num_edges == 0


def test_what_igraph_writes_is_read(tmp_path: Path) -> None:
    pytest.importorskip("igraph", reason="igraph is optional")
    graph = read_mask([[1, 1, 0], [0, 1, 1]])
    to_igraph(graph, [1.0, 2.0, 0.5, 4.0]).write_graphml(str(tmp_path / "g.graphml"))
    assert read_mask(tmp_path / "g.graphml") == graph


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_weights_keep_their_type(dtype: Any) -> None:
    values = np.array([0, 1], dtype=dtype)
    data = encode_graphml(as_entries(complete(1, 2), values, MAX_BYTES), True)
    joint = nx.read_graphml(io.BytesIO(data))
    assert [value for *_, value in joint.edges(data="weight")] == values.tolist()
    assert read(data).edges.tolist() == [[0, 1]]


GRAPH = '<graphml><key id="s" for="node" attr.name="bipartite"/>{}<graph>{}</graph></graphml>'
LEFT, RIGHT = (f'<node id="{n}"><data key="s">{s}</data></node>' for n, s in (("a", 0), ("b", 1)))
EDGE = '<edge source="a" target="b"/>'
BOMB = '<!DOCTYPE lolz [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
FORGED = {
    "empty": ("", "not XML"),
    "cut short": (GRAPH.format("", LEFT)[:-20], "not XML"),
    "with entities": (BOMB + GRAPH.format("", LEFT), "has a document type"),
    "with an unknown entity": (GRAPH.format("", LEFT + "&x;"), "not XML"),
    "with an outer document": ('<!DOCTYPE g SYSTEM "file:///etc/passwd"><g/>', "document type"),
    "without a graph": ("<graphml/>", "has no graph"),
    "with two graphs": (GRAPH.format("", "<graph/>"), "more than one graph"),
    "without sides": (GRAPH.format("", '<node id="a"/>'), "neither the attribute"),
    "with a third side": (GRAPH.format("", LEFT.replace(">0<", ">2<")), "side '2' is none of"),
    "with a node without a name": (GRAPH.format("", "<node/>"), "a node has no id"),
    "with a node twice": (GRAPH.format("", LEFT + LEFT), "'a' occurs twice"),
    "with an edge to nowhere": (GRAPH.format("", LEFT + EDGE), "'b', which is no node"),
    "with an edge on one side": (
        GRAPH.format("", LEFT + RIGHT + EDGE.replace('"b"', '"a"')),
        "stays on one side",
    ),
    "with edges before a lone end": (GRAPH.format("", EDGE + LEFT), "'b', which is no node"),
    "with an edge twice": (GRAPH.format("", LEFT + RIGHT + EDGE + EDGE), "twice"),
    "with a hyperedge": (GRAPH.format("", "<hyperedge/>"), "has a hyperedge"),
    "with data without a key": (GRAPH.format("", "<node id='a'><data/></node>"), "data has no key"),
    "with an endless number": (
        GRAPH.format("", LEFT.replace("0", "0" * 100)),
        "longer than 64 characters",
    ),
    "with many nodes": (GRAPH.format("", LEFT * 4000), "more than max_bytes|occurs twice"),
    "with an infinite weight": (
        GRAPH.format(
            '<key id="w" for="edge" attr.name="weight"/>',
            LEFT + RIGHT + EDGE.replace("/>", '><data key="w">inf</data></edge>'),
        ),
        "not finite",
    ),
    "with a weight of letters": (
        GRAPH.format(
            '<key id="w" for="edge" attr.name="weight"/>',
            LEFT + RIGHT + EDGE.replace("/>", '><data key="w">x</data></edge>'),
        ),
        "is no number",
    ),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_files_are_refused(tmp_path: Path, case: str) -> None:
    data, message = FORGED[case]
    path = tmp_path / "forged.graphml"
    path.write_text(data)
    with pytest.raises(FormatError, match=message):
        read_mask(path)


def test_edges_may_stand_before_their_ends_and_begin_on_either_side() -> None:
    turned = '<edge source="b" target="a"/>'
    for body in (EDGE + LEFT + RIGHT, turned + LEFT + RIGHT, RIGHT + turned + LEFT):
        assert read(GRAPH.format("", body)).edges.tolist() == [[0, 0]]


def test_a_long_list_of_edges_is_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bytes(encode_graphml(as_entries(complete(5, 7), values_of(complete(5, 7)), 999), True))
    monkeypatch.setattr(graphml, "_STEP", 3)
    entries = as_entries(complete(5, 7), values_of(complete(5, 7)), 999)
    assert bytes(encode_graphml(entries, True)) == whole
    assert read(encode_graphml(entries, False)) == complete(5, 7)


def test_what_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    nodes = "".join(LEFT.replace('"a"', f'"a{k}"') for k in range(1000))
    assert read(GRAPH.format("", nodes)).shape == (1000, 0)
    with pytest.raises(FormatError, match="more than max_bytes=100000"):
        read(GRAPH.format("", nodes), limit=100_000)
    deep = GRAPH.format("", "<x>" * 30_000 + "</x>" * 30_000)
    assert read(deep).shape == (0, 0)
    write(tmp_path / "g.graphml", complete(1, 2), [0.5, 0.0])
    assert read_mask(tmp_path / "g.graphml").edges.tolist() == [[0, 0]]
