"""The measurements of a benchmark document, checked, and the choice of those to draw."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rbgp_graphs.encoding.atomic import as_path
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError

_LARGEST_FILE = 1 << 26
_ITEMSIZES = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A measurement of one case.

    `suite` has no prefix for the device: "gpu_sparsity" is the suite "sparsity".
    """

    suite: str
    name: str
    kind: str
    rows: int
    cols: int
    columns: int
    sparsity: float
    row_group: int
    threads: int
    dtype: str
    product: str
    timer: str
    milliseconds: float
    gflops: float
    nnz: int
    index_bytes: int

    @property
    def intensity(self) -> float:
        """Operations per byte of weights, indices, operand and result, each moved once.

        Other sparse formats count with an index of four bytes for each nonzero, as in CSR.
        """
        itemsize = _ITEMSIZES.get(self.dtype, 4)
        is_dense = self.kind == "dense"
        entries = self.rows * self.cols if is_dense else self.nnz
        index = {"dense": 0, "own": self.index_bytes}.get(self.kind, 4 * self.nnz)
        moved = itemsize * (entries + (self.rows + self.cols) * self.columns) + index
        return 2 * entries * self.columns / moved


def read_document(results: Any) -> Mapping[str, Any]:
    """Return a document, read from its file if a path is given.

    Raises
    ------
    ArgumentTypeError
        If `results` is neither a mapping nor a path.
    ArgumentError
        If the file cannot be read.
    FormatError
        If it is too large or holds no JSON object.
    """
    if isinstance(results, (str, os.PathLike)):
        path = as_path(results)
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise FormatError(f"{path} is larger than {_LARGEST_FILE:,} bytes")
            results = json.loads(path.read_bytes())
        except OSError as error:
            raise ArgumentError(f"cannot read {path}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{path} is no JSON document: {error}") from None
        if not isinstance(results, dict):
            raise FormatError(f"{path} holds a {type(results).__name__}, expected an object")
    if not isinstance(results, Mapping):
        raise ArgumentTypeError(
            f"results is a {type(results).__name__}, expected a mapping or a path"
        )
    return results


def all_points(document: Mapping[str, Any]) -> list[Point]:
    """Return every measurement of a document.

    Raises
    ------
    FormatError
        If the document is not what the benchmark writes.
    """
    cases = document.get("cases")
    if not isinstance(cases, list) or not cases:
        raise FormatError("the results hold no list of cases; python -m benchmarks writes one")
    found = []
    for number, case in enumerate(cases):
        try:
            found += [_point(case, measured) for measured in case["measurements"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                f"case {number} of the results is not what the benchmark writes: "
                f"{type(error).__name__} {error}"
            ) from None
    return found


def _point(case: Mapping[str, Any], measured: Mapping[str, Any]) -> Point:
    point = Point(
        suite=str(case["suite"]).removeprefix("gpu_"),
        dtype=str(case["dtype"]),
        product=str(case["product"]),
        timer=str(case.get("timer") or "wall clock"),
        rows=int(case["rows"]),
        cols=int(case["cols"]),
        columns=int(case["columns"]),
        row_group=int(case["row_group"]),
        nnz=int(case["nnz"]),
        index_bytes=int(case["index_bytes"]),
        threads=int(case.get("threads") or 1),
        sparsity=float(case["sparsity"]),
        name=str(measured["name"]),
        kind=str(measured["kind"]),
        milliseconds=float(measured["milliseconds"]),
        gflops=float(measured["gflops"]),
    )
    if not (0 < point.milliseconds < math.inf and 0 < point.gflops < math.inf):
        raise ValueError(f"{point.name} has no positive finite time and rate")
    if not 0 <= point.sparsity < 1 or min(point.rows, point.cols, point.columns) < 1:
        raise ValueError("a size or the sparsity is out of range")
    return point


def forward_points(points: Iterable[Point]) -> list[Point]:
    """Return the forward products, of several timers those of the first."""
    found = [point for point in points if point.product == "forward"]
    return [point for point in found if point.timer == found[0].timer]


def fastest(points: Iterable[Point], key: Callable[[Point], Any]) -> dict[Any, Point]:
    """Return the fastest point for each key, in ascending order of the keys."""
    best: dict[Any, Point] = {}
    for point in points:
        where = key(point)
        if where not in best or point.milliseconds < best[where].milliseconds:
            best[where] = point
    return dict(sorted(best.items()))
