"""Tensor maps: how the tensor memory accelerator sees an array, and the boxes it copies."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import BackendError

#: The driver's numbers for types, and for swizzles by their span in bytes.
_TYPES = {"float16": 6, "bfloat16": 9}
_SWIZZLES = {32: 1, 64: 2, 128: 3}
#: Fetch into the L2 cache in pieces of 256 bytes.
_PROMOTION = 3
#: Bytes of an encoded map, and the alignment that the driver asks for.
_MAP_BYTES, _MAP_ALIGNMENT = 128, 64
_STRIDE_BYTES, _LARGEST_BOX, _LARGEST_STRIDE, _LARGEST_EXTENT = 16, 256, 2**40, 2**32
#: Bytes of a number in float16 or bfloat16.
NUMBER_BYTES = 2
#: Encoded maps that a layout keeps, one for each address.
_MOST_ENCODED = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorLayout:
    """How an array in float16 or bfloat16 is a tensor of up to five axes, and the box to copy.

    All tuples begin with the axis whose numbers are neighbours in memory.

    Attributes
    ----------
    dtype : str
        "float16" or "bfloat16".
    extents : tuple of int
        Sizes of the axes.
    strides : tuple of int
        Distances in bytes, of all axes but the first.
    box : tuple of int
        Sizes of the box. Its first one fills the span of the swizzle.
    """

    dtype: str
    extents: tuple[int, ...]
    strides: tuple[int, ...]
    box: tuple[int, ...]
    _encoded: dict[int, NDArray[Any]] = field(init=False, repr=False, default_factory=dict)

    @property
    def swizzle_bytes(self) -> int:
        """Span of the swizzle: 32, 64 or 128 bytes."""
        return self.box[0] * NUMBER_BYTES

    @property
    def problem(self) -> str | None:
        """Which rule of the driver the map breaks, or None."""
        if self.dtype not in _TYPES:
            return f"a tensor map cannot hold {self.dtype} here"
        if not all(1 <= extent <= _LARGEST_EXTENT for extent in self.extents):
            return f"the extents {self.extents} are not between 1 and 2**32"
        if any(
            stride % _STRIDE_BYTES or not 0 < stride < _LARGEST_STRIDE for stride in self.strides
        ):
            return f"the strides {self.strides} are not multiples of 16 bytes below 2**40"
        if not all(1 <= side <= _LARGEST_BOX for side in self.box):
            return f"the box {self.box} has a side that is not between 1 and {_LARGEST_BOX}"
        if self.swizzle_bytes not in _SWIZZLES:
            return f"a row of the box has {self.swizzle_bytes} bytes, not 32, 64 or 128"
        return None

    def at(self, address: int) -> NDArray[Any]:
        """Return what `encode` returns for the driver of this process, and keep it.

        Encoding takes the host longer than all else in a launch.
        """
        found = self._encoded.get(address)
        if found is None:
            if len(self._encoded) >= _MOST_ENCODED:
                self._encoded.clear()
            found = self._encoded[address] = self.encode(driver_encoder(), address)
        return found

    def encode(self, encode_tiled: Callable[..., int], address: int) -> NDArray[Any]:
        """Return the map of a tensor as the driver encodes it.

        Parameters
        ----------
        encode_tiled : callable
            ``cuTensorMapEncodeTiled`` (see `driver_encoder`).
        address : int
            Where the array begins.

        Returns
        -------
        ndarray, shape (1,)
            One item of 128 bytes, which CuPy passes to a kernel by value.

        Raises
        ------
        BackendError
            If the map breaks a rule or the driver refuses it.
        """
        if self.problem is not None:
            raise BackendError(self.problem)
        rank = len(self.extents)
        memory = np.zeros(_MAP_BYTES + _MAP_ALIGNMENT, dtype=np.uint8)
        start = -memory.ctypes.data % _MAP_ALIGNMENT
        encoded = memory[start : start + _MAP_BYTES]
        error = encode_tiled(
            *(ctypes.c_void_p(encoded.ctypes.data), ctypes.c_int(_TYPES[self.dtype])),
            *(ctypes.c_uint32(rank), ctypes.c_void_p(address)),
            (ctypes.c_uint64 * rank)(*self.extents),
            (ctypes.c_uint64 * (rank - 1))(*self.strides),
            (ctypes.c_uint32 * rank)(*self.box),
            (ctypes.c_uint32 * rank)(*[1] * rank),
            *(ctypes.c_int(0), ctypes.c_int(_SWIZZLES[self.swizzle_bytes])),
            *(ctypes.c_int(_PROMOTION), ctypes.c_int(0)),
        )
        if error:
            raise BackendError(f"cuTensorMapEncodeTiled failed with CUDA error {error}")
        return encoded.view(np.dtype([("bytes", np.uint8, (_MAP_BYTES,))]))


@dataclass(frozen=True, slots=True, eq=False)
class TensorMap:
    """An array, which is kept alive, and how the tensor memory accelerator sees it."""

    array: Any
    layout: TensorLayout


@functools.cache
def driver_encoder() -> Callable[..., int]:
    """Return ``cuTensorMapEncodeTiled`` of the CUDA driver.

    Raises
    ------
    BackendError
        If there is no driver, or one older than CUDA 12.
    """
    try:
        encoder: Callable[..., int] = ctypes.CDLL("libcuda.so.1").cuTensorMapEncodeTiled
    except (OSError, AttributeError) as error:
        raise BackendError(f"the CUDA driver has no tensor maps ({error})") from None
    return encoder
