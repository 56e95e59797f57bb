"""What goes into a product and comes out of it: conversion and checks."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError
from rbgp_graphs.gpu import torch_tensors
from rbgp_graphs.gpu.cuda import cupy_backend
from rbgp_graphs.products import RBGP4

#: The dtypes of NumPy that values and results can have, besides bfloat16 from ml_dtypes.
DTYPES = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))
_ALLOWED = "float16, bfloat16, float32 or float64"
#: DLPack's numbers for memory that the CPU can read: plain, and pinned by CUDA or by ROCm.
_CPU_DEVICES = (1, 3, 11)
#: Effort after which two arrays count as overlapping.
_OVERLAP_WORK = 10_000
#: Of all arrays of a product, which may be copied with eight bytes for each.
_MOST_NUMBERS = 2**60 - 1


def as_pattern(pattern: Any) -> RBGP4:
    """Return `pattern` if it is an RBGP4 pattern, the only kind with a product here."""
    if isinstance(pattern, RBGP4):
        return pattern
    raise ArgumentTypeError(
        f"pattern is a {type(pattern).__name__}, expected an RBGP4; write a product with fewer "
        "factors as RBGP4(outer, (1, 1), inner, (1, 1)), or use pattern.to_csr(values) @ X"
    )


def as_values(pattern: RBGP4, values: Any) -> NDArray[Any]:
    """Return `values` as an array of a known dtype and shape, sharing memory if it has any."""
    array = as_array("values", values)
    if isinstance(array, np.ndarray):
        array = pattern.check_values(array)
    elif array.shape != (pattern.rows, pattern.row_degree):
        expected = (pattern.rows, pattern.row_degree)
        raise ArgumentError(
            f"values has shape {array.shape}, expected (rows, row_degree) = {expected}"
        )
    check_dtype("values", array)
    return array


@functools.lru_cache(maxsize=64)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return ``dtype.name``, which NumPy composes anew at every access."""
    return dtype.name


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Return whether a dtype is the bfloat16 of ml_dtypes, without importing that package."""
    return dtype_name(dtype) == "bfloat16"


def is_half(dtype: np.dtype[Any]) -> bool:
    """Return whether numbers of a dtype have 16 bits and are summed in float32."""
    return dtype == np.float16 or is_bfloat16(dtype)


def check_dtype(name: str, array: NDArray[Any]) -> None:
    """Raise unless an array has one of `DTYPES` or bfloat16."""
    if array.dtype in DTYPES or is_bfloat16(array.dtype):
        return
    cure = "; cast it, for example with .astype(np.float32)" if array.dtype.kind in "biuf" else ""
    raise ArgumentTypeError(f"{name} has dtype {array.dtype}, expected {_ALLOWED}{cure}")


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return an array of numbers or bools, without a copy where the memory can be shared.

    What lies on a CUDA device becomes a CuPy array; everything else that has ``__array__`` or
    DLPack, and nested lists, become NumPy arrays.
    """
    if sparse.issparse(value):
        raise ArgumentTypeError(f"{name} is a sparse array, expected a dense one: {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentTypeError(f"{name} is a masked array, expected a plain one: {name}.filled()")
    if torch_tensors.is_tensor(value):
        value = torch_tensors.as_plain(name, value)
        if value.dtype == require("torch", "torch").bfloat16:
            # No library takes the type from PyTorch in all its versions, but all take its bits.
            bits = as_array(name, value.view(require("torch", "torch").int16))
            return bits.view(require("ml_dtypes").bfloat16)
    if cupy_backend.is_device_array(value):
        return _check_real(name, cupy_backend.as_device_array(name, value))
    if not isinstance(value, np.ndarray):
        _check_device(name, value)
    try:
        dlpack = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        array = np.from_dlpack(value) if dlpack else np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ArgumentTypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {error}"
        ) from error
    return _check_real(name, array)


def _check_real(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "biuf" and not is_bfloat16(array.dtype):
        raise ArgumentTypeError(f"{name} has dtype {array.dtype}, expected real numbers")
    return array


def _check_device(name: str, value: Any) -> None:
    """Raise if an array of another library lies on a device."""
    if not hasattr(value, "__dlpack_device__"):
        return
    try:
        kind, number = value.__dlpack_device__()
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ArgumentTypeError(f"{name} cannot be read as an array: {error}") from error
    if int(kind) not in _CPU_DEVICES:
        raise BackendError(
            f"{name} lies on device ({int(kind)}, {number}) in DLPack's numbering and the "
            "backends of this version run on CPUs and CUDA devices; copy it to one of these first"
        )


def result_dtype(values: np.dtype[Any], *operands: NDArray[Any]) -> np.dtype[Any]:
    """Return the dtype of a product: NumPy's promotion, inside `DTYPES` or bfloat16."""
    dtypes = (values, *(operand.dtype for operand in operands))
    try:
        dtype = np.result_type(*dtypes)
    except TypeError as error:
        given = ", ".join(str(dtype) for dtype in dtypes)
        raise ArgumentTypeError(f"dtypes {given} have no common dtype: {error}") from None
    if dtype not in DTYPES and not is_bfloat16(dtype):
        given = ", ".join(str(dtype) for dtype in dtypes)
        raise ArgumentTypeError(
            f"the result of dtypes {given} would have dtype {dtype}, expected {_ALLOWED}"
        )
    return dtype


def as_out(
    out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], inputs: dict[str, Any]
) -> NDArray[Any]:
    """Return `out` if a result can be written to it, or a new array if it is None."""
    if math.prod(shape) + sum(array.size for array in inputs.values()) > _MOST_NUMBERS:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
        raise ArgumentError(
            f"{shapes} and a result of {shape} are more numbers than memory has addresses for; "
            "multiply fewer columns at a time"
        )
    device_array = next((a for a in inputs.values() if not isinstance(a, np.ndarray)), None)
    if device_array is not None:
        on_device: NDArray[Any] = _as_device_out(out, shape, dtype, inputs, device_array)
        return on_device
    if out is None:
        return np.empty(shape, dtype)
    if torch_tensors.is_tensor(out):
        out = as_array("out", out)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise ArgumentTypeError(f"out is a {type(out).__name__}, expected a plain NumPy array")
    if out.shape != shape or out.dtype != dtype:
        raise ArgumentError(
            f"out has shape {out.shape} and dtype {out.dtype}, expected {shape} and {dtype}"
        )
    if not out.flags.writeable:
        raise ArgumentError("out is read-only, expected an array that can be written to")
    _check_memory(out, inputs)
    return out


def _as_device_out(
    out: Any,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    inputs: dict[str, Any],
    like: Any,
) -> Any:
    """Return `out` as a CuPy array, or a new one on the device of `like`."""
    if out is None:
        return cupy_backend.empty(shape, dtype, like)
    if not cupy_backend.is_device_array(out):
        raise ArgumentTypeError(
            f"out is a {type(out).__name__} and an operand lies on a CUDA device, expected an "
            "array on that device"
        )
    array: Any = as_array("out", out)
    if array.shape != shape or array.dtype != dtype:
        raise ArgumentError(
            f"out has shape {array.shape} and dtype {array.dtype}, expected {shape} and {dtype}"
        )
    outlines = {name: cupy_backend.outline(other) for name, other in inputs.items()}
    _check_memory(cupy_backend.outline(array), outlines)
    return array


def _check_memory(out: NDArray[Any], inputs: dict[str, NDArray[Any]]) -> None:
    """Raise unless every entry of `out` has memory that nothing else uses."""
    for name, array in inputs.items():
        if _overlap(out, array):
            raise ArgumentError(f"out overlaps {name} in memory, expected memory of its own")
    if out.flags.forc:
        return
    reach = out.itemsize
    axes = zip(out.strides, out.shape, strict=True)
    for step, size in sorted((abs(stride), size) for stride, size in axes if size > 1):
        if step < reach:
            raise ArgumentError(
                f"out with shape {out.shape} and strides {out.strides} overlaps itself in memory, "
                "expected a place for each entry"
            )
        reach += step * (size - 1)


def _overlap(a: NDArray[Any], b: NDArray[Any]) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_OVERLAP_WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def as_bias(bias: Any, rows: int) -> NDArray[Any] | None:
    """Return `bias` as an array with one entry for each row of the result."""
    if bias is None:
        return None
    array = as_array("bias", bias)
    if array.shape != (rows,):
        raise ArgumentError(f"bias has shape {array.shape}, expected ({rows},), one for each row")
    return array
