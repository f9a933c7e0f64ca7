"""Why a file is refused, for the operator: another format, truncated, corrupt or hostile."""

import re
import struct
from typing import Final

from shared_code.errors import ImageFault
from shared_code.picture.formats import AVIF, HEIC, begins_as, recognise

_OTHERS: Final = re.compile(
    rb"""
      ....ftyp | ....moov                    # camera raw, video
    | \xff\x0a | \0\0\0\x0cJXL[ ]            # JPEG XL
    | \0\0\0\x0cjP[ ]{2} | \xff\x4f\xff\x51  # JPEG 2000
    | %PDF- | 8BPS | \0\0\x02\0 | \x1f\x8b   # PDF, Photoshop, cursor, SVGZ
    | P[1-7]\s | qoif | DDS[ ] | v/1\x01 | gimp[ ]xcf | FUJIFILM
    | (?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!--)   # SVG
    """,
    re.VERBOSE | re.DOTALL,
)


def format_of(data: bytes) -> str | None:
    """The name of the format that `data` begins as; the rest of it may be anything."""
    row = begins_as(data)
    return row.name if row else None


def fault_of(data: bytes, found: ImageFault) -> ImageFault:
    """`found`, or a more exact fault, from the beginning and the end of the file."""
    match found:
        case ImageFault.UNKNOWN if AVIF.begins.match(data):
            return ImageFault.AVIF
        case ImageFault.UNKNOWN if HEIC.begins.match(data):
            return ImageFault.HEIC
        case ImageFault.UNKNOWN if _OTHERS.match(data):
            return ImageFault.OTHER_FORMAT
        case ImageFault.CORRUPT if _ends_early(data):
            return ImageFault.TRUNCATED
    return found


def _ends_early(data: bytes) -> bool:
    try:
        recognised = recognise(data)
        return recognised is not None and recognised[0].ends_early(recognised[1])
    except (struct.error, IndexError):  # not even the field with its length
        return True
    except Exception:
        return False
