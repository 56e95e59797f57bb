"""What a product does to its result before it is stored: bias and activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import ArgumentError


def _relu(block: NDArray[Any]) -> None:
    np.maximum(block, 0, out=block)


def _gelu(block: NDArray[Any]) -> None:
    from scipy import special

    block *= special.ndtr(block)


def _silu(block: NDArray[Any]) -> None:
    from scipy import special

    block *= special.expit(block)


#: In-place functions of float32 and float64 arrays, by name.
_ACTIVATIONS: dict[str | None, Callable[[NDArray[Any]], None]] = {
    None: lambda block: None,  # noqa: ARG005
    "relu": _relu,
    "gelu": _gelu,
    "silu": _silu,
}


def check_activation(activation: Any) -> None:
    """Raise unless `activation` is None or a known name."""
    if activation is not None and not isinstance(activation, str):
        raise ArgumentError(f"activation is {activation!r}, expected a name; {_known()}")
    if activation not in _ACTIVATIONS:
        raise ArgumentError(f"activation is {activation!r}, which is not known; {_known()}")


def _known() -> str:
    return f"allowed are {', '.join(repr(name) for name in _ACTIVATIONS)}"


def finish(block: NDArray[Any], bias: NDArray[Any] | None, activation: str | None) -> None:
    """Add `bias` to a block of results and apply the activation, in place.

    Parameters
    ----------
    block : ndarray of float32 or float64, shape (..., N)
        Finished sums.
    bias : ndarray, shape (...)
        One number for each row of the block, or None.
    activation : str or None
        A name that `check_activation` accepts.
    """
    if bias is not None:
        block += bias[..., None].astype(block.dtype)
    _ACTIVATIONS[activation](block)
