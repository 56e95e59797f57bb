"""The VGG networks for small images."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError

#: Convolutions in each of the five stages of VGG19, and their channels.
_STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def vgg19(
    num_classes: int = 10, *, width: float = 1.0, in_channels: int = 3, image_size: int = 32
) -> nn.Sequential:
    """Return VGG19 with batch normalisation, for small square images.

    Sixteen 3 x 3 convolutions in five stages, and a classifier with one hidden layer.

    Parameters
    ----------
    num_classes : int
        Number of outputs.
    width : float
        Multiplier of all channels.
    in_channels : int
        Channels of the images.
    image_size : int
        Their height and width. After each stage it is halved while it is more than one pixel, so
        32 is what the five stages are made for.

    Returns
    -------
    torch.nn.Sequential
        The network, with the parts ``features``, ``pool`` and ``classifier``.

    Raises
    ------
    ArgumentError
        If an argument leaves its range.

    References
    ----------
    K. Simonyan and A. Zisserman, Very deep convolutional networks for large-scale image
    recognition, ICLR 2015, arXiv:1409.1556; configuration E.

    Examples
    --------
    >>> import torch
    >>> sum(p.numel() for p in vgg19().parameters())
    20304202
    >>> vgg19(width=0.125, in_channels=1, image_size=8)(torch.ones(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    num_classes = as_int("num_classes", num_classes, minimum=1)
    channels = as_int("in_channels", in_channels, minimum=1)
    size = as_int("image_size", image_size, minimum=1)
    features: list[nn.Module] = []
    for repeats, full in _STAGES:
        own = scaled(full, width)
        for _ in range(repeats):
            features += [nn.Conv2d(channels, own, 3, padding=1), nn.BatchNorm2d(own), nn.ReLU()]
            channels = own
        if size > 1:
            features.append(nn.MaxPool2d(2))
            size //= 2
    classifier = nn.Sequential(
        nn.Linear(channels, channels),
        nn.BatchNorm1d(channels),
        nn.ReLU(),
        nn.Linear(channels, num_classes),
    )
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    parts = {"features": nn.Sequential(*features), "pool": pool, "classifier": classifier}
    return nn.Sequential(OrderedDict(parts))


def scaled(channels: int, width: float) -> int:
    """Return a number of channels times a multiplier; raise unless it is a positive integer."""
    if isinstance(width, bool) or not isinstance(width, (int, float)):
        raise ArgumentError(f"width is {width!r}, expected a positive number")
    result = channels * width
    if not 1 <= result <= 2**20 or result != round(result):
        raise ArgumentError(
            f"width is {width!r} and makes {result:g} of {channels} channels, expected a whole "
            "number; powers of two such as 0.25, 0.5, 1 and 2 work"
        )
    return round(result)
