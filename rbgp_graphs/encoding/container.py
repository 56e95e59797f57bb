"""The outer shell of a file: a safetensors container with one text and at most one tensor.

The bytes are those that the reference implementation of safetensors writes for the same
content. They are written here because a reader has to know them anyway: whatever differs from
the one way to write the content is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.encoding import canonical
from rbgp_graphs.errors import FormatError

#: The largest header that safetensors readers accept.
MAX_HEADER_BYTES = 100_000_000
TEXT_KEY = "rbgp"
TENSOR_NAME = "values"
#: The names of the dtypes in the file, all little-endian.
DTYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """What the header says about the tensor.

    Attributes
    ----------
    dtype : str
        A key of `DTYPES`.
    shape : tuple of int
        Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """Size of the tensor."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container taken apart.

    Attributes
    ----------
    text : str
        The text under the metadata key ``rbgp``.
    tensor : TensorInfo or None
        The description of the tensor, if there is one.
    body : memoryview
        The bytes of the tensor, in C order; empty without one.
    """

    text: str
    tensor: TensorInfo | None
    body: memoryview


def header(text: str, tensor: TensorInfo | None) -> bytes:
    r"""Return everything that stands before the bytes of the tensor.

    Parameters
    ----------
    text : str
        The text to store.
    tensor : TensorInfo or None
        The tensor that follows, if any.

    Returns
    -------
    bytes
        The length as eight little-endian bytes, the JSON header, and spaces up to a multiple
        of eight.

    Examples
    --------
    >>> header("x", None)
    b' \x00\x00\x00\x00\x00\x00\x00{"__metadata__":{"rbgp":"x"}}   '
    """
    parts = [f'"__metadata__":{canonical.write({TEXT_KEY: text})}']
    if tensor is not None:
        shape = ",".join(map(str, tensor.shape))
        parts.append(
            f'"{TENSOR_NAME}":{{"dtype":"{tensor.dtype}","shape":[{shape}],'
            f'"data_offsets":[0,{tensor.num_bytes}]}}'
        )
    content = f"{{{','.join(parts)}}}".encode("ascii")
    content += b" " * (-len(content) % 8)
    return len(content).to_bytes(8, "little") + content


def take_apart(data: memoryview) -> Container:
    """Return the parts of a container from an untrusted source.

    Parameters
    ----------
    data : memoryview
        The whole file.

    Returns
    -------
    Container
        Its parts. No byte of `data` is left out of account.

    Raises
    ------
    FormatError
        If `data` is not a container, or not written in the one way that `header` writes.
    """
    if len(data) < 8:
        raise FormatError(f"{len(data)} bytes, too short for a .rbgp file")
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise FormatError(
            f"the header claims {length} bytes, but {len(data) - 8} follow: is it truncated?"
        )
    if length > MAX_HEADER_BYTES:
        raise FormatError(f"the header has {length} bytes, the format allows {MAX_HEADER_BYTES}")
    head, body = data[: 8 + length], data[8 + length :]
    try:
        fields = canonical.read(str(head[8:], "ascii"), "header")
    except UnicodeDecodeError:
        raise FormatError("the header is not ASCII text") from None
    text = _text(fields)
    tensor = _tensor(fields)
    expected = 0 if tensor is None else tensor.num_bytes
    if len(body) != expected:
        raise FormatError(f"{len(body)} bytes follow the header, expected {expected}")
    if header(text, tensor) != head:
        raise FormatError("the header is not written in the canonical way")
    return Container(text=text, tensor=tensor, body=body)


def _text(fields: Any) -> str:
    metadata = fields.get("__metadata__") if isinstance(fields, dict) else None
    text = metadata.get(TEXT_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise FormatError(f"no text under the metadata key {TEXT_KEY!r}: not a .rbgp file")
    return text


def _tensor(fields: dict[str, Any]) -> TensorInfo | None:
    entry = fields.get(TENSOR_NAME)
    if entry is None:
        return None
    dtype = entry.get("dtype") if isinstance(entry, dict) else None
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FormatError(f"{TENSOR_NAME} has no dtype among {', '.join(DTYPES)}")
    shape = entry.get("shape")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise FormatError(f"{TENSOR_NAME} has no shape of non-negative integers")
    if len(shape) > 2:
        raise FormatError(f"{TENSOR_NAME} has {len(shape)} dimensions, expected 2")
    return TensorInfo(dtype=dtype, shape=tuple(shape))


def tensor_info(array: NDArray[Any]) -> TensorInfo:
    """Return the description of a floating-point array that `DTYPES` knows."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    return TensorInfo(dtype=names[array.dtype.newbyteorder("<")], shape=array.shape)
