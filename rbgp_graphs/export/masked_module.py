"""Masks on the layers of PyTorch, and state dicts that hold them."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.entries import Exportable, check_exportable
from rbgp_graphs.export.torch import to_torch

Method = Literal["parametrize", "prune"]
Convention = Literal["parametrize", "prune", "dense"]


def apply_mask(
    module: Any, obj: Exportable, *, name: str = "weight", method: Method = "parametrize"
) -> Any:
    """Keep the weights of a PyTorch layer at zero where a graph or a pattern has no nonzero.

    Parameters
    ----------
    module : torch.nn.Module
        The layer. It is changed in place.
    obj : BipartiteGraph, TensorProduct or RBGP4
        The mask. Its shape is (outputs, inputs); a weight with more dimensions counts with all
        but the first flattened, as ``weight.reshape(len(weight), -1)``.
    name : str
        Which parameter is masked.
    method : {"parametrize", "prune"}
        "parametrize" registers a parametrization with a bool buffer: the layer can be copied,
        compiled and exported. "prune" calls ``torch.nn.utils.prune.custom_from_mask`` for code
        that expects its names; such a layer can neither be deep-copied nor exported.

    Returns
    -------
    torch.nn.Module
        `module`. Its state dict has the keys ``parametrizations.weight.original`` and
        ``parametrizations.weight.0.mask``, or ``weight_orig`` and ``weight_mask``.

    Raises
    ------
    ArgumentTypeError
        If `module` is not a module, or `obj` is neither a graph nor a product.
    ArgumentError
        If the module has no such parameter, its shape is not that of the mask, or the method is
        unknown.
    MissingDependencyError
        If PyTorch is not installed.

    Notes
    -----
    The weight stays dense in memory, and so do its gradient and the state of an optimizer. The
    gradient of a masked entry is zero.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("torch")

    >>> import torch
    >>> from rbgp_graphs import BipartiteGraph
    >>> path = BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 1)], shape=(2, 2))
    >>> layer = apply_mask(torch.nn.Linear(2, 2, bias=False), path)
    >>> layer.weight[1, 0].item(), [*layer.state_dict()]
    (0.0, ['parametrizations.weight.original', 'parametrizations.weight.0.mask'])
    """
    check_exportable(obj)
    if method not in get_args(Method):
        raise ArgumentError(f"method is {method!r}, expected one of {', '.join(get_args(Method))}")
    torch = require("torch", "torch")
    if not isinstance(module, torch.nn.Module):
        raise ArgumentTypeError(f"module is a {type(module).__name__}, expected a torch.nn.Module")
    weight = dict(module.named_parameters(recurse=False)).get(name)
    if weight is None:
        names = [key for key, _ in module.named_parameters(recurse=False)]
        raise ArgumentError(
            f"module has no parameter {name!r} of its own, expected one of "
            f"{', '.join(names) or 'none'}; is it masked already?"
        )
    flat = (weight.shape[0], weight[0].numel()) if weight.ndim > 1 else tuple(weight.shape)
    if flat != obj.shape:
        raise ArgumentError(
            f"{name} has shape {tuple(weight.shape)}, a matrix of {flat}, but the mask is "
            f"{obj.shape[0]} x {obj.shape[1]}"
        )
    mask = to_torch(obj, device=weight.device).reshape(weight.shape)
    if method == "prune":
        return require("torch.nn.utils.prune", "torch").custom_from_mask(module, name, mask)
    parametrize = require("torch.nn.utils.parametrize", "torch")
    parametrize.register_parametrization(module, name, _masked_weight()(mask))
    return module


def convert_state_dict(
    state: Mapping[str, Any], to: Convention = "parametrize"
) -> OrderedDict[str, Any]:
    """Rename the masked weights in a state dict.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        A state dict in which weights are masked by parametrizations, by pruning, or both.
    to : {"parametrize", "prune", "dense"}
        The convention of the result (see `apply_mask`). "dense" multiplies weight and mask and
        stores the product under the plain name.

    Returns
    -------
    OrderedDict of str to torch.Tensor
        A new state dict; tensors without a mask are those of `state`. Masks are bool for
        "parametrize", and of the type of their weight for "prune".

    Raises
    ------
    ArgumentTypeError
        If `state` is not a dict.
    ArgumentError
        If the convention is unknown, a weight lacks its mask or the other way round, or their
        shapes differ.

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
    masked = {entry.weight_key: entry for entry in masked_entries(state)}
    mask_keys = {entry.mask_key for entry in masked.values()}
    result: OrderedDict[str, Any] = OrderedDict()
    for key, tensor in state.items():
        if key in mask_keys:
            continue
        if key not in masked:
            result[key] = tensor
            continue
        entry = masked[key]
        mask = state[entry.mask_key] != 0
        prefix, name = entry.prefix, entry.name
        if to == "dense":
            result[f"{prefix}{name}"] = tensor.masked_fill(~mask, 0)
        elif to == "prune":
            result[f"{prefix}{name}_orig"] = tensor
            result[f"{prefix}{name}_mask"] = mask.to(tensor.dtype)
        else:
            result[f"{prefix}parametrizations.{name}.original"] = tensor
            result[f"{prefix}parametrizations.{name}.0.mask"] = mask
    if hasattr(state, "_metadata"):
        # load_state_dict reads the versions of the layers here.
        result._metadata = state._metadata  # type: ignore[attr-defined]
    return result


@dataclass(frozen=True, kw_only=True)
class MaskedEntry:
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


def masked_entries(state: Any) -> Iterator[MaskedEntry]:
    """Yield the masked weights of a state dict in either convention.

    Raises `ArgumentError` where a weight or a mask stands alone or their shapes differ.
    """
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise ArgumentTypeError(f"state is a {type(state).__name__}, expected a dict of tensors")
    for key in state:
        entry = _entry(key)
        if entry is None:
            continue
        for wanted in (entry.weight_key, entry.mask_key):
            if wanted not in state:
                raise ArgumentError(f"state has {key!r} but not {wanted!r}")
        weight, mask = state[entry.weight_key], state[entry.mask_key]
        if weight.shape != mask.shape:
            raise ArgumentError(
                f"{entry.weight_key!r} has shape {tuple(weight.shape)} and its mask "
                f"{tuple(mask.shape)}"
            )
        if key == entry.weight_key:
            yield entry


def _entry(key: str) -> MaskedEntry | None:
    """Return the pair to which a key belongs, if it names a weight or a mask."""
    head, found, rest = key.rpartition("parametrizations.")
    if found and (not head or head.endswith(".")):
        name, _, last = rest.partition(".")
        if last in ("original", "0.mask"):
            stem = f"{head}parametrizations.{name}"
            return MaskedEntry(
                prefix=head, name=name, weight_key=f"{stem}.original", mask_key=f"{stem}.0.mask"
            )
    for suffix in ("_orig", "_mask"):
        if key.endswith(suffix):
            stem = key.removesuffix(suffix)
            head, dot, name = stem.rpartition(".")
            return MaskedEntry(
                prefix=head + dot, name=name, weight_key=f"{stem}_orig", mask_key=f"{stem}_mask"
            )
    return None


@functools.cache
def _masked_weight() -> Any:
    """Return the class `MaskedWeight`, made when PyTorch is there."""
    torch = require("torch", "torch")

    class MaskedWeight(torch.nn.Module):  # type: ignore[misc,name-defined]
        """The parametrization that sets a weight to zero outside a bool mask."""

        def __init__(self, mask: Any) -> None:
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, weight: Any) -> Any:
            return torch.where(self.mask, weight, weight.new_zeros(()))

        def right_inverse(self, weight: Any) -> Any:
            return weight

    # Pickle looks the class up by these names, and finds it through __getattr__.
    MaskedWeight.__module__, MaskedWeight.__qualname__ = __name__, "MaskedWeight"
    return MaskedWeight


def __getattr__(name: str) -> Any:
    if name == "MaskedWeight":
        return _masked_weight()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
