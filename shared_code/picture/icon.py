"""Windows icons: a directory of small files, each a PNG or a bitmap. One of them is the picture."""

import struct
from dataclasses import replace

import numpy as np
from PIL import Image

from shared_code.errors import ImageFormatInvalid
from shared_code.picture import bmp
from shared_code.picture.survey import Stored, Survey

_DIRECTORY = struct.Struct("<BBBBHHII")


def frame(data: bytes) -> bytes:
    """The file in the icon that is the picture: the largest, of these the deepest.

    Raises ImageFormatInvalid.
    """
    try:
        (count,) = struct.unpack_from("<H", data, 4)
        entries = [_DIRECTORY.unpack_from(data, 6 + 16 * index) for index in range(count)]
    except struct.error:
        raise ImageFormatInvalid from None
    if not entries:
        raise ImageFormatInvalid

    def rank(entry: tuple[int, ...]) -> tuple[int, int]:
        width, height, colours, _, _, bits, _, _ = entry
        return (width or 256) * (height or 256), bits or (colours and (colours - 1).bit_length()) or 8

    *_, size, offset = max(entries, key=rank)
    return data[offset : offset + size]


def survey(data: bytes) -> Survey:
    """Check the bitmap of an icon's frame: a header of twice the height, pixels, a mask of one bit each.

    Raises ImageFormatInvalid.
    """
    header = _header(data)
    opacity = header.width * header.height
    return Survey(
        data, header.width, header.height, decoder_bytes=3 * opacity, pixel_bytes=bmp.pixel_bytes(header)
    )


def _header(data: bytes) -> bmp.BitmapHeader:
    header = bmp.read_header(data, 0)
    if header.compression != 0 or header.size < 40:
        raise ImageFormatInvalid
    return replace(header, height=header.height // 2)


def load(survey: Survey, _scale: int) -> Stored:
    """Decode the bitmap, and its opacity from its own alpha or from the mask."""
    header = _header(survey.content)
    width, height, at = header.width, header.height, header.pixels_at
    stored = bmp.decoded(survey.content, header, at)
    pixel_bytes = header.stride * height
    if header.bits == 32:
        alpha = np.frombuffer(survey.content, np.uint8, pixel_bytes, at)[3::4]
        if alpha.any():
            return _with(stored.image, alpha.reshape(height, width))
    stride = (width + 31) // 32 * 4
    mask = np.frombuffer(survey.content, np.uint8, offset=at + pixel_bytes)[: stride * height]
    if mask.size < stride * height:
        if header.bits < 32:
            raise ImageFormatInvalid
        return Stored(stored.image, has_alpha=False)
    clear = np.unpackbits(mask.reshape(height, stride), axis=1, count=width)
    return _with(stored.image, (1 - clear) * np.uint8(255))


def ends_early(data: bytes) -> bool:
    """Whether pixels, or those of the mask, are missing at the end of the bitmap."""
    size, width, twice_height, _, bits = struct.unpack_from("<IiiHH", data)
    mask_bits = width if bits < 32 else 0
    row_bytes = (width * bits + 31) // 32 * 4 + (mask_bits + 31) // 32 * 4
    return bool(size + row_bytes * (abs(twice_height) // 2) > len(data))


def _with(image: Image.Image, alpha: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Stored:
    """`alpha` is uint8 (height, width), bottom row first."""
    if alpha.min() == 255:
        return Stored(image, has_alpha=False)
    return Stored(image, True, Image.fromarray(np.ascontiguousarray(alpha[::-1])))
