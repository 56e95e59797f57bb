"""The command that all commands are made of, and the types of their arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])
_NEGATIVE_NUMBER = re.compile(r"-\.?\d")


class Command(click.Command):
    """A command with ``--json`` whose callback returns a `rbgp_graphs.cli.output.Result`.

    `App.main` looks for ``--json`` itself, because it must know also when the rest cannot be
    parsed. The option stands here so that it is accepted, and in the help.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        option = click.Option(
            ["--json"], is_flag=True, expose_value=False, help="Print one JSON document."
        )
        self.params.append(option)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; a negative number is a wrong number, not an unknown option."""
        ctx.ignore_unknown_options = any(_NEGATIVE_NUMBER.match(arg) for arg in args)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """A group that shows its commands in the order in which they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands."""
        return list(self.commands)


def share_of_zeros(text: str) -> float:
    """Read a sparsity: 0.9375, 93.75% or 15/16. Whether it is in range is for `design` to say."""
    number = text.strip().removesuffix("%")
    try:
        share = Fraction(number) / (100 if "%" in text else 1)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(
            f"{text!r} is not a share of zeros such as 0.9375 or 93.75%"
        ) from None
    return float(share)


def half_open_range(text: str) -> tuple[int | None, int | None]:
    """Read the ends of A:B, A: or :B, None where one is left out."""
    found = re.fullmatch(r"\s*(-?\d+)?:(-?\d+)?\s*", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a range such as 0:64, 100: or :64")
    start, stop = found.groups()
    return (None if start is None else int(start), None if stop is None else int(stop))


def force_option(function: _F) -> _F:
    """Add ``--force``."""
    return click.option("--force", is_flag=True, help="Replace a file that exists.")(function)


def rng_option(function: _F) -> _F:
    """Add ``--rng``."""
    return click.option(
        "--rng",
        type=int,
        default=0,
        show_default=True,
        metavar="SEED",
        help="Seed; the same seed gives the same graph.",
    )(function)


def examples(*lines: str) -> str:
    """Return the epilog of a help text: examples, each on its own line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
