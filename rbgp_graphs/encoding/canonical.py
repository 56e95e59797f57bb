"""Canonical JSON: one text for each value, and nothing that readers disagree about."""

from __future__ import annotations

import json
import reprlib
from typing import Any, NoReturn

from rbgp_graphs.constructions.recipe_fields import LARGEST_INTEGER
from rbgp_graphs.errors import FormatError

#: A hostile text costs at most this many Python objects.
_MAX_ITEMS = 2**17


def write(value: Any) -> str:
    """Return the canonical JSON text of a value.

    Parameters
    ----------
    value : dict, list, str, int, bool or None
        Made of these throughout; keys are strings.

    Returns
    -------
    str
        ASCII; keys sorted by code point, no spaces, everything else escaped as JSON allows.

    Examples
    --------
    >>> write({"b": [1, True], "a": "x"})
    '{"a":"x","b":[1,true]}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read(text: str, what: str) -> Any:
    """Return the value of a JSON text from an untrusted source.

    Parameters
    ----------
    text : str
        The JSON text; whether it is canonical is not checked here.
    what : str
        Name of the text, for messages.

    Returns
    -------
    dict, list, str, int, bool or None
        The value.

    Raises
    ------
    FormatError
        If `text` is not JSON, is nested too deep or has too many items, or if it holds a key
        twice, a number that is not an integer, or one beyond 2**53 - 1.

    Examples
    --------
    >>> read('{"a": 1, "a": 2}', "header")
    Traceback (most recent call last):
    ...
    rbgp_graphs.errors.FormatError: header: the key 'a' occurs twice
    """
    items = text.count(",") + text.count("[") + text.count("{")
    if items > _MAX_ITEMS:
        raise FormatError(f"{what}: {items} items, expected at most {_MAX_ITEMS}")

    def refuse(token: str) -> NoReturn:
        raise FormatError(f"{what}: {reprlib.repr(token)} is not an integer")

    def integer(token: str) -> int:
        # int() of a very long text takes quadratic time.
        if len(token) > 17 or abs(int(token)) > LARGEST_INTEGER:
            raise FormatError(f"{what}: the integer {reprlib.repr(token)} is out of range")
        return int(token)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise FormatError(f"{what}: the key {reprlib.repr(key)} occurs twice")
            found[key] = value
        return found

    try:
        return json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
        )
    except json.JSONDecodeError as error:
        raise FormatError(f"{what}: not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise FormatError(f"{what}: nested too deep") from None
