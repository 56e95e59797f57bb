"""What the pattern figure draws: windows of a pattern or graph as grids of exact densities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from rbgp_graphs._validation import as_int
from rbgp_graphs.constructions.complete import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.products.tensor import count_below

Subject = TensorProduct | BipartiteGraph


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level of a product: the part of the matrix that one edge of its factor fills.

    Attributes
    ----------
    name : str
        What the part is called.
    rows, cols : int
        Its size in cells.
    """

    name: str
    rows: int
    cols: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """Densities of a window on a grid of equal steps.

    Attributes
    ----------
    row_edges, col_edges : ndarray of int64, shape (height + 1,) and (width + 1,)
        Pixel (y, x) covers the rows ``row_edges[y]`` to ``row_edges[y + 1] - 1``, and columns
        likewise. Inner edges are multiples of the step.
    row_step, col_step : int
        Cells in a pixel. The first and the last may cover fewer.
    density : ndarray of float64, shape (height, width)
        Share of nonzero cells in each pixel.
    """

    row_edges: NDArray[np.int64]
    col_edges: NDArray[np.int64]
    row_step: int
    col_step: int
    density: NDArray[np.float64]

    @property
    def top(self) -> float:
        """The density to draw opaque: the largest, or 1 if there is none.

        Where all are much alike it is twice the mean, so that even areas do not look full.
        """
        return max(float(self.density.max()), min(1.0, 2 * float(self.density.mean()))) or 1.0

    @property
    def is_exact(self) -> bool:
        """Whether every pixel is one cell."""
        return self.row_step == self.col_step == 1


def as_subject(obj: Any) -> Subject:
    """Return what a figure can draw: a product, a graph, or the graph of a mask.

    Raises
    ------
    ArgumentTypeError
        If `obj` is neither, nor a two-dimensional array.
    ArgumentError
        If it has no cells.
    """
    if not isinstance(obj, (TensorProduct, BipartiteGraph)):
        if not (isinstance(obj, (list, tuple)) or hasattr(obj, "__array__") or issparse(obj)):
            raise ArgumentTypeError(
                f"p is {obj!r}, expected a TensorProduct, a BipartiteGraph or a mask"
            )
        obj = BipartiteGraph.from_biadjacency(obj)
    if 0 in obj.shape:
        raise ArgumentError(f"p has shape {obj.shape}, expected at least one row and one column")
    return obj  # type: ignore[no-any-return]


def levels(subject: Subject) -> tuple[Level, ...]:
    """Return the levels of a product that divide the matrix, the coarsest first."""
    if not isinstance(subject, TensorProduct):
        return ()
    if isinstance(subject, RBGP4):
        names = ["tile", "repeated part", "dense block", "cell"]
    else:
        names = [f"edge of {name}" for name in subject.factor_names]
    rows, cols = subject.shape
    found: list[Level] = []
    for name, factor in zip(names, subject.factors, strict=True):
        if factor.shape == (1, 1):
            continue
        rows, cols = rows // factor.left, cols // factor.right
        if rows * cols > 1:
            found.append(Level(name=name, rows=rows, cols=cols))
    return tuple(found)


def tiles(subject: Subject) -> TensorProduct | None:
    """Return the pattern of the edges of the first factor, each with all its cells.

    None if that shows nothing: for a graph, for a first factor that is complete, and for a
    product whose other factors are all complete.
    """
    if not isinstance(subject, TensorProduct):
        return None
    first, *others = subject.factors
    if first.is_complete or all(factor.is_complete for factor in others):
        return None
    height, width = subject.rows // first.left, subject.cols // first.right
    # Two thin complete graphs stand for a complete one without storing height * width edges.
    return TensorProduct(first, complete(height, 1), complete(1, width))


def densities(
    subject: Subject, row_edges: NDArray[np.int64], col_edges: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of nonzeros in every rectangle between ascending edges, exactly."""
    if isinstance(subject, TensorProduct):
        before = subject.count_before(row_edges, col_edges)
    else:
        edges = subject.edges
        before = count_below(edges[:, 0], edges[:, 1], row_edges, col_edges)[:-1, :-1]
    counts = np.diff(np.diff(before, axis=0), axis=1)
    result: NDArray[np.float64] = counts / np.outer(np.diff(row_edges), np.diff(col_edges))
    return result


def rasterize(
    subject: Subject, rows: tuple[int, int], cols: tuple[int, int], max_pixels: int
) -> Raster:
    """Return a window at no more than about `max_pixels` a side.

    Pixels that cut the blocks of a pattern make beats that the pattern does not have. So a pixel
    covers whole blocks, or a whole number of pixels covers a block, wherever that costs less
    than half the resolution.
    """
    parts = levels(subject)
    row_step = pixel_step(rows[1] - rows[0], [part.rows for part in parts], max_pixels)
    col_step = pixel_step(cols[1] - cols[0], [part.cols for part in parts], max_pixels)
    row_edges, col_edges = step_edges(rows, row_step), step_edges(cols, col_step)
    return Raster(
        row_edges=row_edges,
        col_edges=col_edges,
        row_step=row_step,
        col_step=col_step,
        density=densities(subject, row_edges, col_edges),
    )


def pixel_step(span: int, sizes: list[int], max_pixels: int) -> int:
    """Return how many cells one pixel covers, given the sizes of the levels, descending."""
    need = -(-span // max_pixels)
    if need == 1:
        return 1
    below = next((size for size in sizes if size <= need), 1)
    above = next((size for size in reversed(sizes) if size > need), None)
    if above is not None:
        ratio = above // below
        steps = (below * d for d in range(-(-need // below), ratio + 1) if ratio % d == 0)
        aligned = next(steps)
        if aligned <= 2 * need:
            return aligned
    return below * -(-need // below)


def as_window(name: str, window: Any, size: int) -> tuple[int, int]:
    """Return a half-open range inside ``0..size``; None stands for all of it."""
    if window is None:
        return 0, size
    try:
        start, stop = window
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{name} is {window!r}, expected a pair (start, stop)") from None
    start = as_int(f"{name} start", start, minimum=0, maximum=size - 1)
    return start, as_int(f"{name} stop", stop, minimum=start + 1, maximum=size)


def even_edges(window: tuple[int, int], count: int) -> NDArray[np.int64]:
    """Return the edges of at most `count` parts of a range, equal up to one cell."""
    start, stop = window
    count = min(count, stop - start)
    return start + np.arange(count + 1, dtype=np.int64) * (stop - start) // count


def lines(window: tuple[int, int], size: int, coarser: int) -> NDArray[np.int64]:
    """Return the multiples of `size` inside a range that are no multiples of `coarser`."""
    places = step_edges(window, size)[1:-1]
    result: NDArray[np.int64] = places[places % coarser != 0]
    return result


def step_edges(window: tuple[int, int], step: int) -> NDArray[np.int64]:
    """Return the ends of a range and the multiples of `step` between them."""
    start, stop = window
    inner = np.arange(start // step + 1, -(-stop // step), dtype=np.int64) * step
    return np.concatenate(([start], inner, [stop])).astype(np.int64)
