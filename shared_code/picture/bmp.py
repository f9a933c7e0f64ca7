"""Windows bitmaps: the header checked, run-length encoding decoded here.

Pillow's own decoder of it is written in Python and appends pixel by pixel.
"""

import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.caps import Cap
from shared_code.picture.pillow import load as load_with_pillow
from shared_code.picture.pillow import opened
from shared_code.picture.survey import Stored, Survey

RUNS = Cap(
    "runs in a run-length bitmap", 1 << 21, "a run of one pixel takes more bytes than no encoding at all"
)

FILE_HEADER_BYTES = 14
_DIGITS = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))
_RUN_LENGTH = {1: 8, 2: 4}
"""Compression (BITMAPINFOHEADER) to the bits of an index."""


@dataclass(frozen=True)
class BitmapHeader:
    """The information header of a bitmap; `height` is positive whichever row comes first."""

    size: int
    width: int
    height: int
    bits: int
    compression: int
    colours: int
    bottom_up: bool


def read_header(data: bytes, at: int) -> BitmapHeader:
    """The information header that begins at `at`. Raises ImageFormatInvalid."""
    try:
        (size,) = struct.unpack_from("<I", data, at)
        if size == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", data, at + 4)
            return BitmapHeader(size, width, height, bits, 0, 1 << bits if bits <= 8 else 0, True)
        if size not in (40, 52, 56, 64, 108, 124):
            raise ImageFormatInvalid
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, at + 4)
        (colours,) = struct.unpack_from("<I", data, at + 32)
    except struct.error:
        raise ImageFormatInvalid from None
    colours = colours or (1 << bits if bits <= 8 else 0)
    return BitmapHeader(size, width, abs(height), bits, compression, colours, height > 0)


def survey(data: bytes) -> Survey:
    """Check the header. Raises ImageFormatInvalid."""
    header = read_header(data, FILE_HEADER_BYTES)
    return Survey(data, header.width, header.height, alpha_may_be_unfilled=True)


def load(survey: Survey, scale: int) -> Stored:
    """Decode the bitmap. Raises ImageFormatInvalid when its pixels end too early."""
    header = read_header(survey.content, FILE_HEADER_BYTES)
    if header.compression not in _RUN_LENGTH:
        return load_with_pillow(survey, "BMP")
    with opened(survey.content, "BMP") as described:  # for its palette; nothing is decoded
        (tile,) = described.tile
        mode = "L" if described.mode == "1" else described.mode
        black_and_white = described.mode == "1"
        palette = described.palette
    size = (header.width, header.height)
    indices = decode_runs(survey.content[tile.offset :], *size, _RUN_LENGTH[header.compression])
    if black_and_white:
        levels = np.frombuffer(indices, np.uint8)
        np.minimum(levels, 1, out=levels)
        np.multiply(levels, 255, out=levels)
    # Not a copy: the picture is read from the indices themselves.
    image = Image.frombuffer(mode, size, indices, "raw", mode, 0, -1 if header.bottom_up else 1)
    if palette is not None:
        image.putpalette(palette.palette, palette.rawmode or palette.mode)
    return Stored(image, has_alpha=False)


def decode_runs(data: bytes, width: int, height: int, bits: int) -> bytearray:
    """Indices, one byte each, rows in the order of the file (BI_RLE8 and BI_RLE4).

    What the runs skip is index 0. Raises ImageFormatInvalid when they end before the last pixel and
    without an end marker, or are more than RUNS.
    """
    indices = bytearray(width * height)
    pixels, end = len(indices), len(data) - 1
    runs_of = [_run(value, bits) for value in range(256)]
    at = runs = position = 0
    row_end = width
    while position < pixels:
        runs += 1
        if runs & 0xFFF == 0:
            RUNS.check(runs)
        if at >= end:
            raise ImageFormatInvalid
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            if count > row_end - position:
                count = max(0, row_end - position)
            if value:
                indices[position : position + count] = runs_of[value][:count]
            position += count
        elif value == 0:
            position, row_end = row_end, row_end + width
        elif value == 1:
            break
        elif value == 2:
            if at >= end:
                raise ImageFormatInvalid
            position += data[at] + data[at + 1] * width
            row_end += data[at + 1] * width
            at += 2
        else:
            count = max(0, min(value, row_end - position))
            size = value * bits + 7 >> 3
            if at + size > len(data):
                raise ImageFormatInvalid
            indices[position : position + count] = _literal(data[at : at + size], count, bits)
            position += count
            at += size + (size & 1)
    return indices


def _run(value: int, bits: int) -> bytes:
    """As long as a run can be, or longer."""
    return bytes((value,) if bits == 8 else (value >> 4, value & 15)) * 255


def _literal(packed: bytes, count: int, bits: int) -> bytes:
    if bits == 8:
        return packed[:count]
    return packed.hex().encode().translate(_DIGITS)[:count]
