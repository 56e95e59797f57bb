"""GraphML, with a reader that refuses document types and with them all entities."""

from __future__ import annotations

import io
import math
from array import array
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
_NODE_BYTES, _EDGE_BYTES = 400, 100
#: Lines that are written at once.
_STEP = 1 << 16
_LONGEST_NUMBER = 64
_SIDES = {"0": 0, "1": 1, "false": 0, "true": 1}


def encode_graphml(matrix: CSR, with_values: bool) -> memoryview:
    """Return a matrix as the GraphML of a bipartite graph.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        The stored entries are the edges.
    with_values : bool
        Whether edges carry the attribute ``weight``.

    Returns
    -------
    bytes-like
        Vertices n0, n1, ... with the attribute ``bipartite``: first the rows with 0, then the
        columns with 1.
    """
    left, right = matrix.shape
    kind = {"b": "boolean", "f": "double"}.get(matrix.dtype.kind, "long")
    stream = io.BytesIO()
    stream.write(_HEAD.encode())
    stream.write(_WEIGHT.format(kind).encode() if with_values else b"")
    stream.write(b'<graph edgedefault="undirected">\n')
    for side, vertices in ((0, range(left)), (1, range(left, left + right))):
        for start in range(0, len(vertices), _STEP):
            lines = (
                f'<node id="n{v}"><data key="side">{side}</data></node>\n'
                for v in vertices[start : start + _STEP]
            )
            stream.write("".join(lines).encode())
    rows = np.repeat(np.arange(left), np.diff(matrix.indptr))
    # A line as an object takes several times its length, so few are made at once.
    for start in range(0, matrix.nnz, _STEP):
        step = slice(start, start + _STEP)
        pairs = zip(
            rows[step].tolist(),
            (matrix.indices[step].astype(np.int64) + left).tolist(),
            strict=True,
        )
        if with_values:
            words = [str(value).lower() for value in matrix.data[step].tolist()]
            lines = (
                f'<edge source="n{u}" target="n{v}"><data key="weight">{word}</data></edge>\n'
                for (u, v), word in zip(pairs, words, strict=True)
            )
        else:
            lines = (f'<edge source="n{u}" target="n{v}"/>\n' for u, v in pairs)
        stream.write("".join(lines).encode())
    stream.write(b"</graph>\n</graphml>\n")
    return stream.getbuffer()


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
    parser = expat.ParserCreate()
    reader = _Reader(limit, parser)
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        while chunk := file.read(1 << 16):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise FormatError(f"not XML: {error}") from None
    return reader.graph()


class _Reader:
    """Collects nodes and edges from the events of an XML parser."""

    def __init__(self, limit: int, parser: Any) -> None:
        self.limit = limit
        self.parser = parser
        self.needed = 0
        self.graphs = 0
        self.keys: dict[str, str] = {}
        # Nodes are numbered as they appear, maybe at an edge first: then their side is -1.
        self.numbers: dict[str, int] = {}
        self.sides = array("b")
        self.places = array("q")
        self.sizes = [0, 0]
        self.edges = array("q")
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
        if name == "edge":
            self._take(_EDGE_BYTES)
            for end in ("source", "target"):
                self.edges.append(self._number(self._attribute(name, attributes, end)))
            self.weight = None
        elif name == "node":
            self.node, self.side = self._attribute(name, attributes, "id"), None
        elif name == "data":
            self.meaning = self.keys.get(self._attribute(name, attributes, "key"))
            self.words = ""
            if self.meaning is not None:
                self.parser.CharacterDataHandler = self.text
        elif name == "key":
            self._take(_NODE_BYTES + 4 * sum(map(len, attributes.values())))
            self._key(attributes)
        elif name == "graph":
            self.graphs += 1
            if self.graphs > 1:
                raise FormatError("the file has more than one graph")
        elif name in ("hyperedge", "port"):
            raise FormatError(f"the file has a {name}, which is no part of a bipartite graph")

    def _take(self, count: int) -> None:
        self.needed += count
        if self.needed > self.limit:
            check_bytes(self.needed, self.limit)

    def _number(self, node: str) -> int:
        number = self.numbers.get(node)
        if number is None:
            # Names stay in memory as they are.
            self._take(_NODE_BYTES + 4 * len(node))
            number = self.numbers[node] = len(self.numbers)
            self.sides.append(-1)
            self.places.append(0)
        return number

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
        self.words += words
        if len(self.words) > _LONGEST_NUMBER:
            raise FormatError(f"the {self.meaning} is longer than {_LONGEST_NUMBER} characters")

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        if name == "data":
            word, meaning, self.meaning = self.words.strip().lower(), self.meaning, None
            self.parser.CharacterDataHandler = None
            if meaning == "side":
                if word not in _SIDES:
                    raise FormatError(f"the side {word!r} is none of {', '.join(_SIDES)}")
                self.side = _SIDES[word]
            elif meaning == "weight":
                self.weight = _as_weight(word)
        elif name == "node":
            self._add_node()
        elif name == "edge" and self.weight == 0:
            del self.edges[-2:]

    def _add_node(self) -> None:
        node = self.node or ""
        if self.side is None:
            raise FormatError(f"node {node!r} has neither the attribute bipartite nor type")
        number = self._number(node)
        if self.sides[number] >= 0:
            raise FormatError(f"node {node!r} occurs twice")
        self.sides[number], self.places[number] = self.side, self.sizes[self.side]
        self.sizes[self.side] += 1

    def graph(self) -> BipartiteGraph:
        """Return the graph that was read."""
        if not self.graphs:
            raise FormatError("the file has no graph")
        edges = np.array(self.edges, dtype=np.int64).reshape(-1, 2)
        sides, places = np.array(self.sides, dtype=np.int8), np.array(self.places, dtype=np.int64)
        unknown = np.flatnonzero(sides < 0)
        if len(unknown):
            name = [*self.numbers][unknown[0]]
            raise FormatError(f"an edge ends at {name!r}, which is no node")
        first = sides[edges[:, 0]]
        wrong = np.flatnonzero(first == sides[edges[:, 1]])
        if len(wrong):
            source, target = ([*self.numbers][number] for number in edges[wrong[0]])
            raise FormatError(f"the edge from {source!r} to {target!r} stays on one side")
        turned = first == 1
        edges[turned] = edges[turned, ::-1]
        return BipartiteGraph.from_edges(places[edges], shape=(self.sizes[0], self.sizes[1]))


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
