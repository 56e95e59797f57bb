"""Checkpoints of a training run: complete or not there, and read without pickle."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from rbgp_graphs.encoding.atomic import write_file
from rbgp_graphs.errors import ArgumentError, FormatError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values so that at any time the old file stands there, or the new one.

    Parameters
    ----------
    path : pathlib.Path
        Where to write.
    state : dict
        Tensors, numbers, strings, lists and dicts.

    Raises
    ------
    ArgumentError
        If the file cannot be written; it is then as it was.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_file(path, [buffer.getbuffer()])


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The file. Nothing in it is executed.

    Returns
    -------
    dict
        The state, its tensors on the CPU.

    Raises
    ------
    ArgumentError
        If the file cannot be read.
    FormatError
        If it is no checkpoint.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror or error}") from error
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise FormatError(f"{path} is no checkpoint: {reason}") from error
    if not isinstance(state, dict):
        raise FormatError(f"{path} is no checkpoint: it holds a {type(state).__name__}")
    return state
