"""Files that other programs read."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.export.entries import CSR, MAX_BYTES, Exportable, as_entries


def write(
    path: str | os.PathLike[str],
    obj: Exportable,
    values: ArrayLike | None = None,
    *,
    overwrite: bool = True,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write a mask or weights to a file, in the format of its suffix.

    Parameters
    ----------
    path : str or os.PathLike
        ``.npz``: a CSR array as `scipy.sparse.save_npz` writes it, which
        `scipy.sparse.load_npz` opens. ``.mtx``: MatrixMarket, coordinate and general, with
        the field pattern without values, else integer or real.
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write.
    values : array_like of bool, int or float, optional
        One finite number for each nonzero, in the order of CSR: shape (num_edges,) for a
        graph, (rows, row_degree) for a pattern. float16 is written as float32.
    overwrite : bool
        Whether a file that is there already is replaced.
    max_bytes : int
        Refuse to allocate more for the indices.

    Raises
    ------
    ArgumentTypeError
        If `path` is not a path, `obj` neither a graph nor a product, or the values are not real
        numbers.
    ArgumentError
        If the suffix is unknown, `values` has another shape or holds NaN or infinity, more than
        `max_bytes` are needed, the file is there and `overwrite` is False, or it cannot be
        written. Nothing has changed then.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rbgp_graphs.constructions import complete
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "mask.mtx")
    ...     write(file, complete(1, 2))
    ...     print(file.read_text())
    %%MatrixMarket matrix coordinate pattern general
    %
    1 2 2
    1 1
    1 2
    """
    target = as_path(path)
    encode = _WRITERS.get(target.suffix.lower())
    if encode is None:
        raise ArgumentError(
            f"{target} has the suffix {target.suffix!r}, expected one of {', '.join(_WRITERS)}"
        )
    matrix = as_entries(obj, values, max_bytes)
    if matrix.dtype.kind == "f" and not np.isfinite(matrix.data).all():
        raise ArgumentError("values holds NaN or infinity, expected finite numbers")
    write_file(target, [encode(matrix).getbuffer()], overwrite=overwrite)


def _as_npz(matrix: CSR) -> io.BytesIO:
    from scipy import sparse

    stream = io.BytesIO()
    sparse.save_npz(stream, matrix)
    return stream


def _as_mtx(matrix: CSR) -> io.BytesIO:
    from scipy import io as scipy_io

    entries: Any = matrix.tocoo()
    field: Literal["pattern", "integer", "real"] = "real" if matrix.dtype.kind == "f" else "integer"
    if matrix.dtype == bool:
        field = "pattern" if matrix.data.all() else "integer"
        entries = entries.astype(np.int8)
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, entries, field=field, symmetry="general")
    return stream


_WRITERS: dict[str, Callable[[CSR], io.BytesIO]] = {".npz": _as_npz, ".mtx": _as_mtx}
#: The suffixes that `write` knows.
SUFFIXES = tuple(_WRITERS)
