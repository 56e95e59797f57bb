"""PyTorch's tensors as operands: a tensor goes in and a tensor comes out, without copies."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numpy as np

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentTypeError

_Product = TypeVar("_Product", bound=Callable[..., Any])


def is_tensor(value: Any) -> bool:
    """Return whether a value is a tensor of PyTorch, without importing that package."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_plain(name: str, tensor: Any) -> Any:
    """Return a tensor as others can read it: dense and without a gradient.

    Raises
    ------
    ArgumentTypeError
        If a gradient would get lost, or the tensor is sparse.
    """
    torch = require("torch", "torch")
    if tensor.requires_grad and torch.is_grad_enabled():
        raise ArgumentTypeError(
            f"{name} requires a gradient, which this product does not hand on; use a layer of "
            f"rbgp_graphs.nn, or pass {name}.detach()"
        )
    if tensor.layout != torch.strided:
        raise ArgumentTypeError(
            f"{name} is a sparse tensor, expected a dense one: {name}.to_dense()"
        )
    return tensor.detach()


def as_tensor(array: Any) -> Any:
    """Return a tensor that shares the memory of a NumPy or CuPy array."""
    torch = require("torch", "torch")
    if array.dtype.name == "bfloat16":
        return as_tensor(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else torch.from_dlpack(array)


@contextlib.contextmanager
def stream_of(tensor: Any) -> Iterator[None]:
    """Let CuPy work on the stream on which PyTorch works on the device of a tensor.

    Nothing else orders what PyTorch does next behind the product.
    """
    if tensor.device.type != "cuda":
        yield
        return
    cuda = require("cupy", "gpu-cu13").cuda
    stream = require("torch", "torch").cuda.current_stream(tensor.device)
    if hasattr(cuda.Stream, "from_external") and hasattr(stream, "__cuda_stream__"):
        shared = cuda.Stream.from_external(stream)
    else:
        shared = cuda.ExternalStream(stream.cuda_stream, tensor.device.index)
    with cuda.Device(tensor.device.index), shared:
        yield


def tensor_for_tensor(product: _Product) -> _Product:
    """Let a method that takes an operand and returns an array return a tensor for a tensor."""

    @functools.wraps(product)
    def wrapped(self: Any, operand: Any, *options: Any, **named: Any) -> Any:
        if not is_tensor(operand):
            return product(self, operand, *options, **named)
        with stream_of(operand):
            return as_tensor(product(self, operand, *options, **named))

    return cast(_Product, wrapped)
