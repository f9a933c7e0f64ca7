"""GIF (89a): the first image alone, with the screen it lies on."""

import struct

from PIL import Image

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.caps import Cap
from shared_code.picture.pillow import load as load_with_pillow
from shared_code.picture.survey import Stored, Survey

BLOCKS = Cap("GIF blocks before the first image", 1 << 18, "20 MB of XMP, read as blocks, are about 260 000")

_EXTENSION, _IMAGE, _GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9


def survey(data: bytes) -> Survey:
    """Walk the blocks of `data` to its first image. Raises ImageFormatInvalid."""
    if len(data) < 13:
        raise ImageFormatInvalid
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    head = 13 + _table_bytes(flags)
    at, control = _first_image(data, head)
    if data[at : at + 1] != bytes([_IMAGE]) or at + 11 > len(data):
        raise ImageFormatInvalid
    left, top, columns, rows = struct.unpack_from("<HHHH", data, at + 1)
    # A frame that reaches beyond its screen enlarges it, as browsers do.
    width, height = max(width, left + columns), max(height, top + rows)
    screen = data[:6] + struct.pack("<HH", width, height) + data[10:head]
    content = b"".join((screen, control, memoryview(data)[at:]))
    covered = (left, top, left + columns, top + rows)
    alpha_bytes = 0 if covered == (0, 0, width, height) else width * height
    return Survey(content, width, height, covered=covered, decoder_bytes=alpha_bytes)


def load(survey: Survey, scale: int) -> Stored:
    """Decode the first image; the screen around it is transparent."""
    stored = load_with_pillow(survey, "GIF")
    whole = (0, 0, survey.width, survey.height)
    if stored.has_alpha or survey.covered in (None, whole):
        return stored  # where a colour is transparent, Pillow fills the screen with it
    alpha = Image.new("L", whole[2:])
    alpha.paste(255, survey.covered)
    return Stored(stored.image, True, alpha)


def _first_image(data: bytes, at: int) -> tuple[int, bytes]:
    """Where the first image begins, and the graphic control extension that belongs to it."""
    control, blocks = b"", 0
    while at < len(data) and data[at] in (_EXTENSION, 0):  # some writers leave a terminator too many
        start, at = at, at + (2 if data[at] else 0)
        while at < len(data) and data[at]:
            at += 1 + data[at]
            blocks += 1
            BLOCKS.check(blocks)
        at += 1
        blocks += 1
        BLOCKS.check(blocks)
        if data[start : start + 2] == bytes([_EXTENSION, _GRAPHIC_CONTROL]):
            control = data[start:at]
    return at, control


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
