"""The version of this package, installed or run from a checkout."""

from __future__ import annotations

import functools
import tomllib
from importlib import metadata
from pathlib import Path


@functools.cache
def package_version() -> str:
    """Return the version; that of the checkout where the package is not installed."""
    try:
        return metadata.version("rbgp-graphs")
    except metadata.PackageNotFoundError:
        pass
    try:
        text = Path(__file__).parent.with_name("pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])
    except (OSError, ValueError, KeyError):
        return "unknown"
