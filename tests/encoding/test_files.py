"""Files on disk: written whole or not at all, and read with clear errors."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rbgp_graphs as rg
from rbgp_graphs.encoding import dumps, load, save
from rbgp_graphs.errors import ArgumentError, FormatError

GRAPH = rg.projective_plane(2)
OTHER = rg.complete(3, 4)
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX file semantics")


def test_what_is_saved_is_what_dumps_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    pattern = rg.TensorProduct(OTHER)
    values = np.arange(12.0).reshape(3, 4)
    assert save(path, pattern, values) == path.stat().st_size
    assert path.read_bytes() == dumps(pattern, values)
    for name in (path, str(path)):
        loaded = load(name)
        assert loaded.pattern == pattern
        np.testing.assert_array_equal(loaded.values, values)
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_is_replaced_unless_it_is_protected(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    save(path, GRAPH, overwrite=False)
    with pytest.raises(ArgumentError, match=r"a\.rbgp exists already; choose another name"):
        save(path, OTHER, overwrite=False)
    assert load(path).graph == GRAPH
    save(path, OTHER)
    assert load(path).graph == OTHER
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_while_writing_is_protected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.rbgp"
    flush = os.fsync

    def appear(descriptor: int) -> None:
        path.write_bytes(b"mine")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", appear)
    with pytest.raises(ArgumentError, match="exists already"):
        save(path, GRAPH, overwrite=False)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [False, True])
def test_a_file_system_without_links_is_served_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    path = tmp_path / "a.rbgp"

    def refuse(*_: Any) -> None:
        if there:
            path.write_bytes(b"mine")
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    if there:
        with pytest.raises(ArgumentError, match="exists already"):
            save(path, GRAPH, overwrite=False)
        assert path.read_bytes() == b"mine"
    else:
        save(path, GRAPH, overwrite=False)
        assert load(path).graph == GRAPH
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.rbgp"
    save(path, GRAPH)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ArgumentError, match=r"cannot write .*a\.rbgp: No space left on device"):
        save(path, OTHER)
    monkeypatch.undo()
    assert load(path).graph == GRAPH
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.rbgp"
    save(path, GRAPH)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(path, OTHER)
    monkeypatch.undo()
    assert load(path).graph == GRAPH
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
import itertools, sys
import rbgp_graphs as rg
from rbgp_graphs.encoding import save
patterns = [rg.TensorProduct(rg.complete(1, 1), rg.complete(n, 2000)) for n in (50, 60)]
values = [[[float(p.rows)] * 2000] * p.rows for p in patterns]
import numpy as np
values = [np.array(v) for v in values]
print("ready", flush=True)
for pattern, value in itertools.cycle(list(zip(patterns, values))):
    save(sys.argv[1], pattern, value)
"""


@posix
def test_a_killed_writer_leaves_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    rng = np.random.default_rng(0)
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            while not path.exists():
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.02))
            writer.send_signal(signal.SIGKILL)
        loaded = load(path)
        assert loaded.values is not None
        assert (loaded.values == loaded.pattern.rows).all()


@posix
def test_a_disk_without_room_is_reported(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "import rbgp_graphs as rg\n"
        "from rbgp_graphs.encoding import save\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    save(sys.argv[1], rg.complete(2, 2))\n"
        "except rg.encoding.file.ArgumentError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "a.rbgp"
    result = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"cannot write {path}: File too large\n"
    assert list(tmp_path.iterdir()) == []


@posix
def test_permissions_of_the_old_file_stay_and_new_files_follow_the_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    old_mask = os.umask(0o027)
    try:
        save(path, GRAPH)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        save(path, OTHER)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(old_mask)


@posix
def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    path, link = tmp_path / "place" / "a.rbgp", tmp_path / "link.rbgp"
    link.symlink_to(path)
    save(link, GRAPH)
    save(link, OTHER)
    assert link.is_symlink()
    assert load(path).graph == load(link).graph == OTHER


@pytest.mark.parametrize("overwrite", [True, False])
def test_places_that_cannot_be_written_are_refused(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, message in (
        (tmp_path, "it is a directory"),
        (tmp_path / "missing" / "a.rbgp", "there is no directory .*missing"),
        (tmp_path / "file" / "a.rbgp", "cannot write"),
        (tmp_path / ("a" * 300), "File name too long"),
    ):
        with pytest.raises(ArgumentError, match=message):
            save(path, GRAPH, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@posix
def test_devices_are_neither_replaced_nor_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ArgumentError, match="it is not a regular file"):
        save(pipe, GRAPH)
    for path in (pipe, tmp_path):
        with pytest.raises(ArgumentError, match="it is not a regular file"):
            load(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (3, TypeError, "path is 3 of type int"),
        (None, TypeError, "path is None"),
        ("", ArgumentError, "path is ''"),
        ("a\0b", ArgumentError, "expected a file name"),
    ],
)
def test_what_is_not_a_path_is_refused(path: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        save(path, GRAPH)
    with pytest.raises(error, match=message):
        load(path)


def test_a_refused_argument_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    save(path, GRAPH)
    with pytest.raises(ArgumentError):
        save(path, rg.TensorProduct(OTHER), np.full((3, 4), np.nan))
    assert load(path).graph == GRAPH


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    with pytest.raises(ArgumentError, match=r"cannot read .*a\.rbgp: No such file"):
        load(path)
    path.write_bytes(dumps(GRAPH)[:-1])
    with pytest.raises(FormatError, match=r"a\.rbgp: the header claims"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match=r"a\.rbgp: 0 bytes, too short"):
        load(path)


def test_limits_reach_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    size = save(path, GRAPH)
    assert load(path, max_file_bytes=size, max_edges=21, max_side=7).graph == GRAPH
    with pytest.raises(FormatError, match="max_file_bytes"):
        load(path, max_file_bytes=size - 1)
    with pytest.raises(FormatError, match="max_edges=20"):
        load(path, max_edges=20)
    with pytest.raises(FormatError, match="max_side=6"):
        load(path, max_side=6)


def test_a_large_sparse_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.rbgp"
    with path.open("wb") as file, contextlib.suppress(OSError):
        file.truncate(2**40)
    with pytest.raises(FormatError, match="larger than max_file_bytes=1000"):
        load(path, max_file_bytes=1000)
