from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export import to_numpy, unpack_bits
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4
from tests.export.test_entries import dense_of, exportables, values_of


@given(exportables)
def test_masks_weights_and_bits_hold_the_same_cells(obj: Exportable) -> None:
    mask, packed = to_numpy(obj), to_numpy(obj, packed=True)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, dense_of(obj) > 0)
    assert packed.nbytes == obj.shape[0] * -(-obj.shape[1] // 8)
    np.testing.assert_array_equal(packed, np.packbits(mask, axis=1))
    np.testing.assert_array_equal(unpack_bits(packed, obj.shape), mask)
    for dtype in (np.float16, np.float32, np.int8, bool):
        weights = to_numpy(obj, values_of(obj).astype(dtype))
        assert weights.dtype == dtype
        np.testing.assert_array_equal(weights, dense_of(obj).astype(dtype))


def test_long_masks_are_packed_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = complete(10, 12)
    whole = to_numpy(graph, packed=True)
    monkeypatch.setattr("rbgp_graphs.export.numpy._STEP_CELLS", 30)
    np.testing.assert_array_equal(to_numpy(graph, packed=True), whole)


def test_a_huge_pattern_is_refused_at_once() -> None:
    matching = BipartiteGraph.from_edges([(i, i) for i in range(1024)], shape=(1024, 1024))
    huge = RBGP4(matching, (64, 64), matching, (1, 1))
    for packed in (False, True):
        with pytest.raises(ArgumentError, match="bytes, more than max_bytes=4294967296"):
            to_numpy(huge, packed=packed)


def test_large_results_and_values_with_bits_are_refused() -> None:
    with pytest.raises(ArgumentError, match="120 bytes, more than max_bytes=119"):
        to_numpy(complete(10, 12), max_bytes=119)
    with pytest.raises(ArgumentError, match="20 bytes, more than max_bytes=19"):
        to_numpy(complete(10, 12), packed=True, max_bytes=19)
    with pytest.raises(ArgumentError, match="values is given together with packed=True"):
        to_numpy(complete(1, 1), [1.0], packed=True)


@pytest.mark.parametrize(
    ("bits", "shape", "error", "message"),
    [
        (np.zeros((2, 1)), (2, 8), ArgumentTypeError, "bits has dtype float64, expected uint8"),
        (np.zeros((2, 1), np.uint8), (2, 9), ArgumentError, r"shape \(2, 1\), expected \(2, 2\)"),
        (np.full((1, 1), 1, np.uint8), (1, 7), ArgumentError, "bit set after column 6"),
        (np.zeros((2, 1), np.uint8), (2, -1), ArgumentError, "cols is -1, expected at least 0"),
        (np.zeros((2, 1), np.uint8), 2, ArgumentTypeError, "shape is 2, expected a pair"),
    ],
)
def test_bits_that_do_not_fit_are_refused(
    bits: Any, shape: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        unpack_bits(bits, shape)
