"""Damaged files are refused, always, and always with the same error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps, loads
from rbgp_graphs.errors import FormatError
from rbgp_graphs.testing.strategies import patterns

TOWER = rg.cyclic_lift(rg.two_lift(rg.complete(1, 3), [1, -1, 1]), 3, [0, 1, 2, 1, 0, 2])
TWISTED = rg.RBGP4(rg.complete(1, 2), (2, 1), rg.field_lift(2, 2), (1, 1), shifts=[0, 3])
PRODUCT = rg.TensorProduct(rg.complete(1, 2), rg.projective_plane(2).T)
FILES = {
    "explicit graph": dumps(rg.lps(3, 5)),
    "bitmask graph": dumps(rg.BipartiteGraph.from_biadjacency(np.tri(3, 5))),
    "tower": dumps(TOWER),
    "graph without vertices": dumps(rg.BipartiteGraph.from_biadjacency(np.empty((0, 0)))),
    "pattern": dumps(PRODUCT),
    "pattern with values": dumps(
        PRODUCT, np.arange(PRODUCT.nnz, dtype=np.float16).reshape(PRODUCT.rows, -1)
    ),
    "twisted pattern": dumps(TWISTED),
    "graph with a proof": dumps(
        rg.lps(3, 5), certificates=rg.verify(rg.lps(3, 5), level="proved").certificates
    ),
    "twisted pattern with values": dumps(TWISTED, np.ones((TWISTED.rows, TWISTED.row_degree))),
}
each_file = pytest.mark.parametrize("data", FILES.values(), ids=FILES)


def refused(data: bytes) -> bool:
    """Return whether `data` is refused in the one way that is promised."""
    try:
        loads(data)
    except FormatError:
        return True
    return False


@each_file
def test_the_undamaged_file_is_read(data: bytes) -> None:
    assert not refused(data)


@each_file
def test_every_truncation_is_refused(data: bytes) -> None:
    assert [length for length in range(len(data)) if not refused(data[:length])] == []


@each_file
def test_every_flipped_bit_is_refused(data: bytes) -> None:
    accepted = []
    changed = bytearray(data)
    for position in range(len(data)):
        for bit in range(8):
            changed[position] ^= 1 << bit
            if not refused(bytes(changed)):
                accepted.append((position, bit))
            changed[position] ^= 1 << bit
    assert accepted == []


@each_file
def test_every_appended_byte_is_refused(data: bytes) -> None:
    assert [byte for byte in range(256) if not refused(data + bytes([byte]))] == []


@each_file
def test_every_prepended_or_lost_byte_is_refused(data: bytes) -> None:
    assert refused(b"\0" + data)
    assert [at for at in range(len(data)) if not refused(data[:at] + data[at + 1 :])] == []


def test_two_files_in_one_are_refused() -> None:
    assert refused(FILES["pattern"] * 2)
    assert refused(FILES["pattern"] + FILES["explicit graph"])


@given(patterns(), st.data())
def test_random_changes_are_refused(pattern: rg.TensorProduct, data: st.DataObject) -> None:
    written = bytearray(dumps(pattern, np.ones((pattern.rows, pattern.row_degree), np.float32)))
    original = bytes(written)
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, len(written) - 1))
        action = data.draw(st.sampled_from(("change", "insert", "delete", "copy")))
        if action == "change":
            written[position] = data.draw(st.integers(0, 255))
        elif action == "insert":
            written[position:position] = data.draw(st.binary(min_size=1, max_size=9))
        elif action == "delete":
            del written[position : position + data.draw(st.integers(1, 9))]
        else:
            source = data.draw(st.integers(0, len(written) - 1))
            written[position : position + 8] = written[source : source + 8]
        if not written:
            break
    assert refused(bytes(written)) or bytes(written) == original


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert refused(data)


@given(st.binary(max_size=200))
def test_a_random_header_is_refused(content: bytes) -> None:
    assert refused(len(content).to_bytes(8, "little") + content)
