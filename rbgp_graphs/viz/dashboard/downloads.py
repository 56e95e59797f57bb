"""What the server makes of a state for the reader to keep."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from rbgp_graphs import encoding, export
from rbgp_graphs.products import TensorProduct
from rbgp_graphs.viz.dashboard.state import State
from rbgp_graphs.viz.dashboard.subjects import Shelf, verdict_of
from rbgp_graphs.viz.raster import Subject
from rbgp_graphs.viz.reports import report

#: What the arrays of a downloaded mask may take in memory.
_LARGEST_MASK_BYTES = 512 << 20


def _pattern(subject: Subject, place: Path) -> None:
    encoding.save(place, subject)


def _mask(subject: Subject, place: Path) -> None:
    export.write(place, subject, max_bytes=_LARGEST_MASK_BYTES)


def _report(subject: Subject, place: Path) -> None:
    verdict = verdict_of(subject) if isinstance(subject, TensorProduct) else None
    report(subject, place, verdict=verdict)


#: File name: the label of the link, the media type, and what writes it.
_KINDS: dict[str, tuple[str, str, Callable[[Subject, Path], None]]] = {
    "pattern.rbgp": ("Pattern (.rbgp)", "application/octet-stream", _pattern),
    "mask.npz": ("Mask (.npz)", "application/octet-stream", _mask),
    "mask.mtx": ("Mask (.mtx)", "text/plain; charset=utf-8", _mask),
    "report.html": ("Report (.html)", "text/html; charset=utf-8", _report),
}


def offered() -> list[tuple[str, str]]:
    """Return file names and labels."""
    return [(name, label) for name, (label, _, _) in _KINDS.items()]


def is_offered(name: str) -> bool:
    """Return whether there is such a file."""
    return name in _KINDS


def content(shelf: Shelf, state: State, name: str) -> tuple[bytes, str]:
    """Return a file and its media type.

    Raises
    ------
    RBGPError
        If the state has no pattern, or the file would be too large.
    """
    _, media_type, write = _KINDS[name]
    subject = shelf.subject(state.source, state)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        write(subject, place)
        return place.read_bytes(), media_type
