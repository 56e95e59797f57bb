"""What the first run of a kernel on a device showed, kept for later processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rbgp_graphs._machine import cache_folder
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
    is_error : bool
        Whether that was an error and not a wrong result. An error may have passed by the next
        process, for example if a compiler was missing.
    """

    variant: str
    problem: str | None
    is_error: bool = False


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
    source = kernel_source(launch.kernel)
    return key_of(dict(identity), launch.macros, launch.shared_bytes, source)


def verdicts_file() -> Path:
    """Return where verdicts are kept."""
    return cache_folder() / "cuda_verdicts.json"


def _verdict(entry: Any) -> Verdict | None:
    if not isinstance(entry, dict) or "problem" not in entry:
        return None
    variant, problem = entry.get("variant"), entry["problem"]
    if isinstance(variant, str) and isinstance(problem, str | None):
        return Verdict(
            variant=variant, problem=problem, is_error=entry.get("is_error", False) is True
        )
    return None
