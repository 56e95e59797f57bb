"""What the first run of a kernel on a device showed, kept for later processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rbgp_graphs._machine import cache_folder
from rbgp_graphs.gpu.cuda.launch import Launch
from rbgp_graphs.gpu.cuda.source import kernel_source


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a compiled kernel agreed with tier 0 on a device.

    Attributes
    ----------
    variant : str
        The kernel and its structure (see `Launch.variant`).
    problem : str or None
        What went wrong, or None if nothing did.
    """

    variant: str
    problem: str | None


class Verdicts:
    """A table of verdicts, in memory and in a JSON file.

    A file that cannot be read counts as empty, and one that cannot be written costs the next
    process another check; neither is an error.

    Parameters
    ----------
    path : Path, optional
        The file; verdicts stay in memory without one.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._verdicts: dict[str, Verdict] = {}
        self._load()

    def find(self, key: str) -> Verdict | None:
        """Return the verdict under a key, if there is one."""
        return self._verdicts.get(key)

    def add(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict."""
        # Other processes may have added some since.
        self._load()
        self._verdicts[key] = verdict
        if self._path is None:
            return
        content = {
            key: {"variant": verdict.variant, "problem": verdict.problem}
            for key, verdict in self._verdicts.items()
        }
        draft = self._path.with_name(f".{self._path.name}-{secrets.token_hex(8)}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
                os.replace(draft, self._path)
            finally:
                draft.unlink(missing_ok=True)

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        for key, entry in content.items() if isinstance(content, dict) else ():
            if _is_entry(entry):
                verdict = Verdict(variant=entry["variant"], problem=entry["problem"])
                self._verdicts.setdefault(key, verdict)


def verdict_key(identity: Mapping[str, str], launch: Launch) -> str:
    """Return what a verdict depends on, in one word: device, versions, source and macros."""
    content = [sorted(identity.items()), sorted(launch.macros.items()), launch.shared_bytes]
    state = hashlib.sha256(json.dumps(content).encode())
    state.update(kernel_source(launch.kernel).encode())
    return state.hexdigest()


def verdicts_file() -> Path:
    """Return where verdicts are kept."""
    return cache_folder() / "cuda_verdicts.json"


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("variant"), str)
        and isinstance(entry.get("problem", ""), str | None)
        and "problem" in entry
    )
