from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.spectral import text_file
from rbgp_graphs.spectral.text_file import as_text_path, locked, replace_text


def add_lines(path: str, count: int) -> None:
    file = Path(path)
    for _ in range(count):
        with locked(file, "log"):
            before = file.read_text() if file.exists() else ""
            replace_text(file, before + "line\n", "log")


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "new" / "log.txt"
    worker = multiprocessing.get_context("spawn").Process(target=add_lines, args=(str(file), 15))
    worker.start()
    add_lines(str(file), 15)
    worker.join(60)
    assert worker.exitcode == 0
    assert file.read_text() == "line\n" * 30
    assert {path.name for path in file.parent.iterdir()} == {"log.txt", "log.txt.lock"}


def test_a_lock_that_is_kept_too_long_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_file, "_LONGEST_WAIT", 0.05)
    file = tmp_path / "log.txt"
    refused = pytest.raises(ArgumentError, match="another process has kept it locked")
    with locked(file, "log"), refused, locked(file, "log"):
        pass
    with locked(file, "log"):
        pass


def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log.txt"
    replace_text(file, "old\n", "log")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArgumentError, match=r"cannot write log .*No space left"):
        replace_text(file, "new\n", "log")
    assert file.read_text() == "old\n"
    assert [*tmp_path.iterdir()] == [file]


def test_what_is_no_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="log is 3 of type int, expected a path"):
        as_text_path("log", 3)
    for text in ("", "a\0b"):
        with pytest.raises(ArgumentError, match="expected a file name"):
            as_text_path("log", text)
    with pytest.raises(ArgumentError, match="which is not a file"):
        as_text_path("log", tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ArgumentError, match="cannot write log"), locked(file / "log", "log"):
        pass
