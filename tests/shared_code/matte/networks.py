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
    seen: list[NDArray[np.uint8]] = field(default_factory=list)

    def mask(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """255 in the rectangle, 0 around it."""
        self.seen.append(rgb)
        mask = np.zeros((self.side, self.side), np.uint8)
        rows = slice(round(self.top * self.side), round(self.bottom * self.side))
        mask[rows, round(self.left * self.side) : round(self.right * self.side)] = 255
        return mask
