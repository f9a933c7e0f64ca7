"""GIF (89a): only the first image, on its screen."""

import struct
from dataclasses import replace

from PIL import Image

from shared_code.errors import ImageFormatInvalid
from shared_code.picture import pillow
from shared_code.picture.survey import Stored, Survey

_EXTENSION, _IMAGE = 0x21, 0x2C


def survey(data: bytes) -> Survey:
    """Find the first image. If it reaches beyond its screen, Pillow enlarges that, as browsers do.

    Raises ImageFormatInvalid.
    """
    left, top, columns, rows = struct.unpack_from("<HHHH", data, _first_image(data) + 1)
    covered = (left, top, left + columns, top + rows)
    found = pillow.survey(data, "GIF")
    alpha_bytes = 0 if covered == (0, 0, found.width, found.height) else found.width * found.height
    return replace(found, covered=covered, decoder_bytes=alpha_bytes)


def load(survey: Survey, scale: int) -> Stored:
    """Decode the first image; the screen around it is transparent."""
    stored = pillow.load(survey, scale, "GIF")
    whole = (0, 0, survey.width, survey.height)
    if stored.has_alpha or survey.covered in (None, whole):
        return stored  # where a colour is transparent, Pillow fills the screen with it
    alpha = Image.new("L", whole[2:])
    alpha.paste(255, survey.covered)
    return Stored(stored.image, True, alpha)


def ends_early(data: bytes) -> bool:
    """Whether there is no trailer."""
    return not data.rstrip(b"\0").endswith(b";")


def _first_image(data: bytes) -> int:
    """Where its descriptor is. Pillow would skip what belongs to no block; such a file is damaged."""
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while data[at] in (_EXTENSION, 0):  # some writers leave a terminator too many
        at += 2 if data[at] else 0
        while data[at]:
            at += 1 + data[at]
        at += 1
    if data[at] != _IMAGE:
        raise ImageFormatInvalid
    return at
