"""The interface of an output format: strips of pixels in, in any order and on any thread; bytes out."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Pixels(Enum):
    """What a row holds: the value is the bytes of one pixel, all samples uint8."""

    GRAY = 1
    RGBA = 4


type Rows = Callable[[], NDArray[np.uint8]]
"""Makes a strip: uint8 of shape (n, width * bytes of a pixel), C-contiguous."""


class EncodedStrip(Protocol):
    """Encoded rows; nearly all of their memory is `data`."""

    @property
    def data(self) -> bytes:
        """The encoded rows."""


class Encoder[Strip: EncodedStrip](Protocol):
    """Writes one picture: `head`, then `join` for the result of each job in order, then `tail`."""

    @property
    def media_type(self) -> str:
        """Of the file."""

    def head(self) -> bytes:
        """Everything before the first row."""

    def jobs(self, strips: Sequence[Rows]) -> list[Callable[[], Strip]]:
        """What is to be done for a picture that consists of these strips.

        That is a job for each, to be done in any order and on several threads; or one that needs all rows.
        """

    def join(self, strip: Strip) -> bytes:
        """The next rows of the file."""

    def tail(self) -> bytes:
        """Everything after the last row."""


def encoded[Strip: EncodedStrip](encoder: Encoder[Strip], strips: Iterable[NDArray[np.uint8]]) -> bytes:
    """A whole picture at once, on this thread."""
    jobs = encoder.jobs([partial(np.asarray, rows) for rows in strips])
    return b"".join([encoder.head(), *(encoder.join(job()) for job in jobs), encoder.tail()])
