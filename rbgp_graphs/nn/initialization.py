"""The first weights of the paper's networks."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn.utils import parametrize

from rbgp_graphs.nn.compact import CompactWeight
from rbgp_graphs.nn.conv2d import RBGP4Conv2d
from rbgp_graphs.nn.linear import RBGP4Linear

_LINEAR_STD = 0.01


def initialize(model: torch.nn.Module) -> None:
    r"""Draw the weights of convolutions and linear layers as the paper's authors do.

    Convolutions are normal with variance :math:`2 / n`, where n is the number of weights that an
    input channel really has: the nonzeros of the layer over its input channels. Linear layers are
    normal with standard deviation 0.01. Biases are zero.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place; compact and masked layers included.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> layer = RBGP4Conv2d(64, 64, 3, sparsity=0.75)
    >>> initialize(layer)
    >>> n = layer.values.numel() / 64
    >>> bool(abs(layer.values.std() - (2 / n) ** 0.5) < 0.01)
    True
    """
    for layer in model.modules():
        if not isinstance(layer, (RBGP4Linear, RBGP4Conv2d, torch.nn.Linear, torch.nn.Conv2d)):
            continue
        weight, count = _weight(layer)
        std = _LINEAR_STD
        if isinstance(layer, (RBGP4Conv2d, torch.nn.Conv2d)):
            std = math.sqrt(2 * layer.in_channels / count)
        torch.nn.init.normal_(weight, 0.0, std)
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)


def _weight(layer: Any) -> tuple[torch.Tensor, int]:
    """Return the stored weight of a layer, and how many of its entries count."""
    if isinstance(layer, CompactWeight):
        return layer.values, layer.values.numel()
    if not parametrize.is_parametrized(layer, "weight"):
        return layer.weight, layer.weight.numel()
    stored = layer.parametrizations.weight
    count = min([stored.original.numel(), *(int(mask.sum()) for mask in stored.buffers())])
    return stored.original, count
