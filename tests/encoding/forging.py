"""Files that nobody wrote: changed after the fact, with a hash that fits again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from rbgp_graphs import BipartiteGraph, TensorProduct
from rbgp_graphs.encoding import dumps

Change = Callable[[dict[str, Any]], None]


def document_of(data: bytes) -> dict[str, Any]:
    """Return the document in a file, read by the standard library alone."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    document = json.loads(header["__metadata__"]["rbgp"])
    assert isinstance(document, dict)
    return document


def shell(text: str, entry: str = "", body: bytes = b"") -> bytes:
    """Return a container around any text, with any JSON after the metadata, and any body."""
    content = ('{"__metadata__":' + json.dumps({"rbgp": text}, separators=(",", ":"))).encode()
    content += entry.encode() + b"}"
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content + body


def sealed(document: dict[str, Any], entry: str = "", body: bytes = b"") -> bytes:
    """Return a canonical file with that document and a hash that fits."""
    document["sha256"] = "0" * 64
    data = shell(json.dumps(document, sort_keys=True, separators=(",", ":")), entry, body)
    document["sha256"] = hashlib.sha256(data).hexdigest()
    return shell(json.dumps(document, sort_keys=True, separators=(",", ":")), entry, body)


def forged(obj: BipartiteGraph | TensorProduct, change: Change) -> bytes:
    """Return the file of `obj` with a changed document and a hash that fits."""
    document = document_of(dumps(obj))
    change(document)
    return sealed(document)
