"""State dicts in which the weights of some layers are masked, or stored without their zeros."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.compact_layer import EXTRA_STATE, VALUES, compact_pattern
from rbgp_graphs.export.matrices import library_of, tensor_as_array
from rbgp_graphs.export.torch import to_torch
from rbgp_graphs.products import RBGP4

Convention = Literal["parametrize", "prune", "dense"]
_PARAMETRIZATIONS = "parametrizations."


def convert_state_dict(
    state: Mapping[str, Any],
    to: Convention = "parametrize",
    *,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> OrderedDict[str, Any]:
    """Rename the sparse weights in a state dict.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        A state dict in which weights are masked by parametrizations or by pruning, or belong to
        layers of `rbgp_graphs.nn`.
    to : {"parametrize", "prune", "dense"}
        The convention of the result (see `apply_mask`). "dense" multiplies weight and mask and
        stores the product under the plain name.
    shapes : mapping of str to tuple of int, optional
        The shapes of weights with more than two dimensions, by plain name, for the layers of
        `rbgp_graphs.nn`: their state does not tell the size of a convolution's kernel, so without
        it the weight is a matrix.

    Returns
    -------
    OrderedDict of str to torch.Tensor
        A new state dict. Masks are bool for "parametrize", and of the type of their weight for
        "prune". The nonzeros of a layer of `rbgp_graphs.nn` become the ``weight`` of a dense
        layer. Whatever else there is stays as it is.

    Raises
    ------
    ArgumentTypeError
        If `state` is not a dict, or a masked weight is no tensor of PyTorch.
    ArgumentError
        If the convention is unknown, a weight and its mask differ in shape, a weight has other
        parametrizations beside the mask, a new name is taken already, or a shape does not fit.
    FormatError
        If the stored pattern of a layer is damaged.

    Notes
    -----
    A masked weight is a pair: ``X_orig`` with ``X_mask``, or ``parametrizations.X.original`` with
    ``parametrizations.X.0.mask``. One without the other is something else and passes through: a
    buffer such as ``causal_mask``, or the ``weight_orig`` of ``torch.nn.utils.spectral_norm``.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("torch")

    >>> import torch
    >>> old = {"weight_orig": torch.ones(1, 2), "weight_mask": torch.tensor([[1.0, 0.0]])}
    >>> [*convert_state_dict(old)]
    ['parametrizations.weight.original', 'parametrizations.weight.0.mask']
    >>> convert_state_dict(old, "dense")["weight"]
    tensor([[1., 0.]])
    """
    if to not in get_args(Convention):
        raise ArgumentError(f"to is {to!r}, expected one of {', '.join(get_args(Convention))}")
    pairs = {pair.weight_key: pair for pair in masked_pairs(state)}
    layers = dict(_compact_layers(state))
    done = {pair.mask_key for pair in pairs.values()}
    done |= {key.removesuffix(VALUES) + EXTRA_STATE for key in layers}
    result: OrderedDict[str, Any] = OrderedDict()
    for key, value in state.items():
        if key in done:
            continue
        items = {key: value}
        if key in pairs:
            items = _converted(state, pairs[key], to)
        elif key in layers:
            items = _spread(key, value, layers[key], to, shapes or {})
        taken = [name for name in items if name in result]
        if taken:
            raise ArgumentError(f"state has {key!r} and {taken[0]!r}, which get one name")
        result.update(items)
    if hasattr(state, "_metadata"):
        # load_state_dict reads the versions of the layers here.
        result._metadata = state._metadata  # type: ignore[attr-defined]
    return result


def _converted(state: Mapping[str, Any], pair: MaskedPair, to: Convention) -> dict[str, Any]:
    """Return a weight and its mask under the names of a convention."""
    torch = require("torch", "torch")
    weight, mask = state[pair.weight_key], state[pair.mask_key]
    for key in (pair.weight_key, pair.mask_key):
        if not isinstance(state[key], torch.Tensor):
            raise ArgumentTypeError(
                f"{key!r} is a {type(state[key]).__name__}, expected a torch.Tensor"
            )
    stem = f"{pair.prefix}{_PARAMETRIZATIONS}{pair.name}."
    others = [
        key for key in state if key.startswith(stem) and key not in (pair.weight_key, pair.mask_key)
    ]
    if others and to != "parametrize":
        raise ArgumentError(
            f"{pair.prefix}{pair.name} has other parametrizations beside its mask, as "
            f"{others[0]!r} shows; remove them from the model first"
        )
    return _named(pair.prefix, pair.name, weight, mask != 0, to)


def _named(prefix: str, name: str, weight: Any, mask: Any, to: Convention) -> dict[str, Any]:
    if to == "dense":
        return {f"{prefix}{name}": weight.masked_fill(~mask, 0)}
    if to == "prune":
        return {f"{prefix}{name}_orig": weight, f"{prefix}{name}_mask": mask.to(weight.dtype)}
    stem = f"{prefix}{_PARAMETRIZATIONS}{name}."
    return {f"{stem}original": weight, f"{stem}0.mask": mask}


def _compact_layers(state: Mapping[str, Any]) -> Iterator[tuple[str, RBGP4]]:
    """Yield the key of the values and the pattern of each layer of `rbgp_graphs.nn`."""
    for key, content in state.items():
        prefix = key.removesuffix(EXTRA_STATE)
        values: Any = state.get(prefix + VALUES)
        torch = library_of(values, "torch")
        if prefix == key or torch is None or not isinstance(content, torch.Tensor):
            continue
        if content.dtype == torch.uint8 and content.ndim == 1 and values.ndim == 2:
            data = tensor_as_array(torch, content).tobytes()
            pattern = compact_pattern(key, data, tuple(values.shape))
            if pattern is not None:
                yield prefix + VALUES, pattern


def _spread(
    key: str,
    values: Any,
    pattern: RBGP4,
    to: Convention,
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, Any]:
    """Return the dense weight of a layer with compact ones, and its mask."""
    prefix = key.removesuffix(VALUES)
    shape = tuple(shapes.get(f"{prefix}weight", pattern.shape))
    if len(shape) < 2 or (shape[0], math.prod(shape[1:])) != pattern.shape:
        raise ArgumentError(
            f"shapes['{prefix}weight'] is {shape}, but the pattern is {pattern.rows} x "
            f"{pattern.cols}"
        )
    weight = to_torch(pattern, values.detach()).reshape(shape)
    mask = to_torch(pattern, device=values.device).reshape(shape)
    return _named(prefix, "weight", weight, mask, to)


# Weights and masks --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MaskedPair:
    """A weight and its mask in a state dict.

    Attributes
    ----------
    prefix : str
        The name of the layer with a dot at its end, or nothing.
    name : str
        The name of the parameter in the layer.
    weight_key, mask_key : str
        Where the two stand.
    """

    prefix: str
    name: str
    weight_key: str
    mask_key: str


def masked_pairs(state: Any) -> Iterator[MaskedPair]:
    """Yield the masked weights of a state dict in either convention.

    Raises `ArgumentError` where weight and mask differ in shape, and `ArgumentTypeError` if
    `state` is not a dict.
    """
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise ArgumentTypeError(f"state is a {type(state).__name__}, expected a dict of tensors")
    for key in state:
        pair = _pair_of(key)
        if pair is None or pair.mask_key not in state:
            continue
        weight, mask = state[pair.weight_key], state[pair.mask_key]
        if not (hasattr(weight, "shape") and hasattr(mask, "shape")):
            continue
        if weight.shape != mask.shape:
            raise ArgumentError(
                f"{pair.weight_key!r} has shape {tuple(weight.shape)} and its mask "
                f"{tuple(mask.shape)}"
            )
        yield pair


def _pair_of(key: str) -> MaskedPair | None:
    """Return the pair of which a key is the weight, if it can be one."""
    head, found, rest = key.rpartition(_PARAMETRIZATIONS)
    name, _, last = rest.partition(".")
    if found and (not head or head.endswith(".")) and last == "original":
        mask_key = f"{head}{_PARAMETRIZATIONS}{name}.0.mask"
        return MaskedPair(prefix=head, name=name, weight_key=key, mask_key=mask_key)
    if key.endswith("_orig"):
        stem = key.removesuffix("_orig")
        head, dot, name = stem.rpartition(".")
        return MaskedPair(prefix=head + dot, name=name, weight_key=key, mask_key=f"{stem}_mask")
    return None
