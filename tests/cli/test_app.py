"""Errors become exit codes and messages, never tracebacks, unless rbgp itself is at fault."""

from __future__ import annotations

import json

import click
import pytest

import rbgp_graphs as rg
from rbgp_graphs.cli import main
from rbgp_graphs.cli.command import Command
from rbgp_graphs.cli.facts import expression
from rbgp_graphs.cli.files import InputError
from tests.cli.running import rbgp


class AccidentalError(Exception):
    """What a defect would raise."""


ERRORS = [
    (rg.ArgumentError("no"), 2, "no"),
    (rg.ArgumentTypeError("no"), 2, "no"),
    (rg.InfeasibleError("no"), 2, "no"),
    (rg.BackendError("no"), 2, "no"),
    (rg.FormatError("no"), 3, "no"),
    (InputError("no"), 3, "no"),
    (rg.MissingDependencyError("no"), 4, "no"),
    (ModuleNotFoundError("x", name="rich"), 4, "pip install rich"),
    (click.UsageError("no"), 2, "no"),
    (click.Abort(), 130, "interrupted"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (MemoryError(), 2, "not enough memory"),
    (MemoryError("4 GiB"), 2, "not enough memory: 4 GiB"),
    (PermissionError(13, "Permission denied", "a.txt"), 2, "Permission denied: a.txt"),
    (AccidentalError("oops"), 70, "this is a defect of rbgp"),
]


@pytest.mark.parametrize(("error", "code", "message"), ERRORS, ids=lambda value: repr(value))
@pytest.mark.parametrize("as_json", [False, True])
def test_every_error_has_its_exit_code(
    error: BaseException,
    code: int,
    message: str,
    as_json: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.command(cls=Command)
    def fail() -> None:
        raise error

    monkeypatch.setitem(main.commands, "fail", fail)
    result = rbgp("fail", *(["--json"] if as_json else []))
    assert result.exit_code == code
    assert ("Traceback" in result.stderr) == (code == 70)
    if as_json:
        found = json.loads(result.stdout)
        assert message in found["error"]["message"]
        assert found["error"]["type"] == ("Interrupted" if code == 130 else type(error).__name__)
    else:
        assert result.stdout == ""
        assert message in result.stderr


def test_json_after_two_dashes_is_an_argument() -> None:
    result = rbgp("verify", "--", "--json")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "cannot read --json" in result.stderr


def test_without_a_command_the_help_goes_to_standard_error() -> None:
    result = rbgp()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Commands:" in result.stderr


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        (rg.complete(2, 3), "complete(2, 3)"),
        (rg.lps(13, 5, allow_small=True), "lps(13, 5, allow_small=True)"),
        (rg.field_lift(3, 2, 1, 1).T, "field_lift(3, 2, 1, 1).T"),
        (rg.cyclic_lift(rg.complete(2, 2), 3, [0, 0, 0, 1]), "cyclic_lift(k=3) of complete(2, 2)"),
        (rg.random_lift(rg.complete(3, 3), rng=0), "two_lift of complete(3, 3)"),
        (rg.random_lift(rg.complete(3, 3), rng=0).T, "(two_lift of complete(3, 3)).T"),
        (rg.random_lift(rg.complete(3, 3), 3, rng=0), "lift(k=3) of complete(3, 3)"),
        (rg.random_biregular(4, 4, 2, rng=0), "a stored bitmask"),
    ],
)
def test_a_recipe_is_told_as_one_would_type_it(graph: rg.BipartiteGraph, text: str) -> None:
    assert expression(graph.recipe) == text
    if " of " not in text and not text.startswith("a stored"):
        assert eval(f"rg.{text}", {"rg": rg}) == graph
