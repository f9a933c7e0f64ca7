"""What an output format has to offer: pixels come in strips, in any order and on any thread, bytes go out."""

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Pixels(Enum):
    """What a row holds: the value is the bytes of one pixel, all samples uint8."""

    GRAY = 1
    RGBA = 4


class EncodedStrip(Protocol):
    """Some rows in the format's own form; most of what it takes is `data`."""

    @property
    def data(self) -> bytes:
        """The encoded rows."""


class Encoder[Strip: EncodedStrip](Protocol):
    """Writes one picture: `head`, then `join` for each strip in order, then `tail`."""

    @property
    def media_type(self) -> str:
        """Of the file."""

    @property
    def at_once(self) -> bool:
        """Whether `strip` has to be given all rows of the picture at once."""

    def head(self) -> bytes:
        """Everything before the first row."""

    def strip(self, rows: NDArray[np.uint8]) -> Strip:
        """Encode some rows by themselves, uint8 of shape (n, width * bytes of a pixel), C-contiguous.

        Called on several threads at once; the strips' order does not matter yet.
        """

    def join(self, strip: Strip) -> bytes:
        """The next rows of the file."""

    def tail(self) -> bytes:
        """Everything after the last row."""


def encoded[Strip: EncodedStrip](encoder: Encoder[Strip], strips: Iterable[NDArray[np.uint8]]) -> bytes:
    """A whole picture at once, on this thread."""
    return b"".join([encoder.head(), *(encoder.join(encoder.strip(rows)) for rows in strips), encoder.tail()])
