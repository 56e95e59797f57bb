"""Checked access to a recipe that may come from an untrusted file."""

from __future__ import annotations

import base64
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs.errors import FormatError

#: Recipes inside recipes, counting the outermost.
MAX_DEPTH = 64
#: Integers up to here are exact in every JSON reader.
LARGEST_INTEGER = 2**53 - 1


class Fields:
    """The fields of one untrusted recipe, each checked as it is read.

    Parameters
    ----------
    recipe : object
        What should be a dict with string keys and a ``kind``.
    place : str
        Where the recipe stands, for messages.
    depth : int
        How many recipes lie around this one.

    Raises
    ------
    FormatError
        If `recipe` is not a dict or has no ``kind``.
    """

    def __init__(self, recipe: Any, place: str, depth: int = 0) -> None:
        self.place, self.depth = place, depth
        if depth >= MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        if not isinstance(recipe, Mapping):
            raise self.error(f"expected an object, not {reprlib.repr(recipe)}")
        self._fields = recipe
        self.kind = self.text("kind")

    def error(self, problem: str, key: str | None = None) -> FormatError:
        """Return an error about a field, or about the whole recipe."""
        return FormatError(f"{self.place if key is None else f'{self.place}.{key}'}: {problem}")

    def __contains__(self, key: str) -> bool:
        return key in self._fields

    def check_keys(self, required: frozenset[str], optional: frozenset[str]) -> None:
        """Raise unless the fields are the required ones and perhaps some optional ones."""
        for key in sorted(required):
            self[key]
        for key in self._fields:
            if key not in required | optional | {"kind"}:
                raise self.error(f"a {self.kind} has no field {reprlib.repr(key)}")

    def __getitem__(self, key: str) -> Any:
        try:
            return self._fields[key]
        except KeyError:
            raise self.error(f"{key} is missing") from None

    def text(self, key: str) -> str:
        """Return a string."""
        value = self[key]
        if not isinstance(value, str):
            raise self.error(f"expected a string, not {reprlib.repr(value)}", key)
        return value

    def integer(self, key: str, minimum: int, maximum: int = LARGEST_INTEGER) -> int:
        """Return an integer from `minimum` to `maximum`."""
        return self._as_integer(self[key], key, minimum, maximum)

    def pair(self, key: str, minimum: int) -> tuple[int, int]:
        """Return a list of two integers of at least `minimum`."""
        value = self.list(key)
        if len(value) != 2:
            raise self.error(f"expected two integers, not {reprlib.repr(value)}", key)
        first, second = (self._as_integer(x, key, minimum, LARGEST_INTEGER) for x in value)
        return first, second

    def _as_integer(self, value: Any, key: str, minimum: int, maximum: int) -> int:
        if type(value) is not int or not minimum <= value <= maximum:
            raise self.error(
                f"expected an integer from {minimum} to {maximum}, not {reprlib.repr(value)}", key
            )
        return value

    def list(self, key: str) -> list[Any]:
        """Return a list."""
        value = self[key]
        if not isinstance(value, list):
            raise self.error(f"expected a list, not {reprlib.repr(value)}", key)
        return value

    def integers(self, key: str, minimum: int) -> tuple[int, ...]:
        """Return a list of integers of at least `minimum`."""
        return tuple(
            self._as_integer(value, key, minimum, LARGEST_INTEGER) for value in self.list(key)
        )

    def octets(self, key: str, count: int) -> NDArray[np.uint8]:
        """Return exactly `count` bytes, written in canonical base64."""
        text = self.text(key)
        length = -(-count // 3) * 4
        if len(text) != length:
            raise self.error(
                f"expected {length} base64 characters ({count} bytes), found {len(text)}", key
            )
        try:
            data = base64.b64decode(text, validate=True)
        except ValueError:
            raise self.error("not base64", key) from None
        if base64.b64encode(data).decode("ascii") != text or len(data) != count:
            raise self.error(f"not the canonical base64 form of {count} bytes", key)
        return np.frombuffer(data, dtype=np.uint8)

    def packed_bits(self, key: str, count: int) -> NDArray[np.uint8]:
        """Return `count` bits, eight to a byte, the first one the highest; the rest are zero."""
        packed = self.octets(key, -(-count // 8))
        if count % 8 and packed[-1] & (0xFF >> count % 8):
            raise self.error(f"the bits after the first {count} are not zero", key)
        return packed

    def bits(self, key: str, count: int) -> NDArray[np.bool_]:
        """Return `count` bits as bools (see `packed_bits`)."""
        return np.unpackbits(self.packed_bits(key, count), count=count).astype(bool)

    def words(self, key: str, count: int) -> NDArray[np.int64]:
        """Return `count` little-endian unsigned 32-bit integers."""
        return self.octets(key, 4 * count).view("<u4").astype(np.int64)
