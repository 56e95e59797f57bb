"""``rbgp doctor``: what is installed, and what is not."""

from __future__ import annotations

import importlib.util
import os
import platform
from importlib import metadata
from typing import Any

import click
import numpy as np

import rbgp_graphs as rg
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.output import Result, Table, Text

#: Module, distribution, what it is for.
_CORE = (
    ("numpy", "numpy", "arrays"),
    ("scipy", "scipy", "sparse matrices, singular values"),
    ("networkx", "networkx", "exchange of graphs"),
    ("safetensors", "safetensors", "other programs can read .rbgp files"),
    ("galois", "galois", "fields whose size is not prime"),
    ("numba", "numba", "random graphs in a fraction of the time"),
    ("flint", "python-flint", "exact proofs"),
    ("click", "click", "this command"),
    ("rich", "rich", "this command"),
)
#: Module, distributions, extra, what it is for.
_OPTIONAL = (
    ("plotly", ("plotly",), "viz", "figures and reports"),
    ("sklearn", ("scikit-learn",), "demo", "the data of rbgp demo"),
    ("igraph", ("igraph",), "igraph", "export to igraph"),
)


@click.command(cls=Command, epilog=examples("rbgp doctor", "rbgp doctor --json"))
def doctor() -> Result:
    """Say what is installed and what is missing.

    Leaves with exit code 4 if a package is missing that rbgp-graphs always needs.
    """
    core = [(name, _version(module, (name,)), use) for module, name, use in _CORE]
    optional = [
        (names[0], _version(module, names), use, f'pip install "rbgp-graphs[{extra}]"')
        for module, names, extra, use in _OPTIONAL
    ]
    broken = [name for name, version, _ in core if version is None]
    blas = _blas()
    cores, usable = os.cpu_count(), _usable_cores()
    data = {
        "rbgp_graphs": metadata.version("rbgp-graphs"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "blas": blas,
        "cpu_cores": cores,
        "usable_cpu_cores": usable,
        "packages": {name: version for name, version, *_ in (*core, *optional)},
        "missing": broken + [name for name, version, *_ in optional if version is None],
        "backends": [
            {"name": b.name, "available": b.available, "reason": b.reason}
            for b in rg.gpu.backends()
        ],
        "cuda_kernels": False,
    }
    words = {
        "rbgp-graphs": str(data["rbgp_graphs"]),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "BLAS": blas,
        "CPU cores": f"{usable} usable of {cores}",
    }
    packages = [(name, version or "missing", use) for name, version, use in core]
    packages += [
        (name, version or "missing", use if version else f"{use}: {cure}")
        for name, version, use, cure in optional
    ]
    backends = [
        (b.name, "yes" if b.available else f"no: {b.reason}", b.description)
        for b in rg.gpu.backends()
    ]
    cuda = (
        "CUDA kernels are not part of this version. rg.gpu has its final interface and runs on "
        "the CPU, also where a GPU is present."
    )
    text: list[Text] = [
        words,
        Table(columns=("package", "version", "for"), rows=packages),
        Table(columns=("backend", "runs here", "what it is"), rows=backends),
        cuda,
    ]
    if broken:
        text.append(f"Missing, and always needed: pip install {' '.join(broken)}")
    return Result(data=data, text=text, exit_code=4 if broken else 0)


def _version(module: str, distributions: tuple[str, ...]) -> str | None:
    """Return the version of an installed package, without importing it."""
    if importlib.util.find_spec(module) is None:
        return None
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown version"


def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
