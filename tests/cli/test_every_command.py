"""What holds for every command in the tree."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import click
import pytest

from rbgp_graphs import demo as job
from rbgp_graphs.cli import main
from tests.cli.running import Files, commands, document, rbgp

COMMANDS = [*commands()]
#: Arguments with which a command ends well.
GOOD: dict[tuple[str, ...], list[str]] = {
    ("generate", "complete"): ["3", "4"],
    ("generate", "lps"): ["3", "5", "--girth"],
    ("generate", "field-lift"): ["3", "3", "--m", "1", "--j", "1"],
    ("generate", "projective-plane"): ["3"],
    ("generate", "array-code"): ["5", "3"],
    ("generate", "affine-plane"): ["3"],
    ("generate", "generalized-quadrangle"): ["2", "2"],
    ("generate", "generalized-hexagon"): ["2", "--girth"],
    ("generate", "chiu"): ["3"],
    ("generate", "morgenstern"): ["2", "2"],
    ("generate", "margulis-gabber-galil"): ["5"],
    ("generate", "random-biregular"): ["6", "6", "3", "--rng", "1"],
    ("generate", "ramanujan"): ["6", "6", "3"],
    ("design",): ["64", "64", "75%"],
    ("families",): ["--max-side", "30"],
    ("catalogue",): ["--max-side", "16"],
    ("verify",): ["graph.rbgp"],
    ("show",): ["pattern.rbgp"],
    ("figure", "pattern"): ["pattern.rbgp", "-o", "figure.html"],
    ("figure", "factors"): ["pattern.rbgp", "-o", "figure.html"],
    ("figure", "graph"): ["pattern.rbgp", "--factor", "outer", "-o", "figure.html"],
    ("figure", "spectrum"): ["pattern.rbgp", "-o", "figure.html"],
    ("figure", "tiling"): ["pattern.rbgp", "-o", "figure.html"],
    ("figure", "compare"): ["pattern.rbgp", "graph.rbgp", "-o", "figure.html"],
    ("figure", "design-space"): ["6", "6", "50%", "--pictures", "1", "-o", "figure.html"],
    ("figure", "benchmark"): ["results.json", "-o", "figure.html"],
    ("view",): ["pattern.rbgp", "--port", "0", "--no-browser"],
    ("export",): ["pattern.rbgp", "mask.npz"],
    ("detect",): ["pattern.rbgp"],
    ("matmul",): ["weights.rbgp", "--batch", "2"],
    ("tune",): ["--show"],
    ("bench",): ["tiles", "--quick", "--rounds", "1"],
    ("search",): ["16", "16", "4", "--tries", "4"],
    ("train",): ["--model", "vgg19", "--width", "0.015625", "--epochs", "1", "--batch", "512"],
    ("demo",): [],
    ("doctor",): [],
}
GROUPS = [(), ("generate",), ("figure",)]


@pytest.fixture(autouse=True)
def _quick_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    run = mock.create_autospec(job.run)
    run.side_effect = lambda out, say, **_: (
        say("1. Data") or mock.Mock(as_dict=lambda: {"files": [str(out)]})
    )
    monkeypatch.setattr(job, "run", run)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any, poll_interval: float = 0.5) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", interrupted)


def test_the_table_of_this_test_holds_every_command() -> None:
    assert set(COMMANDS) == set(GOOD)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_json_gives_one_document(path: tuple[str, ...], files: Files) -> None:
    assert "error" not in document(*path, *GOOD[path])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("bad", [["--no-such-option"], ["one", "too", "many", "words", "here"]])
def test_json_gives_one_document_also_when_the_usage_is_wrong(
    path: tuple[str, ...], bad: list[str], files: Files
) -> None:
    found = document(*path, *bad)
    assert found["exit_code"] == 2
    assert found["error"]["message"]


@pytest.mark.parametrize("path", GROUPS, ids=" ".join)
@pytest.mark.parametrize("bad", [[], ["no-such-command"]])
def test_a_group_with_json_gives_one_document(path: tuple[str, ...], bad: list[str]) -> None:
    assert document(*path, *bad)["exit_code"] == 2


@pytest.mark.parametrize("path", [path for path in COMMANDS if path != ("demo",)], ids=" ".join)
def test_text_goes_to_standard_output_and_fits_80_columns(
    path: tuple[str, ...], files: Files
) -> None:
    result = rbgp(*path, *GOOD[path])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert all(line == line.rstrip() for line in result.stdout.splitlines())
    with pytest.raises(json.JSONDecodeError):
        json.loads(result.stdout)


@pytest.mark.parametrize("path", [*COMMANDS, *GROUPS], ids=" ".join)
def test_help_has_examples_and_fits_80_columns(path: tuple[str, ...]) -> None:
    result = rbgp(*path, "--help")
    assert result.exit_code == 0
    assert result.stdout == rbgp(*path, "-h").stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    # Nothing is cut short.
    assert "..." not in result.stdout.replace("[ARGS]...", "")
    if path:
        assert f"\n    rbgp {' '.join(path)}" in result.stdout
    if path in COMMANDS:
        assert "--json " in result.stdout


def parameters(command: click.Command) -> dict[str, Any]:
    return {parameter.name or "": parameter for parameter in command.params}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_that_writes_has_force(path: tuple[str, ...]) -> None:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    found = parameters(command)
    assert "json" in found
    assert ("force" in found) == bool({"out", "html"} & set(found))


def test_the_demo_tells_its_story_on_standard_error_when_json_is_asked_for(files: Files) -> None:
    result = rbgp("demo", "--out", "folder", "--json")
    assert (result.stderr, result.exit_code) == ("1. Data\n", 0)
    assert json.loads(result.stdout) == {"files": ["folder"], "schema": 1}
    plain = rbgp("demo", "--out", "folder", "--force")
    assert (plain.stdout, plain.stderr) == ("1. Data\n", "")
    calls = [call.kwargs["overwrite"] for call in job.run.call_args_list]  # type: ignore[attr-defined]
    assert calls == [False, True]
