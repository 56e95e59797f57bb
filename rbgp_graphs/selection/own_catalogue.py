"""A catalogue of one's own: where it is, and how graphs get into it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from rbgp_graphs.errors import ArgumentError
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.selection.catalogue import Catalogue, CatalogueRecord, read_record, record_of
from rbgp_graphs.spectral.text_file import as_text_path, locked

#: Names the file; else it lies where the system keeps the data of a user.
VARIABLE = "RBGP_CATALOGUE"


def own_catalogue_path() -> Path:
    """Return where a user's own catalogue is, whether it is there or not.

    Returns
    -------
    pathlib.Path
        What the environment variable ``RBGP_CATALOGUE`` says, else ``rbgp-graphs/catalogue.jsonl``
        in the folder for data of the user: ``XDG_DATA_HOME`` or ``~/.local/share``,
        ``~/Library/Application Support`` on macOS, ``LOCALAPPDATA`` on Windows.

    Examples
    --------
    >>> own_catalogue_path().suffix
    '.jsonl'
    """
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if sys.platform == "win32":  # pragma: no cover - another system
        folder = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":  # pragma: no cover - another system
        folder = Path.home() / "Library" / "Application Support"
    else:
        folder = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(folder) / "rbgp-graphs" / "catalogue.jsonl"


def add_to_catalogue(path: Any, graph: BipartiteGraph, origin: dict[str, Any]) -> CatalogueRecord:
    """Prove a graph and add it to a catalogue of one's own, unless a better one is there.

    Parameters
    ----------
    path : str or os.PathLike
        The file; it is made, with its folder, if it is not there. Other processes may add to it
        at the same time.
    graph : BipartiteGraph
        As for `record_of`.
    origin : dict
        JSON-able; how it was found.

    Returns
    -------
    CatalogueRecord
        What the catalogue holds now for the shape: this graph, or an older one that is as good.

    Raises
    ------
    ArgumentTypeError
        If `path` is not a path or `graph` not a graph.
    ArgumentError
        If the graph does not fit into a catalogue, or the file cannot be written.
    FormatError
        If the file is not a catalogue; it stays as it is.

    Examples
    --------
    >>> import tempfile
    >>> from rbgp_graphs import projective_plane
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = add_to_catalogue(folder + "/own.jsonl", projective_plane(2), {})
    >>> record.left, record.square
    (7, Fraction(2, 1))
    """
    record = record_of(graph, origin)
    try:
        text = json.dumps(record.to_dict(), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"origin is no JSON-able dict: {error}") from None
    # What cannot be read back is not written.
    record = read_record(text, "record")
    file = as_text_path("catalogue", path)
    with locked(file, "catalogue"):
        catalogue = Catalogue.read(file) if file.exists() else Catalogue(())
        catalogue = catalogue.with_record(record)
        kept = catalogue.record(record.left, record.right, record.degree)
        if kept is record:
            catalogue.write(file)
    return record if kept is None else kept
