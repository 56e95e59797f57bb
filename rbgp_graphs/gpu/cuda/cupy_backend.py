"""The backend "cupy": products of CuPy arrays where they lie, and of NumPy arrays by copying."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentTypeError, BackendError
from rbgp_graphs.gpu.cuda.choices import Choices, choices_file
from rbgp_graphs.gpu.cuda.machine import cupy_machine, why_missing
from rbgp_graphs.gpu.cuda.products import Products
from rbgp_graphs.gpu.cuda.recording import kept
from rbgp_graphs.gpu.cuda.verdicts import Verdicts, verdicts_file
from rbgp_graphs.products import RBGP4

#: DLPack's number for the memory of CUDA devices.
_CUDA = 2
#: Processes, and modules in them, where nothing is missing. A process forked from one is another.
_complete: set[tuple[int, Any]] = set()


def missing() -> str | None:
    """Return why the backend does not run here, or None if it does."""
    if (os.getpid(), sys.modules.get("cupy")) in _complete:
        return None
    reason = why_missing()
    if reason is None and "cupy" in sys.modules:
        _complete.add((os.getpid(), sys.modules["cupy"]))
    return reason


def _cupy() -> Any:
    """Return CuPy. To import what is there takes longer than to look for it."""
    return sys.modules.get("cupy") or require("cupy", "gpu-cu13")


def _is_cupy_array(value: Any) -> bool:
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(value, cupy.ndarray)


def is_device_array(value: Any) -> bool:
    """Return whether a value is an array of some library in the memory of a CUDA device."""
    if isinstance(value, np.ndarray):
        return False
    if _is_cupy_array(value):
        return True
    if hasattr(value, "__dlpack_device__"):
        try:
            return int(value.__dlpack_device__()[0]) == _CUDA
        except (TypeError, ValueError, RuntimeError, BufferError):
            return False
    # PyTorch raises AttributeError here for tensors on the CPU.
    return hasattr(value, "__cuda_array_interface__")


def as_device_array(name: str, value: Any) -> Any:
    """Return a CuPy array that shares the memory of `value`, an array on a CUDA device.

    Raises
    ------
    BackendError
        If there is no CuPy or no driver.
    ArgumentTypeError
        If the array cannot be read.
    """
    if _is_cupy_array(value):
        return value
    reason = missing()
    if reason is not None:
        raise BackendError(f"{name} lies on a CUDA device, and {reason}")
    cupy = _cupy()
    try:
        if hasattr(value, "__dlpack__"):
            return cupy.from_dlpack(value)
        return cupy.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ArgumentTypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {error}"
        ) from error


def empty(shape: tuple[int, ...], dtype: Any, like: Any) -> Any:
    """Return a new CuPy array on the device of `like`."""
    with _on(int(like.device.id)):
        return _cupy().empty(shape, dtype)


def outline(array: Any) -> NDArray[Any]:
    """Return an array with the addresses of a CuPy array, to compare and not to read.

    Addresses are those of one space: no two devices, and no device and the CPU, share any.
    """
    if isinstance(array, np.ndarray):
        return array
    return np.asarray(_Outline(array))


class _Outline:
    """What NumPy asks of an array about where its bytes are."""

    def __init__(self, array: Any) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (int(array.data.ptr), True),
            "shape": array.shape,
            "strides": array.strides,
            "typestr": f"|V{array.itemsize}",
        }


def to_dense(pattern: RBGP4, values: Any) -> Any:
    """Return the matrix as a dense CuPy array on the device of `values`."""
    cupy = _cupy()
    with _on(_common_device(values=values)):
        dense = cupy.zeros(pattern.shape, values.dtype)
        columns = cupy.asarray(pattern.columns(max_bytes=8 * pattern.nnz))
        dense[cupy.arange(pattern.rows)[:, None], columns] = values
        return dense


def forward(
    pattern: RBGP4,
    values: Any,
    X: Any,
    out: Any,
    bias: Any,
    activation: str | None,
    precision: str | None = None,
) -> None:
    """Write A X to `out` (see `rbgp_graphs.gpu.backend.Backend`)."""
    _multiply(pattern, values, X, out, bias, activation, precision, transposed=False)


def transposed(
    pattern: RBGP4,
    values: Any,
    Y: Any,
    out: Any,
    bias: Any,
    activation: str | None,
    precision: str | None = None,
) -> None:
    """Write the product of the transposed matrix and Y to `out`."""
    _multiply(pattern, values, Y, out, bias, activation, precision, transposed=True)


def sampled(pattern: RBGP4, dY: Any, X: Any, out: Any, precision: str | None = None) -> None:
    """Write the entries of dY times X transposed at the nonzeros to `out`."""
    device = _common_device(dY=dY, X=X, out=out)
    with _on(device, pattern):
        own, result = _products(device), _on_device(out, out.dtype, copy=False)
        left, right = _on_device(dY, out.dtype), _on_device(X, out.dtype)
        own.sampled(pattern, left, right, result, precision=precision)
        _bring_back(result, out)


def transpose_values(pattern: RBGP4, values: Any) -> Any:
    """Return the values of the transposed matrix, on the device of `values`."""
    device = _common_device(values=values)
    with _on(device, pattern, values):
        return _products(device).transpose_values(pattern, values)


def _multiply(
    pattern: RBGP4,
    values: Any,
    X: Any,
    out: Any,
    bias: Any,
    activation: str | None,
    precision: str | None,
    *,
    transposed: bool,
) -> None:
    device = _common_device(values=values, X=X, out=out, bias=bias)
    with _on(device, pattern, values, bias):
        own, result = _products(device), _on_device(out, out.dtype, copy=False)
        own.forward(
            pattern,
            _on_device(values, out.dtype),
            _on_device(X, out.dtype),
            result,
            None if bias is None else _on_device(bias, bias.dtype),
            activation,
            transposed=transposed,
            precision=precision,
        )
        _bring_back(result, out)


@contextlib.contextmanager
def current_products() -> Iterator[Products]:
    """Give the products of CuPy's current device, which stays the current one meanwhile.

    Raises
    ------
    BackendError
        If no CUDA device can be used here.
    """
    reason = missing()
    if reason is not None:
        raise BackendError(reason)
    device = _common_device()
    with _on(device):
        yield _products(device)


@functools.cache
def _products(device: int) -> Products:
    return Products(cupy_machine(device), Verdicts(verdicts_file()), Choices(choices_file()))


def _common_device(**arrays: Any) -> int:
    """Return the device where all arrays lie; the current one if they lie on the CPU."""
    given = {name: array for name, array in arrays.items() if array is not None}
    on_device = {
        name: int(array.device.id)
        for name, array in given.items()
        if not isinstance(array, np.ndarray)
    }
    if not on_device:
        device = int(_cupy().cuda.Device().id)
        if given and _products(device).machine.is_capturing:
            raise BackendError(
                "a CUDA graph is being recorded, which cannot hold copies of NumPy arrays to the "
                "device and back; bring them there before with cupy.asarray"
            )
        return device
    if len(on_device) < len(given) or len({*on_device.values()}) > 1:
        places = (f"{name} on {on_device.get(name, 'the CPU')}" for name in given)
        raise BackendError(
            f"the arrays of a product lie in different places: {', '.join(places)}; nothing is "
            "moved silently: bring them to one device with cupy.asarray"
        )
    return next(iter(on_device.values()))


@contextlib.contextmanager
def _on(device: int, *used: Any) -> Iterator[None]:
    """Make a device the current one, and say what helps if its memory is full.

    While a CUDA graph is recorded, what is used and allocated is kept for it.
    """
    cupy = _cupy()
    with cupy.cuda.Device(device):
        is_recorded = _products(device).machine.is_capturing
        try:
            with kept(cupy, *used) if is_recorded else contextlib.nullcontext():
                yield
        except MemoryError as error:
            raise BackendError(
                f"device {device} has too little free memory: {error}; use fewer columns or "
                "operands at a time, or free what CuPy keeps with "
                "cupy.get_default_memory_pool().free_all_blocks()"
            ) from error


def _on_device(array: Any, dtype: Any, *, copy: bool = True) -> Any:
    """Return an array of the device; without `copy`, room for a NumPy array of that shape."""
    cupy = _cupy()
    if isinstance(array, np.ndarray):
        return cupy.asarray(array, dtype=dtype) if copy else cupy.empty(array.shape, dtype)
    return array if array.dtype == dtype else array.astype(dtype)


def _bring_back(result: Any, out: Any) -> None:
    if isinstance(out, np.ndarray):
        host: NDArray[Any] = _cupy().asnumpy(result)
        out[...] = host
