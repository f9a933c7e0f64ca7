"""The formats of the answer, one row each. Negotiation, settings, memory and documents use this table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image

from shared_code.encode import whole
from shared_code.encode.encoder import Pixels
from shared_code.limits import MAX_CUTOUT_PIXELS


@dataclass(frozen=True)
class WholeFormat:
    """How to encode a format that needs all rows at once, and what that takes.

    encode: takes all pixels, as an image of mode RGBA or L, and the quality of colours.
    quality: the default, 1 to 100. max_pixels: above this it takes too long.
    rgba_bytes, gray_bytes: of memory for each pixel at the peak, the pixels included, measured on noise.
    """

    encode: Callable[[Image.Image, int], bytes]
    quality: int
    max_pixels: int
    rgba_bytes: int
    gray_bytes: int

    def peak_bytes(self, width: int, height: int, pixels: Pixels) -> int:
        """Of memory, while a picture of that size is encoded."""
        return width * height * (self.rgba_bytes if pixels is Pixels.RGBA else self.gray_bytes)

    def takes(self, width: int, height: int) -> bool:
        """Whether a picture of that size can be written."""
        return width * height <= self.max_pixels


@dataclass(frozen=True)
class AnswerFormat:
    """A format of the answer.

    name: of values and variables. ending: of file names, with its dot. whole: None where strips of rows are
    encoded by themselves and sent while others are made, and any size can be written.
    """

    name: str
    media_type: str
    ending: str
    description: str
    whole: WholeFormat | None = None


PNG: Final = AnswerFormat(
    "png",
    "image/png",
    ".png",
    "Lossless, and sent while it is made. What a call gets that asks for no other.",
)
WEBP: Final = AnswerFormat(
    "webp",
    "image/webp",
    ".webp",
    "Several times smaller; alpha and mattes are exact, colours nearly. Sent when it is whole.",
    WholeFormat(whole.webp, quality=80, max_pixels=MAX_CUTOUT_PIXELS, rgba_bytes=42, gray_bytes=27),
)
AVIF: Final = AnswerFormat(
    "avif",
    "image/avif",
    ".avif",
    "The same, for those who want AVIF.",
    WholeFormat(whole.avif, quality=60, max_pixels=MAX_CUTOUT_PIXELS, rgba_bytes=34, gray_bytes=22),
)

ANSWER_FORMATS: Final = (PNG, WEBP, AVIF)
"""In order of preference where the caller has none."""
