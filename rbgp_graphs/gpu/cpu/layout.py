"""How arrays lie in memory: what kernels can read as it is, and where panels begin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu.cpu.calls import PanelCall

#: A batch of matrices with fewer columns than this is multiplied as one wide matrix.
_NARROW = 64


def address_of(array: NDArray[Any]) -> int:
    """Return where the first entry of an array is."""
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]


def readable(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of that dtype, in the machine's byte order, with its numbers aligned."""
    if array.dtype == dtype and array.flags.aligned:
        return array
    return np.ascontiguousarray(array, dtype)


def has_plain_rows(array: NDArray[Any]) -> bool:
    """Return whether the numbers of a row stand one after the other."""
    return array.flags.aligned and (array.shape[1] < 2 or array.strides[1] == array.itemsize)


def plain_rows(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a readable array of that dtype in which the numbers of a row follow each other."""
    found = readable(array, dtype)
    return found if has_plain_rows(found) else np.ascontiguousarray(found)


def matrices(array: NDArray[Any]) -> NDArray[Any]:
    """Return a batch with one leading axis; a wide matrix instead of a batch of narrow ones."""
    if array.ndim > 2 and array.shape[-1] < _NARROW:
        array = np.moveaxis(array, -2, 0).reshape(array.shape[-2], -1)
    return array.reshape(-1, *array.shape[-2:])


def flat(X: NDArray[Any], out: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return operand and result of a batch as single matrices where that makes wider panels."""
    if not out.flags.aligned:
        out = np.empty(out.shape, out.dtype)
    if X.ndim == 2 or X.shape[-1] >= _NARROW:
        return X, out
    columns = X.size // X.shape[-2]
    return (
        np.moveaxis(X, -2, 0).reshape(X.shape[-2], columns),
        np.moveaxis(out, -2, 0).reshape(out.shape[-2], columns),
    )


def panels_of(X: NDArray[Any], out: NDArray[Any], call: PanelCall) -> list[int]:
    """Return for the panels of a batch where they begin in operand and result, and how wide."""
    x_col, out_col = X.strides[-1], out.strides[-1]
    starts = [(address_of(X), address_of(out))]
    if X.ndim > 2:
        starts = list(zip(_starts(X), _starts(out), strict=True))
    panels = []
    for x, y in starts:
        for start, width in zip(call.panel_starts, call.panel_widths, strict=True):
            panels += [x + start * x_col, y + start * out_col, width]
    return panels


def _starts(array: NDArray[Any]) -> list[int]:
    """Return the addresses of the matrices of a batch."""
    starts = np.array([address_of(array)], np.int64)
    for size, stride in zip(array.shape[:-2], array.strides[:-2], strict=True):
        starts = (starts[:, None] + np.arange(size) * stride).ravel()
    return starts.tolist()  # type: ignore[no-any-return]
