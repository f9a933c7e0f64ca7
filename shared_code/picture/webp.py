"""WebP (RFC 9649): only the first image, extracted from its container."""

import struct

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.exif import orientation
from shared_code.picture.survey import ColourSpace, Survey

_PIXEL_BYTES = 16.0
"""What libwebp takes of each pixel. It takes most of that when the file is opened, so the header does not."""
_ANIMATED, _ALPHA = 0x02, 0x10


def survey(data: bytes) -> Survey:
    """Read the chunks of `data`. Raises ImageFormatInvalid."""
    chunks: dict[bytes, memoryview] = {}
    view = memoryview(data)
    at = 12
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > len(data):
            if kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"):
                raise ImageFormatInvalid
            break
        chunks.setdefault(kind, view[at : at + 8 + size + (size & 1)])
        at += 8 + size + (size & 1)
    content = _first_image(chunks)
    width, height = _size(content)
    profile = chunks.get(b"ICCP", b"")[8:]
    return Survey(
        content,
        width,
        height,
        orientation(bytes(chunks.get(b"EXIF", b"")[8:]), bytes(chunks.get(b"XMP ", b"")[8:])),
        ColourSpace(bytes(profile) if 0 < len(profile) <= MOST_PROFILE_BYTES else None),
        decoder_bytes=len(content),
        pixel_bytes=_PIXEL_BYTES,
    )


def ends_early(data: bytes) -> bool:
    """Whether the container is longer than the file."""
    return 8 + int(struct.unpack_from("<I", data, 4)[0]) > len(data)


def _first_image(chunks: dict[bytes, memoryview]) -> bytes:
    extended, frame = chunks.get(b"VP8X"), chunks.get(b"ANMF")
    image = chunks.get(b"VP8 ") or chunks.get(b"VP8L")
    if extended is None:
        parts = [image]
    elif len(extended) < 18:
        raise ImageFormatInvalid
    elif image is None and frame is not None:
        # The canvas around a frame is transparent, which libwebp reports only with this flag.
        alpha = _ALPHA if bytes(frame[8 + 6 : 8 + 12]) != bytes(extended[12:18]) else extended[8] & _ALPHA
        parts = [_flags(extended, alpha | _ANIMATED), chunks.get(b"ANIM"), frame]
    else:
        opacity = chunks.get(b"ALPH")
        parts = [_flags(extended, extended[8] & _ALPHA), *([opacity] if opacity else []), image]
    if any(part is None for part in parts):
        raise ImageFormatInvalid
    body = b"".join(part for part in parts if part is not None)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _flags(extended: memoryview, flags: int) -> memoryview:
    """The extended header with other flags: no metadata follow."""
    return memoryview(bytes(extended[:8]) + bytes([flags]) + bytes(extended[9:18]))


def _size(content: bytes) -> tuple[int, int]:
    """Width and height that the first chunk states (RFC 9649, 2.5 to 2.7)."""
    kind, body = content[12:16], content[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return struct.unpack("<H", body[6:8])[0] & 0x3FFF, struct.unpack("<H", body[8:10])[0] & 0x3FFF
    if kind == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ImageFormatInvalid
