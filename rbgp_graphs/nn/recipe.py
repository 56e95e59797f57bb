"""How a network is trained: the schedules of the paper's authors, and shorter ones."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Stochastic gradient descent with Nesterov momentum and a rate that falls in steps.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch : int
        Images of a step.
    learning_rate : float
        At the start.
    milestones : tuple of int
        Epochs after which the rate is multiplied by `decay`, ascending.
    decay : float
        That factor.
    momentum, weight_decay : float
        Of the optimizer.
    augment : bool
        Whether training images are shifted by up to four pixels and mirrored at random.
    temperature : float
        Softens the scores of teacher and student in distillation.
    teacher_weight : float
        Share of the teacher in the loss of distillation; the labels have the rest.

    Examples
    --------
    >>> Recipe.of_paper("wrn-40-4").milestones
    (60, 120, 160)
    >>> Recipe.of_paper("wrn-40-4").shortened(20).milestones
    (6, 12, 16)
    """

    epochs: int
    batch: int
    learning_rate: float = 0.1
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    augment: bool = False
    temperature: float = 4.0
    teacher_weight: float = 0.5

    def __post_init__(self) -> None:
        as_int("epochs", self.epochs, minimum=1)
        as_int("batch", self.batch, minimum=1)
        for name in ("learning_rate", "decay", "temperature"):
            _check_number(name, getattr(self, name), above=0.0)
        for name in ("momentum", "weight_decay", "teacher_weight"):
            _check_number(name, getattr(self, name), least=0.0)
        if self.momentum >= 1 or self.teacher_weight > 1:
            raise ArgumentError(
                f"momentum is {self.momentum} and teacher_weight {self.teacher_weight}, expected "
                "less than 1 and at most 1"
            )
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ArgumentError(f"milestones are {self.milestones}, expected ascending epochs")

    @classmethod
    def of_paper(cls, model: str) -> Recipe:
        """Return the recipe of the paper's authors for ``"vgg19"`` or ``"wrn-40-4"`` on CIFAR.

        Raises
        ------
        ArgumentError
            If the model is another.

        Notes
        -----
        As in the authors' public training code; the weight decay is the default there, the value
        of the published runs is not recorded.
        """
        if model == "vgg19":
            return cls(epochs=160, batch=256, milestones=(80, 120), decay=0.1, augment=True)
        if model == "wrn-40-4":
            return cls(epochs=200, batch=128, milestones=(60, 120, 160), decay=0.2, augment=True)
        raise ArgumentError(f"model is {model!r}, expected 'vgg19' or 'wrn-40-4'")

    def shortened(self, epochs: int) -> Recipe:
        """Return the recipe for another number of epochs, its milestones at the same shares."""
        epochs = as_int("epochs", epochs, minimum=1)
        places = {round(mark * epochs / self.epochs) for mark in self.milestones}
        return replace(self, epochs=epochs, milestones=tuple(sorted(places - {0, epochs})))

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        passed = sum(mark <= epoch for mark in self.milestones)
        return self.learning_rate * self.decay**passed

    def as_dict(self) -> dict[str, Any]:
        """Return all settings as a JSON-able dict."""
        return {**asdict(self), "milestones": list(self.milestones)}


def _check_number(
    name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf
) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ArgumentError(f"{name} is {value!r}, expected a finite number")
    if value <= above or value < least:
        bound = f"above {above:g}" if above > least else f"at least {least:g}"
        raise ArgumentError(f"{name} is {value!r}, expected a number {bound}")
