"""The largest pictures the contract allows, in the formats that cost the most memory; each under 20 MB."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

SIDE = 16_000


def _waves(mode: str) -> Image.Image:
    """A picture with a bright round subject, smooth enough to compress well."""
    row = np.arange(400, dtype=np.float32)
    disc = np.hypot(row[:, None] - 200, row[None, :] - 200) < 120
    small = np.where(disc, 220, 40).astype(np.uint8)
    image = Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return image if mode == "L" else image.convert(mode)


def _saved(form: str, mode: str, **options: object) -> bytes:
    out = io.BytesIO()
    _waves(mode).save(out, form, **options)
    return out.getvalue()


def _interlaced_png(bits: int) -> bytes:
    """An Adam7 PNG in RGB with 8 or 16 bits; Pillow writes none, so its passes are written here."""
    colour = bytes((200, 80, 40)) if bits == 8 else struct.pack(">HHH", 51_400, 20_560, 10_280)
    deflate = zlib.compressobj(1)
    data = b"".join(deflate.compress(part) for part in _adam7_rows(colour)) + deflate.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _adam7_rows(pixel: bytes) -> Iterator[bytes]:
    """All rows of the seven passes (W3C PNG, 8.2), each with filter type 0."""
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    for left, top, step_x, step_y in passes:
        row = b"\0" + pixel * len(range(left, SIDE, step_x))
        for _ in range(top, SIDE, step_y):
            yield row


def _png_16_bit() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.asarray(_waves("L"), np.uint16) * 257).save(out, "PNG", compress_level=1)
    return out.getvalue()


GIANTS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: _saved("JPEG", "RGB", quality=50),
    "progressive JPEG": lambda: _saved("JPEG", "RGB", quality=50, progressive=True),
    "progressive JPEG, 4:4:4": lambda: _saved("JPEG", "RGB", quality=50, progressive=True, subsampling=0),
    "PNG": lambda: _saved("PNG", "RGB", compress_level=1),
    "PNG with alpha": lambda: _saved("PNG", "RGBA", compress_level=1),
    "interlaced PNG": lambda: _interlaced_png(8),
    "interlaced 16-bit PNG": lambda: _interlaced_png(16),
    "16-bit gray PNG": _png_16_bit,
    "palette GIF": lambda: _saved("GIF", "P"),
    "TIFF, deflate": lambda: _saved("TIFF", "RGB", compression="tiff_adobe_deflate"),
    "WEBP 8000 x 8000": lambda: _webp(),
}


def _webp() -> bytes:
    out = io.BytesIO()
    _waves("RGB").resize((8_000, 8_000), Image.Resampling.NEAREST).save(out, "WEBP", quality=30, method=0)
    return out.getvalue()
