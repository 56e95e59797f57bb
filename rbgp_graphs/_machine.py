"""The machine that this runs on: its processor, its cores, and the place for cached files."""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path


def cache_folder() -> Path | None:
    """Return the folder for files that can be made again, or None; it need not exist.

    The one that ``$RBGP_CACHE_DIR`` names (none if that is empty), else ``rbgp_graphs`` in the
    place that the system has for such files: ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS
    ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``. None if there is no such place.
    """
    chosen = os.environ.get("RBGP_CACHE_DIR")
    if chosen is not None:
        return Path(chosen) if chosen else None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base, "rbgp_graphs") if base else None
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "rbgp_graphs"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "rbgp_graphs")
    # Not every user has a home directory.
    except RuntimeError:
        return None


def cache_file(name: str) -> Path | None:
    """Return where a file of that name lies in the `cache_folder`, or None."""
    folder = cache_folder()
    return None if folder is None else folder / name


@functools.cache
def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_id() -> str:
    """Return what measured times depend on, as a line of text."""
    return f"{processor()}, {usable_cores()} cores, {platform.system()} {platform.machine()}"


def busy_seconds() -> float | None:
    """Return the time that all cores have worked since the start, or None if nobody tells.

    What a hypervisor took away counts as work.
    """
    try:
        names = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
        user, nice, system, _idle, _wait, *rest = map(int, names[1:9])
        return (user + nice + system + sum(rest)) / float(os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError):
        return None
