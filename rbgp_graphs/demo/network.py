"""A small network in NumPy whose hidden layer is sparse, dense or masked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.gpu import RBGP4Matrix
from rbgp_graphs.products import RBGP4

Array = NDArray[np.float32]


class Layer(Protocol):
    """A linear layer on activations of shape (features, batch)."""

    weights: Array

    def forward(self, x: Array) -> Array:
        """Return the product of the weights with the activations."""

    def backward(self, x: Array, dy: Array) -> tuple[Array, Array]:
        """Return the gradients of the weights and of the activations."""


class DenseLayer:
    """A dense weight matrix, optionally with a mask that keeps entries at zero."""

    def __init__(
        self,
        rows: int,
        cols: int,
        generator: np.random.Generator,
        mask: NDArray[np.bool_] | None = None,
    ) -> None:
        fan_in = cols if mask is None else mask.sum() / rows
        self._mask = mask
        self.weights: Array = _he_normal((rows, cols), float(fan_in), generator)
        if mask is not None:
            self.weights *= mask

    def forward(self, x: Array) -> Array:
        """Return the product of the weights with the activations."""
        return self.weights @ x

    def backward(self, x: Array, dy: Array) -> tuple[Array, Array]:
        """Return the gradients of the weights and of the activations."""
        gradient = dy @ x.T
        if self._mask is not None:
            gradient *= self._mask
        return gradient, self.weights.T @ dy


class SparseLayer:
    """A weight matrix on an RBGP4 pattern; only its nonzeros exist."""

    def __init__(self, pattern: RBGP4, generator: np.random.Generator) -> None:
        shape = (pattern.rows, pattern.row_degree)
        self.weights: Array = _he_normal(shape, pattern.row_degree, generator)
        self._matrix = RBGP4Matrix(pattern, self.weights)

    def forward(self, x: Array) -> Array:
        """Return the product of the weights with the activations."""
        return self._matrix @ x

    def backward(self, x: Array, dy: Array) -> tuple[Array, Array]:
        """Return the gradients of the weights and of the activations."""
        return self._matrix.sampled_matmul(dy, x), self._matrix.T @ dy


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network was trained and what came out.

    Attributes
    ----------
    num_weights : int
        Weights of the hidden layer.
    losses : list of float
        Mean training loss of every epoch.
    accuracies : list of float
        Share of test images classified correctly after every epoch.
    """

    num_weights: int
    losses: list[float]
    accuracies: list[float]


def train(
    hidden: Layer,
    width: int,
    data: tuple[Array, NDArray[Any], Array, NDArray[Any]],
    *,
    epochs: int,
    generator: np.random.Generator,
    batch: int = 64,
    learning_rate: float = 0.05,
) -> Training:
    """Train dense input and output layers around `hidden` with Nesterov SGD.

    Parameters
    ----------
    hidden : Layer
        The layer in the middle, with `width` inputs and outputs; trained in place.
    width : int
        Its size.
    data : (train images, train labels, test images, test labels)
        Images of shape (features, count) in float32, labels 0 to 9.
    epochs, batch : int
        Passes over the data, and images per step.
    generator : numpy.random.Generator
        Initial weights and the order of the images.
    learning_rate : float
        At the start; it falls to zero along a cosine.

    Returns
    -------
    Training
        Losses and accuracies per epoch.
    """
    images, labels, test_images, test_labels = data
    classes = int(labels.max()) + 1
    layers: list[Layer] = [
        DenseLayer(width, len(images), generator),
        hidden,
        DenseLayer(classes, width, generator),
    ]
    velocities = [np.zeros_like(layer.weights) for layer in layers]
    steps_per_epoch = images.shape[1] // batch
    losses, accuracies = [], []
    step = 0
    for _ in range(epochs):
        order = generator.permutation(images.shape[1])
        total = 0.0
        for start in range(0, steps_per_epoch * batch, batch):
            chosen = order[start : start + batch]
            loss, gradients = _gradients(layers, images[:, chosen], labels[chosen])
            total += loss
            rate = learning_rate * (1 + math.cos(math.pi * step / (epochs * steps_per_epoch))) / 2
            for layer, velocity, gradient in zip(layers, velocities, gradients, strict=True):
                velocity *= 0.9
                velocity -= rate * gradient
                layer.weights += 0.9 * velocity - rate * gradient
            step += 1
        losses.append(total / steps_per_epoch)
        accuracies.append(_accuracy(layers, test_images, test_labels))
    num_weights = int(np.count_nonzero(hidden.weights))
    return Training(num_weights=num_weights, losses=losses, accuracies=accuracies)


def _gradients(
    layers: list[Layer], x: Array, labels: NDArray[Any]
) -> tuple[float, list[NDArray[np.float32]]]:
    """Return the mean cross-entropy and the gradients of all weights."""
    inputs = [x]
    for layer in layers[:-1]:
        inputs.append(np.maximum(layer.forward(inputs[-1]), 0))
    scores = layers[-1].forward(inputs[-1])
    scores -= scores.max(axis=0)
    log_probabilities = scores - np.log(np.exp(scores).sum(axis=0))
    picked = (labels, np.arange(len(labels)))
    dy = np.exp(log_probabilities)
    dy[picked] -= 1
    dy /= len(labels)
    gradients: list[Array] = []
    for layer, layer_input in zip(reversed(layers), reversed(inputs), strict=True):
        gradient, dy = layer.backward(layer_input, dy)
        gradients.append(gradient)
        dy = dy * (layer_input > 0)
    return -float(log_probabilities[picked].mean()), gradients[::-1]


def _accuracy(layers: list[Layer], images: Array, labels: NDArray[Any]) -> float:
    x = images
    for layer in layers[:-1]:
        x = np.maximum(layer.forward(x), 0)
    return float((layers[-1].forward(x).argmax(axis=0) == labels).mean())


def _he_normal(shape: tuple[int, int], fan_in: float, generator: np.random.Generator) -> Array:
    scale = np.float32(math.sqrt(2 / fan_in))
    return generator.standard_normal(shape, dtype=np.float32) * scale
