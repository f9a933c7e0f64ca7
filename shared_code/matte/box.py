"""The part of a picture that its subject is in."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

type Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle of a picture; its edges in shares of the picture's width and height, 0..1."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, inside: NDArray[np.bool], margin: float) -> Self | None:
        """The least box that holds all that is `inside`, wider by `margin` of its sides to each side.

        inside: bool (rows, columns), covering the picture. None when nothing is.
        """
        columns, rows = np.flatnonzero(inside.any(0)), np.flatnonzero(inside.any(1))
        if not len(columns):
            return None
        left, right = columns[0] / inside.shape[1], (columns[-1] + 1) / inside.shape[1]
        top, bottom = rows[0] / inside.shape[0], (rows[-1] + 1) / inside.shape[0]
        across, down = margin * (right - left), margin * (bottom - top)
        return cls(
            float(max(0, left - across)),
            float(max(0, top - down)),
            float(min(1, right + across)),
            float(min(1, bottom + down)),
        )

    @property
    def area(self) -> float:
        """Share of the picture, 0..1."""
        return (self.right - self.left) * (self.bottom - self.top)

    def of(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge in a picture of that size, as Pillow takes a box."""
        return self.left * width, self.top * height, self.right * width, self.bottom * height
