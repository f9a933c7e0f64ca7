"""A PNG writer for streams: independent strips, one fixed filter, fast deflate.

Each strip of rows is filtered and deflated by itself, so strips can be made on several threads and in
bounded memory; joined in order they are one zlib stream (RFC 1950, RFC 1951) in one PNG (W3C PNG, third
edition). docs/performance.md measures it against deflate alone, and its files against Pillow's.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import ClassVar

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from shared_code.encode.encoder import Pixels, Rows

DEFLATE_LEVEL = 2
"""A hundredth smaller than 1 in the same time; other filters and higher levels cost more than they save
("PNG filters and levels" in docs/performance.md).
"""

_FILTER_SUB = 1
_FILTER_UP = 2
_ADLER_MODULUS = 65_521
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ZLIB_HEADER = b"\x78\x01"
_LAST_EMPTY_BLOCK = b"\x03\x00"
_SRGB_CHUNKS = (
    # Gamma and chromaticities in 1/100000, as W3C PNG (11.3.2) gives them for sRGB.
    (b"gAMA", struct.pack(">I", 45_455)),
    (b"sRGB", b"\0"),
    (b"cHRM", struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)),
)


class PngColour(Enum):
    """PNG colour type, and what the rows hold."""

    GRAY = (0, Pixels.GRAY)
    GRAY_PALETTE = (3, Pixels.GRAY)
    RGBA = (6, Pixels.RGBA)

    @property
    def bytes_per_pixel(self) -> int:
        """Bytes of one pixel in a row."""
        return self.value[1].value


@dataclass(frozen=True)
class DeflatedStrip:
    """Rows of a PNG after filter and deflate.

    data: an IDAT chunk of whole bytes of a raw deflate stream, no final block. adler32, plain_bytes: of what
    was deflated.
    """

    data: bytes
    adler32: int
    plain_bytes: int


def deflate_strip(rows: NDArray[np.uint8], colour: PngColour) -> DeflatedStrip:
    """Filter and deflate `rows`, uint8 of shape (n, width * bytes_per_pixel), C-contiguous.

    The first row is filtered by its left neighbours and all others by the row above, so that strips do not
    depend on each other.
    """
    count, stride = rows.shape
    step = colour.bytes_per_pixel
    filtered = np.empty((count, stride + 1), np.uint8)
    filtered[0, 0] = _FILTER_SUB
    filtered[0, 1 : 1 + step] = rows[0, :step]
    np.subtract(rows[0, step:], rows[0, :-step], out=filtered[0, 1 + step :])
    filtered[1:, 0] = _FILTER_UP
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    deflate = isal_zlib.compressobj(DEFLATE_LEVEL, isal_zlib.DEFLATED, -15)
    chunk = _chunk(b"IDAT", deflate.compress(filtered), deflate.flush(isal_zlib.Z_FULL_FLUSH))
    return DeflatedStrip(chunk, isal_zlib.adler32(filtered), filtered.nbytes)


class PngEncoder:
    """An Encoder that writes one PNG."""

    media_type: ClassVar[str] = "image/png"

    def __init__(self, width: int, height: int, colour: PngColour) -> None:
        self._width = width
        self._height = height
        self._colour = colour
        self._adler32 = 1

    def head(self) -> bytes:
        """Everything before the pixels, and the first bytes of the zlib stream."""
        colour_type = self._colour.value[0]
        header = struct.pack(">IIBBBBB", self._width, self._height, 8, colour_type, 0, 0, 0)
        chunks = [_SIGNATURE, _chunk(b"IHDR", header)]
        chunks += [_chunk(kind, data) for kind, data in _SRGB_CHUNKS]
        if self._colour is PngColour.GRAY_PALETTE:
            chunks.append(_chunk(b"PLTE", bytes(level for level in range(256) for _ in range(3))))
        chunks.append(_chunk(b"IDAT", _ZLIB_HEADER))
        return b"".join(chunks)

    def jobs(self, strips: Sequence[Rows]) -> list[Callable[[], DeflatedStrip]]:
        """One for each strip; see `deflate_strip`."""
        return [partial(self._deflated, rows) for rows in strips]

    def _deflated(self, rows: Rows) -> DeflatedStrip:
        return deflate_strip(rows(), self._colour)

    def join(self, strip: DeflatedStrip) -> bytes:
        """The next rows."""
        self._adler32 = _combine_adler32(self._adler32, strip)
        return strip.data

    def tail(self) -> bytes:
        """The end of the zlib stream and of the file."""
        return _chunk(b"IDAT", _LAST_EMPTY_BLOCK + self._adler32.to_bytes(4)) + _chunk(b"IEND", b"")


def png_encoder(width: int, height: int, pixels: Pixels, *, gray_palette: bool) -> PngEncoder:
    """For a cut-out, or for a matte as one gray channel or as indices into a palette of 256 grays."""
    if pixels is Pixels.RGBA:
        return PngEncoder(width, height, PngColour.RGBA)
    return PngEncoder(width, height, PngColour.GRAY_PALETTE if gray_palette else PngColour.GRAY)


def _chunk(kind: bytes, *parts: bytes) -> bytes:
    crc32 = isal_zlib.crc32(kind)
    for part in parts:
        crc32 = isal_zlib.crc32(part, crc32)
    return b"".join((sum(map(len, parts)).to_bytes(4), kind, *parts, crc32.to_bytes(4)))


def _combine_adler32(before: int, strip: DeflatedStrip) -> int:
    """Adler-32 of two joined byte strings from the sums of each (RFC 1950, 8.2)."""
    low = (before & 0xFFFF) + (strip.adler32 & 0xFFFF) - 1
    high = (before >> 16) + (strip.adler32 >> 16) + strip.plain_bytes * ((before & 0xFFFF) - 1)
    return high % _ADLER_MODULUS << 16 | low % _ADLER_MODULUS
