"""What the layers with compact weights have in common."""

from __future__ import annotations

import math
from typing import Any, Self

import torch

from rbgp_graphs._validation import as_int
from rbgp_graphs.encoding import dumps, loads
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.nn.dense_form import as_compact, as_dense
from rbgp_graphs.nn.operator import decode_pattern, encode_pattern
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import design
from rbgp_graphs.selection.design import check_options


class CompactWeight(torch.nn.Module):
    """A layer whose weight matrix lies on an RBGP4 pattern: the base of the sparse layers.

    Only the nonzeros are parameters, so gradients and the state of an optimizer are as small.
    `rbgp_graphs.nn.RBGP4Linear` and `rbgp_graphs.nn.RBGP4Conv2d` say what it is multiplied with.

    Attributes
    ----------
    values : torch.nn.Parameter, shape (rows, row_degree)
        The nonzeros of the weight matrix, each row in ascending column order.
    bias : torch.nn.Parameter, shape (rows,), or None
        The bias.
    """

    values: torch.nn.Parameter
    bias: torch.nn.Parameter | None

    def __init__(
        self, pattern: RBGP4, bias: bool, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self._pattern_text = encode_pattern(pattern)
        shape = (pattern.rows, pattern.row_degree)
        self.values = torch.nn.Parameter(torch.empty(shape, **options))
        if bias:
            self.bias = torch.nn.Parameter(torch.empty(pattern.rows, **options))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    @property
    def pattern(self) -> RBGP4:
        """Where the nonzeros of the weight matrix are."""
        return decode_pattern(self._pattern_text)

    @property
    def sparsity(self) -> float:
        """Share of zeros in the weight matrix."""
        return self.pattern.sparsity

    @property
    def weight(self) -> torch.Tensor:
        """The dense weight in the shape of that of a dense layer, computed at every access.

        For code that reads the weights of the layers that it holds, as
        `torch.nn.TransformerEncoderLayer` does in eval mode. Changes of it change nothing.
        """
        return self.to_dense()

    def reset_parameters(self) -> None:
        """Draw values and bias anew.

        Both are uniform between plus and minus one over the square root of the fan-in, as in
        `torch.nn.Linear`. The fan-in is the number of inputs that an output really has.
        """
        bound = 1 / math.sqrt(self.values.shape[1])
        torch.nn.init.uniform_(self.values, -bound, bound)
        if self.bias is not None:
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def to_dense(self) -> torch.Tensor:
        """Return the weight matrix as a dense tensor, differentiable in `values`.

        Returns
        -------
        torch.Tensor, shape (rows, cols)
            Zero outside the pattern.
        """
        return as_dense(self.values, self._pattern_text)

    def take_dense(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        """Set the values to the entries of a dense weight at the nonzeros of the pattern.

        Parameters
        ----------
        weight : torch.Tensor
            A weight matrix of the shape of the pattern, or what can be reshaped to it. Entries
            outside the pattern are dropped.
        bias : torch.Tensor, shape (rows,), optional
            The new bias.

        Raises
        ------
        ArgumentError
            If a shape does not fit, or there is a bias for a layer without one.
        """
        rows, cols = self.pattern.shape
        if weight.shape[0] != rows or weight.numel() != rows * cols:
            raise ArgumentError(
                f"weight has shape {tuple(weight.shape)}, expected ({rows}, {cols}) or a shape "
                "that flattens to it"
            )
        if bias is not None and (self.bias is None or bias.shape != self.bias.shape):
            expected = None if self.bias is None else tuple(self.bias.shape)
            raise ArgumentError(f"bias has shape {tuple(bias.shape)}, expected {expected}")
        with torch.no_grad():
            flat = weight.detach().reshape(rows, cols).to(self.values.device)
            self.values.copy_(as_compact(flat, self._pattern_text))
            if bias is not None and self.bias is not None:
                self.bias.copy_(bias)

    def _take_over(self, layer: Any) -> Self:
        """Take weights, bias, what is frozen and the mode from a dense layer."""
        self.take_dense(layer.weight, layer.bias)
        self.values.requires_grad_(layer.weight.requires_grad)
        if self.bias is not None:
            self.bias.requires_grad_(layer.bias.requires_grad)
        return self.train(layer.training)

    def _operands(self, x: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return input, values and bias in the dtype of the product: that of autocast, if on."""
        if not isinstance(x, torch.Tensor):
            raise ArgumentTypeError(f"x is a {type(x).__name__}, expected a tensor")
        if not x.is_floating_point():
            raise ArgumentTypeError(f"x has dtype {x.dtype}, expected floating-point numbers")
        if x.device != self.values.device:
            raise ArgumentError(
                f"x lies on {x.device} and the layer on {self.values.device}; move one of them "
                "with .to()"
            )
        device = x.device.type
        # Devices without autocast, such as "meta", must not be asked whether it is on.
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            bias = None if self.bias is None else self.bias.to(dtype)
            return x.to(dtype), self.values.to(dtype), bias
        if x.dtype != self.values.dtype:
            raise ArgumentTypeError(
                f"x has dtype {x.dtype} and the layer {self.values.dtype}; convert one of them, "
                "or use torch.autocast"
            )
        return x, self.values, self.bias

    # State ----------------------------------------------------------------------------------

    def get_extra_state(self) -> torch.Tensor:
        """Return the pattern for `state_dict`: the bytes of its `.rbgp` file, as uint8."""
        return torch.frombuffer(bytearray(dumps(self.pattern)), dtype=torch.uint8)

    def set_extra_state(self, state: Any) -> None:
        """Take the pattern from a `state_dict`; values mean nothing on another one.

        Raises
        ------
        FormatError
            If the state is damaged, or its pattern has another shape or number of nonzeros.
        """
        if not isinstance(state, torch.Tensor) or state.dtype != torch.uint8 or state.ndim != 1:
            raise FormatError("the stored pattern is not a row of bytes")
        pattern = loads(state.cpu().numpy().tobytes()).obj
        mine = self.pattern
        if not isinstance(pattern, RBGP4):
            raise FormatError(f"the stored pattern is a {type(pattern).__name__}, expected RBGP4")
        if (pattern.shape, pattern.row_degree) != (mine.shape, mine.row_degree):
            raise FormatError(
                f"the stored pattern has shape {pattern.shape} and {pattern.row_degree} nonzeros "
                f"in a row, the layer {mine.shape} and {mine.row_degree}"
            )
        self._pattern_text = encode_pattern(pattern)

    def _description(self) -> str:
        has_bias = self.bias is not None
        return f"bias={has_bias}, sparsity={self.sparsity:.4g}, row_group={self.pattern.row_group}"


def choose_pattern(rows: int, cols: int, pattern: Any, sparsity: Any, **options: Any) -> RBGP4:
    """Return the pattern of a layer: the given one if it fits, or one of the given sparsity."""
    rows, cols = as_int("rows", rows, minimum=1), as_int("cols", cols, minimum=1)
    if (pattern is None) == (sparsity is None):
        given = "neither" if pattern is None else "both"
        raise ArgumentError(f"expected a pattern or a sparsity, {given} given")
    check_options(options)
    if pattern is None:
        return design(rows, cols, sparsity, **options)
    if not isinstance(pattern, RBGP4):
        raise ArgumentTypeError(f"pattern is a {type(pattern).__name__}, expected an RBGP4")
    if options.keys() - {"rng"}:
        given = ", ".join(sorted(options.keys() - {"rng"}))
        raise ArgumentError(f"{given} given with a pattern; they are for the choice of one")
    if pattern.shape != (rows, cols):
        raise ArgumentError(
            f"pattern has shape {pattern.shape}, expected ({rows}, {cols}): outputs and inputs"
        )
    return pattern
