"""Write the reference of the command line from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from rbgp_graphs.cli import main


def write_reference(path: Path) -> None:
    """Write the help text of each command, one section each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in help_texts("rbgp", main)]
    path.write_text("\n".join(sections), encoding="utf-8")


def help_texts(
    name: str, command: click.Command, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the full name and the help text of a command and of all below it."""
    context = click.Context(
        command, info_name=name.rpartition(" ")[2], parent=parent, terminal_width=88
    )
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield from help_texts(f"{name} {child}", found, context)
