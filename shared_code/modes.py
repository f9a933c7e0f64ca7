"""The modes of the API, one row each: the output, its size limit, and the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared_code.encode.encoder import Pixels
from shared_code.limits import MAX_CUTOUT_PIXELS


class Mode(StrEnum):
    """The values of the query parameter `mode`."""

    BACKGROUND_REMOVAL = "backgroundRemoval"
    FOREGROUND_MATTING = "foregroundMatting"


@dataclass(frozen=True)
class Product:
    """What a mode makes of a picture.

    pixels: RGBA for the picture with the matte as its alpha, GRAY for the matte itself. max_pixels: above
    this the output is scaled down, aspect ratio kept; None keeps the picture's size. network: the manifest's
    name of the network to ask when the caller names none; None means the operator's default; the umpire is
    the one that the manifest gives to that network. description: for the API document, Markdown.
    """

    pixels: Pixels
    max_pixels: int | None
    network: str | None
    description: str


MODES: Final[Mapping[Mode, Product]] = {
    Mode.BACKGROUND_REMOVAL: Product(
        Pixels.RGBA,
        MAX_CUTOUT_PIXELS,
        None,
        "8-bit RGBA, straight alpha, colour 0 where alpha is 0; "
        f"the size of the input, scaled down to at most {MAX_CUTOUT_PIXELS} pixels.",
    ),
    Mode.FOREGROUND_MATTING: Product(
        Pixels.GRAY,
        None,
        None,
        "8-bit, one channel, white is foreground; exactly the size of the input.",
    ),
}
