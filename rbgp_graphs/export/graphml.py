"""GraphML, with a reader that refuses document types and with them all entities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, BinaryIO
from xml.parsers import expat

import numpy as np

from rbgp_graphs.errors import FormatError
from rbgp_graphs.export.entries import CSR
from rbgp_graphs.export.npz import check_bytes
from rbgp_graphs.graph import BipartiteGraph

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="side" for="node" attr.name="bipartite" attr.type="int"/>
"""
_WEIGHT = '<key id="weight" for="edge" attr.name="weight" attr.type="{}"/>\n'
#: Upper bounds of what a vertex and an edge of the reader occupy.
_NODE_BYTES, _EDGE_BYTES = 300, 150
_LONGEST_NUMBER = 64
_SIDES = {"0": 0, "1": 1, "false": 0, "true": 1}


def encode_graphml(matrix: CSR, with_values: bool) -> bytes:
    """Return a matrix as the GraphML of a bipartite graph.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        The stored entries are the edges.
    with_values : bool
        Whether edges carry the attribute ``weight``.

    Returns
    -------
    bytes
        Vertices n0, n1, ... with the attribute ``bipartite``: first the rows with 0, then the
        columns with 1.
    """
    left, right = matrix.shape
    kind = {"b": "boolean", "f": "double"}.get(matrix.dtype.kind, "long")
    rows = np.repeat(np.arange(left), np.diff(matrix.indptr)).tolist()
    cols = (matrix.indices.astype(np.int64) + left).tolist()
    parts = [
        _HEAD,
        _WEIGHT.format(kind) if with_values else "",
        '<graph edgedefault="undirected">\n',
    ]
    for side, vertices in ((0, range(left)), (1, range(left, left + right))):
        parts += [f'<node id="n{v}"><data key="side">{side}</data></node>\n' for v in vertices]
    pairs = zip(rows, cols, strict=True)
    if with_values:
        words = [str(value).lower() for value in matrix.data.tolist()]
        parts += [
            f'<edge source="n{u}" target="n{v}"><data key="weight">{word}</data></edge>\n'
            for (u, v), word in zip(pairs, words, strict=True)
        ]
    else:
        parts += [f'<edge source="n{u}" target="n{v}"/>\n' for u, v in pairs]
    return "".join([*parts, "</graph>\n</graphml>\n"]).encode()


def read_graphml(file: BinaryIO, limit: int) -> BipartiteGraph:
    """Return the bipartite graph in a GraphML file.

    Parameters
    ----------
    file : binary file
        One graph. Every node has the attribute ``bipartite``, 0 or 1, as NetworkX writes it, or
        ``type``, false or true, as igraph does.
    limit : int
        Largest number of bytes that what is read may need.

    Returns
    -------
    BipartiteGraph
        Nodes with 0 or false are the left vertices, the others the right ones, each in the
        order of the file. Edges with a ``weight`` of zero do not count.

    Raises
    ------
    FormatError
        If the file is not such a graph, has a document type, or needs more than `limit` bytes.
    """
    reader = _Reader(limit)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        while chunk := file.read(1 << 16):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise FormatError(f"not XML: {error}") from None
    return reader.graph()


class _Reader:
    """Collects nodes and edges from the events of an XML parser."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.needed = 0
        self.graphs = 0
        self.keys: dict[str, str] = {}
        self.vertices: dict[str, tuple[int, int]] = {}
        self.sizes = [0, 0]
        self.edges: list[tuple[str, str]] = []
        self.node: str | None = None
        self.side: int | None = None
        self.weight: float | None = None
        self.meaning: str | None = None
        self.words = ""

    @staticmethod
    def refuse_doctype(*_: Any) -> None:
        raise FormatError("the file has a document type, which is not accepted")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name in ("key", "node", "edge", "graph"):
            self.needed += _NODE_BYTES if name != "edge" else _EDGE_BYTES
            # Names stay in memory as they are.
            self.needed += 4 * sum(map(len, attributes.values()))
            check_bytes(self.needed, self.limit)
        if name == "key":
            self._key(attributes)
        elif name == "graph":
            self.graphs += 1
            if self.graphs > 1:
                raise FormatError("the file has more than one graph")
        elif name == "node":
            self.node, self.side = self._attribute(name, attributes, "id"), None
        elif name == "edge":
            self.edges.append(
                (
                    self._attribute(name, attributes, "source"),
                    self._attribute(name, attributes, "target"),
                )
            )
            self.weight = None
        elif name == "data":
            self.meaning = self.keys.get(self._attribute(name, attributes, "key"))
            self.words = ""
        elif name in ("hyperedge", "port"):
            raise FormatError(f"the file has a {name}, which is no part of a bipartite graph")

    def _key(self, attributes: Mapping[str, str]) -> None:
        place, meaning = attributes.get("for", "all"), attributes.get("attr.name")
        if (place in ("node", "all") and meaning in ("bipartite", "type")) or (
            place in ("edge", "all") and meaning == "weight"
        ):
            self.keys[self._attribute("key", attributes, "id")] = (
                "side" if meaning != "weight" else "weight"
            )

    @staticmethod
    def _attribute(tag: str, attributes: Mapping[str, str], name: str) -> str:
        try:
            return attributes[name]
        except KeyError:
            raise FormatError(f"a {tag} has no {name}") from None

    def text(self, words: str) -> None:
        if self.meaning is not None:
            self.words += words
            if len(self.words) > _LONGEST_NUMBER:
                raise FormatError(f"the {self.meaning} is longer than {_LONGEST_NUMBER} characters")

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name == "data":
            word, meaning, self.meaning = self.words.strip().lower(), self.meaning, None
            if meaning == "side":
                if word not in _SIDES:
                    raise FormatError(f"the side {word!r} is none of {', '.join(_SIDES)}")
                self.side = _SIDES[word]
            elif meaning == "weight":
                self.weight = _as_weight(word)
        elif name == "node":
            self._add_node()
        elif name == "edge" and self.weight == 0:
            self.edges.pop()

    def _add_node(self) -> None:
        node = self.node or ""
        if self.side is None:
            raise FormatError(f"node {node!r} has neither the attribute bipartite nor type")
        if node in self.vertices:
            raise FormatError(f"node {node!r} occurs twice")
        self.vertices[node] = (self.side, self.sizes[self.side])
        self.sizes[self.side] += 1

    def graph(self) -> BipartiteGraph:
        """Return the graph that was read."""
        if not self.graphs:
            raise FormatError("the file has no graph")
        pairs = np.empty((len(self.edges), 2), dtype=np.int64)
        for place, (source, target) in enumerate(self.edges):
            try:
                (side, u), (other, v) = self.vertices[source], self.vertices[target]
            except KeyError as error:
                raise FormatError(f"an edge ends at {error}, which is no node") from None
            if side == other:
                raise FormatError(f"the edge from {source!r} to {target!r} stays on one side")
            pairs[place] = (u, v) if side == 0 else (v, u)
        return BipartiteGraph.from_edges(pairs, shape=(self.sizes[0], self.sizes[1]))


def _as_weight(word: str) -> float:
    if word in ("false", "true"):
        return float(word == "true")
    try:
        weight = float(word)
    except ValueError:
        raise FormatError(f"the weight {word!r} is no number") from None
    if not math.isfinite(weight):
        raise FormatError(f"the weight {word!r} is not finite")
    return weight
