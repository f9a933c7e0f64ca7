"""Sizes at which pictures are decoded and averaged."""

import math
from typing import Protocol


class Scalable(Protocol):
    """A picture of which the header is known."""

    @property
    def width(self) -> int:
        """Of the upright picture, in pixels."""

    @property
    def height(self) -> int:
        """Of the upright picture, in pixels."""

    @property
    def scalable(self) -> bool:
        """Whether it can be decoded at a fraction of its size."""


def decode_scale(source: Scalable, least_width: int, least_height: int) -> int:
    """The largest of 8, 4, 2, 1 that `source` can be divided by on decoding and stay at least that large."""
    for scale in (8, 4, 2):
        if (
            source.scalable
            and math.ceil(source.width / scale) >= least_width
            and math.ceil(source.height / scale) >= least_height
        ):
            return scale
    return 1


def block_side(scale: float) -> int:
    """How many pixels to average in each direction before what is scaled down by `scale` is resampled.

    A fraction of the cost: the resampling filter is as wide as `scale`. It still has 1.5 blocks to a pixel.
    """
    return max(1, int(scale / 1.5))


def averaged_size(width: int, height: int, least_width: int, least_height: int) -> tuple[int, int]:
    """The size of a picture that is averaged for thumbnails of at most `least_width` x `least_height`."""
    block = block_side(min(width / least_width, height / least_height))
    return math.ceil(width / block), math.ceil(height / block)
