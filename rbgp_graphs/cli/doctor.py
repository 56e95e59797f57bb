"""``rbgp doctor``: what is installed, and what is not."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import click
import numpy as np

import rbgp_graphs as rg
from rbgp_graphs._machine import usable_cores
from rbgp_graphs._version import package_version
from rbgp_graphs.cli import kernels
from rbgp_graphs.cli.command import Command, examples
from rbgp_graphs.cli.files import read_rbgp4
from rbgp_graphs.cli.output import Result, Table, Text, working
from rbgp_graphs.gpu.cuda import status
from rbgp_graphs.selection import Ceilings
from rbgp_graphs.selection.cost_model import stored_ceilings

#: Module, distribution, what it is for.
_CORE = (
    ("numpy", "numpy", "arrays"),
    ("scipy", "scipy", "sparse matrices, singular values"),
    ("networkx", "networkx", "exchange of graphs"),
    ("safetensors", "safetensors", "other programs can read .rbgp files"),
    ("numba", "numba", "random graphs in a fraction of the time"),
    ("flint", "python-flint", "exact proofs, fields whose size is not prime"),
    ("click", "click", "this command"),
    ("rich", "rich", "this command"),
)
#: Module, distributions, extra, what it is for.
_OPTIONAL = (
    ("plotly", ("plotly",), "viz", "figures and reports"),
    ("kaleido", ("kaleido",), "images", "figures as PNG and SVG"),
    ("dash", ("dash",), "app", "rbgp view"),
    ("sklearn", ("scikit-learn",), "demo", "the digits of rbgp demo and train"),
    ("torch", ("torch",), "torch", "layers, training, export"),
    ("tensorboard", ("tensorboard",), "train", "logs of rbgp train"),
    ("jax", ("jax",), "jax", "export to JAX"),
    ("onnx", ("onnx",), "onnx", "export to ONNX"),
    ("tensorflow", ("tensorflow-cpu", "tensorflow"), "tensorflow", "export to TensorFlow"),
    ("igraph", ("igraph",), "igraph", "export to igraph"),
    ("dask", ("dask",), "dask", "searches on many machines"),
    ("sparse_dot_mkl", ("sparse-dot-mkl",), "bench", "MKL as a peer of rbgp bench"),
)


@click.command(
    cls=Command,
    epilog=examples(
        "rbgp doctor",
        "rbgp doctor --measure",
        "rbgp doctor --gpu --json",
        "rbgp doctor layer.rbgp",
    ),
)
@click.argument("file", required=False)
@click.option(
    "--measure",
    is_flag=True,
    help="Measure the limits of the processor, and keep them for rbgp design.",
)
@click.option(
    "--gpu",
    is_flag=True,
    help="Run every CUDA kernel on random numbers and compare the results.",
)
def doctor(file: str | None, measure: bool, gpu: bool) -> Result:
    """Say what is installed and which backends run.

    Also says which CUDA kernels can be used here and why not the others, and with FILE which of
    them compute the products of its pattern, also where there is no GPU. Leaves with exit code 4
    if a package is missing that rbgp-graphs always needs, and with 1 if --gpu has found a kernel
    that is wrong, or none that it could run.
    """
    pattern = None if file is None else read_rbgp4(file)
    stored_in = _measure() if measure else None
    ceilings = stored_ceilings()
    core = [(name, _version(module, (name,)), use) for module, name, use in _CORE]
    optional = [
        (names[0], _version(module, names), use, f'pip install "rbgp-graphs[{extra}]"')
        for module, names, extra, use in _OPTIONAL
    ]
    broken = [name for name, version, _ in core if version is None]
    cuda = status()
    checks = kernels.run_checks(cuda) if gpu else None
    assigned = None if pattern is None else kernels.assigned(pattern, cuda)
    blas = _blas()
    cores, usable = os.cpu_count(), usable_cores()
    data = {
        "rbgp_graphs": package_version(),
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
        "cuda_kernels": kernels.as_data(cuda),
        "cuda_checks": None if checks is None else kernels.checks_data(checks),
        "file": file,
        "assigned_kernels": None if assigned is None else kernels.assigned_data(assigned),
        "ceilings": {name: limits.as_dict() for name, limits in ceilings.items()},
        "ceilings_file": stored_in,
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
    text: list[Text] = [
        words,
        Table(columns=("package", "version", "for"), rows=packages),
        Table(columns=("backend", "runs here", "what it is"), rows=backends),
        *kernels.kernels_text(cuda),
        *(kernels.checks_text(checks) if gpu else ()),
        *_ceilings_text(ceilings, stored_in),
        *([] if assigned is None else kernels.assigned_text(str(file), assigned)),
    ]
    if broken:
        text.append(f"Missing, and always needed: pip install {' '.join(broken)}")
    wrong = gpu and (checks is None or any(check.problem for check in checks))
    return Result(data=data, text=text, exit_code=4 if broken else int(wrong))


def _measure() -> str:
    """Measure the processor, store the result, and return where."""
    from rbgp_graphs.gpu.ceilings import measure_ceilings, store_ceilings

    with working("measuring"):
        return store_ceilings(measure_ceilings())


def _ceilings_text(ceilings: Mapping[str, Ceilings], stored_in: str | None) -> list[Text]:
    if not ceilings:
        return [
            "Nothing was measured here, so predicted times rest on assumed limits. "
            "rbgp doctor --measure takes some seconds."
        ]
    rows = [
        (
            name,
            f"{limits.operations_per_second / 1e9:.1f}",
            f"{limits.level2_bytes_per_second / 1e9:.1f}",
            f"{limits.level3_bytes_per_second / 1e9:.1f}",
            f"{limits.copy_bytes_per_second / 1e9:.1f}",
            f"{1e6 * limits.call_seconds:.1f}",
            f"{1e9 * limits.step_seconds:.1f}",
        )
        for name, limits in ceilings.items()
    ]
    columns = (
        "limits",
        ">GFLOP/s",
        ">L2 GB/s",
        ">L3 GB/s",
        ">copy GB/s",
        ">call us",
        ">step ns",
    )
    measured = {name: f"measured {limits.measured}" for name, limits in ceilings.items()}
    if stored_in is not None:
        measured["file"] = stored_in
    return [Table(columns=columns, rows=rows), measured]


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
