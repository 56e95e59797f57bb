"""Files that are written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError


def write_file(path: Any, chunks: Iterable[bytes | memoryview], *, overwrite: bool = True) -> int:
    """Write a file so that at any time the old content stands there, or the new one.

    The bytes go to a new file in the same directory, which takes the place of the old one when
    all of them have reached the disk. A symbolic link is followed, and the permissions of a
    file that was there are kept.

    Parameters
    ----------
    path : str or os.PathLike
        Where to write.
    chunks : iterable of bytes or memoryview
        The content.
    overwrite : bool
        Whether a file that is there already is replaced.

    Returns
    -------
    int
        Number of bytes written.

    Raises
    ------
    ArgumentTypeError
        If `path` is not a path.
    ArgumentError
        If the file exists and `overwrite` is False, if `path` is a directory or another
        special file, or if the system does not let it be written. Nothing has changed then.
    """
    target = Path(os.path.realpath(as_path(path)))
    mode = _check_target(target, overwrite)
    if not target.parent.is_dir():
        raise ArgumentError(f"cannot write {target}: there is no directory {target.parent}")
    temporary = target.parent / f".rbgp-{secrets.token_hex(8)}"
    try:
        with _remove_on_error(temporary):
            with temporary.open("xb") as file:
                count = sum(file.write(chunk) for chunk in chunks)
                _flush(file, mode)
            _put_in_place(temporary, target, overwrite)
    except OSError as error:
        raise ArgumentError(f"cannot write {target}: {error.strerror or error}") from error
    _flush_directory(target.parent)
    return count


def as_path(path: Any) -> Path:
    """Return `path` as a Path; raise unless it is a str or a path object."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise ArgumentTypeError(
            f"path is {path!r} of type {type(path).__name__}, expected a str or a path"
        ) from None
    if not text or "\0" in text:
        raise ArgumentError(f"path is {text!r}, expected a file name")
    return Path(text)


def _check_target(target: Path, overwrite: bool) -> int | None:
    """Return the permissions of the file that is there, or None."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArgumentError(f"cannot write {target}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        raise ArgumentError(f"cannot write {target}: it is a directory, expected a file name")
    if not stat.S_ISREG(mode):
        raise ArgumentError(f"cannot write {target}: it is not a regular file")
    if not overwrite:
        raise _exists(target)
    return stat.S_IMODE(mode)


def _exists(target: Path) -> ArgumentError:
    return ArgumentError(
        f"{target} exists already; choose another name, or pass overwrite=True to replace it"
    )


@contextlib.contextmanager
def _remove_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _flush(file: BinaryIO, mode: int | None) -> None:
    file.flush()
    if mode is not None:
        os.chmod(file.name, mode)
    os.fsync(file.fileno())


def _put_in_place(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(target)
        return
    try:
        # Unlike a test followed by a replacement, this cannot lose a file made in between.
        os.link(temporary, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:
        # Some file systems have no hard links.
        if target.exists():
            raise _exists(target) from None
        temporary.replace(target)
    else:
        temporary.unlink()


def _flush_directory(directory: Path) -> None:
    """Bring the new name to the disk too, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
