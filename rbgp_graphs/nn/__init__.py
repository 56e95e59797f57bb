"""PyTorch layers whose weights live on RBGP4 patterns, and the networks that use them.

The names are loaded when they are first used, so that importing the package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rbgp_graphs.nn.conv2d import RBGP4Conv2d
    from rbgp_graphs.nn.datasets import Images, load_cifar, load_digits
    from rbgp_graphs.nn.linear import RBGP4Linear
    from rbgp_graphs.nn.recipe import Recipe
    from rbgp_graphs.nn.sparsification import LayerChange, SparsifyReport, sparsify
    from rbgp_graphs.nn.training import TrainingResult, train
    from rbgp_graphs.nn.vgg import vgg19
    from rbgp_graphs.nn.wide_resnet import wide_resnet

__all__ = [
    "Images",
    "LayerChange",
    "RBGP4Conv2d",
    "RBGP4Linear",
    "Recipe",
    "SparsifyReport",
    "TrainingResult",
    "load_cifar",
    "load_digits",
    "sparsify",
    "train",
    "vgg19",
    "wide_resnet",
]

_MODULES = {
    "Images": "datasets",
    "LayerChange": "sparsification",
    "RBGP4Conv2d": "conv2d",
    "RBGP4Linear": "linear",
    "Recipe": "recipe",
    "SparsifyReport": "sparsification",
    "TrainingResult": "training",
    "load_cifar": "datasets",
    "load_digits": "datasets",
    "sparsify": "sparsification",
    "train": "training",
    "vgg19": "vgg",
    "wide_resnet": "wide_resnet",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import what is asked for, when it is asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from rbgp_graphs._validation import require

        require("torch", "torch")
        value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
