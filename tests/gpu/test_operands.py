from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.gpu.operands import as_array, as_out
from tests.gpu.cuda.device import DeviceArray


class _DLPackOnly:
    """An array of another library that knows DLPack and nothing of NumPy."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class _NeedsGrad:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("use detach() first")


class _NoDevice(_DLPackOnly):
    def __dlpack_device__(self) -> tuple[int, int]:
        raise ValueError("unknown device meta")


def test_dlpack_arrays_share_their_memory() -> None:
    source = np.arange(6.0).reshape(2, 3)
    array = as_array("X", _DLPackOnly(source))
    assert np.shares_memory(array, source)
    np.testing.assert_array_equal(array, source)


def test_objects_with_an_array_method_are_read() -> None:
    class Wrapped:
        def __array__(self, *_: Any, **__: Any) -> Any:
            return np.ones(3)

    np.testing.assert_array_equal(as_array("X", Wrapped()), np.ones(3))


def test_what_a_library_refuses_is_passed_on() -> None:
    with pytest.raises(ArgumentTypeError, match=r"X of type _NeedsGrad.*use detach\(\) first"):
        as_array("X", _NeedsGrad())
    with pytest.raises(ArgumentTypeError, match="unknown device meta"):
        as_array("X", _NoDevice(np.ones(2)))


def test_a_question_too_hard_counts_as_overlap() -> None:
    # Whether two such views share an element is a hard knapsack problem.
    base = np.zeros(10**7, dtype=np.int8)
    strides = [(13097, 17411, 22567, 31883), (12911, 18257, 21649, 30817)]
    first, second = (
        np.lib.stride_tricks.as_strided(base[k:], (60, 50, 40, 30), steps)
        for k, steps in enumerate(strides)
    )
    with pytest.raises(np.exceptions.TooHardError):
        np.shares_memory(first, second, max_work=10)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="out overlaps X"):
        as_out(first, first.shape, first.dtype, {"X": second})


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        # Columns that take turns, and columns next to each other.
        ((slice(None), slice(0, 8, 2)), (slice(None), slice(1, 8, 2)), False),
        ((slice(None), slice(0, 4)), (slice(None), slice(4, 8)), False),
        ((slice(None), slice(0, 5)), (slice(None), slice(4, 8)), True),
        ((slice(0, 4), slice(None)), (slice(4, 8), slice(None)), False),
        ((slice(None, None, -1), slice(0, 4)), (slice(None), slice(3, 8)), True),
        ((slice(0, 0), slice(None)), (slice(None), slice(None)), False),
    ],
)
def test_parts_of_one_buffer_overlap_where_they_share_bytes(
    first: Any, second: Any, overlap: bool
) -> None:
    buffer: Any = DeviceArray(np.zeros((8, 8), np.float32))
    a, b = (cupy_backend.outline(buffer[part]) for part in (first, second))
    assert (a.shape, b.shape) == (buffer[first].shape, buffer[second].shape)
    assert np.shares_memory(a, b) == overlap
