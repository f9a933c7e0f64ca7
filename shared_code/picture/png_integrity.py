"""Is a PNG file whole? Pillow stops at the last pixel and never looks at what should follow."""

import struct

from isal import isal_zlib

from shared_code.errors import ImageFormatInvalid


def check_png(data: bytes) -> None:
    """Check that every critical chunk has its CRC and that IEND is reached (W3C PNG, 5.3 and 5.5).

    Raises ImageFormatInvalid: a cut or altered file is refused rather than guessed at.
    """
    view = memoryview(data)
    at = 8
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(view):
            raise ImageFormatInvalid
        (length,) = struct.unpack_from(">I", view, at)
        kind = bytes(view[at + 4 : at + 8])
        end = at + 8 + length
        if end + 4 > len(view):
            raise ImageFormatInvalid
        if kind[:1].isupper() and isal_zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise ImageFormatInvalid
        at = end + 4
