r"""The time that a product with a pattern takes on a device, from a few measured limits.

A product of a matrix with N columns is made panel by panel: each has as many columns as fit the
registers next to each other, and rows of B bytes. With R rows of sums in registers, g rows that
share their columns (the row group, or all rows of a tile whose inner graph is complete), and z
nonzeros:

- The sums need :math:`2 z N` operations, at the rate of the multiply-add units.
- A row of the panel is read once for R rows of sums: :math:`z N / R` numbers in all. Where it comes
  from is a matter of how much else was read in between. One row of tiles reads the rows of its
  tiles again and again, a *slice* of the panel. The first time they come from what is left of the
  whole panel. Of a working set of w bytes, a cache of C bytes is assumed to lack the share w / C.
  That is too much for columns that are spread evenly, and right for the usual ones: they have
  equal distances, so they fall on a few sets of a cache and displace each other.
- What the first cache lacks comes from the second, what the second lacks from the third, each at
  its rate. All this happens while the sums are computed, but not without hindrance: the three
  times count as the root of the sum of their squares, which lies between the longest and the sum.
- With few rows in registers, only some tiles are multiplied at once so that the first cache holds
  their rows; then the sums go to the second cache and come back for each of these parts.
- Values, operand and result cross the memory once.
- Going to the next tile costs each block of rows a little, because X goes on somewhere else, and so
  does each call.

The model does not know how threads share the last cache, nor that a processor's speed changes.
Measured times of patterns with like times differ by some hundredths from what it says; the
documentation shows it next to them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from rbgp_graphs._machine import cache_file, machine_id
from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4
from rbgp_graphs.selection.blocking import register_block, tiles_at_once

#: The name under which the limits of the host's processor are stored.
CPU = "cpu"
#: Bytes of a number, and of one in a sum.
_ITEM_BYTES = {"float16": (2, 4), "bfloat16": (2, 4), "float32": (4, 4), "float64": (8, 8)}
_SCHEMA = 2
_FILE_NAME = "ceilings.json"


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """The limits of a device, in units of one second.

    Attributes
    ----------
    device : str
        Its name.
    threads : int
        Threads that the limits hold for.
    operations_per_second : float
        Multiplications and additions in float32, from the dense product; float64 has half.
    level2_bytes_per_second, level3_bytes_per_second : float
        Rows of an operand that products read from the second and from the third cache.
    copy_bytes_per_second : float
        Bytes read plus bytes written, by a copy of a large array.
    call_seconds : float
        What a product takes that has nothing to do.
    step_seconds : float
        What a thread takes to go on with the next tile, for a block of rows in registers.
    registers, vector_bytes : int
        Number and size of the vector registers.
    level1_bytes, level2_bytes : int
        Sizes of the caches of a core.
    measured : str or None
        When and with what they were measured, or None for assumed limits.
    """

    device: str
    threads: int
    operations_per_second: float
    level2_bytes_per_second: float
    level3_bytes_per_second: float
    copy_bytes_per_second: float
    call_seconds: float
    step_seconds: float
    registers: int = 32
    vector_bytes: int = 64
    level1_bytes: int = 1 << 15
    level2_bytes: int = 1 << 20
    measured: str | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "device" or (field.name == "measured" and value is None):
                continue
            if field.name == "measured":
                accepted = isinstance(value, str)
            elif field.type == "int":
                accepted = isinstance(value, int) and value >= 1
            else:
                accepted = isinstance(value, (int, float)) and 0 < value < math.inf
            if not accepted or isinstance(value, bool):
                raise ArgumentError(f"{field.name} is {value!r}, expected a positive number")

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return asdict(self)


#: What is assumed where nothing was measured: two cores with 512-bit vectors.
DEFAULT = Ceilings(
    device="default",
    threads=2,
    operations_per_second=2.3e11,
    level2_bytes_per_second=1.7e11,
    level3_bytes_per_second=4.5e10,
    copy_bytes_per_second=1.5e10,
    call_seconds=5e-5,
    step_seconds=5e-9,
)


def predicted_seconds(
    pattern: RBGP4,
    columns: int = 256,
    *,
    dtype: str = "float32",
    device: str | Ceilings | None = None,
) -> float:
    """Return the time that the model predicts for ``A @ X``.

    Parameters
    ----------
    pattern : RBGP4
        Where the nonzeros of A are.
    columns : int
        Columns of X.
    dtype : {"float16", "bfloat16", "float32", "float64"}
        Of all arrays.
    device : str or Ceilings, optional
        Which limits to use, as for `rbgp_graphs.design`.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ArgumentError
        If the dtype or the device is unknown, or `columns` is negative.

    Examples
    --------
    >>> from rbgp_graphs import design
    >>> coarse, fine = (design(1024, 1024, 0.75, row_group=g) for g in (64, 1))
    >>> predicted_seconds(coarse, device="default") < predicted_seconds(fine, device="default")
    True
    """
    if not isinstance(pattern, RBGP4):
        raise ArgumentTypeError(f"pattern is a {type(pattern).__name__}, expected an RBGP4")
    outer_degree = pattern.outer.neighbor_table.shape[1]
    tile_degree = pattern.row_degree // max(1, outer_degree)
    return seconds_of_sizes(
        outer=(*pattern.outer.shape, outer_degree),
        tile=(pattern.inner.left, pattern.tile_shape[1], tile_degree),
        row_group=pattern.row_group,
        columns=as_int("columns", columns, minimum=0),
        dtype=dtype,
        ceilings=ceilings_of(device),
    )


def seconds_of_sizes(
    *,
    outer: tuple[int, int, int],
    tile: tuple[int, int, int],
    row_group: int,
    columns: int,
    dtype: str,
    ceilings: Ceilings,
) -> float:
    """Return the predicted time from sizes alone.

    Parameters
    ----------
    outer : (int, int, int)
        Rows of tiles, columns of tiles, and tiles with nonzeros in a row of tiles.
    tile : (int, int, int)
        Row groups and columns of a tile, and nonzeros of a row in it.
    row_group : int
        Rows of a group.
    columns, dtype, ceilings
        As for `predicted_seconds`.
    """
    if dtype not in _ITEM_BYTES:
        raise ArgumentError(f"dtype is {dtype!r}, expected one of {', '.join(_ITEM_BYTES)}")
    stored_bytes, sum_bytes = _ITEM_BYTES[dtype]
    (tile_rows, tile_columns, outer_degree), (groups, tile_cols, tile_degree) = outer, tile
    rows, cols = tile_rows * groups * row_group, tile_columns * tile_cols
    row_degree = outer_degree * tile_degree
    moved = stored_bytes * (rows * row_degree + (rows + cols) * columns)
    seconds = ceilings.call_seconds + moved / ceilings.copy_bytes_per_second
    if not row_degree or not columns:
        return seconds
    if tile_degree == tile_cols:
        row_group, groups = row_group * groups, 1
    # Panels and blocks.
    vectors_wanted = -(-columns * sum_bytes // ceilings.vector_bytes)
    block_rows, vectors = register_block(row_group, vectors_wanted, ceilings.registers)
    row_bytes = vectors * ceilings.vector_bytes
    blocks = -(-row_group // block_rows)
    lists = tile_rows * groups * -(-vectors_wanted // vectors)
    at_once = tiles_at_once(
        block_rows, outer_degree, tile_degree, tile_cols * row_bytes, ceilings.level1_bytes
    )
    # Work and traffic.
    operations = 2 * rows * row_degree * vectors_wanted * ceilings.vector_bytes / 4
    reads = lists * blocks * row_degree * row_bytes
    first_reads = min(lists * row_degree, lists // groups * outer_degree * tile_cols) * row_bytes
    slice_bytes, panel_bytes = at_once * tile_cols * row_bytes, cols * row_bytes

    def lacked(cache_bytes: int) -> float:
        again = (reads - first_reads) * min(1.0, slice_bytes / cache_bytes)
        return again + first_reads * min(1.0, panel_bytes / cache_bytes)

    sums = lists * blocks * (-(-outer_degree // at_once) - 1) * 2 * block_rows * row_bytes
    return (
        seconds
        + math.hypot(
            operations / ceilings.operations_per_second,
            lacked(ceilings.level1_bytes) / ceilings.level2_bytes_per_second,
            lacked(ceilings.level2_bytes) / ceilings.level3_bytes_per_second,
        )
        + sums / ceilings.level2_bytes_per_second
        + lists * blocks * outer_degree * ceilings.step_seconds / ceilings.threads
    )


# Which limits -------------------------------------------------------------------------------


def ceilings_of(device: str | Ceilings | None = None) -> Ceilings:
    """Return the limits of a device.

    Parameters
    ----------
    device : str or Ceilings, optional
        A name under which limits are stored, "default" for the assumed ones, or the limits
        themselves. Without it those of the processor if they were measured, else the assumed
        ones.

    Raises
    ------
    ArgumentError
        If nothing is stored under the name.
    ArgumentTypeError
        If `device` is something else.
    """
    if isinstance(device, Ceilings):
        return device
    if device is not None and not isinstance(device, str):
        raise ArgumentTypeError(f"device is {device!r}, expected a name or Ceilings")
    stored = stored_ceilings()
    if device is None:
        return stored.get(CPU, DEFAULT)
    if device == DEFAULT.device:
        return DEFAULT
    if device not in stored:
        names = ", ".join([DEFAULT.device, *stored])
        raise ArgumentError(
            f"device is {device!r}, but only {names} is known here; measure this machine with "
            "rbgp doctor --measure, or pass Ceilings"
        )
    return stored[device]


def stored_ceilings() -> dict[str, Ceilings]:
    """Return what was measured on this machine and stored: limits by the name of the device.

    A file that is damaged, or comes from another machine, counts as absent.
    """
    path = cache_file(_FILE_NAME)
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != _SCHEMA or document["machine"] != machine_id():
            return {}
        return {name: Ceilings(**record) for name, record in document["devices"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def document_with(name: str, ceilings: Ceilings) -> tuple[str, str]:
    """Return the file to write, and its text, so that `stored_ceilings` has one more device.

    Raises
    ------
    ArgumentError
        If there is no folder for such files.
    """
    path = cache_file(_FILE_NAME)
    if path is None:
        raise ArgumentError(
            "there is no folder to keep the limits in; name one with the environment variable "
            "RBGP_CACHE_DIR"
        )
    devices = {**stored_ceilings(), name: ceilings}
    document: Mapping[str, Any] = {
        "schema": _SCHEMA,
        "machine": machine_id(),
        "devices": {key: value.as_dict() for key, value in devices.items()},
    }
    return str(path), json.dumps(document, indent=1) + "\n"
