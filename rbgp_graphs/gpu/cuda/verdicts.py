"""What the first run of a kernel on a device showed, kept for later processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rbgp_graphs._machine import cache_file
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.source import kernel_source
from rbgp_graphs.gpu.cuda.store import Store, key_of


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a compiled kernel agreed with tier 0 on a device.

    Attributes
    ----------
    variant : str
        The kernel and its structure (see `Launch.variant`).
    problem : str or None
        What went wrong, or None if nothing did.
    is_kept : bool
        Whether later processes have to know. An error may have passed by then, for example if a
        compiler was missing; a wrong result will not, nor will the loss of the device.
    """

    variant: str
    problem: str | None
    is_kept: bool = True


class Verdicts(Store[Verdict]):
    """A table of verdicts.

    Parameters
    ----------
    path : Path, optional
        The file; verdicts stay in memory without one.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, asdict, _verdict)


def verdict_key(identity: Mapping[str, str], launch: Launch) -> str:
    """Return what a verdict depends on, in one word: device, versions, source and macros."""
    parts: list[Any] = []
    step: Launch | None = launch
    while step is not None:
        parts += [step.macros, step.shared_bytes, kernel_source(step.kernel)]
        step = step.then
    return key_of(dict(identity), *parts)


def verdicts_file() -> Path | None:
    """Return where verdicts are kept, or None if they are not."""
    return cache_file("cuda_verdicts.json")


def _verdict(entry: Any) -> Verdict | None:
    if not isinstance(entry, dict) or "problem" not in entry:
        return None
    variant, problem = entry.get("variant"), entry["problem"]
    if isinstance(variant, str) and isinstance(problem, str | None):
        return Verdict(variant=variant, problem=problem)
    return None
