"""A convolution on an RBGP4 pattern."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch.nn import functional

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.nn.compact import CompactWeight, choose_pattern
from rbgp_graphs.nn.operator import product
from rbgp_graphs.products import RBGP4

Via = Literal["unfold", "dense"]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


class RBGP4Conv2d(CompactWeight):
    """A two-dimensional convolution whose flattened weight lies on an RBGP4 pattern.

    Takes the place of `torch.nn.Conv2d` without groups. The weight of shape (out, in, kh, kw) is
    flattened to (out, in * kh * kw), as in the paper [1]_, and that matrix has the pattern.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of channels.
    kernel_size : int or (int, int)
        Height and width of the kernel.
    pattern : RBGP4, optional
        Where the nonzeros are: shape (out_channels, in_channels * kh * kw).
    sparsity : float, optional
        Share of zeros, instead of a pattern: `rbgp_graphs.design` then chooses one.
    stride, dilation : int or (int, int)
        As in `torch.nn.Conv2d`.
    padding : int, (int, int), "valid" or "same"
        As in `torch.nn.Conv2d`; "same" needs a stride of 1.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the images are padded with.
    bias : bool
        Whether to add a bias.
    via : {"unfold", "dense"}
        How the convolution is computed. "unfold" gathers the patches and multiplies with the
        sparse product. "dense" writes the weight out and calls PyTorch's convolution: more
        memory for the weight and less for the patches, and quicker where the pattern is not
        very sparse. Both give the same result up to rounding, with the same compact parameters.
    rng : int, numpy.random.Generator or None
        Source of randomness of the pattern.
    device, dtype
        Of the parameters.
    **options
        Passed on to `rbgp_graphs.design`.

    Raises
    ------
    ArgumentError
        If a size leaves its range, or neither or both of `pattern` and `sparsity` are given, or
        the pattern has another shape, or there are options besides a pattern.
    ArgumentTypeError
        If an argument has the wrong type, or an option is none of `rbgp_graphs.design`.
    InfeasibleError
        If no pattern has this shape and sparsity; names the nearest.

    References
    ----------
    .. [1] D. T. Vooturi, G. Varma and K. Kothapalli, Ramanujan bipartite graph products for
       efficient block sparse neural networks, arXiv:2006.13486.

    Examples
    --------
    >>> import torch
    >>> layer = RBGP4Conv2d(64, 128, 3, sparsity=0.9375, padding=1, stride=2)
    >>> layer(torch.ones(2, 64, 8, 8)).shape
    torch.Size([2, 128, 4, 4])
    >>> layer.values.shape
    torch.Size([128, 36])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        pattern: RBGP4 | None = None,
        *,
        sparsity: float | None = None,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        padding_mode: PaddingMode = "zeros",
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        via: Via = "unfold",
        rng: Any = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **options: Any,
    ) -> None:
        if via not in ("unfold", "dense"):
            raise ArgumentError(f"via is {via!r}, expected 'unfold' or 'dense'")
        if padding_mode not in get_args(PaddingMode):
            allowed = ", ".join(repr(mode) for mode in get_args(PaddingMode))
            raise ArgumentError(f"padding_mode is {padding_mode!r}, expected one of {allowed}")
        kernel, steps = _as_pair("kernel_size", kernel_size, 1), _as_pair("stride", stride, 1)
        reach = _as_pair("dilation", dilation, 1)
        frame = _frame(padding, kernel, steps, reach)
        channels = as_int("in_channels", in_channels, minimum=1)
        chosen = choose_pattern(
            out_channels,
            channels * kernel[0] * kernel[1],
            pattern,
            sparsity,
            rng=rng,
            **options,
        )
        super().__init__(chosen, bias, device, dtype)
        self.in_channels, self.out_channels = channels, chosen.rows
        self.kernel_size, self.stride, self.dilation = kernel, steps, reach
        self.padding = padding if isinstance(padding, str) else _as_pair("padding", padding, 0)
        self.padding_mode: PaddingMode = padding_mode
        self._frame = frame
        self.via: Via = via

    @classmethod
    def from_dense(cls, layer: torch.nn.Conv2d, pattern: RBGP4, via: Via = "unfold") -> RBGP4Conv2d:
        """Take over the weights of a dense convolution at the nonzeros of a pattern.

        Parameters
        ----------
        layer : torch.nn.Conv2d
            The dense layer, without groups. It stays as it is.
        pattern : RBGP4
            Which weights to keep; the others are dropped.
        via : {"unfold", "dense"}
            How the new layer computes.

        Returns
        -------
        RBGP4Conv2d
            With copies of the weights, on the same device, in the same dtype and mode; what was
            frozen (``requires_grad=False``) is. Hooks stay with the dense layer.

        Raises
        ------
        ArgumentTypeError
            If `layer` is not a convolution.
        ArgumentError
            If it has groups, or the pattern has another shape.

        Examples
        --------
        >>> import torch, rbgp_graphs
        >>> dense = torch.nn.Conv2d(16, 32, 3)
        >>> RBGP4Conv2d.from_dense(dense, rbgp_graphs.design(32, 144, 0.75)).values.shape
        torch.Size([32, 36])
        """
        if not isinstance(layer, torch.nn.Conv2d):
            raise ArgumentTypeError(f"layer is a {type(layer).__name__}, expected torch.nn.Conv2d")
        reason = why_not_convertible(layer)
        if reason is not None:
            raise ArgumentError(f"layer cannot become an RBGP4Conv2d: {reason}")
        mode: Any = layer.padding_mode
        sparse = cls(
            layer.in_channels,
            layer.out_channels,
            _as_pair("kernel_size", layer.kernel_size, 1),
            pattern,
            stride=_as_pair("stride", layer.stride, 1),
            padding=layer.padding,  # type: ignore[arg-type]
            padding_mode=mode,
            dilation=_as_pair("dilation", layer.dilation, 1),
            bias=layer.bias is not None,
            via=via,
            device=layer.weight.device,
            dtype=layer.weight.dtype,
        )
        return sparse._take_over(layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution with the inputs.

        Parameters
        ----------
        x : torch.Tensor, shape (batch, in_channels, height, width) or without the batch
            The inputs.

        Returns
        -------
        torch.Tensor, shape (batch, out_channels, height, width) or without the batch
            The outputs.

        Raises
        ------
        ArgumentTypeError
            If `x` has another dtype than the layer, outside `torch.autocast`.
        ArgumentError
            If its shape does not fit, or it lies on another device than the layer.
        BackendError
            If `x` lies on a device for which there is no backend.
        """
        x, values, bias = self._operands(x)
        if x.ndim == 3:
            return self.forward(x[None])[0]
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ArgumentError(
                f"x has shape {tuple(x.shape)}, expected (batch, {self.in_channels}, height, width)"
            )
        height, width = self._output_size(x)
        x, padding = self._padded(x)
        if self.via == "dense":
            kernel = self.weight.to(x.dtype)
            return functional.conv2d(x, kernel, bias, self.stride, padding, self.dilation)
        pointwise = self.kernel_size == self.stride == (1, 1) and padding == (0, 0)
        patches = (
            x.flatten(2)
            if pointwise
            else functional.unfold(x, self.kernel_size, self.dilation, padding, self.stride)
        )
        y = product(values, patches, bias, self._pattern_text, features_last=False)
        return y.reshape(*y.shape[:2], height, width)

    @property
    def weight(self) -> torch.Tensor:
        """The dense weight (see `CompactWeight.weight`), shape (out, in, kh, kw)."""
        return self.to_dense().view(self.out_channels, self.in_channels, *self.kernel_size)

    def _output_size(self, x: torch.Tensor) -> tuple[int, int]:
        sizes = []
        for axis in (0, 1):
            reach = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            free = x.shape[2 + axis] + sum(self._frame[axis]) - reach
            if free < 0:
                raise ArgumentError(
                    f"x has shape {tuple(x.shape)}, too small for a kernel that reaches over "
                    f"{reach} of its pixels with padding {self.padding!r}"
                )
            sizes.append(free // self.stride[axis] + 1)
        return sizes[0], sizes[1]

    def _padded(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
        """Return the images, and how many zeros are still to be put around them."""
        (top, bottom), (left, right) = self._frame
        if self.padding_mode == "zeros" and (top, left) == (bottom, right):
            return x, (top, left)
        if self.padding_mode in ("reflect", "circular"):
            spare = 1 if self.padding_mode == "reflect" else 0
            if any(max(self._frame[axis]) + spare > x.shape[2 + axis] for axis in (0, 1)):
                raise ArgumentError(
                    f"x has shape {tuple(x.shape)}, too small for padding {self.padding!r} with "
                    f"{self.padding_mode!r}"
                )
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return functional.pad(x, (left, right, top, bottom), mode=mode), (0, 0)

    def extra_repr(self) -> str:
        """Return what the representation shows between the brackets."""
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}"
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding!r}{mode}, dilation={self.dilation}, "
            f"{self._description()}, via={self.via!r}"
        )


def why_not_convertible(layer: torch.nn.Conv2d) -> str | None:
    """Return why a convolution has no sparse counterpart here, or None if it has one."""
    return None if layer.groups == 1 else f"it has {layer.groups} groups, expected 1"


def _frame(
    padding: Any, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how many pixels are added above and below, and left and right."""
    if padding == "same":
        if stride != (1, 1):
            raise ArgumentError(f"padding is 'same' with stride {stride}, expected (1, 1)")
        # An odd number of pixels has its larger half behind, as in PyTorch.
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return (total[0] // 2, -(-total[0] // 2)), (total[1] // 2, -(-total[1] // 2))
    if isinstance(padding, str) and padding != "valid":
        raise ArgumentError(f"padding is {padding!r}, expected integers, 'valid' or 'same'")
    rows, columns = _as_pair("padding", 0 if padding == "valid" else padding, 0)
    return (rows, rows), (columns, columns)


def _as_pair(name: str, value: Any, minimum: int) -> tuple[int, int]:
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ArgumentError(f"{name} is {value!r}, expected one integer or two")
    return as_int(name, pair[0], minimum=minimum), as_int(name, pair[1], minimum=minimum)
