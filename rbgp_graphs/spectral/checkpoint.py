"""The checkpoint of a search for lifts: what its tries have given so far."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.spectral.lift_trials import Labels, Trial
from rbgp_graphs.spectral.text_file import as_text_path, replace_text

FORMAT = "rbgp-search"
VERSION = 1
#: Least time between two writes that are not asked for explicitly, in seconds.
_PAUSE = 1.0
_LARGEST_FILE = 2**28
_LARGEST_NORM = 2.0**32
_LEVEL_KEYS = {"base", "norms", "leader", "labels"}


@dataclass
class LevelRecord:
    """The tries of a level that have ended.

    Attributes
    ----------
    base : str
        Digest of the graph that is lifted.
    norms : dict
        From the number of a try to its norm.
    leader : int
        The number of the best try, -1 if there is none.
    labels : ndarray of int64, shape (num_edges,), or None
        The labels of the best try, if they are known.
    """

    base: str
    norms: dict[int, float] = field(default_factory=dict)
    leader: int = -1
    labels: Labels | None = None

    def add(self, trial: Trial) -> None:
        """Take note of a try, and of its labels if it is the best."""
        self.norms[trial.number] = trial.norm
        if self.leader < 0 or (trial.norm, trial.number) < (self.norms[self.leader], self.leader):
            self.leader, self.labels = trial.number, trial.labels


class Checkpoint:
    """What a search knows, in memory and in a file.

    Parameters
    ----------
    path : str, os.PathLike or None
        The file; None to keep everything in memory. A file that is there is read.
    parameters : dict
        JSON-able; what makes two searches the same.

    Raises
    ------
    FormatError
        If the file is not a checkpoint, is damaged, or belongs to another search.
    ArgumentError
        If the file cannot be read or written.
    """

    def __init__(self, path: Any, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._path = None if path is None else as_text_path("checkpoint", path)
        self._levels: list[LevelRecord] = []
        self._written = -math.inf
        if self._path is not None:
            _check_place(self._path)
            if self._path.exists():
                self._levels = _read(self._path, parameters)

    def level(self, number: int, base: str) -> LevelRecord:
        """Return the record of a level; an empty one if its base was another or it is new."""
        if number >= len(self._levels) or self._levels[number].base != base:
            # A better try of an earlier level makes all that was built on the old one void.
            self._levels[number:] = [LevelRecord(base=base)]
        return self._levels[number]

    def write(self, *, now: bool = False) -> None:
        """Write the file, completely or not at all; at most once a second unless `now`."""
        if self._path is None or (not now and time.monotonic() - self._written < _PAUSE):
            return
        document = {
            "format": FORMAT,
            "version": VERSION,
            "parameters": self._parameters,
            "search": digest_of(self._parameters),
            "levels": [_level_to_dict(record) for record in self._levels],
        }
        text = json.dumps(document, sort_keys=True, allow_nan=False) + "\n"
        replace_text(self._path, text, "checkpoint")
        self._written = time.monotonic()


def digest_of(parameters: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of the parameters of a search."""
    text = json.dumps(parameters, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise ArgumentError(f"checkpoint is {path}, but there is no directory {path.parent}")


def _level_to_dict(record: LevelRecord) -> dict[str, Any]:
    labels = None
    if record.labels is not None:
        labels = base64.b64encode(record.labels.astype("<i4").tobytes()).decode("ascii")
    norms = [[number, record.norms[number]] for number in sorted(record.norms)]
    return {"base": record.base, "norms": norms, "leader": record.leader, "labels": labels}


def _read(path: Path, parameters: dict[str, Any]) -> list[LevelRecord]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise FormatError(f"checkpoint {path}: larger than {_LARGEST_FILE} bytes")
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ArgumentError(f"cannot read checkpoint {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"checkpoint {path}: not JSON") from None
    keys = {"format", "version", "parameters", "search", "levels"}
    if not isinstance(document, dict) or document.get("format") != FORMAT or set(document) != keys:
        raise FormatError(f"checkpoint {path}: not a checkpoint of a search")
    if document["version"] != VERSION:
        raise FormatError(f"checkpoint {path}: version {document['version']!r}, expected {VERSION}")
    if document["search"] != digest_of(parameters):
        other = _difference(document, parameters)
        raise FormatError(
            f"checkpoint {path}: belongs to another search, with {other}; give the arguments of "
            "that search, or another file"
        )
    if not isinstance(document["levels"], list):
        raise FormatError(f"checkpoint {path}: levels is not a list")
    return [_read_level(path, number, level) for number, level in enumerate(document["levels"])]


def _difference(document: dict[str, Any], parameters: dict[str, Any]) -> str:
    found = document["parameters"]
    if isinstance(found, dict):
        for name, expected in parameters.items():
            if found.get(name) != expected:
                return f"{name} {str(found.get(name))[:64]} instead of {str(expected)[:64]}"
    return "another digest"


def _read_level(path: Path, number: int, level: Any) -> LevelRecord:
    def refuse(what: str) -> FormatError:
        return FormatError(f"checkpoint {path}: level {number + 1}: {what}")

    if not isinstance(level, dict) or set(level) != _LEVEL_KEYS:
        raise refuse("wrong keys")
    if not isinstance(level["base"], str) or not isinstance(level["norms"], list):
        raise refuse("base or norms has the wrong type")
    norms: dict[int, float] = {}
    for entry in level["norms"]:
        if not isinstance(entry, list) or len(entry) != 2 or type(entry[0]) is not int:
            raise refuse("norms holds something else than pairs")
        index, norm = entry
        if type(norm) not in (int, float) or not 0 <= norm < _LARGEST_NORM or index < 0:
            raise refuse("norms holds a number out of range")
        norms[index] = float(norm)
    leader = level["leader"]
    if type(leader) is not int or (leader not in norms if norms else leader != -1):
        raise refuse("leader is not one of its tries")
    if norms and min(norms, key=lambda index: (norms[index], index)) != leader:
        raise refuse("leader is not the best try")
    labels = level["labels"]
    try:
        raw = None if labels is None else base64.b64decode(labels, validate=True)
        values = None if raw is None else np.frombuffer(raw, dtype="<i4").astype(np.int64)
    except (TypeError, ValueError, binascii.Error):
        raise refuse("labels is not base64") from None
    return LevelRecord(base=level["base"], norms=norms, leader=leader, labels=values)
