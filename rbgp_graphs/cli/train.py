"""``rbgp train``: one network of the paper's experiment."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rbgp_graphs._validation import as_fraction_of_one, require
from rbgp_graphs.cli.command import Command, examples, force_option, share_of_zeros
from rbgp_graphs.cli.output import Result, Table, Text, working
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import ArgumentError

if TYPE_CHECKING:
    from rbgp_graphs.nn import Recipe
    from rbgp_graphs.nn.training import Epoch

_MODELS = ("vgg19", "wrn-40-4")
_STRUCTURES = ("dense", "rbgp4", "block", "unstructured")
#: Batch and rate that suit the 1437 small images of the digits.
_DIGITS: dict[str, Any] = {"batch": 64, "learning_rate": 0.05, "augment": False}


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp train --model vgg19 --width 0.125 --epochs 12",
        "rbgp train --structure dense --data cifar-10-batches-py --out teacher",
        "rbgp train --data cifar-10-batches-py --teacher teacher --out student",
    ),
)
@click.option(
    "--data",
    default="digits",
    show_default=True,
    metavar="digits|FOLDER",
    help="The digits of scikit-learn, or a folder with the Python version of CIFAR.",
)
@click.option(
    "--model",
    type=click.Choice(_MODELS),
    default="wrn-40-4",
    show_default=True,
    help="Which network of the paper.",
)
@click.option("--width", type=float, default=1.0, show_default=True, help="Factor of all channels.")
@click.option(
    "--structure",
    type=click.Choice(_STRUCTURES),
    default="rbgp4",
    show_default=True,
    help="What the sparse layers look like.",
)
@click.option(
    "--sparsity",
    type=share_of_zeros,
    default="93.75%",
    show_default=True,
    help="Share of zeros in all layers but the first and the last.",
)
@click.option("--epochs", type=int, help="Passes over the images; by default those of the paper.")
@click.option("--batch", type=int, help="Images of a step.")
@click.option("--learning-rate", type=float, help="At the start.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="The seed.")
@click.option(
    "--teacher", metavar="FOLDER", help="Learn also from the dense network trained there."
)
@click.option(
    "--via",
    type=click.Choice(("unfold", "dense")),
    default="dense",
    show_default=True,
    help="How sparse convolutions compute: by the sparse product, or by PyTorch with the zeros.",
)
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="cpu|cuda",
    help="Where PyTorch trains; cuda:1 is the second GPU.",
)
@click.option("--tensorboard", is_flag=True, help="Write a log for TensorBoard too.")
@click.option(
    "--out",
    default="training",
    show_default=True,
    metavar="FOLDER",
    help="Checkpoint, log and result; a run that is there goes on.",
)
@force_option
@click.pass_context
def train(ctx: click.Context, /, out: str, force: bool, **options: Any) -> Result:
    """Train a network of the paper with sparse layers.

    A run that was interrupted goes on from the checkpoint in its folder when the same command is
    given again. --force starts anew.
    """
    require("torch", "torch")
    from rbgp_graphs.nn import train as train_network

    folder = Path(as_path(out))
    device = _device(options["device"])
    images = _images(options["data"])
    recipe = _recipe(options)
    model, sparse_layers = _network(images, options)
    model.to(device)
    teacher = None if options["teacher"] is None else _teacher(images, options).to(device)
    if force:
        for name in ("checkpoint.pt", "log.jsonl", "result.json"):
            (folder / name).unlink(missing_ok=True)
    stream = sys.stderr if ctx.meta.get("as_json") else sys.stdout

    with working("training") as status:

        def show(epoch: Epoch) -> None:
            line = f"epoch {epoch.epoch:>3} of {recipe.epochs}  loss {epoch.loss:.4f}"
            status.print_line(f"{line}  test accuracy {epoch.test_accuracy:.4f}", stream)

        def show_step(epoch: int, step: int, steps: int) -> None:
            status.say(f"epoch {epoch:>3} of {recipe.epochs}  step {step} of {steps}")

        result = train_network(
            model,
            images,
            recipe,
            seed=options["seed"],
            teacher=teacher,
            folder=folder,
            tensorboard=options["tensorboard"],
            progress=show,
            step_progress=show_step,
        )
    data = {
        "settings": {**options, "recipe": recipe.as_dict(), "images": images.name},
        "result": result.as_dict(),
        "test_accuracy": result.test_accuracy,
        "folder": str(folder),
    }
    document = json.dumps(data, sort_keys=True, indent=1) + "\n"
    write_file(folder / "result.json", [document.encode()])
    step = result.step_seconds
    words = {
        "network": f"{options['model']}, width {options['width']:g}, {images.name}",
        "layers": sparse_layers,
        "parameters": f"{result.parameters:,}",
        "state": f"{result.state_bytes:,} bytes with gradients and momentum",
        "step": "none left to do" if step is None else f"{1000 * step:.1f} ms",
        "accuracy": f"{result.test_accuracy:.2%} of the test images",
        "folder": str(folder),
    }
    text: list[Text] = [words]
    if step is None:
        rows = [(str(e.epoch), f"{e.loss:.4f}", f"{e.test_accuracy:.4f}") for e in result.epochs]
        text.append(Table(columns=(">epoch", ">loss", ">test accuracy"), rows=rows))
    return Result(data=data, text=text)


def _device(name: str) -> Any:
    import torch

    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ArgumentError(f"there is no device {name!r}; try cpu or cuda") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ArgumentError(f"the device is {name!r}, expected cpu or cuda")
    if (device.index or 0) >= torch.cuda.device_count():
        raise ArgumentError(
            f"the device is {name!r}, and PyTorch sees {torch.cuda.device_count()} CUDA devices"
        )
    return device


def _images(name: str) -> Any:
    from rbgp_graphs.nn import load_cifar, load_digits

    return load_digits() if name == "digits" else load_cifar(name)


def _recipe(options: dict[str, Any]) -> Recipe:
    from rbgp_graphs.nn import Recipe

    recipe = Recipe.of_paper(options["model"])
    if options["data"] == "digits":
        recipe = replace(recipe, **_DIGITS)
    if options["epochs"] is not None:
        recipe = recipe.shortened(options["epochs"])
    if options["batch"] == 1:
        raise ArgumentError("batch is 1, expected at least 2: the networks normalise over a batch")
    given = {key: options[key] for key in ("batch", "learning_rate") if options[key] is not None}
    return replace(recipe, **given)


def _network(images: Any, options: dict[str, Any]) -> tuple[Any, str]:
    """Return the network with its first weights, and what its layers are in words."""
    import torch

    from rbgp_graphs.nn import sparsify, vgg19, wide_resnet
    from rbgp_graphs.nn.initialization import initialize

    torch.manual_seed(options["seed"])
    channels, size, _ = images.image_shape
    shared: dict[str, Any] = {"width": options["width"], "in_channels": channels}
    model: torch.nn.Module
    if options["model"] == "vgg19":
        model = vgg19(images.num_classes, image_size=size, **shared)
    else:
        model = wide_resnet(images.num_classes, **shared)
    words = "dense"
    if options["structure"] != "dense":
        report = sparsify(
            model,
            as_fraction_of_one("sparsity", options["sparsity"]),
            structure=options["structure"],
            infeasible="nearest",
            via=options["via"],
            rng=options["seed"],
        )
        count = sum(layer.reason is None for layer in report.layers)
        words = (
            f"{count} of {len(report.layers)} {options['structure']}, "
            f"{report.density:.2%} of the weights"
        )
    initialize(model)
    return model, words


def _teacher(images: Any, options: dict[str, Any]) -> Any:
    """Return the dense network that an earlier run has trained."""
    from rbgp_graphs.nn.checkpoint import load_checkpoint

    model, _ = _network(images, {**options, "structure": "dense"})
    path = Path(as_path(options["teacher"])) / "checkpoint.pt"
    state = load_checkpoint(path)
    try:
        model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise ArgumentError(
            f"{path} does not hold the dense {options['model']} of width {options['width']:g}"
        ) from error
    return model
