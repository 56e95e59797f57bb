"""The masks among the tensors of a checkpoint, and where each of them stands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.export.compact_layer import EXTRA_STATE, VALUES, compact_pattern
from rbgp_graphs.export.entries import as_entries
from rbgp_graphs.export.npz import check_bytes
from rbgp_graphs.export.state_dict import masked_pairs
from rbgp_graphs.export.tensors import StoredTensor
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4

Tensors = Mapping[str, StoredTensor]
Masks = dict[str, Callable[[], BipartiteGraph]]


def stored_masks(tensors: Tensors, limit: int) -> Masks:
    """Return a reader for each mask that is stored as such.

    Parameters
    ----------
    tensors : mapping of str to StoredTensor
        The tensors of a state dict.
    limit : int
        Largest number of bytes that the indices of a mask may need.

    Returns
    -------
    dict of str to callable
        Under the names that the weights have in a dense model: masks of parametrizations and of
        pruning, and the patterns of the layers of `rbgp_graphs.nn`, whose weight counts as
        ``weight``.

    Raises
    ------
    FormatError
        If a weight and its mask differ in shape, or the pattern of a layer is damaged.
    """
    found: Masks = {}
    try:
        places = {pair.weight_key: pair for pair in masked_pairs(tensors)}
    except ArgumentError as error:
        raise FormatError(str(error)) from error
    for key in tensors:
        if key in places:
            pair = places[key]
            read = functools.partial(matrix_mask, pair.mask_key, tensors[pair.mask_key])
            found[pair.prefix + pair.name] = read
        prefix = key.removesuffix(EXTRA_STATE)
        pattern = None if prefix == key else _pattern_of(tensors, prefix)
        if pattern is not None:
            found[f"{prefix}weight"] = functools.partial(_pattern_mask, pattern, limit)
    return found


def all_masks(tensors: Tensors, limit: int) -> Masks:
    """Return the stored masks, or if there are none every tensor that is a matrix."""
    return stored_masks(tensors, limit) or {
        name: functools.partial(matrix_mask, name, tensor)
        for name, tensor in tensors.items()
        if len(tensor.shape) >= 2
    }


def choose_mask(
    tensors: Tensors, masks: Masks, name: str | None, place: str
) -> Callable[[], BipartiteGraph]:
    """Return the reader of one mask.

    Parameters
    ----------
    tensors : mapping of str to StoredTensor
        What to choose from.
    masks : dict of str to callable
        The `stored_masks` among them.
    name : str or None
        The name of a weight or of a tensor. None if there is only one.
    place : str
        Where the tensors are from, for the message.

    Returns
    -------
    callable
        Reads the mask of the weight, or the nonzeros of the tensor.

    Raises
    ------
    ArgumentError
        If there is no such tensor, or no name and several tensors.
    """
    if name is None:
        matrices = [key for key, tensor in tensors.items() if len(tensor.shape) >= 2]
        candidates = [*masks] or matrices or [*tensors]
        name = candidates[0] if len(candidates) == 1 else None
    if name is not None and name not in masks and name.rpartition(".")[2] == VALUES:
        # The nonzeros of a compact layer: their own shape means nothing.
        prefix = name.removesuffix(VALUES)
        name = f"{prefix}weight" if f"{prefix}weight" in masks else name
    if name in masks:
        return masks[name]
    if name is not None and name in tensors:
        return functools.partial(matrix_mask, name, tensors[name])
    names = [*masks, *(key for key in tensors if key not in masks)]
    known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    given = "no name is given" if name is None else f"name is {name!r}"
    raise ArgumentError(f"{given}; the tensors in {place} are {known or 'none'}")


def matrix_mask(name: str, tensor: StoredTensor) -> BipartiteGraph:
    """Return the mask of a tensor, with all dimensions but the first flattened."""
    if len(tensor.shape) < 2:
        raise FormatError(f"{name} has shape {tensor.shape}, expected two or more dimensions")
    return tensor.read()


def _pattern_of(tensors: Tensors, prefix: str) -> RBGP4 | None:
    """Return the pattern of a layer of `rbgp_graphs.nn`, or None if the layer is another one."""
    name, values = prefix + EXTRA_STATE, tensors.get(prefix + VALUES)
    content = tensors[name].content
    if content is None or values is None or len(values.shape) != 2:
        return None
    return compact_pattern(name, content(), values.shape)


def _pattern_mask(pattern: RBGP4, limit: int) -> BipartiteGraph:
    check_bytes(16 * pattern.nnz, limit)
    return BipartiteGraph.from_biadjacency(as_entries(pattern, None, limit))
