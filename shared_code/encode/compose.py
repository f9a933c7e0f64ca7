"""Colours and matte become the pixels of a cut-out."""

import numpy as np
from numpy.typing import NDArray


def combine_alpha(matte: NDArray[np.uint8], own: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Product of two alpha planes, uint8 0..255 of one shape, rounded: the picture's own alpha stays."""
    product = matte.astype(np.uint16) * own + 127
    return (product // 255).astype(np.uint8)


def cutout_rows(colours: NDArray[np.uint32], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA pixels with straight alpha, uint8 of shape (rows, width * 4).

    `colours` are uint32 (rows, width), R in the lowest byte and 0 in the highest, `alpha` is uint8 of that
    shape, 0 transparent. Pixels with alpha 0 have colour 0, so that what was removed cannot be recovered.
    """
    pixels = colours | alpha.astype(np.uint32) << np.uint32(24)
    pixels *= alpha != 0
    return pixels.view(np.uint8)
