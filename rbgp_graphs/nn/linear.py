"""A fully connected layer on an RBGP4 pattern."""

from __future__ import annotations

from typing import Any

import torch

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.nn.compact import CompactWeight, choose_pattern
from rbgp_graphs.nn.operator import product
from rbgp_graphs.products import RBGP4


class RBGP4Linear(CompactWeight):
    r"""A linear layer :math:`y = A x + b` whose matrix lies on an RBGP4 pattern.

    Takes the place of `torch.nn.Linear`. Forward and backward run on the package's three sparse
    products; only the nonzeros are stored, have gradients and take part in the optimizer.

    Parameters
    ----------
    in_features, out_features : int
        Number of inputs and of outputs.
    pattern : RBGP4, optional
        Where the nonzeros are: shape (out_features, in_features).
    sparsity : float, optional
        Share of zeros, instead of a pattern: `rbgp_graphs.design` then chooses one.
    bias : bool
        Whether to add a bias.
    rng : int, numpy.random.Generator or None
        Source of randomness of the pattern. The values are drawn by PyTorch's own generator.
    device, dtype
        Of the parameters, as in `torch.nn.Linear`.
    **options
        Passed on to `rbgp_graphs.design`: ``objective``, ``row_group``, ``block``, ``twist``.

    Raises
    ------
    ArgumentError
        If neither or both of `pattern` and `sparsity` are given, or the shape does not fit, or
        there are options besides a pattern.
    ArgumentTypeError
        If `pattern` is not an RBGP4, or an option is none of `rbgp_graphs.design`.
    InfeasibleError
        If no pattern has this shape and sparsity; names the nearest.

    Notes
    -----
    float16 and bfloat16 are accumulated in float32. Inside `torch.autocast` the layer computes
    in its dtype, as `torch.nn.Linear` does. On a GPU float32 is rounded to TF32 where PyTorch's own
    products are: see `torch.set_float32_matmul_precision`. The `state_dict` holds the pattern too,
    as a row of bytes; loading it sets the pattern. Nothing in it is pickled.

    Examples
    --------
    >>> import torch
    >>> layer = RBGP4Linear(256, 128, sparsity=0.875)
    >>> layer(torch.ones(5, 256)).shape
    torch.Size([5, 128])
    >>> layer.values.shape
    torch.Size([128, 32])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        pattern: RBGP4 | None = None,
        *,
        sparsity: float | None = None,
        bias: bool = True,
        rng: Any = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> None:
        chosen = choose_pattern(out_features, in_features, pattern, sparsity, rng=rng, **options)
        super().__init__(chosen, bias, device, dtype)
        self.out_features, self.in_features = chosen.shape

    @classmethod
    def from_dense(cls, layer: torch.nn.Linear, pattern: RBGP4) -> RBGP4Linear:
        """Take over the weights of a dense layer at the nonzeros of a pattern.

        Parameters
        ----------
        layer : torch.nn.Linear
            The dense layer, which stays as it is.
        pattern : RBGP4
            Which weights to keep; the others are dropped.

        Returns
        -------
        RBGP4Linear
            With copies of the weights, on the same device, in the same dtype and mode; what was
            frozen (``requires_grad=False``) is. Hooks stay with the dense layer.

        Raises
        ------
        ArgumentTypeError
            If `layer` is not a linear layer.
        ArgumentError
            If the pattern has another shape.

        Examples
        --------
        >>> import torch, rbgp_graphs
        >>> dense = torch.nn.Linear(64, 64)
        >>> sparse = RBGP4Linear.from_dense(dense, rbgp_graphs.design(64, 64, 0.75))
        >>> bool((sparse.to_dense()[sparse.to_dense() != 0].numel()) == 1024)
        True
        """
        if not isinstance(layer, torch.nn.Linear):
            raise ArgumentTypeError(f"layer is a {type(layer).__name__}, expected torch.nn.Linear")
        sparse = cls(
            layer.in_features,
            layer.out_features,
            pattern,
            bias=layer.bias is not None,
            device=layer.weight.device,
            dtype=layer.weight.dtype,
        )
        return sparse._take_over(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product with the inputs.

        Parameters
        ----------
        x : torch.Tensor, shape (..., in_features)
            The inputs, with any strides.

        Returns
        -------
        torch.Tensor, shape (..., out_features)
            The outputs.

        Raises
        ------
        ArgumentTypeError
            If `x` has another dtype than the layer, outside `torch.autocast`.
        ArgumentError
            If its last axis has another length, or it lies on another device than the layer.
        BackendError
            If `x` lies on a device for which there is no backend.
        """
        x, values, bias = self._operands(x)
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ArgumentError(f"x has shape {tuple(x.shape)}, expected (..., {self.in_features})")
        return product(values, x, bias, self._pattern_text)

    def extra_repr(self) -> str:
        """Return what the representation shows between the brackets."""
        shape = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{shape}, {self._description()}"
