"""A reader of indexed PNG files, written from the PNG specification and not from the writer."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_png(data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the pixels as palette positions, and the palette as (256, 4) RGBA."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + length
    width, height, depth, color, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", chunks[b"IHDR"]
    )
    assert (depth, color, compression, filtering, interlace) == (8, 3, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    pixels = np.zeros((height, width), dtype=np.uint8)
    above = np.zeros(width, dtype=np.uint8)
    for y, line in enumerate(lines):
        assert line[0] in (0, 2), "only the filters None and Up are read here"
        above = line[1:] + above if line[0] == 2 else line[1:]
        pixels[y] = above
    palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    alpha = np.frombuffer(chunks[b"tRNS"], np.uint8)
    return pixels, np.column_stack((palette, alpha))


def read_image(image: Any) -> NDArray[np.uint8]:
    """Return the palette positions of a layout image of a figure."""
    kind, _, body = image.source.partition(",")
    assert kind == "data:image/png;base64"
    return read_png(base64.b64decode(body))[0]
