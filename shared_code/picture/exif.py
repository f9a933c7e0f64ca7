"""The orientation in a file's EXIF or XMP; nothing else of them is read."""

import re
import struct

from shared_code.picture.caps import MOST_TEXT_BYTES

_PREFIX = b"Exif\0\0"
_ORIENTATION = 0x112
_INTEGERS = {1: "B", 3: "H", 4: "I"}
"""Field type (TIFF 6.0, section 2) to its struct code."""
_XMP = re.compile(rb"""tiff:Orientation(?:=["']|>)([1-8])\b""")


def exif_orientation(block: bytes) -> int | None:
    """The orientation (1..8) in the first directory of an EXIF block, with or without the prefix `Exif`."""
    block = block.removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) < 8:
        return None
    (at,) = struct.unpack_from(order + "I", block, 4)
    if at + 2 > len(block):
        return None
    (entries,) = struct.unpack_from(order + "H", block, at)
    last = min(len(block) - 12, at + 2 + 12 * (entries - 1))
    for entry in range(at + 2, last + 1, 12):
        tag, kind, count = struct.unpack_from(order + "HHI", block, entry)
        if tag == _ORIENTATION and kind in _INTEGERS and count == 1:
            (value,) = struct.unpack_from(order + _INTEGERS[kind], block, entry + 8)
            return value if 1 <= value <= 8 else None
    return None


def xmp_orientation(packet: bytes) -> int | None:
    """The orientation (1..8) that an XMP packet states."""
    found = _XMP.search(packet, 0, MOST_TEXT_BYTES)
    return int(found[1]) if found else None


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """EXIF's orientation, else XMP's, else upright."""
    return (exif and exif_orientation(exif)) or (xmp and xmp_orientation(xmp)) or 1
