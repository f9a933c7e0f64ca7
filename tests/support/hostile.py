"""Small files that ask for as much work as is let through: below 16 megapixels, or few bytes."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.picture import png
from tests.shared_code.picture.samples import (
    jpeg_of,
    jpeg_segment,
    jpeg_segments,
    png_chunk,
    run_length_bitmap,
    saved,
    tiff_of,
)
from tests.shared_code.picture.samples import png as png_of

_SEGMENTS, _CHUNKS, _BLOCKS, _RUNS = 4096, 65_536, 1 << 18, 1 << 21
"""As many as take much time, and less than what a room ends for."""
SIDE = 3900
"""Fifteen megapixels."""


def jpeg_scans(side: int, count: int) -> bytes:
    """A progressive gray JPEG whose last scan comes `count` times more."""
    segments = jpeg_segments(saved(Image.new("L", (side, side), 200), "JPEG", progressive=True))
    return jpeg_of(*segments, *segments[-1:] * count)


def jpeg_metadata(marker: int, body: bytes) -> bytes:
    """A small JPEG with very many segments."""
    body = body[: MAX_IMAGE_BYTES // _SEGMENTS - 8]
    plain = saved(Image.new("RGB", (100, 100), "green"), "JPEG")
    return b"\xff\xd8" + jpeg_segment(marker, body) * (_SEGMENTS - 20) + plain[2:]


def png_pieces() -> bytes:
    """A PNG of a byte of pixels in each chunk."""
    rows = np.random.default_rng(1).integers(0, 256, (145, 433), np.uint8)
    rows[:, 0] = 0  # the filter
    pixels = zlib.compress(rows.tobytes(), 0)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 144, 145, 8, 2, 0, 0, 0))
    each = b"".join(png_chunk(b"IDAT", pixels[at : at + 1]) for at in range(_CHUNKS - 3000))
    rest = png_chunk(b"IDAT", pixels[_CHUNKS - 3000 :])
    return png.SIGNATURE + header + each + rest + png_chunk(b"IEND", b"")


def png_bombs() -> bytes:
    """Twenty megabytes of notes that unpack to a thousand times as much, and of profiles."""
    bomb = zlib.compress(bytes(64 << 20), 9)
    notes = [png_chunk(b"zTXt", b"a\0\0" + bomb), png_chunk(b"iCCP", b"a\0\0" + bomb)] * 140
    return png_of(100, 100, pixels=bytes(30_000), before=notes)


def gif_blocks() -> bytes:
    """A GIF with very many blocks in front of its image."""
    data = saved(Image.new("L", (100, 100)), "GIF")
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + b"!\xfe" + b"\1x" * (_BLOCKS - 9) + b"\0" + data[at:]


def webp_chunks() -> bytes:
    """A WebP with very many chunks."""
    body = saved(Image.new("RGB", (100, 100)), "WEBP")[12:] + b"junk\0\0\0\0" * (_CHUNKS - 9)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def gif_terminators(count: int) -> bytes:
    """A GIF with zeros in front of its image."""
    data = saved(Image.new("L", (100, 100)), "GIF")
    at = 13 + (3 << (data[10] & 7) + 1)
    return data[:at] + bytes(count) + data[at:]


def bmp_runs(count: int = _RUNS) -> bytes:
    """A bitmap of very many runs, a pixel each."""
    side = int(count**0.5) - 2
    body = (b"\1\7" * side + b"\0\0") * side + b"\0\1"
    palette = b"".join(bytes([level, level, 0, 0]) for level in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(body), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(body), 0, 0, 54 + 1024) + header + palette + body


def tiff_tiles(compression: int) -> bytes:
    """A TIFF of tiles of 16 x 16, all of them the same bytes of the file."""
    side = 16 * int(_CHUNKS**0.5)
    tile = bytes(256) if compression == 1 else zlib.compress(bytes(256))
    count = (side // 16) ** 2
    where = {259: (3, (compression,)), 322: (3, (16,)), 323: (3, (16,)), 324: (4, (8,) * count)}
    size = len(tile) if compression != 1 else 1
    return tiff_of(side, side, {**where, 325: (4, (size,) * count)}, tile + bytes(count * size // 3))


def tiff_rationals() -> bytes:
    """A TIFF whose resolution is two million fractions."""
    return tiff_of(100, 100, {282: (5, (1,) * 4_000_000)})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "progressive JPEG, 90 scans of 31 megapixels": lambda: jpeg_scans(5600, 86),
    "progressive JPEG, 5000 scans": lambda: jpeg_scans(1000, 5000),
    "JPEG, 4 000 Exif segments": lambda: jpeg_metadata(0xE1, b"Exif\0\0" + bytes(60_000)),
    "JPEG, 4 000 quantization tables": lambda: jpeg_metadata(0xDB, bytes(65)),
    "JPEG, 20 MB of fill bytes": lambda: b"\xff\xd8" + b"\xff" * 20_000_000 + jpeg_metadata(0xFE, b"")[2:],
    "PNG, 63 000 chunks of pixels": png_pieces,
    "PNG, notes and profiles of 18 GB": png_bombs,
    "GIF, 262 000 blocks in front": gif_blocks,
    "WEBP, 65 000 chunks": webp_chunks,
    "run-length BMP, 2 million runs": bmp_runs,
    "run-length BMP, 16 000 x 16 000": lambda: run_length_bitmap(16_000),
    "TIFF, 65 000 tiles": lambda: tiff_tiles(1),
    "TIFF, 65 000 deflated tiles": lambda: tiff_tiles(8),
    "TIFF, 5 million strips": lambda: tiff_of(100, 100, {273: (1, (8,) * 5_000_000), 278: (4, (99,))}),
    "TIFF, 2 million fractions": tiff_rationals,
    "PNG, 1.7 million chunks": lambda: png_of(100, 80, before=[png_chunk(b"tEXt", b"")] * 1_700_000),
    "PNG, 500 000 chunks": lambda: png_of(100, 80, before=[png_chunk(b"tEXt", b"")] * 500_000),
    "GIF, 20 MB of terminators": lambda: gif_terminators(20_000_000),
    "run-length BMP, 10 million runs": lambda: bmp_runs(9_800_000),
    "15 megapixel PNG": lambda: saved(Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGBA"), "PNG"),
}
