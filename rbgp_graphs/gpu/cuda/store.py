"""What was found out about a device, kept in a JSON file for later processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from rbgp_graphs.encoding.atomic import write_file
from rbgp_graphs.errors import ArgumentError

#: More than this is not read: nothing of ours is as large.
_LARGEST_BYTES = 1 << 26

Entry = TypeVar("Entry")


class Store(Generic[Entry]):
    """A table of entries under keys, in memory and in a file.

    A file that cannot be read counts as empty, as does each entry that is not one, and a file
    that cannot be written costs the next process the same work again; neither is an error. The
    file is replaced in one step, so that no process reads half of it.

    Parameters
    ----------
    path : Path or None
        The file; entries stay in memory without one.
    to_json : callable
        Returns an entry as a JSON-able object.
    from_json : callable
        Returns the entry that such an object stands for, or None if it stands for none.
    """

    def __init__(
        self,
        path: Path | None,
        to_json: Callable[[Entry], dict[str, Any]],
        from_json: Callable[[Any], Entry | None],
    ) -> None:
        self._path = path
        self._to_json, self._from_json = to_json, from_json
        self._entries: dict[str, Entry] = {}
        self._load()

    def find(self, key: str) -> Entry | None:
        """Return the entry under a key, if there is one."""
        return self._entries.get(key)

    def entries(self) -> dict[str, Entry]:
        """Return a copy of the table."""
        return dict(self._entries)

    def add(self, key: str, entry: Entry) -> None:
        """Keep an entry, in place of the one that may be there."""
        # Other processes may have added some since.
        self._load()
        self._entries[key] = entry
        if self._path is None:
            return
        content = {key: self._to_json(entry) for key, entry in self._entries.items()}
        with contextlib.suppress(OSError, ArgumentError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._path, [json.dumps(content, indent=1).encode()])

    def _load(self) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("rb") as file:
                text = file.read(_LARGEST_BYTES + 1)
            content = json.loads(text) if len(text) <= _LARGEST_BYTES else None
        # A deep nest of brackets exhausts the stack of the parser.
        except (OSError, ValueError, RecursionError):
            return
        for key, value in content.items() if isinstance(content, dict) else ():
            entry = self._from_json(value)
            if entry is not None:
                self._entries.setdefault(key, entry)


def key_of(*content: Any) -> str:
    """Return a key that depends on all of some JSON-able content.

    Examples
    --------
    >>> key_of("float32", 256) == key_of("float32", 256) != key_of("float32", 255)
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
