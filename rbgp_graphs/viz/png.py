"""PNG images written with the standard library alone."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def encode(levels: NDArray[np.uint8], color: str, opacity: float = 1.0) -> bytes:
    """Return a PNG of one colour whose opacity is given for every pixel.

    Parameters
    ----------
    levels : ndarray of uint8, shape (height, width)
        0 is transparent, 255 has the full `opacity`.
    color : str
        As ``#rrggbb``.
    opacity : float
        From 0 to 1.

    Returns
    -------
    bytes
        An indexed PNG: the pixels are the levels, so that a reader gets them back exactly.
    """
    height, width = levels.shape
    # The Up filter: rows that repeat the one above become zeros, and compress to nothing.
    filtered = np.empty((height, width + 1), dtype=np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = levels[0]
    filtered[1:, 1:] = levels[1:] - levels[:-1]
    alpha = bytes(round(opacity * level) for level in range(256))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes.fromhex(color.removeprefix("#")) * 256),
            _chunk(b"tRNS", alpha),
            _chunk(b"IDAT", zlib.compress(filtered.tobytes(), 6)),
            _chunk(b"IEND", b""),
        )
    )


def data_uri(png: bytes) -> str:
    """Return a PNG as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
