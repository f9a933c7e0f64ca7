"""How the files of the accepted formats begin, where no more than a glance is wanted."""

import re
from typing import Final

SIGNATURE_BYTES: Final = 18
"""So many bytes from the beginning of a file are enough for `begins_as_picture`."""

_SIGNATURES: Final = re.compile(
    rb"""
      \xff\xd8\xff                                            # JPEG, MPO
    | \x89PNG\r\n\x1a\n
    | GIF8[79]a
    | RIFF.{4}WEBP
    | II\*\0 | MM\0\* | II\+\0 | MM\0\+                       # TIFF, BigTIFF
    | \0\0\x01\0[^\0]                                         # ICO, at least one image
    | BM.{12}(?:\x0c|\x10|\x28|\x34|\x38|\x40|\x6c|\x7c)\0\0\0  # BMP, with the size of a header it may have
    """,
    re.VERBOSE | re.DOTALL,
)


def begins_as_picture(data: bytes | bytearray) -> bool:
    """Whether `data` begins as a file of an accepted format does; the rest of it may be anything."""
    return _SIGNATURES.match(data) is not None
