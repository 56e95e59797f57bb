"""How tests run commands: inside this process, and as a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from click.testing import CliRunner, Result
from numpy.typing import NDArray

import rbgp_graphs as rg
from rbgp_graphs.cli import main


@dataclass(frozen=True, kw_only=True)
class Files:
    """What the files of the fixture hold: graph, pattern and weights .rbgp, and X.npy."""

    pattern: rg.RBGP4
    values: NDArray[Any]


def rbgp(*args: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(args), prog_name="rbgp")


def document(*args: str) -> dict[str, Any]:
    """Run a command with --json and return its document, the only thing it may print."""
    result = rbgp(*args, "--json")
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    # A benchmark is a document with a form of its own, an error is the same for all commands.
    assert found["schema"] == (2 if args[:1] == ("bench",) and "error" not in found else 1)
    assert result.stdout == json.dumps(found, sort_keys=True) + "\n"
    if result.exit_code > 1:
        assert found["exit_code"] == result.exit_code
        assert set(found["error"]) == {"type", "message"}
    else:
        assert "error" not in found
    return found


def process(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python -m rbgp_graphs`` as a process of its own."""
    environment = {**os.environ, "COLUMNS": "80", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "rbgp_graphs", *args],
        text=True,
        timeout=300,
        check=False,
        encoding="utf-8",
        env=environment,
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options),
    )


def commands(command: click.Command = main, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command that is not a group."""
    if not isinstance(command, click.Group):
        yield path
        return
    for name, child in command.commands.items():
        yield from commands(child, *path, name)
