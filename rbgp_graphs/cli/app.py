"""The command group, and what becomes of an error."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from rbgp_graphs._version import package_version
from rbgp_graphs.cli.bench import bench
from rbgp_graphs.cli.catalogue import catalogue
from rbgp_graphs.cli.command import Group
from rbgp_graphs.cli.demo import demo
from rbgp_graphs.cli.design import design
from rbgp_graphs.cli.detect import detect
from rbgp_graphs.cli.doctor import doctor
from rbgp_graphs.cli.export import export
from rbgp_graphs.cli.families import families
from rbgp_graphs.cli.figure import figure
from rbgp_graphs.cli.files import InputError
from rbgp_graphs.cli.generate import generate
from rbgp_graphs.cli.matmul import matmul
from rbgp_graphs.cli.output import Result, print_json, print_line, print_text
from rbgp_graphs.cli.search import search
from rbgp_graphs.cli.show import show
from rbgp_graphs.cli.train import train
from rbgp_graphs.cli.tune import tune
from rbgp_graphs.cli.verify import verify
from rbgp_graphs.cli.view import view
from rbgp_graphs.errors import FormatError, MissingDependencyError, RBGPError

#: What is raised and the exit code it leads to; the first that fits counts.
_EXIT_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (KeyboardInterrupt, 130),
    (click.Abort, 130),
    (InputError, 3),
    (FormatError, 3),
    (MissingDependencyError, 4),
    (RBGPError, 2),
    (click.ClickException, 2),
    (ModuleNotFoundError, 4),
    (OSError, 2),
    (MemoryError, 2),
)
_DEFECT = 70
#: What a shell reports for a program that a closed pipe has ended.
_BROKEN_PIPE = 141


class App(Group):
    """The group of all commands, with one place where errors become exit codes."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str = "rbgp",
        **extra: Any,
    ) -> Any:
        """Run the command line and leave with its exit code.

        Parameters
        ----------
        args : sequence of str, optional
            What stands after the name of the program; from ``sys.argv`` by default.
        prog_name : str
            The name of the program in messages.
        **extra
            Passed on to `click.Command.make_context`.
        """
        if "_RBGP_COMPLETE" in os.environ:
            return super().main(args, prog_name, **extra)
        arguments = list(sys.argv[1:] if args is None else args)
        # The parsed option would not be there when parsing fails.
        as_json = "--json" in arguments[: (*arguments, "--").index("--")]
        _prepare_streams()
        try:
            code = self._run(arguments, prog_name, as_json, extra)
        except BrokenPipeError:
            _drop_output()
            code = _BROKEN_PIPE
        sys.exit(code)

    def _run(self, args: list[str], name: str, as_json: bool, extra: dict[str, Any]) -> int:
        try:
            with self.make_context(name, args, **extra) as context:
                context.meta["as_json"] = as_json
                result = self.invoke(context)
            if isinstance(result, Result):
                _show(result, as_json)
                return result.exit_code
            sys.stdout.flush()
        except click.exceptions.Exit as end:
            return end.exit_code
        except BrokenPipeError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            return _report(error, as_json)
        return 0


def _show(result: Result, as_json: bool) -> None:
    if as_json:
        print_json(result.data)
    else:
        print_text(result.text)


def _report(error: BaseException, as_json: bool) -> int:
    """Say what went wrong, and return the exit code."""
    code = next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), _DEFECT)
    message = _message(error)
    if code == _DEFECT:
        print_line("".join(traceback.format_exception(error)), sys.stderr)
        message = f"{message}; this is a defect of rbgp, please report the lines above"
    if as_json:
        kind = "Interrupted" if code == 130 else type(error).__name__
        try:
            print_json({"error": {"type": kind, "message": message}, "exit_code": code})
        except BrokenPipeError:
            raise
        except OSError:
            print_line(f"Error: {message}", sys.stderr)
            _drop_output()
    elif isinstance(error, click.UsageError):
        error.show()
    else:
        print_line(f"Error: {message}", sys.stderr)
    return code


def _message(error: BaseException) -> str:
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return "interrupted"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if isinstance(error, ModuleNotFoundError) and not isinstance(error, RBGPError):
        return f"this needs {error.name}, which is not installed; run: pip install {error.name}"
    if isinstance(error, OSError) and not isinstance(error, RBGPError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    return str(error) or type(error).__name__


def _prepare_streams() -> None:
    """Let output go nowhere where it was closed, and never fail on a character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _drop_output() -> None:
    """Let what is buffered go nowhere, so that the interpreter has nothing to say at the end."""
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(io.UnsupportedOperation):
            os.dup2(sink, stream.fileno())


_EPILOG = """\b
Exit codes:
  0  done
  1  a check said no
  2  wrong usage, or a request that cannot be met
  3  an input file is missing, damaged or of the wrong kind
  4  an optional package is missing
"""


@click.group(
    "rbgp",
    cls=App,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_version(), message="%(prog)s %(version)s")
def main() -> None:
    """Ramanujan graphs and their products as sparsity patterns.

    Results go to standard output, everything else to standard error.
    """


for _command in (
    generate,
    design,
    families,
    catalogue,
    verify,
    show,
    figure,
    view,
    export,
    detect,
    matmul,
    tune,
    bench,
    search,
    train,
    demo,
    doctor,
):
    main.add_command(_command)
