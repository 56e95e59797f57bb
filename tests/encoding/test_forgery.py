"""Files with a hash that fits and a content that does not."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps, loads
from rbgp_graphs.encoding.container import MAX_HEADER_BYTES
from rbgp_graphs.errors import ArgumentError, FormatError
from tests.encoding.forging import document_of, forged, sealed, shell

GRAPH = rg.projective_plane(2)
PATTERN = rg.RBGP4(rg.array_code(3, 2), (2, 1), GRAPH, (1, 2))
PRODUCT = rg.TensorProduct(rg.complete(2, 3))


def entry(shape: Any = "[2,3]", dtype: str = "F32", end: int = 24, name: str = "values") -> str:
    """Return the header entry of a tensor."""
    return f',"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}'


def test_the_forger_can_write_a_true_file() -> None:
    assert forged(GRAPH, lambda _: None) == dumps(GRAPH)
    document = document_of(dumps(PRODUCT))
    values = np.arange(6, dtype="<f4").reshape(2, 3)
    assert sealed(document, entry(), values.tobytes()) == dumps(PRODUCT, values)


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.__setitem__(key, value)


@pytest.mark.parametrize(
    ("obj", "change", "message"),
    [
        (GRAPH, put("version", [2, 0]), r"version: the file has version 2\.0 of the format"),
        (GRAPH, put("version", [0, 9]), "version: the file has version 0.9"),
        (GRAPH, put("version", [1]), "version: expected two integers"),
        (GRAPH, put("version", [True, 0]), "version: expected two integers"),
        (GRAPH, put("version", "1.0"), "version: expected two integers"),
        (GRAPH, put("version", None), "version: expected two integers"),
        (GRAPH, put("type", "matrix"), "type: expected graph or pattern, not 'matrix'"),
        (GRAPH, put("type", ["graph"]), "type: expected graph or pattern"),
        (GRAPH, put("type", "pattern"), "recipe: no pattern has the kind 'projective_plane'"),
        (PATTERN, put("type", "graph"), "recipe: no graph has the kind 'rbgp4'"),
        (GRAPH, put("comment", "hello"), "document: no field 'comment' in this version"),
        (GRAPH, lambda d: d.pop("digests"), "document: digests is missing"),
        (GRAPH, put("digests", []), "digests: expected a list of 1"),
        (GRAPH, put("digests", "0"), "digests: expected a list of 1"),
        (GRAPH, put("digests", [None]), "recipe: the rebuilt graph has digest"),
        (GRAPH, put("digests", [GRAPH.T.digest]), "recipe: the rebuilt graph has digest"),
        (
            PATTERN,
            put("digests", [PATTERN.outer.digest, "0" * 64]),
            r"recipe\.inner: the rebuilt graph has digest",
        ),
        (PRODUCT, put("digests", ["0" * 64]), r"recipe\.factors\[0\]: the rebuilt graph"),
        (GRAPH, put("recipe", None), "recipe: expected an object"),
        (GRAPH, put("recipe", {"kind": "lps", "p": 3, "q": 6}), "recipe: .*q is 6"),
    ],
)
def test_a_wrong_document_is_refused(
    obj: Any, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        loads(forged(obj, change))


def test_a_newer_minor_version_may_bring_fields_along() -> None:
    def newer(document: dict[str, Any]) -> None:
        document["version"] = [1, 7]
        document["measurements"] = [{"claim": "fast", "nested": [[1], {}]}]

    assert loads(forged(GRAPH, newer)).graph == GRAPH

    def unknown_kind(document: dict[str, Any]) -> None:
        document["version"] = [1, 7]
        document["recipe"] = {"kind": "hologram"}

    with pytest.raises(FormatError, match="no graph has the kind 'hologram'"):
        loads(forged(GRAPH, unknown_kind))


def test_the_hash_is_written_in_one_way() -> None:
    document = document_of(dumps(GRAPH))
    for wrong in (document["sha256"].upper(), None, 0, document["sha256"] + " "):
        text = json.dumps({**document, "sha256": wrong}, sort_keys=True, separators=(",", ":"))
        with pytest.raises(FormatError, match="sha256: the file says"):
            loads(shell(text))


@pytest.mark.parametrize(
    ("extra", "body", "message"),
    [
        (entry(shape="[3,2]"), 24, r"values: shape \[3, 2\], expected"),
        (entry(shape="[6]"), 24, r"values: shape \[6\], expected"),
        (entry(shape="[1,2,3]"), 24, "values has 3 dimensions"),
        (entry(shape="[2,-3]"), 24, "no shape of non-negative integers"),
        (entry(shape="6"), 24, "no shape of non-negative integers"),
        (entry(shape="[4503599627370496,4503599627370496]"), 24, "24 bytes follow the header"),
        (entry(shape="[9007199254740992,1]"), 24, "the integer .* is out of range"),
        (entry(dtype="BF16"), 24, "no dtype among F16, F32, F64"),
        (entry(dtype="I32"), 24, "no dtype among F16, F32, F64"),
        (entry(end=20), 24, "not written in the canonical way"),
        (entry(name="weights"), 0, "not written in the canonical way"),
        (entry() + entry(), 24, "the key 'values' occurs twice"),
        (',"values":3', 0, "no dtype among"),
        ("", 1, "1 bytes follow the header, expected 0"),
        (entry(), 23, "23 bytes follow the header, expected 24"),
        (entry(), 25, "25 bytes follow the header, expected 24"),
        (" ", 0, "not written in the canonical way"),
    ],
)
def test_a_wrong_tensor_is_refused(extra: str, body: int, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        loads(sealed(document_of(dumps(PRODUCT)), extra, bytes(body)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    values = np.full((2, 3), bad, dtype="<f4")
    with pytest.raises(FormatError, match="values: NaN or infinity"):
        loads(sealed(document_of(dumps(PRODUCT)), entry(), values.tobytes()))
    with pytest.raises(ArgumentError, match="values holds NaN or infinity"):
        dumps(PRODUCT, values)


def test_values_beside_a_graph_are_refused() -> None:
    with pytest.raises(FormatError, match="values: a graph has none"):
        loads(sealed(document_of(dumps(rg.complete(2, 3))), entry(), bytes(24)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "document: not JSON"),
        ("[]", "document: expected an object"),
        ('{"version":[1,0],"version":[1,0]}', "document: the key 'version' occurs twice"),
        ('{"version":[1.0,0]}', "document: '1.0' is not an integer"),
        ('{"version":[1e0,0]}', "document: '1e0' is not an integer"),
        ('{"version":[NaN,0]}', "document: 'NaN' is not an integer"),
        ('{"version":[-Infinity,0]}', "document: '-Infinity' is not an integer"),
        ('{"version":[9007199254740992,0]}', "document: the integer .* is out of range"),
        ('{"version":[' + "9" * 5000 + ",0]}", "document: the integer .* is out of range"),
        ("[" * 100_000, "nested too deep"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ("[" + "0," * 200_000 + "0]", "items, expected at most"),
        ('"\\ud800', "document: not JSON"),
    ],
)
def test_hostile_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        loads(shell(text))


@pytest.mark.parametrize(
    "respell",
    [
        lambda text: text.replace(",", ", ", 1),
        lambda text: text + "\n",
        lambda text: text.replace('"graph"', '"gr\\u0061ph"'),
        lambda text: text.replace("[1,0]", "[1,-0]"),
        lambda text: '{"version":[1,0],' + text[1:].replace(',"version":[1,0]', ""),
    ],
)
def test_other_spellings_of_the_document_are_refused(respell: Callable[[str], str]) -> None:
    text = json.dumps(document_of(dumps(GRAPH)), sort_keys=True, separators=(",", ":"))
    assert json.loads(respell(text)) == json.loads(text)
    with pytest.raises(FormatError, match="document: not written in the canonical way"):
        loads(shell(respell(text)))


def test_a_new_field_may_be_nested_but_not_without_end() -> None:
    document = document_of(dumps(GRAPH))
    document["version"] = [1, 1]
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]
    assert loads(sealed({**document, "new": nested})).graph == GRAPH
    text = json.dumps({**document, "new": 0}, sort_keys=True, separators=(",", ":"))
    # About as deep as the interpreter can go, and far beyond.
    for depth in [*range(800, 1010), 20_000]:
        with pytest.raises(FormatError, match=r"nested too deep|sha256"):
            loads(shell(text.replace('"new":0', f'"new":{"[" * depth}{"]" * depth}')))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes, too short"),
        (bytes(8), "header: not JSON"),
        ((2**63).to_bytes(8, "little"), "the header claims 9223372036854775808 bytes"),
        ((2**64 - 1).to_bytes(8, "little") + bytes(9), "the header claims"),
        (b"\x02" + bytes(7) + b"{}", "no text under the metadata key 'rbgp'"),
        (b"\x02" + bytes(7) + b"[]", "no text under the metadata key 'rbgp'"),
        (b"\x02" + bytes(7) + b"\xc3\xa9", "the header is not ASCII"),
        (b"PK\x03\x04" + bytes(60), "the header claims"),
    ],
)
def test_other_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        loads(data)


def test_metadata_of_others_is_refused() -> None:
    data = dumps(GRAPH)
    length = int.from_bytes(data[:8], "little")
    for old, new in (
        (b'{"rbgp":', b'{"a":"b","rbgp":'),
        (b'{"rbgp":', b'{"rbgp":"x","rbgp":'),
        (b'{"__metadata__":', b'{"a":{},"__metadata__":'),
    ):
        content = data[8 : 8 + length].replace(old, new)
        content += b" " * (-len(content) % 8)
        with pytest.raises(FormatError):
            loads(len(content).to_bytes(8, "little") + content)


def test_a_header_beyond_the_limit_of_safetensors_is_neither_read_nor_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = MAX_HEADER_BYTES + 1
    with pytest.raises(FormatError, match="the header has 100000001 bytes, the format allows"):
        loads(size.to_bytes(8, "little") + bytes(size), max_file_bytes=2**28)
    monkeypatch.setattr("rbgp_graphs.encoding.document.MAX_HEADER_BYTES", 100)
    with pytest.raises(ArgumentError, match="recipe and certificates need a header of"):
        dumps(GRAPH)


def test_limits_hold_and_their_errors_name_them() -> None:
    data = dumps(PATTERN)
    edges = PATTERN.outer.num_edges + PATTERN.inner.num_edges + 2 + 2
    assert loads(data, max_file_bytes=len(data), max_edges=edges, max_side=9).obj == PATTERN
    with pytest.raises(FormatError, match=f"larger than max_file_bytes={len(data) - 1}"):
        loads(data, max_file_bytes=len(data) - 1)
    with pytest.raises(FormatError, match=f"beyond max_edges={edges - 1}"):
        loads(data, max_edges=edges - 1)
    with pytest.raises(FormatError, match="beyond max_side=8"):
        loads(data, max_side=8)
    for limit in ("max_file_bytes", "max_edges", "max_side"):
        with pytest.raises(ArgumentError, match=f"{limit} is 0"):
            loads(data, **{limit: 0})
        with pytest.raises(ArgumentError, match=f"{limit} is 'a'"):
            loads(data, **{limit: "a"})  # type: ignore[arg-type]


HUGE_RECIPES = [
    {"kind": "complete", "left": 2**21, "right": 2**21},
    {"kind": "complete", "left": 2**53 - 1, "right": 1},
    {"kind": "lps", "p": 5, "q": 999999937},
    {"kind": "lps", "p": 999999937, "q": 3, "allow_small": True},
    {"kind": "field_lift", "q": 2, "b": 2, "m": 64, "j": 1024},
    {"kind": "field_lift", "q": 2**53 - 1, "b": 1, "m": 1, "j": 1},
    {"kind": "field_lift", "q": 2, "b": 1, "m": 2**53 - 1, "j": 1},
    {"kind": "projective_plane", "q": 2**31 - 1},
    {"kind": "array_code", "q": 2**31 - 1, "l": 2},
    {"kind": "bitmask", "left": 2**22, "right": 2**22, "bits": ""},
    {"kind": "edges", "left": 2**22, "right": 1, "left_degrees": "", "neighbors": ""},
    {
        "kind": "edges",
        "left": 1,
        "right": 1,
        "left_degrees": "/////w==",
        "neighbors": "",
    },
    {
        "kind": "cyclic_lift",
        "base": {"kind": "bitmask", "left": 0, "right": 0, "bits": ""},
        "k": 2**31,
        "shifts": "",
    },
    {"kind": "cyclic_lift", "base": {"kind": "complete", "left": 1, "right": 1}, "k": 2**40,
     "shifts": "AAAAAA=="},
    {"kind": "lift", "base": {"kind": "complete", "left": 1, "right": 1}, "k": 2**40,
     "permutations": ""},
]  # fmt: skip


@pytest.mark.parametrize("recipe", HUGE_RECIPES, ids=lambda recipe: recipe["kind"])
def test_a_small_file_cannot_ask_for_much_memory_or_time(recipe: dict[str, Any]) -> None:
    data = forged(GRAPH, put("recipe", recipe))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            loads(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**21


def test_many_factors_share_one_limit() -> None:
    factor = {"kind": "complete", "left": 1, "right": 2**20}
    data = forged(PRODUCT, put("recipe", {"kind": "tensor_product", "factors": [factor] * 60}))
    with pytest.raises(FormatError, match=r"recipe\.factors\[4\]: .*after 4194304 before it"):
        loads(data, max_edges=2**22)


def test_arguments_of_the_wrong_type_are_refused() -> None:
    with pytest.raises(TypeError, match="data is a str, expected bytes"):
        loads("text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a plain sequence of bytes"):
        loads(memoryview(b"abcd")[::2])
    with pytest.raises(TypeError, match="obj is a dict"):
        dumps({})  # type: ignore[arg-type]


def test_bytearrays_and_views_are_read_like_bytes() -> None:
    data = dumps(GRAPH)
    assert loads(bytearray(data)).graph == loads(memoryview(data)).graph == GRAPH


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.ones((3, 2), np.float32), ArgumentError, r"values has shape \(3, 2\)"),
        (np.ones((2, 3), np.int64), TypeError, "values has dtype int64"),
        (np.ones((2, 3), bool), TypeError, "values has dtype bool"),
        (np.ones((2, 3), np.complex64), TypeError, "values has dtype complex64"),
        (np.ones((2, 3), np.longdouble), TypeError, "values has dtype"),
        ([["a"] * 3] * 2, TypeError, "values has dtype"),
        ([[1.0], [2.0, 3.0]], TypeError, "not an array of numbers"),
        (1.0, ArgumentError, r"values has shape \(\)"),
    ],
)
def test_wrong_values_are_not_written(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dumps(PRODUCT, values)


def test_values_of_a_graph_are_not_written() -> None:
    with pytest.raises(ArgumentError, match="a graph has no values"):
        dumps(GRAPH, np.ones((7, 3)))


def test_the_properties_of_what_was_loaded_say_what_it_is() -> None:
    assert loads(dumps(PATTERN)).pattern == PATTERN
    with pytest.raises(ArgumentError, match="holds a pattern, not a graph"):
        _ = loads(dumps(PATTERN)).graph
    with pytest.raises(ArgumentError, match="holds a graph, not a pattern"):
        _ = loads(dumps(GRAPH)).pattern
