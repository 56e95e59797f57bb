"""Masks for all layers of a model, chosen by rules, and the files that hold them."""

from __future__ import annotations

import fnmatch
import io
import math
import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs._validation import as_fraction_of_one, as_int, require
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.export.entries import MAX_BYTES, Exportable
from rbgp_graphs.export.matrices import pattern_of
from rbgp_graphs.export.numpy import to_numpy
from rbgp_graphs.export.read import MAX_FILE_BYTES, TENSOR_READERS, read_file, tensors_in
from rbgp_graphs.export.stored_masks import all_masks
from rbgp_graphs.export.tensors import StoredTensor, leaves
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.selection import design
from rbgp_graphs.selection.design import check_options


def masks_for_model(
    model: Any, rules: float | Mapping[str, Any], *, rng: Any = 0
) -> dict[str, Exportable]:
    """Choose a pattern for each weight of a model by rules on its name.

    Parameters
    ----------
    model : torch.nn.Module, or mapping of str to shape or array
        The weights by name, or as a tree of dicts, whose names are joined by dots. Those with
        fewer than two dimensions (biases, norms) and layers of `rbgp_graphs.nn` are left alone. A
        weight with more counts as a matrix with all dimensions but the first flattened.
    rules : float, or mapping of str to object
        Glob patterns of names, as in `fnmatch`, and what they ask for: a sparsity; a dict of
        arguments of `rbgp_graphs.design`, as ``{"sparsity": 0.9375, "objective": "speed"}``; a
        pattern or a graph of the right shape; or None for a weight that stays dense. The last
        rule that matches counts; a weight without one stays dense. Names are those of weights
        (``"body.0.weight"``) or of their layers (``"body.0"``), as in
        `rbgp_graphs.nn.sparsify`. A number alone is meant for all weights.
    rng : int, numpy.random.Generator or None
        Source of randomness of the designs.

    Returns
    -------
    dict of str to RBGP4, TensorProduct or BipartiteGraph
        The sparse weights by name, in the order of the model.

    Raises
    ------
    ArgumentTypeError
        If `model` or a rule is none of these, or `rbgp_graphs.design` has no such argument.
    ArgumentError
        If a rule matches no weight, its sparsity or an argument leaves its range, or its pattern
        has another shape.
    InfeasibleError
        If no pattern has the shape of a weight and the sparsity asked for; names the weight.

    Examples
    --------
    >>> shapes = {"stem.weight": (64, 27), "body.0.weight": (64, 64), "body.1.weight": (128, 64)}
    >>> masks = masks_for_model(shapes, {"body.*": 0.75, "body.1": {"sparsity": 0.875}})
    >>> {name: (mask.shape, mask.sparsity) for name, mask in masks.items()}
    {'body.0.weight': ((64, 64), 0.75), 'body.1.weight': ((128, 64), 0.875)}
    """
    globs: Any = rules if isinstance(rules, Mapping) else {"*": as_fraction_of_one("rules", rules)}
    if not all(isinstance(glob, str) for glob in globs):
        raise ArgumentTypeError(f"rules is {rules!r}, expected a dict of glob patterns")
    shapes = dict(_matrix_shapes(model))
    idle = [glob for glob in globs if not any(_is_meant(glob, name) for name in shapes)]
    if idle and isinstance(rules, Mapping):
        known = ", ".join(list(shapes)[:8]) + (", ..." if len(shapes) > 8 else "")
        raise ArgumentError(f"the rule {idle[0]!r} matches no weight; they are {known or 'none'}")
    masks: dict[str, Exportable] = {}
    for name, shape in shapes.items():
        matching = [rule for glob, rule in globs.items() if _is_meant(glob, name)]
        if matching and matching[-1] is not None:
            try:
                masks[name] = _follow(matching[-1], shape, rng)
            except (ArgumentError, InfeasibleError) as error:
                raise type(error)(f"{name}: {error}") from error
    return masks


def _is_meant(glob: str, name: str) -> bool:
    names = (name, name.removesuffix(".weight"))
    return any(fnmatch.fnmatchcase(candidate, glob) for candidate in names)


def _matrix_shapes(model: Any) -> Iterator[tuple[str, tuple[int, int]]]:
    named: Iterable[tuple[Any, Any]]
    if isinstance(model, Mapping):
        if not all(isinstance(name, str) for name in model):
            raise ArgumentTypeError(f"model has the keys {[*model][:8]}, expected names")
        named = leaves(model)
    elif hasattr(model, "named_parameters"):
        sparse_already = {
            id(weight)
            for layer in model.modules()
            if pattern_of(layer) is not None
            for weight in layer.parameters(recurse=False)
        }
        named = [pair for pair in model.named_parameters() if id(pair[1]) not in sparse_already]
        is_lazy = require("torch", "torch").nn.parameter.is_lazy
        for name, weight in named:
            if is_lazy(weight):
                raise ArgumentError(
                    f"{name} has no shape before the first forward pass of a lazy module"
                )
    else:
        raise ArgumentTypeError(
            f"model is a {type(model).__name__}, expected a torch.nn.Module or a dict of shapes"
        )
    for name, value in named:
        try:
            shape = tuple(operator.index(size) for size in getattr(value, "shape", value))
        except TypeError:
            shape = None
        if not isinstance(name, str) or shape is None or min(shape, default=0) < 0:
            raise ArgumentTypeError(f"model has {name!r}: {value!r}, expected a name and a shape")
        if len(shape) >= 2:
            yield name, (shape[0], math.prod(shape[1:]))


def _follow(rule: Any, shape: tuple[int, int], rng: Any) -> Exportable:
    if isinstance(rule, (BipartiteGraph, TensorProduct)):
        if rule.shape != shape:
            raise ArgumentError(
                f"the mask is {rule.shape[0]} x {rule.shape[1]}, expected {shape[0]} x {shape[1]}"
            )
        return rule
    arguments = dict(rule) if isinstance(rule, Mapping) else {"sparsity": rule}
    if "sparsity" not in arguments:
        raise ArgumentTypeError(f"the rule {rule!r} has no sparsity")
    sparsity = arguments.pop("sparsity")
    check_options(arguments)
    return design(*shape, sparsity, **{"rng": rng, **arguments})


def write_masks(
    path: str | os.PathLike[str],
    masks: Mapping[str, Exportable],
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    overwrite: bool = True,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Write the masks of a model to one file, as bool tensors by name.

    Parameters
    ----------
    path : str or os.PathLike
        With the suffix ``.safetensors`` or ``.npz``.
    masks : mapping of str to BipartiteGraph, TensorProduct or RBGP4
        As `masks_for_model` returns them.
    shapes : mapping of str to tuple of int, optional
        The shapes of weights that have more than two dimensions.
    overwrite : bool
        Whether a file that is there already is replaced.
    max_bytes : int
        Refuse to allocate more for all masks together.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If the suffix is another one, a shape does not fit, more than `max_bytes` are needed, the
        file is there and `overwrite` is False, or it cannot be written.
    MissingDependencyError
        If the suffix is ``.safetensors`` and safetensors is not installed.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "masks.npz")
    ...     write_masks(file, masks_for_model({"a": (8, 8), "b": (8, 16)}, {"*": 0.5}))
    ...     {name: mask.shape for name, mask in read_masks(file).items()}
    {'a': (8, 8), 'b': (8, 16)}
    """
    target = as_path(path)
    suffix = target.suffix.lower()
    if suffix not in (".safetensors", ".npz"):
        raise ArgumentError(
            f"{target} has the suffix {target.suffix!r}, expected .safetensors or .npz"
        )
    given: Any = masks
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ArgumentTypeError(f"masks is a {type(masks).__name__}, expected a dict by name")
    limit = as_int("max_bytes", max_bytes, minimum=0)
    arrays: dict[str, NDArray[Any]] = {}
    for name, mask in masks.items():
        arrays[name] = to_numpy(mask, max_bytes=limit)
        limit -= arrays[name].nbytes
        if shapes is not None and name in shapes:
            arrays[name] = _reshaped(name, arrays[name], shapes[name])
    if suffix == ".safetensors":
        data = require("safetensors.numpy").save(arrays)
    else:
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        data = stream.getvalue()
    write_file(target, [data], overwrite=overwrite)


def _reshaped(name: str, mask: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if len(shape) < 2 or (shape[0], math.prod(shape[1:])) != mask.shape:
        raise ArgumentError(
            f"shapes[{name!r}] is {tuple(shape)}, but the mask is {len(mask)} x {mask.shape[1]}"
        )
    return mask.reshape(shape)


def read_masks(
    source: Any, *, names: str = "*", max_bytes: int = MAX_FILE_BYTES
) -> dict[str, BipartiteGraph]:
    """Return the masks in a file of masks, in a checkpoint or in a model.

    Parameters
    ----------
    source : path, dict of str to tensor or array, torch.nn.Module or onnx.ModelProto
        A ``.safetensors``, ``.npz``, ``.pt``, ``.pth``, ``.bin`` or ``.onnx`` file, or what such
        a file holds: a state dict, a model.
    names : str
        A glob pattern: which weights count, by their names without what pruning and
        parametrizations add.
    max_bytes : int
        Largest size that the tensors may have in memory.

    Returns
    -------
    dict of str to BipartiteGraph
        Masks that were stored as such, under the names of their weights: in either convention of
        `apply_mask`, and the patterns of the layers of `rbgp_graphs.nn`, whose weight is called
        ``weight``. If there are none, the nonzeros of every tensor with two or more dimensions.
        Dimensions after the first are flattened.

    Raises
    ------
    ArgumentTypeError
        If `source` is none of these.
    ArgumentError
        If the file is not there, cannot be read or has another suffix.
    FormatError
        If the content is damaged or forged, a weight and its mask differ in shape, or more than
        `max_bytes` are needed.
    MissingDependencyError
        If the file needs safetensors, PyTorch or onnx, and it is not installed.

    Notes
    -----
    A mask is stored as such if its weight stands beside it: ``X_mask`` with ``X_orig``, or
    ``parametrizations.X.0.mask`` with ``parametrizations.X.original``. A buffer such as
    ``causal_mask`` is none.

    Examples
    --------
    >>> import numpy as np
    >>> state = {"0.weight_orig": np.ones((1, 3)), "0.weight_mask": np.array([[1, 0, 1]])}
    >>> read_masks(state)["0.weight"].edges.tolist()
    [[0, 0], [0, 2]]
    """
    limit = as_int("max_bytes", max_bytes, minimum=1)
    tensors = tensors_in(source, limit)
    if tensors is not None:
        return _read_all(tensors, names, limit)
    if not isinstance(source, (str, os.PathLike)):
        raise ArgumentTypeError(
            f"source is a {type(source).__name__}, expected a path, a dict of tensors by name, a "
            "torch.nn.Module or an onnx.ModelProto"
        )
    place = as_path(source)
    load = TENSOR_READERS.get(place.suffix.lower())
    if load is None:
        raise ArgumentError(
            f"{place} has the suffix {place.suffix!r}, expected one of {', '.join(TENSOR_READERS)}"
        )
    return read_file(place, lambda file: _read_all(load(file, limit), names, limit))


def _read_all(
    tensors: Mapping[str, StoredTensor], names: str, limit: int
) -> dict[str, BipartiteGraph]:
    masks = all_masks(tensors, limit)
    return {name: masks[name]() for name in masks if fnmatch.fnmatchcase(name, names)}
