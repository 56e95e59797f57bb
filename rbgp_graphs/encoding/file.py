"""The .rbgp file: a graph or a pattern, and the values of a pattern."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import as_int
from rbgp_graphs.constructions.recipes import MAX_EDGES, MAX_SIDE
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.encoding.document import decode, encode
from rbgp_graphs.encoding.stored_proofs import parts
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products.tensor import TensorProduct
from rbgp_graphs.spectral.certificate import Certificate

#: Default limit on the size of a file: a gibibyte.
MAX_FILE_BYTES = 2**30


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """What a .rbgp file holds.

    Attributes
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        The graph or pattern, rebuilt.
    values : ndarray of float16, float32 or float64, shape (rows, row_degree), or None
        The values of a pattern: each row in ascending column order, the data of its CSR form.
    certificates : dict of str to Certificate
        What the file says is proved, and how: about the ``"whole"`` or about a factor by its
        name. They are well formed, but nothing has been checked; `check_certificates` does that.

    Examples
    --------
    >>> from rbgp_graphs import complete
    >>> loaded = loads(dumps(complete(2, 3)))
    >>> loaded.graph
    <BipartiteGraph 2 x 3, degrees=(3, 2), from complete>
    >>> loaded.pattern
    Traceback (most recent call last):
    ...
    rbgp_graphs.errors.ArgumentError: the file holds a graph, not a pattern; use .graph
    """

    obj: BipartiteGraph | TensorProduct
    values: NDArray[Any] | None = None
    certificates: dict[str, Certificate] = field(default_factory=dict)

    def check_certificates(self) -> dict[str, bool]:
        """Say of each certificate whether it proves what it claims.

        Returns
        -------
        dict of str to bool
            The result of `Certificate.check` for each part. Its cost is about that of the proof.

        Raises
        ------
        MissingDependencyError
            If a proof is a characteristic polynomial and python-flint is not installed.

        Examples
        --------
        >>> from rbgp_graphs import lps, verify
        >>> proved = verify(lps(3, 5), level="proved")
        >>> loaded = loads(dumps(lps(3, 5), certificates=proved.certificates))
        >>> loaded.certificates["whole"].ramanujan, loaded.check_certificates()
        (True, {'whole': True})
        """
        known = parts(self.obj)
        return {name: proof.check(known[name]) for name, proof in self.certificates.items()}

    @property
    def graph(self) -> BipartiteGraph:
        """The graph; raises `ArgumentError` if the file holds a pattern."""
        if not isinstance(self.obj, BipartiteGraph):
            raise ArgumentError("the file holds a pattern, not a graph; use .pattern")
        return self.obj

    @property
    def pattern(self) -> TensorProduct:
        """The pattern; raises `ArgumentError` if the file holds a graph."""
        if not isinstance(self.obj, TensorProduct):
            raise ArgumentError("the file holds a graph, not a pattern; use .graph")
        return self.obj


def save(
    path: str | os.PathLike[str],
    obj: BipartiteGraph | TensorProduct,
    values: ArrayLike | None = None,
    *,
    certificates: Iterable[Certificate] = (),
    overwrite: bool = True,
) -> int:
    """Write a graph or a pattern, with or without values, to a .rbgp file.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write. Its directory exists.
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write. Only its recipe is stored, so files are small.
    values : array_like, shape (rows, row_degree), optional
        Finite values of a pattern in float16, float32 or float64, each row in ascending column
        order: the data of its CSR form.
    certificates : iterable of Certificate
        Proofs about `obj` or about its factors, as ``verify(obj, level="proved").certificates``.
        They are stored as they are; whoever loads them checks them.
    overwrite : bool
        Whether a file that is there already is replaced.

    Returns
    -------
    int
        Size of the file in bytes.

    Raises
    ------
    ArgumentTypeError
        If `path`, `obj`, `values` or a certificate has the wrong type.
    ArgumentError
        If `values` has another shape, holds NaN or infinity or comes with a graph; if a
        certificate is about something else; if the recipe is longer than the format allows; if
        the file exists and `overwrite` is False;
        or if the system does not let it be written. In all these cases, and whenever the
        program is interrupted, the old file stays as it was.

    Notes
    -----
    The same input gives the same bytes on every machine. The file is written beside its place
    and moved there when complete.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rbgp_graphs import lps
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "lps.rbgp"
    >>> save(path, lps(3, 5)) < 400
    True
    >>> load(path).graph == lps(3, 5)
    True
    """
    return write_file(path, encode(obj, values, certificates), overwrite=overwrite)


def dumps(
    obj: BipartiteGraph | TensorProduct,
    values: ArrayLike | None = None,
    *,
    certificates: Iterable[Certificate] = (),
) -> bytes:
    """Return the bytes that `save` writes.

    Parameters
    ----------
    obj : BipartiteGraph, TensorProduct or RBGP4
        What to write.
    values : array_like, shape (rows, row_degree), optional
        As in `save`.
    certificates : iterable of Certificate
        As in `save`.

    Returns
    -------
    bytes
        The content of the file.

    Raises
    ------
    ArgumentTypeError
        If `obj`, `values` or a certificate has the wrong type.
    ArgumentError
        If `values` has another shape, holds NaN or infinity or comes with a graph, if a
        certificate is about something else, or if the recipe is longer than the format allows.

    Examples
    --------
    >>> from rbgp_graphs import RBGP4, field_lift
    >>> pattern = RBGP4(field_lift(8, 8, 1, 2), (4, 1), field_lift(8, 8, 1, 2), (4, 4))
    >>> pattern.shape, len(dumps(pattern))
    ((16384, 4096), 512)
    """
    return b"".join(encode(obj, values, certificates))


def load(
    path: str | os.PathLike[str],
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_side: int = MAX_SIDE,
    max_edges: int = MAX_EDGES,
) -> Loaded:
    """Read a .rbgp file.

    Parameters
    ----------
    path : str or os.PathLike
        The file. Its content is not trusted.
    max_file_bytes : int
        Largest file that is read.
    max_side : int
        Largest number of vertices on a side of any graph that is built.
    max_edges : int
        Largest number of edges of all factors together. Time and memory beyond twice the size
        of the file are in proportion.

    Returns
    -------
    Loaded
        The graph or pattern as ``.obj``, also as ``.graph`` or ``.pattern``, ``.values`` and
        ``.certificates``, which nobody has checked yet.

    Raises
    ------
    ArgumentTypeError
        If `path` or a limit has the wrong type.
    ArgumentError
        If the file is not there or cannot be read, or a limit is not positive.
    FormatError
        If the content is not that of a .rbgp file, was damaged, was written by a newer major
        version of the format, or goes beyond a limit. The message says what and where.
    MissingDependencyError
        If a graph needs a finite field that is not prime and python-flint is not installed.

    Notes
    -----
    Nothing in a file is executed. The hash shows every accidental change; it does not say who
    wrote the file.

    Examples
    --------
    See `save`.
    """
    place = as_path(path)
    limit = as_int("max_file_bytes", max_file_bytes, minimum=1)
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ArgumentError(f"cannot read {place}: it is not a regular file")
        with place.open("rb") as file:
            data = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    except OSError as error:
        raise ArgumentError(f"cannot read {place}: {error.strerror or error}") from error
    try:
        return loads(data, max_file_bytes=limit, max_side=max_side, max_edges=max_edges)
    except FormatError as error:
        raise FormatError(f"{place}: {error}") from error


def loads(
    data: bytes | bytearray | memoryview,
    *,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_side: int = MAX_SIDE,
    max_edges: int = MAX_EDGES,
) -> Loaded:
    """Read the bytes of a .rbgp file.

    Parameters
    ----------
    data : bytes-like
        The content of the file, not trusted.
    max_file_bytes, max_side, max_edges : int
        As in `load`.

    Returns
    -------
    Loaded
        As from `load`.

    Raises
    ------
    ArgumentTypeError
        If `data` or a limit has the wrong type.
    ArgumentError
        If a limit is not positive.
    FormatError
        As from `load`.
    MissingDependencyError
        As from `load`.

    Examples
    --------
    >>> from rbgp_graphs import projective_plane
    >>> data = dumps(projective_plane(2))
    >>> loads(data).graph.shape
    (7, 7)
    >>> loads(data[:-1])
    Traceback (most recent call last):
    ...
    rbgp_graphs.errors.FormatError: the header claims 280 bytes, but 279 follow: is it truncated?
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ArgumentTypeError(f"data is a {type(data).__name__}, expected bytes")
    try:
        view = memoryview(data).cast("B")
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"data is not a plain sequence of bytes: {error}") from error
    limit = as_int("max_file_bytes", max_file_bytes, minimum=1)
    if len(view) > limit:
        raise FormatError(f"the file is larger than max_file_bytes={limit}")
    obj, values, certificates = decode(view, max_side=max_side, max_edges=max_edges)
    return Loaded(obj=obj, values=values, certificates=certificates)
