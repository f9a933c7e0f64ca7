"""Where the subject of a picture is, in whole pixels, with a margin: what `crop=subject` answers."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_code.matte.box import Box

MARGIN = 0.05
"""Of the longer side of the subject, on each side of it."""
VISIBLE = 13
"""Of 255, from which on a pixel counts as part of the subject: a matte's background may have fainter haze."""
_REACH = 2
"""How many pixels of a matte its enlargement spreads it by (bicubic)."""


@dataclass(frozen=True, slots=True)
class PixelBox:
    """An upright rectangle of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row after it."""
        return self.top + self.height

    def scaled(self, across: float, down: float, width: int, height: int) -> "PixelBox":
        """The least box that covers it in the same picture of `width` x `height` pixels."""
        return _covering(
            self.left * across, self.top * down, self.right * across, self.bottom * down, width, height
        )


def subject_box(alpha: NDArray[np.uint8], width: int, height: int) -> PixelBox:
    """The box of everything that is VISIBLE; the whole picture where nothing is.

    alpha: uint8 (rows, columns), covering a picture of `width` x `height` pixels.
    """
    box = Box.around(alpha >= VISIBLE, 0)
    if box is None:
        return PixelBox(0, 0, width, height)
    left, top, right, bottom = box.of(width, height)
    rows, columns = alpha.shape
    margin = MARGIN * max(right - left, bottom - top)
    across, down = max(margin, _REACH * width / columns), max(margin, _REACH * height / rows)
    return _covering(left - across, top - down, right + across, bottom + down, width, height)


def _covering(left: float, top: float, right: float, bottom: float, width: int, height: int) -> PixelBox:
    """The least box of whole pixels, of those that there are."""
    first, above = max(0, math.floor(left)), max(0, math.floor(top))
    return PixelBox(
        first, above, min(width, math.ceil(right)) - first, min(height, math.ceil(bottom)) - above
    )
