"""Wide residual networks for small images."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.nn.vgg import scaled


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, each after normalisation and ReLU, beside a shortcut.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels before and after.
    stride : int
        Of the first convolution and of the shortcut, which is a 1 x 1 convolution where the
        shape changes.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut: nn.Module | None = None
        if in_channels != out_channels or stride != 1:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of both paths."""
        first = functional.relu(self.bn1(x))
        y = self.conv2(functional.relu(self.bn2(self.conv1(first))))
        kept = x if self.shortcut is None else self.shortcut(first)
        total: torch.Tensor = y + kept
        return total


class WideResNet(nn.Module):
    """The network that `wide_resnet` returns."""

    def __init__(self, depth: int, channels: list[int], in_channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        blocks: list[nn.Module] = []
        per_group = (depth - 4) // 6
        for group, (before, own) in enumerate(itertools.pairwise(channels)):
            for place in range(per_group):
                stride = 2 if group and place == 0 else 1
                blocks.append(ResidualBlock(own if place else before, own, stride))
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(channels[-1])
        self.linear = nn.Linear(channels[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes.

        Parameters
        ----------
        x : torch.Tensor, shape (batch, in_channels, height, width)
            The images.

        Returns
        -------
        torch.Tensor, shape (batch, num_classes)
            The scores.
        """
        y = functional.relu(self.bn(self.blocks(self.conv1(x))))
        scores: torch.Tensor = self.linear(y.mean(dim=(2, 3)))
        return scores


def wide_resnet(
    num_classes: int = 10,
    *,
    depth: int = 40,
    widen: int = 4,
    width: float = 1.0,
    in_channels: int = 3,
) -> WideResNet:
    """Return a wide residual network, WRN-40-4 by default.

    Parameters
    ----------
    num_classes : int
        Number of outputs.
    depth : int
        Number of layers: 4 more than a multiple of 6.
    widen : int
        How much wider than the original residual network.
    width : float
        Another multiplier of all channels, for small runs.
    in_channels : int
        Channels of the images, which may have any size.

    Returns
    -------
    WideResNet
        Without dropout and with biased convolutions, as the paper's authors have it.

    Raises
    ------
    ArgumentError
        If an argument leaves its range.

    References
    ----------
    S. Zagoruyko and N. Komodakis, Wide residual networks, BMVC 2016, arXiv:1605.07146.

    Examples
    --------
    >>> import torch
    >>> sum(p.numel() for p in wide_resnet().parameters() if p.ndim > 1)
    8938416
    >>> wide_resnet(depth=10, widen=1)(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 10])
    """
    depth = as_int("depth", depth, minimum=10)
    if depth % 6 != 4:
        near = depth // 6 * 6 + 4
        below = near if near < depth else near - 6
        raise ArgumentError(
            f"depth is {depth}, expected 4 more than a multiple of 6; the nearest are "
            f"{max(below, 10)} and {below + 6}"
        )
    widen = as_int("widen", widen, minimum=1)
    channels = [scaled(16, width), *(scaled(size * widen, width) for size in (16, 32, 64))]
    classes = as_int("num_classes", num_classes, minimum=1)
    return WideResNet(depth, channels, as_int("in_channels", in_channels, minimum=1), classes)
