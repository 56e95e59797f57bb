"""Small text files that are replaced as a whole, by one process at a time."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError

_PAUSE = 0.02
_LONGEST_WAIT = 30.0


def as_text_path(name: str, path: Any) -> Path:
    """Return `path` as a Path without symbolic links, or raise; `name` is what errors call it."""
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentTypeError(
            f"{name} is {path!r} of type {type(path).__name__}, expected a path"
        )
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise ArgumentError(f"{name} is {text!r}, expected a file name")
    file = Path(os.path.realpath(text))
    if file.exists() and not file.is_file():
        raise ArgumentError(f"{name} is {file}, which is not a file")
    return file


def replace_text(path: Path, text: str, name: str) -> None:
    """Write an ASCII file so that at any time its old content stands there, or the new one."""
    temporary = path.parent / f".rbgp-{secrets.token_hex(8)}"
    try:
        with temporary.open("x", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ArgumentError(f"cannot write {name} {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Keep other processes that ask for the same from changing a file; make its folder.

    The lock is a lock of the system on a file beside it, so that it ends with the process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The file stays: removing it could let two processes lock two files of one name.
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ArgumentError(f"cannot write {name} {path}: {error.strerror}") from error
    try:
        deadline = time.monotonic() + _LONGEST_WAIT
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise ArgumentError(
                    f"cannot write {name} {path}: another process has kept it locked for "
                    f"{_LONGEST_WAIT:.0f} seconds"
                )
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":  # pragma: no cover - another system
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
