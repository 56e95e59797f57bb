"""``rbgp train``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rbgp_graphs.cli.output import Working
from tests.cli.running import document, rbgp

SMALL = ("train", "--model", "vgg19", "--width", "0.015625", "--epochs", "1", "--batch", "512")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def test_a_run_leaves_its_result_goes_on_and_starts_anew_with_force() -> None:
    first = document(*SMALL, "--sparsity", "50%")
    assert {path.name for path in Path("training").iterdir()} == {
        "checkpoint.pt",
        "log.jsonl",
        "result.json",
    }
    kept = json.loads(Path("training/result.json").read_text(encoding="utf-8"))
    assert kept["result"] == first["result"]
    assert first["settings"]["recipe"]["batch"] == 512
    again = rbgp(*SMALL, "--sparsity", "50%")
    assert again.exit_code == 0
    assert "none left to do" in again.stdout
    assert f"{first['test_accuracy']:.4f}" in again.stdout
    masked = rbgp(*SMALL, "--sparsity", "50%", "--structure", "unstructured")
    assert masked.exit_code == 2
    other = rbgp(*SMALL, "--sparsity", "50%", "--seed", "1")
    assert other.exit_code == 2
    assert "another model, recipe, seed or data" in other.stderr
    assert document(*SMALL, "--sparsity", "50%", "--seed", "1", "--force")["settings"]["seed"] == 1


def test_a_student_learns_from_a_dense_run() -> None:
    assert rbgp(*SMALL, "--structure", "dense", "--out", "teacher").exit_code == 0
    options = ("--structure", "block", "--sparsity", "50%", "--out", "student")
    assert document(*SMALL, *options, "--teacher", "teacher")["result"]["parameters"] < 5000
    wider = rbgp(*SMALL, *options, "--width", "0.03125", "--teacher", "teacher", "--force")
    assert wider.exit_code == 2
    assert "does not hold the dense vgg19 of width 0.03125" in wider.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--data", "nowhere"), 2, "holds no CIFAR"),
        (("--teacher", "nowhere"), 2, "cannot read nowhere/checkpoint.pt"),
        (("--width", "0.01"), 2, "powers of two"),
        (("--epochs", "0"), 2, "epochs is 0"),
        (("--batch", "1"), 2, "batch is 1, expected at least 2"),
        (("--device", "cuda:99"), 2, "the device is 'cuda:99', and PyTorch sees"),
        (("--device", "meta"), 2, "the device is 'meta', expected cpu or cuda"),
        (("--device", "tape"), 2, "there is no device 'tape'"),
        (("--sparsity", "200%"), 2, "sparsity is 2.0, expected a number in [0, 1)"),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[str, ...], code: int, words: str) -> None:
    result = rbgp(*SMALL, *arguments)
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())
    assert not Path("training").exists()


def test_lines_are_printed_above_the_message_of_a_terminal() -> None:
    events: list[str] = []
    stream = io.StringIO()
    status: Any = SimpleNamespace(
        stop=lambda: events.append(f"stop {stream.getvalue()!r}"),
        start=lambda: events.append(f"start {stream.getvalue()!r}"),
        update=events.append,
    )
    shown = Working(status)
    shown.say("step 1")
    shown.print_line("epoch 1", stream)
    assert events == ["step 1", "stop ''", r"start 'epoch 1\n'"]
    Working(None).say("nothing")
    Working(None).print_line("epoch 2", stream)
    assert stream.getvalue() == "epoch 1\nepoch 2\n"
