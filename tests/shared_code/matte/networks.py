"""Networks whose masks are known, in place of the real ones."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class FlatNetwork:
    """Finds the foreground in a rectangle of the picture, given in parts of its sides; keeps what it saw."""

    left: float = 0.25
    top: float = 0.25
    right: float = 0.75
    bottom: float = 0.75
    side: int = 64
    second_side: int | None = None
    umpire: "FlatNetwork | None" = None
    seen: list[NDArray[np.uint8]] = field(default_factory=list)

    def mask(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """255 in the rectangle, 0 around it."""
        self.seen.append(rgb)
        side = len(rgb)
        mask = np.zeros((side, side), np.uint8)
        rows = slice(round(self.top * side), round(self.bottom * side))
        mask[rows, round(self.left * side) : round(self.right * side)] = 255
        return mask
