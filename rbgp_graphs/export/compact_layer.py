"""The patterns that the layers of `rbgp_graphs.nn` keep in their state dicts."""

from __future__ import annotations

from rbgp_graphs.encoding import loads
from rbgp_graphs.errors import FormatError
from rbgp_graphs.products import RBGP4

#: What such a layer calls its nonzeros and the bytes of its pattern.
VALUES, EXTRA_STATE = "values", "_extra_state"
#: What stands at the beginning of every .rbgp file, each once: a damaged one still has the other.
_MARKS = (b'{"__metadata__":', b'{"rbgp":')


def compact_pattern(name: str, content: bytes, values_shape: tuple[int, ...]) -> RBGP4 | None:
    """Return the pattern of a layer with compact weights.

    Parameters
    ----------
    name : str
        The key of the bytes in the state dict, for the message.
    content : bytes
        Its extra state.
    values_shape : tuple of int
        The shape of its nonzeros.

    Returns
    -------
    RBGP4 or None
        None if this is the state of some other layer.

    Raises
    ------
    FormatError
        If the bytes are damaged, or their pattern has other nonzeros.
    """
    if not any(mark in content[:64] for mark in _MARKS):
        return None
    try:
        pattern = loads(content).obj
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from error
    if not isinstance(pattern, RBGP4):
        raise FormatError(f"{name} holds a {type(pattern).__name__}, expected an RBGP4")
    if values_shape != (pattern.rows, pattern.row_degree):
        raise FormatError(
            f"{name} holds a pattern with nonzeros of shape ({pattern.rows}, "
            f"{pattern.row_degree}), and the values beside it have shape {values_shape}"
        )
    return pattern
