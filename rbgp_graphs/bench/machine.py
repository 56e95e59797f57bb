"""What a measurement ran on."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from typing import Any

from rbgp_graphs._machine import processor

_PACKAGES = (
    "rbgp-graphs",
    "numpy",
    "scipy",
    "networkx",
    "numba",
    "ml-dtypes",
    "torch",
    "mkl",
    "sparse-dot-mkl",
)


def describe() -> dict[str, Any]:
    """Return what `hardware` and `conditions` return as one dict."""
    return {**hardware(), **conditions()}


def hardware() -> dict[str, Any]:
    """Return what stays the same on a machine, with the keys processor, cores and system."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def conditions() -> dict[str, Any]:
    """Return date, load and versions as a JSON-able dict.

    Returns
    -------
    dict
        With the keys date (UTC, ISO 8601), load_1_minute (None where the system does not tell),
        python and versions (None for what is not installed).

    Examples
    --------
    >>> import numpy
    >>> conditions()["versions"]["numpy"] == numpy.__version__
    True
    """
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_1_minute": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
