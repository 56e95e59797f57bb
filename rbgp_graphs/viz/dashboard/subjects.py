"""The patterns that the app shows: designed, given at the start, or opened by the reader."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import tempfile
import threading
import zlib
from collections import OrderedDict
from pathlib import Path

from rbgp_graphs import encoding, export
from rbgp_graphs.errors import ArgumentError, RBGPError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection import Candidate, design, design_space
from rbgp_graphs.spectral import Verdict, verify
from rbgp_graphs.viz.dashboard.state import LARGEST_SIDE, State
from rbgp_graphs.viz.raster import Subject, as_subject
from rbgp_graphs.viz.spectra import has_bound

#: Largest file that can be opened in the browser.
LARGEST_FILE_BYTES = 16 << 20
#: What a mask may take in memory while it is read.
_LARGEST_MASK_BYTES = 512 << 20
_LARGEST_EDGES = 1 << 22
#: Opened files kept in memory, and the longest packed content that fits an address.
_MOST_OPEN = 8
_LONGEST_TOKEN = 6000
#: Suffixes that can be opened. PyTorch's are left to the command line: reading them needs torch.
SUFFIXES = (
    ".rbgp", ".npz", ".npy", ".mtx", ".csv", ".json", ".g6", ".s6", ".graphml", ".safetensors",
)  # fmt: skip


class Shelf:
    """What one app can show beside designs: its own pattern, and opened files.

    Parameters
    ----------
    start : TensorProduct, BipartiteGraph or None
        What the app was started with.
    """

    def __init__(self, start: Subject | None) -> None:
        self._start = start
        self._open: OrderedDict[str, Subject] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def start(self) -> str:
        """The source that an address without one means."""
        return "design" if self._start is None else "start"

    def open(self, name: str, data: bytes) -> str:
        """Read a file, and return the source under which the app shows it.

        Raises
        ------
        FormatError
            If the content is damaged, or goes beyond a limit.
        ArgumentError
            If the name has another suffix, or the file is too large.
        """
        subject = read_bytes(name, data)
        packed = zlib.compress(encoding.dumps(subject), 9)
        token = "z." + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")
        if len(token) <= _LONGEST_TOKEN:
            return token
        token = "m." + hashlib.sha256(subject.digest.encode()).hexdigest()[:16]
        with self._lock:
            self._open[token] = subject
            self._open.move_to_end(token)
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return token

    def subject(self, source: str, state: State) -> Subject:
        """Return the pattern of a source.

        Raises
        ------
        InfeasibleError
            If no pattern has the shape and sparsity of a design.
        ArgumentError
            If the source is not known, or the design has no such inner graph.
        FormatError
            If the content in the address is damaged.
        """
        if source == "design":
            return designed(state.rows, state.cols, state.sparsity, state.row_group, state.inner)
        if source == "start":
            if self._start is None:
                raise ArgumentError(
                    "the app was started without a file, so there is no source start"
                )
            return self._start
        if source.startswith("z."):
            return _unpacked(source)
        with self._lock:
            found = self._open.get(source)
        if found is None:
            raise ArgumentError(
                "the file of this address is no longer in memory; open it again (files whose "
                "pattern takes more than a few thousand characters are not part of the address)"
            )
        return found


def read_bytes(name: str, data: bytes) -> Subject:
    """Return the pattern, graph or mask in a file that the reader has opened."""
    if len(data) > LARGEST_FILE_BYTES:
        raise ArgumentError(
            f"the file is larger than {LARGEST_FILE_BYTES:,} bytes, the most that is read here"
        )
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ArgumentError(
            f"the file has the suffix {suffix[:20]!r}, expected one of {', '.join(SUFFIXES)}"
        )
    if suffix == ".rbgp":
        subject = as_subject(_loads(data))
    else:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / f"file{suffix}"
            place.write_bytes(data)
            try:
                subject = as_subject(export.read_mask(place, max_bytes=_LARGEST_MASK_BYTES))
            except RBGPError as error:
                raise type(error)(str(error).replace(str(place), "the file")) from None
    return check_size(subject)


def check_size(subject: Subject) -> Subject:
    """Return what the app can show, or raise `ArgumentError`."""
    if max(subject.shape) > LARGEST_SIDE:
        rows, cols = subject.shape
        raise ArgumentError(
            f"the pattern has {rows:,} × {cols:,} cells, the app shows up to {LARGEST_SIDE:,} "
            "a side"
        )
    return subject


def _loads(data: bytes) -> Subject:
    loaded = encoding.loads(data, max_side=LARGEST_SIDE, max_edges=_LARGEST_EDGES)
    return loaded.obj


@functools.lru_cache(maxsize=8)
def _unpacked(token: str) -> Subject:
    text = token.removeprefix("z.")
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        reader = zlib.decompressobj()
        data = reader.decompress(packed, LARGEST_FILE_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        raise ArgumentError("the pattern in the address is damaged") from None
    if reader.unconsumed_tail or not reader.eof:
        raise ArgumentError("the pattern in the address is cut short or too large")
    return check_size(as_subject(_loads(data)))


# Designs --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=32)
def candidates(
    rows: int, cols: int, sparsity: float, row_group: int | None
) -> tuple[Candidate, ...]:
    """Return what `design_space` finds for a layer, for one row group or for all."""
    groups = None if row_group is None else [row_group]
    return design_space(rows, cols, sparsity, row_groups=groups, device="default")


@functools.lru_cache(maxsize=16)
def designed(
    rows: int,
    cols: int,
    sparsity: float,
    row_group: int,
    inner: tuple[int, int, int] | None,
) -> RBGP4:
    """Return the pattern of a layer, with the given inner graph or the best.

    Raises
    ------
    InfeasibleError
        If there is none; names the nearest sizes and sparsities.
    ArgumentError
        If no pattern of the layer has such an inner graph.
    """
    if inner is None:
        return design(rows, cols, sparsity, row_group=row_group, device="default")
    choices = candidates(rows, cols, sparsity, row_group)
    found = next((each for each in choices if each.inner == inner), None)
    if found is None:
        nearest = min(choices, key=lambda each: _distance(each.inner, inner))
        raise ArgumentError(
            "no pattern of this layer has an inner graph of {} × {} vertices and degree {}; the "
            "nearest has {} × {} and {}".format(*inner, *nearest.inner)
        )
    return found.build()


def _distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return sum(abs(a.bit_length() - b.bit_length()) for a, b in zip(one, other, strict=True))


_verdicts: OrderedDict[str, Verdict] = OrderedDict()


def verdict_of(subject: Subject) -> Verdict | None:
    """Return the verdict of a pattern or graph, None if the bound is not defined for it."""
    if not has_bound(subject):
        return None
    key = subject.digest
    if key not in _verdicts:
        _verdicts[key] = verify(subject)
        while len(_verdicts) > _MOST_OPEN:
            _verdicts.popitem(last=False)
    return _verdicts[key]
