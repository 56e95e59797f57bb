"""The command as a process: streams, exit codes, pipes, terminals, interrupts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import Files, process

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes, terminals and signals")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["generate", "lps", "3", "5"], 0),
        (["verify", "graph.rbgp"], 0),
        (["verify", "pattern.rbgp"], 1),
        (["generate", "lps", "4", "5"], 2),
        (["generate", "lps", "five", "5"], 2),
        (["verify", "missing.rbgp"], 3),
    ],
)
def test_exit_codes_and_streams(args: list[str], code: int, files: Files) -> None:
    plain, as_json = process(*args), process(*args, "--json")
    assert (plain.returncode, as_json.returncode) == (code, code)
    assert (plain.stdout == "") == (code > 1)
    assert (plain.stderr == "") == (code <= 1)
    assert "Traceback" not in plain.stderr
    assert as_json.stderr == ""
    assert ("error" in json.loads(as_json.stdout)) == (code > 1)


def test_the_module_and_the_script_are_the_same(files: Files) -> None:
    script = Path(sys.executable).with_name("rbgp")
    if not script.exists():
        pytest.skip("the script is not installed beside this interpreter")
    for args in (["--help"], ["verify", "nothing"]):
        environment = {**os.environ, "COLUMNS": "80"}
        run = subprocess.run(
            [script, *args], capture_output=True, text=True, check=False, env=environment
        )
        module = process(*args)
        assert (run.stdout, run.stderr) == (module.stdout, module.stderr)
        assert run.returncode == module.returncode


def test_the_version_is_that_of_the_package() -> None:
    assert re.fullmatch(r"rbgp \d+\.\d+\.\d+\S*\n", process("--version").stdout)


@posix
@pytest.mark.parametrize("args", [["show", "pattern.rbgp"], ["show", "pattern.rbgp", "--json"]])
def test_a_closed_pipe_is_no_error(args: list[str], files: Files) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        run = process(*args, stdout=pipe)
    assert (run.stderr, run.returncode) == ("", 141)


@posix
def test_the_first_line_of_a_long_output_can_be_taken(files: Files) -> None:
    run = subprocess.run(
        f'"{sys.executable}" -m rbgp_graphs show pattern.rbgp | head -1',
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "pattern    RBGP4, 200 x 100\n"
    assert run.stderr == ""


@posix
@pytest.mark.parametrize("args", [["doctor"], ["doctor", "--json"], ["--help"]])
def test_a_full_disk_is_said_on_standard_error(args: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        run = process(*args, stdout=full)
    assert run.returncode == 2
    assert run.stderr == "Error: No space left on device\n"


@posix
def test_closed_streams_are_no_error(files: Files) -> None:
    for closing, code in ((">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)):
        command = f'"{sys.executable}" -m rbgp_graphs verify graph.rbgp {closing}'
        run = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (code, "")


def test_an_encoding_without_blocks_gives_a_picture_in_ascii(files: Files) -> None:
    run = process("show", "pattern.rbgp", env={"PYTHONIOENCODING": "ascii"})
    assert run.returncode == 0
    assert run.stdout.isascii()
    assert "@" in run.stdout
    assert "?" not in run.stdout


@posix
@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_ends_with_130_and_leaves_no_file(as_json: bool, files: Files) -> None:
    before = sorted(os.listdir())
    args = ["generate", "random-biregular", "6", "6", "3", "-o", "graph2.rbgp"]
    run = subprocess.Popen(
        [sys.executable, "-c", _WORKING, *args, *(["--json"] if as_json else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "at work\n"
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 130
    if as_json:
        assert json.loads(out)["error"] == {"type": "Interrupted", "message": "interrupted"}
    else:
        assert (out, err) == ("", "Error: interrupted\n")
    assert sorted(os.listdir()) == before


#: The command with a construction that says when it is at work and then never ends.
_WORKING = """
import sys, time
import rbgp_graphs
from rbgp_graphs.cli import main

def forever(*args, **options):
    print("at work", flush=True)
    while True:
        time.sleep(0.01)

rbgp_graphs.random_biregular = forever
main(sys.argv[1:])
"""


@posix
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}])
def test_a_plain_terminal_gets_no_colours(variables: dict[str, str], files: Files) -> None:
    shown = on_terminal("verify", "graph.rbgp", **variables)
    assert "Ramanujan" in shown
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]m", shown)
    if variables["TERM"] == "dumb":
        assert "\x1b" not in shown


@posix
def test_a_terminal_gets_progress_on_standard_error(files: Files) -> None:
    shown = on_terminal("design", "64", "64", "0.75", TERM="xterm")
    assert "choosing the factors" in shown
    assert "\x1b" in shown
    assert "choosing" not in process("design", "64", "64", "0.75").stderr


@posix
def test_long_errors_wrap_at_words_on_a_terminal(files: Files) -> None:
    shown = on_terminal("design", "1000", "1000", "0.9371", TERM="dumb")
    lines = shown.replace("\r\n", "\n").splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    assert shown.startswith("Error: shape (1000, 1000)")
    assert process("design", "1000", "1000", "0.9371").stderr.count("\n") == 1


def on_terminal(*args: str, **variables: str) -> str:
    """Return what a command writes to a terminal of 80 columns."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    kept = {key: os.environ[key] for key in os.environ if key not in ("COLUMNS", "NO_COLOR")}
    run = subprocess.Popen(
        [sys.executable, "-m", "rbgp_graphs", *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kept | variables,
    )
    os.close(theirs)
    chunks = []
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while chunk := terminal.read(65536):
                chunks.append(chunk)
        except OSError:  # what Linux says when the other end is closed
            pass
    run.wait(timeout=60)
    return b"".join(chunks).decode()
