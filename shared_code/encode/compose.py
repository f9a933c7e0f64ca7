"""Colours and matte become the pixels of a cut-out."""

import numpy as np
from numpy.typing import NDArray


def combine_alpha(matte: NDArray[np.uint8], own: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Product of two alpha planes, uint8 0..255 of one shape, rounded: the picture's own alpha stays."""
    product = matte.astype(np.uint16)
    product *= own
    product += 127
    product //= 255
    return product.astype(np.uint8)


def cutout(colours: NDArray[np.uint32], alpha: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """RGBA pixels with straight alpha, uint32, R in the lowest byte and alpha in the highest.

    `colours` are the same with 0 in the highest byte, `alpha` is uint8 of that shape, 0 transparent. Pixels
    with alpha 0 have colour 0, so that what was removed cannot be recovered.
    """
    pixels = colours | alpha.astype(np.uint32) << np.uint32(24)
    pixels *= alpha != 0
    return pixels
