"""``rbgp export``: a file that other programs read."""

from __future__ import annotations

from pathlib import Path

import click

import rbgp_graphs as rg
from rbgp_graphs.cli.command import Command, examples, force_option
from rbgp_graphs.cli.facts import size
from rbgp_graphs.cli.files import check_output, read
from rbgp_graphs.cli.output import Result, working
from rbgp_graphs.export.write import SUFFIXES

_SUFFIXES = ", ".join(SUFFIXES)


@click.command(
    cls=Command,
    help=f"""Write a graph or a pattern for other programs.

    The suffix of OUT names the format and is one of {_SUFFIXES}. Values in FILE go with it.
    """,
    epilog=examples("rbgp export layer.rbgp mask.npz", "rbgp export graph.rbgp graph.mtx --force"),
)
@click.argument("file")
@click.argument("out")
@force_option
def export(file: str, out: str, force: bool) -> Result:
    """Write a file that other programs read."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise rg.ArgumentError(f"{out} is no name for the output, expected one of {_SUFFIXES}")
    check_output(out, force)
    loaded = read(file)
    with working("writing"):
        rg.export.write(out, loaded.obj, loaded.values, overwrite=force)
    obj = loaded.obj
    nnz = obj.nnz if isinstance(obj, rg.TensorProduct) else obj.num_edges
    file_bytes = Path(out).stat().st_size
    dtype = None if loaded.values is None else str(loaded.values.dtype)
    data = {
        "file": out,
        "file_bytes": file_bytes,
        "shape": list(obj.shape),
        "nnz": nnz,
        "values": dtype,
    }
    words = {
        "file": f"{out}, {file_bytes:,} bytes",
        "shape": size(obj.shape),
        "nonzeros": f"{nnz:,}",
        "values": dtype or "none, the mask alone",
    }
    return Result(data=data, text=[words])
