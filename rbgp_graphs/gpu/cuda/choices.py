"""Which plan a tuner has found to be the fastest for a problem, kept for later processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rbgp_graphs._machine import cache_file
from rbgp_graphs.gpu.cuda.plans import Problem
from rbgp_graphs.gpu.cuda.source import kernels_digest
from rbgp_graphs.gpu.cuda.store import Store, key_of


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The fastest plan for a problem, and what it was measured with.

    Attributes
    ----------
    plan : str
        Its name (see `rbgp_graphs.gpu.cuda.plans.Plan`).
    milliseconds : float
        How long it took.
    problem : str
        The problem, for people who read the file.
    device : str
        The name of the device, likewise.
    """

    plan: str
    milliseconds: float
    problem: str
    device: str


class Choices(Store[Choice]):
    """A table of choices.

    Parameters
    ----------
    path : Path, optional
        The file; choices stay in memory without one.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, asdict, _choice)


def choice_key(identity: Mapping[str, str], problem: Problem) -> str:
    """Return what a choice depends on, in one word: device, versions, sources, the problem."""
    return key_of(dict(identity), kernels_digest(), asdict(problem))


def choices_file() -> Path | None:
    """Return where choices are kept, or None if they are not."""
    return cache_file("cuda_choices.json")


def _choice(entry: Any) -> Choice | None:
    if not isinstance(entry, dict):
        return None
    words = [entry.get(name) for name in ("plan", "problem", "device")]
    time = entry.get("milliseconds")
    is_time = isinstance(time, float) and math.isfinite(time) and time >= 0
    if not is_time or not all(isinstance(word, str) for word in words):
        return None
    plan, problem, device = map(str, words)
    return Choice(plan=plan, milliseconds=float(str(time)), problem=problem, device=device)
