"""Pictures of the conformance table, good and bad, made when they are needed."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from shared_code.limits import MAX_IMAGE_BYTES
from tests.support.photos import encoded, photo


def blank(form: str, width: int, height: int, mode: str = "L") -> bytes:
    """One colour, any size."""
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, form)
    return out.getvalue()


def padded(size: int) -> bytes:
    """A photo of exactly `size` bytes: what follows the end of a JPEG is ignored by every decoder."""
    data = encoded("JPEG", 160, 120)
    return data + bytes(size - len(data))


LARGEST = MAX_IMAGE_BYTES


def turned(orientation: int) -> bytes:
    """A JPEG of 160 x 120 stored pixels with an EXIF orientation."""
    image = photo().resize((160, 120))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def converted(form: str, mode: str, **options: object) -> bytes:
    """The photo in another pixel format."""
    image = photo().resize((160, 120))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257)
    else:
        image = image.convert(mode)
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def frames(form: str) -> bytes:
    """Three frames or pages, of which the first one counts."""
    first, *rest = [photo(name).resize((160, 120)) for name in ("astronaut.png", "coffee.png", "chelsea.png")]
    out = io.BytesIO()
    first.save(out, form, save_all=True, append_images=rest)
    return out.getvalue()


def transparent() -> bytes:
    """A PNG whose left half is transparent."""
    image = photo().resize((160, 120)).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 80, 120))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header announces a size its data does not have."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100)))
        + chunk(b"IEND", b"")
    )


def icon_around(png: bytes) -> bytes:
    """An ICO that says 64 x 64 and holds another picture."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 64, 64, 0, 0, 1, 32, len(png), 22) + png
