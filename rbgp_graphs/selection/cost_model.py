r"""The time that a product with a pattern takes on a device, from a few measured limits.

With m x n the shape, z the nonzeros, g the row group and N the columns of the operand, and with
the limits of `Ceilings`:

- The sums need :math:`2 z N` operations at the rate of the multiply-add units.
- The kernel keeps the sums of up to R rows of a group in registers and loads a row of the operand
  once for them: :math:`z N / \min(g, R)` numbers, from the first cache if the rows of a tile fit
  there, else from the second.
- The two run at the same time, so the longer counts.
- Values, operand and result cross the memory once.
- Each step over the neighbours of a tile costs a little of its own, as does each call.

N counts in whole vectors. The model does not know how the caches are shared, nor how a kernel
is compiled; the documentation shows it next to measured times.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from rbgp_graphs._machine import cache_folder, machine_id
from rbgp_graphs._validation import as_int
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import RBGP4

#: The name under which the limits of the host's processor are stored.
CPU = "cpu"
#: Bytes of a number, and of one in a sum.
_ITEM_BYTES = {"float16": (2, 4), "bfloat16": (2, 4), "float32": (4, 4), "float64": (8, 8)}
_SCHEMA = 1
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
    gather_bytes_per_second : float
        Rows of an operand read into registers where a tile fits the cache next to them.
    far_gather_bytes_per_second : float
        The same where a tile does not fit.
    copy_bytes_per_second : float
        Bytes read plus bytes written, by a copy of a large array.
    call_seconds : float
        What a product takes that has nothing to do.
    step_seconds : float
        What a thread takes to go to the next tile of a row of tiles.
    register_rows : int
        R, the most rows whose sums are kept in registers.
    registers, vector_bytes : int
        Number and size of the vector registers.
    near_bytes : int
        Size of the cache next to the registers.
    measured : str or None
        When and with what they were measured, or None for assumed limits.
    """

    device: str
    threads: int
    operations_per_second: float
    gather_bytes_per_second: float
    far_gather_bytes_per_second: float
    copy_bytes_per_second: float
    call_seconds: float
    step_seconds: float
    register_rows: int = 8
    registers: int = 32
    vector_bytes: int = 64
    near_bytes: int = 32768
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
    operations_per_second=2.0e11,
    gather_bytes_per_second=7e10,
    far_gather_bytes_per_second=3e10,
    copy_bytes_per_second=1.5e10,
    call_seconds=4e-5,
    step_seconds=1e-8,
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
    return seconds_of_sizes(
        shape=pattern.shape,
        row_degree=pattern.row_degree,
        row_group=pattern.row_group,
        tile_cols=pattern.tile_shape[1],
        steps=pattern.outer.num_edges * pattern.inner.left,
        columns=as_int("columns", columns, minimum=0),
        dtype=dtype,
        ceilings=ceilings_of(device),
    )


def seconds_of_sizes(
    *,
    shape: tuple[int, int],
    row_degree: int,
    row_group: int,
    tile_cols: int,
    steps: int,
    columns: int,
    dtype: str,
    ceilings: Ceilings,
) -> float:
    """Return the predicted time from sizes alone; `steps` counts the tiles of all row groups."""
    if dtype not in _ITEM_BYTES:
        raise ArgumentError(f"dtype is {dtype!r}, expected one of {', '.join(_ITEM_BYTES)}")
    rows, cols = shape
    stored_bytes, sum_bytes = _ITEM_BYTES[dtype]
    lanes = max(1, ceilings.vector_bytes // sum_bytes)
    width = -(-columns // lanes) * lanes
    row_blocks = -(-row_group // ceilings.register_rows)
    block_rows = -(-row_group // row_blocks)
    operations = 2 * rows * row_degree * width * (sum_bytes / 4)
    gathered = rows // row_group * row_blocks * row_degree * width * sum_bytes
    moved = stored_bytes * (rows * row_degree + (rows + cols) * columns)
    # The registers hold this many vectors of each row, the operand's own and a value.
    vectors = max(1, min(8, (ceilings.registers - 1) // (block_rows + 1)))
    passes = -(-width // (vectors * lanes))
    is_near = tile_cols * min(vectors * lanes, width) * sum_bytes <= ceilings.near_bytes
    gather_rate = (
        ceilings.gather_bytes_per_second if is_near else ceilings.far_gather_bytes_per_second
    )
    return (
        ceilings.call_seconds
        + max(
            operations / ceilings.operations_per_second,
            gathered / gather_rate,
        )
        + moved / ceilings.copy_bytes_per_second
        + steps * row_blocks * passes * ceilings.step_seconds / ceilings.threads
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
    try:
        document = json.loads((cache_folder() / _FILE_NAME).read_text(encoding="utf-8"))
        if document["schema"] != _SCHEMA or document["machine"] != machine_id():
            return {}
        return {name: Ceilings(**record) for name, record in document["devices"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def document_with(name: str, ceilings: Ceilings) -> tuple[str, str]:
    """Return the file to write, and its text, so that `stored_ceilings` has one more device."""
    devices = {**stored_ceilings(), name: ceilings}
    document: Mapping[str, Any] = {
        "schema": _SCHEMA,
        "machine": machine_id(),
        "devices": {key: value.as_dict() for key, value in devices.items()},
    }
    return str(cache_folder() / _FILE_NAME), json.dumps(document, indent=1) + "\n"
