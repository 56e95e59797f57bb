"""Whether the products of a backend are right, before any is timed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rbgp_graphs as rg
from rbgp_graphs.gpu import RBGP4Matrix, matmul
from rbgp_graphs.gpu.cuda.checks import DeviceLostError
from rbgp_graphs.gpu.cuda.launch import PRECISIONS

#: Integers up to this size are exact in bfloat16 and tf32, and sums of their products in float32.
_LARGEST = 3
#: Rows, columns, sparsity and row group of a pattern, and columns of the operands.
_SHAPES = (
    (256, 256, 0.5, 4, 136),
    (256, 512, 0.875, 16, 37),
    (512, 256, 0.75, 64, 96),
    (1024, 1024, 0.9375, 32, 257),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a backend computes.

    Attributes
    ----------
    backend : str
        Name of the backend.
    put : callable
        Copies a NumPy array there.
    fetch : callable
        Copies an array from there.
    """

    backend: str
    put: Callable[[NDArray[Any]], Any]
    fetch: Callable[[Any], NDArray[Any]]


def dtypes() -> list[np.dtype[Any]]:
    """Return all dtypes, bfloat16 only where ml_dtypes is installed."""
    found = [np.dtype(name) for name in ("float16", "float32", "float64")]
    if importlib.util.find_spec("ml_dtypes") is not None:
        found.append(np.dtype(importlib.import_module("ml_dtypes").bfloat16))
    return found


def check_integers(
    place: Place,
    *,
    kinds: Sequence[np.dtype[Any]] | None = None,
    shapes: Sequence[tuple[int, int, float, int, int]] | None = None,
) -> list[dict[str, Any]]:
    """Compare products of small random integers with the exact ones.

    The operands are exact in every dtype and so are the sums, in whatever order they are
    formed. So a result has to be the exact one, rounded once. The outputs hold NaN before.

    Returns
    -------
    list of dict
        With ``pattern``, ``dtype`` (or "tf32"), ``product``, ``columns`` and ``wrong``, the number
        of entries that differ, or None if an error kept the product from being computed; then
        ``problem`` says which one.
    """
    found = []
    for rows, cols, sparsity, row_group, n in _SHAPES if shapes is None else shapes:
        pattern = rg.design(rows, cols, sparsity, row_group=row_group)
        name = f"{rows} x {cols}, {100 * sparsity:g} %, group {row_group}"
        for dtype in dtypes() if kinds is None else kinds:
            for precision in (None, *PRECISIONS) if dtype == np.float32 else (None,):
                for product, outcome in _outcomes(place, pattern, n, dtype, precision):
                    case = {"pattern": name, "dtype": precision or dtype.name, "product": product}
                    found.append({**case, "columns": n, **outcome})
    return found


def _outcomes(
    place: Place, pattern: rg.RBGP4, n: int, dtype: np.dtype[Any], precision: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each product came to. An error in one dtype must not hide what others do."""
    try:
        for product, wrong in _wrong_entries(place, pattern, n, dtype, precision):
            yield product, {"wrong": wrong, "problem": None}
    except (MemoryError, DeviceLostError):
        raise
    except Exception as error:
        yield "all that follow", {"wrong": None, "problem": f"{type(error).__name__}: {error}"}


def _wrong_entries(
    place: Place, pattern: rg.RBGP4, n: int, dtype: np.dtype[Any], precision: Any
) -> Iterator[tuple[str, int]]:
    rng = np.random.default_rng(pattern.nnz)
    values, X, dY = (
        rng.integers(-_LARGEST, _LARGEST + 1, shape).astype(np.float64)
        for shape in ((pattern.rows, pattern.row_degree), (pattern.cols, n), (pattern.rows, n))
    )
    exact = RBGP4Matrix(pattern, values)
    csr = exact.to_csr()
    columns = pattern.columns(max_bytes=8 * pattern.nnz)
    expected = {
        "forward": csr @ X,
        "transposed": csr.T @ dY,
        "sampled": np.take_along_axis(dY @ X.T, columns, axis=1),
    }
    A = RBGP4Matrix(pattern, place.put(values.astype(dtype)))
    operand, gradient = place.put(X.astype(dtype)), place.put(dY.astype(dtype))
    options: Any = {"backend": place.backend, "precision": precision}
    for product, right in expected.items():
        out = place.put(np.full(right.shape, np.nan).astype(dtype))
        if product == "forward":
            matmul(A, operand, out=out, **options)
        elif product == "transposed":
            matmul(A.T, gradient, out=out, **options)
        else:
            A.sampled_matmul(gradient, operand, out=out, **options)
        rounded = right.astype(np.float32).astype(dtype).astype(np.float64)
        differs = place.fetch(out).astype(np.float64) != rounded
        yield product, int(np.count_nonzero(differs))
