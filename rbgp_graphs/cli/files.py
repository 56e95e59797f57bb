"""The files that commands read and write."""

from __future__ import annotations

from pathlib import Path

import rbgp_graphs as rg
from rbgp_graphs.encoding.atomic import as_path


class InputError(rg.RBGPError):
    """A file that a command should read is missing, unreadable or of the wrong kind."""


def read(path: str) -> rg.encoding.Loaded:
    """Read a .rbgp file; raise `InputError` if it is not there."""
    try:
        return rg.load(path)
    except rg.ArgumentError as error:
        raise InputError(str(error)) from error


def read_rbgp4(path: str) -> rg.RBGP4:
    """Read a .rbgp file with an RBGP4 pattern; no other has CUDA kernels."""
    pattern = read(path).obj
    if not isinstance(pattern, rg.RBGP4):
        raise rg.ArgumentError(
            f"{path} holds a {type(pattern).__name__}, expected an RBGP4 pattern such as rbgp "
            "design writes"
        )
    return pattern


def read_pattern_or_mask(path: str) -> rg.BipartiteGraph | rg.TensorProduct:
    """Read a .rbgp file, or a mask in any format that `export.read_mask` knows."""
    if Path(path).suffix.lower() == ".rbgp":
        return read(path).obj
    try:
        return rg.export.read_mask(path)
    except rg.ArgumentError as error:
        raise InputError(str(error)) from error


def check_output(path: str, force: bool, suffix: str | None = None) -> None:
    """Raise, before any work is done, unless a file may be written there.

    Parameters
    ----------
    path : str
        Where to write.
    force : bool
        Whether a file that exists is replaced.
    suffix : str, optional
        What the name must end in.

    Raises
    ------
    ArgumentError
        If the name does not fit, there is a file and `force` is not set, or it is plain that
        the system will not let it be written.
    """
    target = as_path(path)
    if suffix is not None and target.suffix.lower() != suffix:
        raise rg.ArgumentError(f"{path} is no name for the output, expected one with {suffix}")
    try:
        _check_place(target, force)
    except OSError as error:
        raise rg.ArgumentError(f"cannot write {path}: {error.strerror or error}") from error


def _check_place(target: Path, force: bool) -> None:
    if target.is_dir():
        raise rg.ArgumentError(f"cannot write {target}: it is a directory, expected a file name")
    if target.exists() and not force:
        raise rg.ArgumentError(
            f"{target} exists already; choose another name, or pass --force to replace it"
        )
    if not target.parent.is_dir():
        raise rg.ArgumentError(f"cannot write {target}: there is no directory {target.parent}")
