"""Masks on the layers of PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal, get_args

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.export.entries import Exportable, check_exportable
from rbgp_graphs.export.torch import to_torch

Method = Literal["parametrize", "prune"]


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
    _check_method(method)
    _mask(module, name, _checked_weight(module, obj, name), obj, method)
    return module


def apply_masks(
    model: Any, masks: Mapping[str, Exportable], *, method: Method = "parametrize"
) -> Any:
    """Keep many weights of a PyTorch model at zero outside their masks.

    Parameters
    ----------
    model : torch.nn.Module
        The model. It is changed in place.
    masks : mapping of str to BipartiteGraph, TensorProduct or RBGP4
        A mask for each weight by its full name, as `masks_for_model` and `read_masks` return them.
    method : {"parametrize", "prune"}
        As in `apply_mask`.

    Returns
    -------
    torch.nn.Module
        `model`.

    Raises
    ------
    ArgumentTypeError
        If `model` is not a module, or `masks` is not a dict of graphs or products.
    ArgumentError
        If the model has no such weight, a mask does not fit, or the method is unknown. The model
        has not changed then.
    MissingDependencyError
        If PyTorch is not installed.

    Examples
    --------
    ..
        >>> import pytest
        >>> _ = pytest.importorskip("torch")

    >>> import torch
    >>> from rbgp_graphs.export import masks_for_model
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    >>> _ = apply_masks(model, masks_for_model(model, {"0": 0.5}))
    >>> int((model[0].weight != 0).sum()), int((model[2].weight != 0).sum())
    (32, 32)
    """
    _check_method(method)
    torch = require("torch", "torch")
    if not isinstance(model, torch.nn.Module):
        raise ArgumentTypeError(f"model is a {type(model).__name__}, expected a torch.nn.Module")
    given: Any = masks
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ArgumentTypeError(f"masks is a {type(masks).__name__}, expected a dict by name")
    modules = dict(model.named_modules())
    steps = []
    for full, mask in masks.items():
        place, _, name = full.rpartition(".")
        if place not in modules:
            raise ArgumentError(f"model has no layer {place!r} for the mask {full!r}")
        try:
            weight = _checked_weight(modules[place], mask, name)
        except ArgumentError as error:
            raise type(error)(f"{full}: {error}") from error
        steps.append((modules[place], name, weight, mask))
    for module, name, weight, mask in steps:
        _mask(module, name, weight, mask, method)
    return model


def _check_method(method: Any) -> None:
    if method not in get_args(Method):
        raise ArgumentError(f"method is {method!r}, expected one of {', '.join(get_args(Method))}")


def _checked_weight(module: Any, obj: Exportable, name: str) -> Any:
    """Return the parameter to which a mask belongs."""
    check_exportable(obj)
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
    if torch.nn.parameter.is_lazy(weight):
        raise ArgumentError(f"{name} has no shape before the first forward pass of a lazy module")
    flat = (weight.shape[0], weight[0].numel()) if weight.ndim > 1 else tuple(weight.shape)
    if flat != obj.shape:
        raise ArgumentError(
            f"{name} has shape {tuple(weight.shape)}, a matrix of {flat}, but the mask is "
            f"{obj.shape[0]} x {obj.shape[1]}"
        )
    return weight


def _mask(module: Any, name: str, weight: Any, obj: Exportable, method: Method) -> None:
    mask = to_torch(obj, device=weight.device).reshape(weight.shape)
    if method == "prune":
        require("torch.nn.utils.prune", "torch").custom_from_mask(module, name, mask)
        return
    parametrize = require("torch.nn.utils.parametrize", "torch")
    parametrize.register_parametrization(module, name, _masked_weight()(mask))


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
