"""Why a file is refused, for whoever runs the service: another format, cut short, corrupt or hostile."""

import re
import struct
from collections.abc import Callable
from typing import Final

from shared_code.errors import ImageFault
from shared_code.picture import png, tiff_page
from shared_code.picture.formats import FORMATS, recognise

_HEIC: Final = re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)
"""ISO/IEC 23008-12, annexes B and D: the brands of files that phones write."""
_OTHERS: Final = re.compile(
    rb"""
      ....ftyp | ....moov                    # AVIF, camera raw, video
    | \xff\x0a | \0\0\0\x0cJXL[ ]            # JPEG XL
    | \0\0\0\x0cjP[ ]{2} | \xff\x4f\xff\x51  # JPEG 2000
    | %PDF- | 8BPS | \0\0\x02\0 | \x1f\x8b   # PDF, Photoshop, cursor, SVGZ
    | P[1-7]\s | qoif | DDS[ ] | v/1\x01 | gimp[ ]xcf | FUJIFILM
    | (?:\xef\xbb\xbf)?\s*<(?:\?xml|svg|!--)   # SVG
    """,
    re.VERBOSE | re.DOTALL,
)


def format_of(data: bytes) -> str | None:
    """The name of the accepted format that `data` begins as; the rest of it may be anything."""
    return next((row.name for row in FORMATS if row.begins.match(data)), None)


def fault_of(data: bytes, found: ImageFault) -> ImageFault:
    """`found`, or what can be said more exactly by a look at how the file begins and ends."""
    match found:
        case ImageFault.UNKNOWN if _HEIC.match(data):
            return ImageFault.HEIC
        case ImageFault.UNKNOWN if _OTHERS.match(data):
            return ImageFault.OTHER_FORMAT
        case ImageFault.CORRUPT if _ends_early(data):
            return ImageFault.TRUNCATED
    return found


def _ends_early(data: bytes) -> bool:
    try:
        recognised = recognise(data)
        ends_early = _ENDS_EARLY.get(recognised[0].name) if recognised else None
        return ends_early is not None and recognised is not None and ends_early(recognised[1])
    except (struct.error, IndexError):  # not even what says how long it is
        return True
    except Exception:
        return False


def _jpeg(data: bytes) -> bool:
    """No end marker behind the last scan; a thumbnail's would come before it."""
    end = data.rfind(b"\xff\xd9")
    return end < 0 or end < data.rfind(b"\xff\xda")


def _png(data: bytes) -> bool:
    return b"IEND" not in data[len(png.SIGNATURE) :]


def _gif(data: bytes) -> bool:
    return not data.rstrip(b"\0").endswith(b";")


def _bmp(data: bytes) -> bool:
    return int(struct.unpack_from("<I", data, 2)[0]) > len(data)


def _webp(data: bytes) -> bool:
    return 8 + int(struct.unpack_from("<I", data, 4)[0]) > len(data)


def _tiff(data: bytes) -> bool:
    layout = tiff_page.first_page(data).layout
    return any(at + size > len(data) for at, size in zip(layout.offsets, layout.sizes, strict=True))


def _ico(data: bytes) -> bool:
    """A bitmap without a file's header: its pixels, and those of its mask, are missing at the end."""
    size, width, twice_height, _, bits = struct.unpack_from("<IiiHH", data)
    mask_bits = width if bits < 32 else 0
    row_bytes = (width * bits + 31) // 32 * 4 + (mask_bits + 31) // 32 * 4
    return bool(size + row_bytes * (abs(twice_height) // 2) > len(data))


_ENDS_EARLY: Final[dict[str, Callable[[bytes], bool]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _webp,
    "TIFF": _tiff,
    "ICO": _ico,
}
