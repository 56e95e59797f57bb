"""Masks from elsewhere, as arrays or as files that are not trusted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from scipy import sparse

from rbgp_graphs._validation import as_int
from rbgp_graphs.encoding.atomic import as_path
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, RBGPError
from rbgp_graphs.export.matrix_market import read_matrix_market
from rbgp_graphs.export.npz import read_npy, read_npz
from rbgp_graphs.graph import BipartiteGraph

#: Default of `max_bytes`: what a file may unpack to.
MAX_FILE_BYTES = 2**30


def read_mask(source: Any, *, max_bytes: int = MAX_FILE_BYTES) -> BipartiteGraph:
    """Return the graph whose edges are the nonzero entries of a mask or a weight matrix.

    Parameters
    ----------
    source : path, array_like or SciPy sparse array
        A matrix of finite numbers or bools, or a file that holds one: ``.npz`` (a sparse array
        saved by SciPy, or an archive with one matrix), ``.npy``, or ``.mtx`` (MatrixMarket).
        Stored zeros are not edges.
    max_bytes : int
        Largest size that the arrays in a file may have in memory.

    Returns
    -------
    BipartiteGraph
        Rows are the left vertices, columns the right ones.

    Raises
    ------
    ArgumentTypeError
        If `source` is not of one of these types.
    ArgumentError
        If a file is not there, cannot be read or has another suffix, or an array is not a
        matrix or holds NaN or infinity.
    FormatError
        If the content of a file is damaged, forged, or not a matrix of finite real numbers, or
        needs more than `max_bytes`.

    Notes
    -----
    Sizes that a file claims are compared with its length before anything is allocated, and no
    pickled object is ever loaded.

    Examples
    --------
    >>> read_mask([[1, 0, 2], [0, 3, 0]]).edges.tolist()
    [[0, 0], [0, 2], [1, 1]]
    """
    limit = as_int("max_bytes", max_bytes, minimum=1)
    if isinstance(source, (str, os.PathLike)):
        return _read_file(source, limit)
    if sparse.issparse(source):
        return BipartiteGraph.from_biadjacency(source)
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(
            f"source of type {type(source).__name__} is neither a path nor a matrix: {error}"
        ) from error
    return BipartiteGraph.from_biadjacency(array)


def _read_file(path: Any, limit: int) -> BipartiteGraph:
    place = as_path(path)
    read = _READERS.get(place.suffix.lower())
    if read is None:
        raise ArgumentError(
            f"{place} has the suffix {place.suffix!r}, expected one of {', '.join(_READERS)}"
        )
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ArgumentError(f"cannot read {place}: it is not a regular file")
        file = place.open("rb")
    except OSError as error:
        raise ArgumentError(f"cannot read {place}: {error.strerror or error}") from error
    with file:
        try:
            return BipartiteGraph.from_biadjacency(read(file, limit))
        except FormatError as error:
            raise FormatError(f"{place}: {error}") from error
        except Exception as error:
            # The readers of NumPy, SciPy and zipfile raise what they like on forged files.
            detail = str(error) if isinstance(error, RBGPError) else repr(error)
            raise FormatError(f"{place} is not a valid {place.suffix} file: {detail}") from error


_READERS: dict[str, Callable[[BinaryIO, int], Any]] = {
    ".npz": read_npz,
    ".npy": read_npy,
    ".mtx": read_matrix_market,
}
