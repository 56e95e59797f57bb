"""Masks from elsewhere, as arrays or as files that are not trusted."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from scipy import sparse

from rbgp_graphs._validation import as_int
from rbgp_graphs.encoding import loads
from rbgp_graphs.encoding.atomic import as_path
from rbgp_graphs.errors import (
    ArgumentError,
    FormatError,
    MissingDependencyError,
    RBGPError,
)
from rbgp_graphs.export.checkpoint import read_checkpoint
from rbgp_graphs.export.edge_list import read_csv
from rbgp_graphs.export.entries import as_entries
from rbgp_graphs.export.graph6 import read_graph6
from rbgp_graphs.export.graphml import read_graphml
from rbgp_graphs.export.matrices import graph_of, library_of, pattern_of
from rbgp_graphs.export.matrix_market import read_matrix_market
from rbgp_graphs.export.npz import check_bytes, read_bytes, read_npy, read_npz
from rbgp_graphs.export.onnx_initializers import initializers, read_onnx
from rbgp_graphs.export.recipe import read_recipe
from rbgp_graphs.export.stored_masks import Masks, choose_mask, stored_masks
from rbgp_graphs.export.tensors import (
    StoredTensor,
    read_npz_tensors,
    read_safetensors,
    tensors_of,
)
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct

#: Default of `max_bytes`: what a file may unpack to.
MAX_FILE_BYTES = 2**30
_T = TypeVar("_T")


def read_mask(
    source: Any,
    *,
    name: str | None = None,
    left: int | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> BipartiteGraph:
    """Return the graph whose edges are the nonzero entries of a mask or a weight matrix.

    Parameters
    ----------
    source : path, array_like, tensor, sparse matrix, graph, model
        A matrix of finite numbers or bools: whatever NumPy can read as an array, a tensor of
        PyTorch, JAX or TensorFlow on any device, a sparse matrix of these or of SciPy. A
        bipartite graph of NetworkX or igraph. A pattern, a graph, or a layer or matrix on a
        pattern. A state dict, a ``torch.nn.Module`` or an ``onnx.ModelProto``, of which one
        weight counts. Or a file. ``.npz``: a sparse array saved by SciPy, or an archive of
        matrices. ``.npy``. ``.mtx``: MatrixMarket. ``.g6`` and ``.s6``: graph6 and sparse6.
        ``.graphml``. ``.csv``: an edge list. ``.json``: a recipe. ``.safetensors``. ``.pt``,
        ``.pth`` and ``.bin``: a state dict saved by PyTorch. ``.onnx``. ``.rbgp``. Stored zeros
        and edges of weight zero do not count.
    name : str, optional
        Which weight of a model or file with several: a name that `read_masks` knows, or that of
        a tensor; one with more than two dimensions counts with all but the first flattened. Not
        needed if there is only one mask, or only one tensor that is a matrix.
    left : int, optional
        How many of the vertices in a ``.g6`` or ``.s6`` file are left vertices. Needed only where
        vertices without edges leave that open.
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
        If a file is not there, cannot be read, has another suffix or several tensors without
        `name`, an array is not a matrix or holds NaN or infinity, the parts of a sparse matrix
        contradict each other, or a graph is not bipartite.
    FormatError
        If the content of a file or a model is damaged, forged, or not a matrix of finite real
        numbers, or needs more than `max_bytes`.
    MissingDependencyError
        If the file needs safetensors, PyTorch or onnx, and it is not installed.

    See Also
    --------
    read_masks : All masks of a checkpoint.
    detect : The pattern behind a mask.

    Notes
    -----
    Sizes that a file claims are compared with its length before anything is allocated. Of a
    PyTorch file only tensors are read, with ``weights_only=True`` after a scan of its pickle; no
    other file may hold pickled objects.

    Examples
    --------
    >>> read_mask([[1, 0, 2], [0, 3, 0]]).edges.tolist()
    [[0, 0], [0, 2], [1, 1]]
    """
    limit = as_int("max_bytes", max_bytes, minimum=1)
    count = None if left is None else as_int("left", left, minimum=0)
    if isinstance(source, (str, os.PathLike)):
        return _read_matrix_file(as_path(source), name, count, limit)
    tensors = tensors_in(source, limit)
    if tensors is None or (name is None and pattern_of(source) is not None):
        return graph_of(source)
    masks = stored_masks(tensors, limit)
    return choose_mask(tensors, masks, name, f"the {type(source).__name__}")()


def _read_matrix_file(
    place: Path, name: str | None, left: int | None, limit: int
) -> BipartiteGraph:
    suffix = place.suffix.lower()
    if suffix in (".g6", ".s6"):
        return read_file(place, lambda file: read_graph6(file, limit, left))
    if suffix in _READERS and not (suffix == ".npz" and name is not None):
        read = _READERS[suffix]
        return read_file(place, lambda file: _as_graph(read(file, limit), limit))
    if suffix not in TENSOR_READERS:
        raise ArgumentError(
            f"{place} has the suffix {place.suffix!r}, expected one of "
            f"{', '.join(dict.fromkeys((*_READERS, '.g6', '.s6', *TENSOR_READERS)))}"
        )
    load = TENSOR_READERS[suffix]

    def find(file: BinaryIO) -> tuple[dict[str, StoredTensor], Masks]:
        tensors = load(file, limit)
        if not tensors:
            raise FormatError("the file holds no tensors")
        return tensors, stored_masks(tensors, limit)

    mask = choose_mask(*read_file(place, find), name, str(place))
    return read_file(place, lambda _: mask())


def tensors_in(source: Any, limit: int) -> Mapping[str, StoredTensor] | None:
    """Return the tensors of a state dict, a module or an ONNX model; None for what is neither."""
    # Some sparse matrices of SciPy are dicts.
    if isinstance(source, Mapping) and not sparse.issparse(source):
        return tensors_of(source, limit)
    torch, onnx = library_of(source, "torch"), library_of(source, "onnx")
    if torch is not None and isinstance(source, torch.nn.Module):
        return tensors_of(source.state_dict(), limit)
    if onnx is not None and isinstance(source, onnx.ModelProto):
        return initializers(source, limit)
    return None


def read_file(place: Path, read: Callable[[BinaryIO], _T]) -> _T:
    """Return what a reader makes of a file, with all its failures as errors of the package.

    Raises `ArgumentError` if the file cannot be opened, and `FormatError` for whatever the
    reader raises.
    """
    try:
        if not stat.S_ISREG(place.stat().st_mode):
            raise ArgumentError(f"cannot read {place}: it is not a regular file")
        file = place.open("rb")
    except OSError as error:
        raise ArgumentError(f"cannot read {place}: {error.strerror or error}") from error
    with file:
        try:
            return read(file)
        except MissingDependencyError:
            raise
        except FormatError as error:
            raise FormatError(f"{place}: {error}") from error
        except Exception as error:
            # The readers of other libraries raise what they like on forged files.
            detail = str(error) if isinstance(error, RBGPError) else repr(error)
            raise FormatError(f"{place} is not a valid {place.suffix} file: {detail}") from error


def _as_graph(content: Any, limit: int) -> BipartiteGraph:
    if isinstance(content, BipartiteGraph):
        return content
    if isinstance(content, TensorProduct):
        check_bytes(16 * content.nnz, limit)
        content = as_entries(content, None, limit)
    return BipartiteGraph.from_biadjacency(content)


def _read_rbgp(file: BinaryIO, limit: int) -> Any:
    return loads(read_bytes(file, limit)).obj


#: Readers of the files that hold several tensors.
TENSOR_READERS: dict[str, Callable[[BinaryIO, int], dict[str, StoredTensor]]] = {
    ".safetensors": read_safetensors,
    ".npz": read_npz_tensors,
    ".pt": read_checkpoint,
    ".pth": read_checkpoint,
    ".bin": read_checkpoint,
    ".onnx": read_onnx,
}
_READERS: dict[str, Callable[[BinaryIO, int], Any]] = {
    ".npz": read_npz,
    ".npy": read_npy,
    ".mtx": read_matrix_market,
    ".graphml": read_graphml,
    ".csv": read_csv,
    ".json": read_recipe,
    ".rbgp": _read_rbgp,
}
