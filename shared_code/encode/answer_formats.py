"""The formats of the answer: one row each, from which negotiation, settings, memory and documents follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared_code.encode import whole
from shared_code.encode.encoder import Pixels
from shared_code.limits import MAX_CUTOUT_PIXELS


@dataclass(frozen=True)
class WholeFormat:
    """What a format takes that is encoded in one piece, and how.

    encode: takes all rows, uint8 (height, width * bytes of a pixel), the width, and the quality of colours.
    quality: the default, 1 to 100. max_side: in pixels; max_pixels: above this it takes too long.
    rgba_bytes, gray_bytes: of memory for each pixel at the peak, the rows included, measured on noise.
    """

    encode: Callable[[NDArray[np.uint8], int, int], bytes]
    quality: int
    max_side: int
    max_pixels: int
    rgba_bytes: int
    gray_bytes: int

    def peak_bytes(self, width: int, height: int, pixels: Pixels) -> int:
        """Of memory, while a picture of that size is encoded."""
        return width * height * (self.rgba_bytes if pixels is Pixels.RGBA else self.gray_bytes)

    def takes(self, width: int, height: int) -> bool:
        """Whether a picture of that size can be written."""
        return max(width, height) <= self.max_side and width * height <= self.max_pixels


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
    WholeFormat(
        whole.webp, quality=80, max_side=16_383, max_pixels=MAX_CUTOUT_PIXELS, rgba_bytes=42, gray_bytes=27
    ),
)
AVIF: Final = AnswerFormat(
    "avif",
    "image/avif",
    ".avif",
    "The same, for those who want AVIF.",
    WholeFormat(
        whole.avif, quality=60, max_side=16_384, max_pixels=MAX_CUTOUT_PIXELS, rgba_bytes=34, gray_bytes=22
    ),
)

ANSWER_FORMATS: Final = (PNG, WEBP, AVIF)
"""The earlier is preferred where a caller has no preference."""


class WholeEncoder:
    """An Encoder of one strip, which has all rows."""

    at_once = True

    def __init__(self, format: AnswerFormat, how: WholeFormat, width: int, quality: int) -> None:
        self.media_type = format.media_type
        self._encode = how.encode
        self._width = width
        self._quality = quality

    def head(self) -> bytes:
        """Nothing: the strip is the file."""
        return b""

    def strip(self, rows: NDArray[np.uint8]) -> "EncodedFile":
        """Encode all rows, uint8 of shape (height, width * bytes of a pixel), C-contiguous."""
        return EncodedFile(self._encode(rows, self._width, self._quality))

    def join(self, strip: "EncodedFile") -> bytes:
        """The file."""
        return strip.data

    def tail(self) -> bytes:
        """Nothing."""
        return b""


@dataclass(frozen=True)
class EncodedFile:
    """A whole file."""

    data: bytes
