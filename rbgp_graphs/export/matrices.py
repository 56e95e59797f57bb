"""Masks that are in memory already, as objects of whatever library.

A library is recognised by its own classes, and never imported: whoever has an object of it has
imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, RBGPError
from rbgp_graphs.export.entries import MAX_BYTES, as_entries
from rbgp_graphs.export.sparse_parts import assemble
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct


def graph_of(source: Any) -> BipartiteGraph:
    """Return the graph of the nonzeros of a matrix, or of a bipartite graph.

    Parameters
    ----------
    source : object
        A graph or a pattern, or something with one in its attribute ``pattern``; an array or a
        tensor; a sparse matrix of SciPy, PyTorch, JAX or TensorFlow; a graph of NetworkX or
        igraph.

    Returns
    -------
    BipartiteGraph
        Rows are the left vertices. Stored zeros and edges of weight zero do not count.

    Raises
    ------
    ArgumentTypeError
        If `source` is none of these, or its numbers cannot be read.
    ArgumentError
        If it has not two dimensions, its parts contradict each other, it holds NaN or infinity,
        or a graph is not bipartite.
    """
    if isinstance(source, BipartiteGraph):
        return source
    pattern = pattern_of(source)
    if pattern is not None:
        return BipartiteGraph.from_biadjacency(as_entries(pattern, None, MAX_BYTES))
    try:
        found = _recognised(source)
        matrix = _matrix_of(source) if found is None else found
    except FormatError as error:
        raise ArgumentError(f"source of type {_name(source)}: {error}") from error
    except RBGPError:
        raise
    except Exception as error:
        # Every library has its own errors for what it cannot convert.
        raise ArgumentTypeError(
            f"source of type {_name(source)} is neither a path nor a matrix that can be read: "
            f"{error}"
        ) from error
    return matrix if isinstance(matrix, BipartiteGraph) else BipartiteGraph.from_biadjacency(matrix)


def pattern_of(source: Any) -> TensorProduct | None:
    """Return a pattern, or that of a matrix or layer which has it as its attribute ``pattern``."""
    for candidate in (source, getattr(source, "pattern", None)):
        if isinstance(candidate, TensorProduct):
            return candidate
    return None


def array_of(source: Any) -> NDArray[Any]:
    """Return an array or a tensor of any shape as an array of a dtype that NumPy itself has."""
    if isinstance(source, np.ma.MaskedArray):
        raise ArgumentTypeError("source is a masked array, expected a plain one: source.filled(0)")
    torch = library_of(source, "torch")
    tensor = torch is not None and isinstance(source, torch.Tensor)
    array = tensor_as_array(torch, source) if tensor else np.asarray(source)
    # bfloat16 and the like, which JAX and TensorFlow add to NumPy.
    return array.astype(np.float32) if array.dtype.isbuiltin == 2 else array


def tensor_as_array(torch: Any, tensor: Any) -> NDArray[Any]:
    """Return a strided tensor of PyTorch as an array, with or without gradient, on any device."""
    if tensor.is_meta or tensor.is_quantized or tensor.is_nested:
        kind = "meta" if tensor.is_meta else "quantized" if tensor.is_quantized else "nested"
        raise ArgumentTypeError(f"source is a {kind} tensor, expected one with plain numbers")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    if plain.is_floating_point() and plain.itemsize < 4 and plain.dtype != torch.float16:
        plain = plain.float()
    array: NDArray[Any] = plain.numpy()
    return array


def _matrix_of(source: Any) -> NDArray[Any]:
    array = array_of(source)
    if array.dtype == object or (array.ndim == 0 and not isinstance(source, np.ndarray)):
        raise ArgumentTypeError(
            f"source is a {_name(source)}, expected a path, a matrix of numbers as an array, "
            "tensor or sparse array, a bipartite graph of NetworkX or igraph, or a pattern"
        )
    if array.ndim != 2:
        hint = "; flatten it with source.reshape(len(source), -1)" if array.ndim > 2 else ""
        raise ArgumentError(
            f"source has shape {array.shape}, {array.ndim} dimensions, expected 2{hint}"
        )
    return array


def _recognised(source: Any) -> Any:
    """Return a SciPy sparse array or a graph for what is no plain array, else None."""
    if sparse.issparse(source):
        return _from_scipy(source)
    for name, convert in _LIBRARIES.items():
        library = library_of(source, name)
        found = None if library is None else convert(library, source)
        if found is not None:
            return found
    return None


def library_of(source: Any, name: str) -> ModuleType | None:
    """Return a module that is loaded, if the class of `source` stems from its library."""
    top = name.partition(".")[0]
    roots = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    return sys.modules.get(name) if top in roots else None


def _name(source: Any) -> str:
    return type(source).__name__


def _shape(source: Any) -> tuple[int, int]:
    shape = tuple(int(size) for size in source.shape)
    if len(shape) != 2:
        raise ArgumentError(f"source has shape {shape}, {len(shape)} dimensions, expected 2")
    if 8 * sum(shape) > MAX_BYTES:
        raise ArgumentError(
            f"source has shape {shape}; what is kept for each row and column would need more than "
            f"{MAX_BYTES} bytes"
        )
    return shape[0], shape[1]


def _from_scipy(source: Any) -> Any:
    shape = _shape(source)
    if source.format in ("csr", "csc", "bsr"):
        used = int(source.indptr[-1])
        return assemble(
            source.format, shape, source.data[:used], source.indices[:used], source.indptr
        )
    if source.format == "coo":
        return assemble("coo", shape, source.data, *source.coords)
    return source.tocoo()


# PyTorch ------------------------------------------------------------------------------------


def _from_torch(torch: ModuleType, source: Any) -> Any:
    if not isinstance(source, torch.Tensor) or source.layout == torch.strided:
        return None
    layout = str(source.layout).removeprefix("torch.")
    shape = _shape(source)
    if layout == "sparse_coo":
        tensor = source.detach().coalesce()
        if tensor.dense_dim():
            raise ArgumentError(
                f"source is a hybrid tensor with {tensor.dense_dim()} dense dimensions, expected 0"
            )
        indices = tensor.indices().cpu().numpy()
        return assemble("coo", shape, tensor_as_array(torch, tensor.values()), *indices)
    tensor = source.detach()
    data = tensor_as_array(torch, tensor.values())
    if layout in ("sparse_csr", "sparse_bsr"):
        first, second = tensor.col_indices(), tensor.crow_indices()
        return assemble(layout[-3:], shape, data, first.cpu().numpy(), second.cpu().numpy())
    if layout not in ("sparse_csc", "sparse_bsc"):
        raise ArgumentTypeError(f"source is a tensor of layout {layout}, expected a sparse matrix")
    # The columns of a matrix are the rows of its transpose.
    first, second = tensor.row_indices(), tensor.ccol_indices()
    data, turned = data.swapaxes(-1, -2) if data.ndim == 3 else data, (shape[1], shape[0])
    rows = "bsr" if layout == "sparse_bsc" else "csr"
    return assemble(rows, turned, data, first.cpu().numpy(), second.cpu().numpy()).T


# JAX and TensorFlow -------------------------------------------------------------------------


def _from_jax(library: ModuleType, source: Any) -> Any:
    if not isinstance(source, library.JAXSparse):
        return None
    shape = _shape(source)
    kind = _name(source)
    if kind not in ("BCOO", "BCSR") or source.n_batch or source.n_dense:
        return array_of(source.todense())
    data, indices = array_of(source.data), np.asarray(source.indices)
    if kind == "BCSR":
        used = int(source.indptr[-1])
        return assemble("csr", shape, data[:used], indices[:used], np.asarray(source.indptr))
    # JAX pads with indices that lie outside.
    inside = (indices < shape).all(axis=1)
    return assemble("coo", shape, data[inside], *indices[inside].T)


def _from_tensorflow(tensorflow: ModuleType, source: Any) -> Any:
    if not isinstance(source, tensorflow.sparse.SparseTensor):
        return None
    indices, data = source.indices.numpy(), array_of(source.values)
    shape = tuple(source.dense_shape.numpy().tolist())
    if len(shape) != 2:
        raise ArgumentError(f"source has shape {shape}, {len(shape)} dimensions, expected 2")
    return assemble("coo", (shape[0], shape[1]), data, *indices.T)


# Graphs -------------------------------------------------------------------------------------


def _from_networkx(networkx: ModuleType, source: Any) -> Any:
    if not isinstance(source, networkx.Graph):
        return None
    idle = [(u, v) for u, v, weight in source.edges(data="weight") if _is_zero(weight)]
    if idle and not source.is_multigraph():
        source = networkx.restricted_view(source, [], idle)
    return BipartiteGraph.from_networkx(source)


def _from_igraph(igraph: ModuleType, source: Any) -> Any:
    if not isinstance(source, igraph.Graph):
        return None
    if source.is_directed() or source.has_multiple():
        kind = "directed" if source.is_directed() else "one with parallel edges"
        raise ArgumentTypeError(f"the graph is {kind}, expected undirected without parallel edges")
    known = source.vs.attributes()
    name = next((name for name in ("type", "bipartite") if name in known), None)
    if name is None:
        raise ArgumentError(
            f"the vertices have the attributes {', '.join(known) or 'none'}, expected type: "
            "False for the left ones and True for the right ones"
        )
    given = source.vs[name]
    strange = [side for side in given if side not in (0, 1)]
    if strange:
        raise ArgumentError(f"a vertex has {name}={strange[0]!r}, expected False or True")
    sides = np.array(given, dtype=bool)
    place = np.where(sides, np.cumsum(sides), np.cumsum(~sides)) - 1
    edges = np.array(source.get_edgelist(), dtype=np.int64).reshape(-1, 2)
    if "weight" in source.es.attributes():
        edges = edges[[not _is_zero(weight) for weight in source.es["weight"]]]
    wrong = np.flatnonzero(sides[edges[:, 0]] == sides[edges[:, 1]])
    if len(wrong):
        u, v = edges[wrong[0]].tolist()
        raise ArgumentError(f"edge ({u}, {v}) joins two vertices with {name}={given[u]}")
    edges = np.where(sides[edges[:, :1]], edges[:, ::-1], edges)
    right = int(sides.sum())
    return BipartiteGraph.from_edges(place[edges], shape=(len(sides) - right, right))


def _is_zero(weight: Any) -> bool:
    return weight is not None and weight == 0


_LIBRARIES: dict[str, Callable[[ModuleType, Any], Any]] = {
    "torch": _from_torch,
    "jax.experimental.sparse": _from_jax,
    "tensorflow": _from_tensorflow,
    "networkx": _from_networkx,
    "igraph": _from_igraph,
}
