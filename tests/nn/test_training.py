"""Training: what it learns, what it writes, and that a killed run goes on unharmed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from rbgp_graphs import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.nn import (
    Images,
    Recipe,
    load_digits,
    sparsify,
    train,
    vgg19,
    wide_resnet,
)
from rbgp_graphs.nn.initialization import initialize
from rbgp_graphs.nn.training import Epoch, count_parameters

SHORT = Recipe(epochs=3, batch=64, learning_rate=0.05, milestones=(2,))


def network(seed: int = 0, width: int = 64) -> Any:
    torch.manual_seed(seed)
    layers = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    model = nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, 10))
    sparsify(model, 0.875)
    return model


def few(count: int = 192) -> Images:
    """Return some of the digits."""
    images = load_digits()
    return replace(
        images,
        train=images.train[:count],
        train_labels=images.train_labels[:count],
        test=images.test[:60],
        test_labels=images.test_labels[:60],
    )


def test_a_sparse_network_reads_digits_with_95_percent_at_93_75_percent_zeros() -> None:
    torch.manual_seed(0)
    hidden = [layer for _ in range(2) for layer in (nn.Linear(256, 256), nn.ReLU())]
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), *hidden, nn.Linear(256, 10))
    report = sparsify(model, 0.9375)
    assert [layer.sparsity for layer in report.layers] == [0.0, 0.9375, 0.9375, 0.0]
    start = time.process_time()
    recipe = Recipe(epochs=8, batch=64, learning_rate=0.1, milestones=(6,))
    result = train(model, load_digits(), recipe)
    assert result.test_accuracy >= 0.95
    assert time.process_time() - start < 60


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    states = []
    for seed in (0, 0, 1):
        model = network()
        train(model, few(), SHORT, seed=seed)
        states.append(model[3].values.detach().clone())
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_the_rate_falls_at_the_milestones() -> None:
    seen: list[Epoch] = []
    result = train(network(), few(), SHORT, progress=seen.append)
    assert tuple(seen) == result.epochs
    assert [epoch.learning_rate for epoch in seen] == pytest.approx([0.05, 0.05, 0.005])
    assert result.epochs[-1].loss < result.epochs[0].loss


def test_it_does_what_a_plain_loop_does() -> None:
    images, recipe = few(), replace(SHORT, weight_decay=1e-3)
    model, twin = network(), network()
    result = train(model, images, recipe, seed=4)
    optimizer = torch.optim.SGD(
        twin.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3, nesterov=True
    )
    for epoch in range(1, 4):
        optimizer.param_groups[0]["lr"] = 0.05 if epoch < 3 else 0.005
        order = torch.randperm(192, generator=torch.Generator().manual_seed(4 * 1_000_003 + epoch))
        losses = []
        for part in torch.split(order, 64):
            optimizer.zero_grad()
            loss = functional.cross_entropy(twin(images.train[part]), images.train_labels[part])
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
    torch.testing.assert_close(model.state_dict(), twin.state_dict())
    assert result.epochs[-1].loss == pytest.approx(sum(losses) / 3)


# Checkpoints --------------------------------------------------------------------------------


def test_a_run_that_goes_on_ends_like_one_that_was_not_interrupted(tmp_path: Path) -> None:
    whole = network()
    expected = train(whole, few(), SHORT, folder=tmp_path / "whole")

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(network(), few(), SHORT, folder=tmp_path / "parts", progress=stop)
    again = network(seed=9)
    result = train(again, few(), SHORT, folder=tmp_path / "parts")
    assert result.epochs == expected.epochs
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), rtol=0, atol=0)
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert [json.loads(line)["epoch"] for line in logs[0].splitlines()] == [1, 2, 3]
    done = train(network(), few(), SHORT, folder=tmp_path / "parts")
    assert done.epochs == expected.epochs
    assert done.step_seconds is None


KILLED = """
import sys
import torch
from tests.nn.test_training import SHORT, few, network
from rbgp_graphs.nn import train
torch.set_num_threads(1)
model = network()
def say(epoch):
    print(epoch.epoch, flush=True)
train(model, few(), SHORT, folder=sys.argv[1], progress=say)
torch.save(model.state_dict(), sys.argv[1] + "/end.pt")
"""


def test_a_killed_process_goes_on_with_the_same_result(tmp_path: Path) -> None:
    paths = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    options: dict[str, Any] = {"env": environment, "text": True, "stdout": subprocess.PIPE}
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(killed)]
    with subprocess.Popen(command, **options) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "end.pt").exists()
    second = subprocess.run(command, check=True, timeout=300, **options)
    assert second.stdout.split()[0] in ("2", "3")
    whole = network()
    train(whole, few(), SHORT)
    found = torch.load(killed / "end.pt", weights_only=True)
    torch.testing.assert_close(found, whole.state_dict(), rtol=0, atol=0)


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was(tmp_path: Path) -> None:
    wild = replace(SHORT, learning_rate=1.0, decay=1e30, milestones=(1,))
    with pytest.raises(ArgumentError, match=r"nan in epoch 2, where the rate is 1e\+30"):
        train(network(), few(), wild, folder=tmp_path)
    assert (tmp_path / "log.jsonl").read_text().count("\n") == 1


def test_a_log_that_a_kill_cut_short_is_completed(tmp_path: Path) -> None:
    train(network(), few(), SHORT, folder=tmp_path)
    whole = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(whole[: whole.rindex(b"{")])
    train(network(), few(), SHORT, folder=tmp_path)
    assert (tmp_path / "log.jsonl").read_bytes() == whole


@pytest.mark.parametrize("structure", ["rbgp4", "unstructured"])
def test_the_checkpoint_of_other_patterns_of_the_same_size_is_refused(
    tmp_path: Path, structure: Any
) -> None:
    def drawn(rng: int) -> nn.Module:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), *dense_layers())
        sparsify(model, 0.875, structure=structure, rng=rng, row_group=(4, 1)[rng])
        return model

    train(drawn(0), few(), SHORT, folder=tmp_path)
    assert train(drawn(0), few(), SHORT, folder=tmp_path).step_seconds is None
    with pytest.raises(ArgumentError, match="another model"):
        train(drawn(1), few(), SHORT, folder=tmp_path)


def test_the_checkpoint_of_another_teacher_is_refused(tmp_path: Path) -> None:
    train(network(), few(), SHORT, teacher=network(seed=3), folder=tmp_path)
    with pytest.raises(ArgumentError, match="another model"):
        train(network(), few(), SHORT, teacher=network(seed=4), folder=tmp_path)


@pytest.mark.parametrize(
    ("count", "batch", "steps"), [(192, 64, 3), (193, 64, 3), (194, 64, 4), (1, 64, 1), (3, 1, 3)]
)
def test_every_step_is_announced(count: int, batch: int, steps: int) -> None:
    seen: list[tuple[int, int, int]] = []
    recipe = replace(SHORT, epochs=2, batch=batch, milestones=())
    train(network(), few(count), recipe, step_progress=lambda *step: seen.append(step))
    assert seen == [(epoch, step, steps) for epoch in (1, 2) for step in range(1, steps + 1)]


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    train(network(), few(), SHORT, folder=tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    for other in ({"seed": 1}, {"recipe": replace(SHORT, batch=32)}, {"images": few(128)}):
        arguments = {"images": few(), "recipe": SHORT, "seed": 0, **other}
        with pytest.raises(ArgumentError, match="another model, recipe, seed or data"):
            train(network(), folder=tmp_path, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="another model"):
        train(network(width=128), few(), SHORT, folder=tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "text", "list", "empty"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "checkpoint.pt"
    train(network(), few(), SHORT, folder=tmp_path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("no checkpoint")
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        torch.save([1, 2], path)
    with pytest.raises(FormatError, match="no checkpoint"):
        train(network(), few(), SHORT, folder=tmp_path)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    trap = tmp_path / "trap"

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(trap),)

    torch.save({"identity": Runs()}, tmp_path / "checkpoint.pt")
    with pytest.raises(FormatError, match="no checkpoint"):
        train(network(), few(), SHORT, folder=tmp_path)
    assert not trap.exists()


def test_tensorboard_gets_every_epoch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def steps() -> list[int]:
        events = EventAccumulator(str(tmp_path))
        events.Reload()
        return [event.step for event in events.Scalars("test_accuracy")]

    seen: list[list[int]] = []

    def stop(epoch: Epoch) -> None:
        seen.append(steps())
        if epoch.epoch == 2:
            raise InterruptedError

    options: dict[str, Any] = {"folder": tmp_path, "tensorboard": True}
    with pytest.raises(InterruptedError):
        train(network(), few(), SHORT, progress=stop, **options)
    assert seen == [[1], [1, 2]]
    train(network(), few(), SHORT, **options)
    assert steps() == [1, 2, 3]


# Distillation, augmentation, models ---------------------------------------------------------


def test_distillation_learns_from_the_teacher_alone_if_asked_to() -> None:
    images = few()
    teacher = network(seed=3)
    wrong = replace(images, train_labels=(images.train_labels + 1) % 10)
    train(teacher, images, replace(SHORT, epochs=8, milestones=()))
    pupil = network()
    recipe = replace(SHORT, epochs=8, milestones=(), teacher_weight=1.0, temperature=1.0)
    result = train(pupil, wrong, recipe, teacher=teacher)
    misled = train(network(), wrong, recipe)
    # Every label was wrong, the teacher was right.
    assert result.test_accuracy > 0.4
    assert misled.test_accuracy < 0.2


def test_the_loss_of_distillation_is_that_of_the_authors() -> None:
    images = few(64)
    recipe = Recipe(epochs=1, batch=64, learning_rate=0.1)
    pupil, twin, teacher = network(), network(), network(seed=3)
    result = train(pupil, images, recipe, teacher=teacher)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    x, labels = images.train[order], images.train_labels[order]
    q, p = ((m(x) / 4).softmax(1) for m in (twin, teacher))
    divergence = (p * (p.log() - q.log())).sum(1).mean()
    expected = 0.5 * functional.cross_entropy(twin(x), labels) + 0.5 * divergence
    assert result.epochs[0].loss == pytest.approx(expected.item(), rel=1e-5)


def test_augmentation_shifts_and_mirrors() -> None:
    from rbgp_graphs.nn.training import _augmented

    image = torch.arange(1.0, 65).view(1, 1, 8, 8).repeat(400, 1, 1, 1)
    found = _augmented(image, torch.Generator().manual_seed(0))
    frame = functional.pad(image[:1], (4,) * 4)
    allowed = {
        tuple(view.flatten().tolist())
        for r in range(9)
        for c in range(9)
        for view in (frame[0, 0, r : r + 8, c : c + 8], frame[0, 0, r : r + 8, c : c + 8].flip(1))
    }
    seen = {tuple(one.flatten().tolist()) for one in found}
    assert seen <= allowed
    assert len(seen) > 100


def test_masked_weights_count_only_what_the_mask_keeps() -> None:
    compact, masked = network(), nn.Sequential(nn.Flatten(), *list(dense_layers()))
    sparsify(masked, 0.875, structure="unstructured")
    assert count_parameters(compact) == count_parameters(masked)


def dense_layers() -> list[nn.Module]:
    return [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)]


@pytest.mark.parametrize("structure", ["rbgp4", "block", "unstructured"])
def test_first_weights_have_the_spread_of_the_paper(structure: Any) -> None:
    torch.manual_seed(0)
    model: Any = vgg19(width=0.5)
    sparsify(model, 0.75, structure=structure, infeasible="nearest")
    initialize(model)
    layer: Any = model.features[30]
    weight = layer.values if structure == "rbgp4" else layer.weight[layer.weight != 0]
    per_input = weight.numel() / layer.in_channels
    assert weight.std().item() == pytest.approx((2 / per_input) ** 0.5, rel=0.03)
    assert not layer.bias.any()
    hidden: Any = model.classifier[0]
    weight = hidden.values if structure == "rbgp4" else hidden.weight[hidden.weight != 0]
    assert weight.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("structure", ["rbgp4", "block"])
def test_reduced_networks_of_the_paper_run_forward_and_backward(structure: Any) -> None:
    for model in (
        vgg19(width=0.125, in_channels=1, image_size=8),
        wide_resnet(depth=10, width=0.5, in_channels=1),
    ):
        report = sparsify(model, 0.75, structure=structure, infeasible="nearest")
        assert report.density < 0.5
        scores = model(load_digits().train[:8])
        torch.autograd.backward(functional.cross_entropy(scores, torch.arange(8)))
        gradients = [p.grad is not None for p in model.parameters()]
        assert all(gradients)


def test_the_networks_have_the_layers_of_their_papers() -> None:
    vgg = [m for m in vgg19().modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    # Nineteen layers with weights, less one of the three of the classifier for 224 x 224.
    assert len(vgg) == 18
    wrn = [m for m in wide_resnet().modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    shortcuts = [m for m in wrn if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert (len(wrn) - len(shortcuts), len(shortcuts)) == (38, 3)
    assert [m.stride for m in shortcuts] == [(1, 1), (2, 2), (2, 2)]
    assert [m.stride for m in wide_resnet(widen=1).modules() if isinstance(m, nn.Conv2d)].count(
        (2, 2)
    ) == 4


# Arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Recipe(epochs=0, batch=1), ArgumentError, "epochs is 0"),
        (lambda: Recipe(epochs=1, batch=1, learning_rate=0.0), ArgumentError, "above 0"),
        (lambda: Recipe(epochs=1, batch=1, momentum=1.0), ArgumentError, "less than 1"),
        (lambda: Recipe(epochs=1, batch=1, weight_decay=-1.0), ArgumentError, "at least 0"),
        (lambda: Recipe(epochs=1, batch=1, decay=float("nan")), ArgumentError, "finite"),
        (lambda: Recipe(epochs=9, batch=1, milestones=(5, 3)), ArgumentError, "ascending"),
        (lambda: Recipe.of_paper("alexnet"), ArgumentError, "'vgg19' or 'wrn-40-4'"),
        (lambda: vgg19(width=0.01), ArgumentError, "powers of two"),
        (lambda: vgg19(width=True), ArgumentError, "width is True"),
        (lambda: wide_resnet(depth=39), ArgumentError, "the nearest are 34 and 40"),
        (lambda: wide_resnet(depth=11), ArgumentError, "the nearest are 10 and 16"),
        (lambda: train(network(), [1], SHORT), ArgumentTypeError, "images is a list"),  # type: ignore[arg-type]
        (lambda: train(network(), few(), SHORT, tensorboard=True), ArgumentError, "folder"),
        (
            lambda: train(network(), few(), SHORT, folder="no/such/place"),
            ArgumentError,
            "cannot make",
        ),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()
