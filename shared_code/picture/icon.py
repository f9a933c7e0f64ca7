"""Windows icons: a directory of small files, each a PNG or a bitmap. One frame of it is the picture."""

import struct

from shared_code.errors import ImageFormatInvalid

_ICO_MAGIC = b"\0\0\1\0"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def is_icon(data: bytes) -> bool:
    """Whether `data` begins like an ICO file."""
    return data.startswith(_ICO_MAGIC)


def unwrapped(data: bytes) -> bytes:
    """The PNG that an icon holds; any other image, and an icon of bitmaps, as it is.

    Raises ImageFormatInvalid.
    """
    if is_icon(data):
        frame = _largest_frame(data)
        if frame.startswith(_PNG_MAGIC):
            return frame
    return data


def bitmap_size(data: bytes) -> tuple[int, int]:
    """Width and height the bitmap in an icon has, whatever the directory says. Raises ImageFormatInvalid.

    Pillow decodes an icon's bitmap on opening, so this is read before Pillow sees it.
    """
    try:
        _, width, height_of_both_masks = struct.unpack_from("<Iii", _largest_frame(data))
    except struct.error:
        raise ImageFormatInvalid from None
    return width, height_of_both_masks // 2


def _largest_frame(data: bytes) -> bytes:
    """The frame Pillow would choose: the largest, of these the shallowest. Raises ImageFormatInvalid."""
    try:
        (count,) = struct.unpack_from("<H", data, 4)
        entries = [struct.unpack_from("<BBBBHHII", data, 6 + 16 * index) for index in range(count)]
    except struct.error:
        raise ImageFormatInvalid from None
    if not entries:
        raise ImageFormatInvalid

    def rank(entry: tuple[int, ...]) -> tuple[int, int]:
        width, height, colours, _, _, bits, _, _ = entry
        depth = bits or (colours and (colours - 1).bit_length()) or 256
        return (width or 256) * (height or 256), -depth

    *_, size, offset = max(entries, key=rank)
    return data[offset : offset + size]
