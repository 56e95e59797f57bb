"""The training of a network, with logs, checkpoints and distillation."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from rbgp_graphs._validation import as_int, require
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.nn.checkpoint import load_checkpoint, save_checkpoint
from rbgp_graphs.nn.datasets import Images
from rbgp_graphs.nn.recipe import Recipe

#: Pixels by which an augmented image is shifted at most.
_SHIFT = 4
_TEST_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one pass over the training images gave.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    loss : float
        Mean loss of its steps.
    test_accuracy : float
        Share of the test images that are classified correctly after it.
    learning_rate : float
        Its rate.
    """

    epoch: int
    loss: float
    test_accuracy: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """What `train` returns.

    Attributes
    ----------
    epochs : tuple of Epoch
        Every epoch, also those of an earlier run that was resumed.
    parameters : int
        Numbers that are trained; of masked weights only those that the mask keeps.
    state_bytes : int
        Bytes of all parameters, their gradients and their momentum.
    step_seconds : float or None
        Median time of a training step, or None if this run had no step left to do.
    """

    epochs: tuple[Epoch, ...]
    parameters: int
    state_bytes: int
    step_seconds: float | None

    @property
    def test_accuracy(self) -> float:
        """The test accuracy after the last epoch."""
        return self.epochs[-1].test_accuracy

    def as_dict(self) -> dict[str, Any]:
        """Return everything as a JSON-able dict."""
        return {**asdict(self), "epochs": [asdict(epoch) for epoch in self.epochs]}


def train(
    model: torch.nn.Module,
    images: Images,
    recipe: Recipe,
    *,
    seed: int = 0,
    teacher: torch.nn.Module | None = None,
    folder: Any = None,
    tensorboard: bool = False,
    progress: Callable[[Epoch], None] | None = None,
    step_progress: Callable[[int, int, int], None] | None = None,
) -> TrainingResult:
    """Train a network to classify images.

    Parameters
    ----------
    model : torch.nn.Module
        From images to scores of the classes; trained in place, on the device where it is.
    images : Images
        What to train and to test on. Each batch is moved to the device of the model.
    recipe : Recipe
        How.
    seed : int
        Decides the order of the images and their augmentation.
    teacher : torch.nn.Module, optional
        A trained network whose softened scores are learned along with the labels.
    folder : str or os.PathLike, optional
        Where to keep ``checkpoint.pt`` and ``log.jsonl``, one line for each epoch. If a checkpoint
        of the same run is there, training goes on from it. The folder is made if its parent is
        there.
    tensorboard : bool
        Whether to write the log for TensorBoard too, after each epoch.
    progress : callable, optional
        Called with each `Epoch` when it is over.
    step_progress : callable, optional
        Called before each step with the number of its epoch and its own number, both from 1, and
        how many steps the epoch has.

    Returns
    -------
    TrainingResult
        Losses, accuracies and what was used.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If a value leaves its range, the folder holds the checkpoint of another run or cannot be
        written, or the loss becomes infinite or no number.
    FormatError
        If the checkpoint is damaged.
    MissingDependencyError
        If `tensorboard` is set and TensorBoard is not installed.

    Notes
    -----
    The order of the images in an epoch depends only on `seed` and its number, and checkpoints are
    replaced in one step after each epoch. A run that was killed therefore ends with the same
    weights as one that was not, on the same machine with the same number of threads. The loss of
    distillation is that of the paper's authors: cross-entropy, and the Kullback-Leibler
    divergence of the softened scores without a factor for the temperature, in equal shares by
    default.

    Examples
    --------
    >>> import torch
    >>> from rbgp_graphs.nn import load_digits
    >>> images = load_digits()
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    >>> result = train(model, images, Recipe(epochs=2, batch=64, learning_rate=0.02))
    >>> result.test_accuracy > 0.8
    True
    """
    for name, value, kind in (("images", images, Images), ("recipe", recipe, Recipe)):
        if not isinstance(value, kind):
            raise ArgumentTypeError(f"{name} is a {type(value).__name__}, expected {kind.__name__}")
    run = _Run(model, images, recipe, as_int("seed", seed, minimum=0), teacher)
    if tensorboard and folder is None:
        raise ArgumentError("tensorboard is set without a folder to write to")
    place = None if folder is None else _as_folder(folder)
    history = [] if place is None else run.resume(place)
    step_seconds: list[float] = []
    with _event_log(place, history) if tensorboard else contextlib.nullcontext() as record:
        for number in range(len(history) + 1, recipe.epochs + 1):
            epoch, seconds = run.epoch(number, step_progress)
            history.append(epoch)
            step_seconds += seconds
            if place is not None:
                run.save(place, history)
            if record is not None:
                record(epoch)
            if progress is not None:
                progress(epoch)
    return TrainingResult(
        epochs=tuple(history),
        parameters=count_parameters(model),
        state_bytes=3 * sum(p.numel() * p.element_size() for p in model.parameters()),
        step_seconds=statistics.median(step_seconds) if step_seconds else None,
    )


def count_parameters(model: torch.nn.Module) -> int:
    """Return how many numbers of a model are trained; of masked weights those in the mask."""
    count = sum(parameter.numel() for parameter in model.parameters())
    for name, mask in model.named_buffers():
        if name.endswith(".mask") and mask.dtype == torch.bool:
            count -= int((~mask).sum())
    return count


def accuracy(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images that a model classifies correctly, in evaluation mode."""
    model.eval()
    device = device_of(model)
    correct = 0
    pieces = [torch.split(tensor, _TEST_BATCH) for tensor in (images, labels)]
    with torch.no_grad():
        for part, marks in zip(*pieces, strict=True):
            correct += int((model(part.to(device)).argmax(dim=1) == marks.to(device)).sum())
    return correct / len(labels)


def device_of(model: torch.nn.Module) -> torch.device:
    """Return the device of the first parameter of a model."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextlib.contextmanager
def _event_log(folder: Path | None, history: list[Epoch]) -> Iterator[Callable[[Epoch], None]]:
    """Yield what writes an epoch for TensorBoard; those before come first, in place of older ones.

    A run that was killed after its checkpoint has no event for its last epoch.
    """
    writer = require("torch.utils.tensorboard", "train").SummaryWriter

    def record(epoch: Epoch) -> None:
        for name in ("loss", "test_accuracy", "learning_rate"):
            events.add_scalar(name, getattr(epoch, name), epoch.epoch)
        events.flush()

    with writer(str(folder), purge_step=1) as events:
        for epoch in history:
            record(epoch)
        yield record


class _Run:
    """A model on its way, with the optimizer and all that decides the result."""

    def __init__(
        self,
        model: torch.nn.Module,
        images: Images,
        recipe: Recipe,
        seed: int,
        teacher: torch.nn.Module | None,
    ) -> None:
        self.model, self.images, self.recipe, self.seed = model, images, recipe, seed
        self.device = device_of(model)
        self.teacher = None if teacher is None else teacher.eval()
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.momentum > 0,
        )
        # A last batch of one image would have no variance to normalise with.
        count, size = len(images.train), recipe.batch
        self.steps = max(1, count // size + (count % size > 1))
        # Before a checkpoint is loaded: it brings the patterns and masks of its own run.
        self.identity = self._identity()

    def _identity(self) -> str:
        """Return a text that two runs share if they do the same."""
        shapes = [(name, list(p.shape)) for name, p in self.model.named_parameters()]
        structure = {
            name: tensor
            for name, tensor in self.model.state_dict().items()
            if isinstance(tensor, torch.Tensor)
            and (name.endswith("_extra_state") or tensor.dtype == torch.bool)
        }
        what = [self.recipe.as_dict(), self.seed, self.images.digest, shapes, _digest(structure)]
        if self.teacher is not None:
            what.append(_digest(self.teacher.state_dict()))
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def resume(self, folder: Path) -> list[Epoch]:
        """Load a checkpoint if there is one, and return the epochs that are done."""
        path = folder / "checkpoint.pt"
        if not path.exists():
            return []
        state = load_checkpoint(path)
        if state.get("identity") != self.identity:
            raise ArgumentError(
                f"{path} belongs to a run with another model, recipe, seed or data; "
                "choose another folder or remove the file"
            )
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["rng"])
            history = [Epoch(**epoch) for epoch in state["epochs"]]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise FormatError(f"{path} is no checkpoint of this run: {error}") from error
        # The process may have been killed between the two files.
        _write_log(folder, history)
        return history

    def save(self, folder: Path, history: list[Epoch]) -> None:
        """Write the checkpoint and the log."""
        state = {
            "identity": self.identity,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "epochs": [asdict(epoch) for epoch in history],
        }
        save_checkpoint(folder / "checkpoint.pt", state)
        _write_log(folder, history)

    def epoch(
        self, number: int, step_progress: Callable[[int, int, int], None] | None
    ) -> tuple[Epoch, list[float]]:
        """Do one epoch; return it and the seconds of its steps."""
        rate = self.recipe.rate(number - 1)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        losses, seconds = [], []
        for step, (inputs, labels) in enumerate(self._batches(number), start=1):
            if step_progress is not None:
                step_progress(number, step, self.steps)
            start = time.perf_counter()
            self.optimizer.zero_grad()
            loss = self._loss(inputs, labels)
            torch.autograd.backward(loss)
            self.optimizer.step()
            losses.append(float(loss.detach()))
            seconds.append(time.perf_counter() - start)
        mean = statistics.fmean(losses)
        if not math.isfinite(mean):
            raise ArgumentError(
                f"the loss became {mean} in epoch {number}, where the rate is {rate:g}; try a "
                "smaller learning_rate"
            )
        found = accuracy(self.model, self.images.test, self.images.test_labels)
        return Epoch(epoch=number, loss=mean, test_accuracy=found, learning_rate=rate), seconds

    def _batches(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        order = torch.randperm(len(self.images.train), generator=generator)
        for part in torch.split(order, self.recipe.batch)[: self.steps]:
            inputs = self.images.train[part]
            if self.recipe.augment:
                inputs = _augmented(inputs, generator)
            yield inputs.to(self.device), self.images.train_labels[part].to(self.device)

    def _loss(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        scores = self.model(inputs)
        loss = functional.cross_entropy(scores, labels)
        if self.teacher is None:
            return loss
        with torch.no_grad():
            target = functional.log_softmax(self.teacher(inputs) / self.recipe.temperature, dim=1)
        own = functional.log_softmax(scores / self.recipe.temperature, dim=1)
        apart = functional.kl_div(own, target, reduction="batchmean", log_target=True)
        share = self.recipe.teacher_weight
        return (1 - share) * loss + share * apart


def _digest(state: dict[str, torch.Tensor]) -> str:
    """Return the SHA-256 of tensors and their names."""
    found = hashlib.sha256()
    for name, tensor in state.items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _write_log(folder: Path, history: list[Epoch]) -> None:
    lines = [json.dumps(asdict(epoch), sort_keys=True).encode() + b"\n" for epoch in history]
    write_file(folder / "log.jsonl", lines)


def _augmented(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift every image within its frame of zeros, and mirror every other one."""
    count, _, height, width = inputs.shape
    padded = functional.pad(inputs, (_SHIFT,) * 4)
    shifts = torch.randint(0, 2 * _SHIFT + 1, (2, count), generator=generator)
    rows = shifts[0, :, None] + torch.arange(height)
    columns = shifts[1, :, None] + torch.arange(width)
    mirrored = torch.rand(count, generator=generator) < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    which = torch.arange(count)[:, None, None]
    shifted = padded.movedim(1, -1)[which, rows[:, :, None], columns[:, None, :]]
    return shifted.movedim(-1, 1).contiguous()


def _as_folder(folder: Any) -> Path:
    place = as_path(folder)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise ArgumentError(f"cannot make the folder {place}: {error.strerror}") from error
    return place
