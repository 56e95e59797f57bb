"""The page on the command line: complete, and its examples give what it says."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import click
import pytest

from rbgp_graphs.cli import main
from tests.cli.running import commands, rbgp

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("path", [*commands()], ids=" ".join)
def test_every_command_and_every_option_has_a_place(path: tuple[str, ...]) -> None:
    text = section(f"rbgp {path[0]}")
    assert text
    assert f"(#rbgp-{path[0]})" in PAGE
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    if len(path) > 1:
        assert f"`{path[-1]} " in text
    rules = section("Rules that hold for all commands")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            place = rules if parameter.name == "json" else text
            assert parameter.opts[-1] in place


def test_the_examples_give_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    checker = doctest.OutputChecker()
    examples = [
        example
        for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
        for example in re.findall(r"^\$ rbgp (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert len(examples) >= 8
    for line, expected in examples:
        result = rbgp(*shlex.split(line))
        found = result.stdout + result.stderr
        assert checker.check_output(expected, found, doctest.ELLIPSIS), f"{line}\n{found}"
