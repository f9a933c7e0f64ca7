"""Colours and matte become the pixels of a cut-out."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def combine_alpha(matte: NDArray[np.uint8], own: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Product of two alpha planes, uint8 0..255 of one shape, rounded: the picture's own alpha stays."""
    product = matte.astype(np.uint16) * own + 127
    return (product // 255).astype(np.uint8)


def colour_words(colours: Image.Image) -> NDArray[np.uint32]:
    """The colours of an RGB or RGBA image, alpha left out: uint32 (rows, width), R in the lowest byte."""
    # One little-endian word a pixel: masks on words are several times faster than on colour planes.
    packed = colours.tobytes("raw", "RGBX" if colours.mode == "RGB" else "RGBA")
    return np.frombuffer(packed, "<u4").reshape(colours.height, colours.width) & np.uint32(0x00FFFFFF)


def cutout_rows(colours: NDArray[np.uint32], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA pixels with straight alpha, uint8 of shape (rows, width * 4).

    `colours` are `colour_words`, `alpha` is uint8 of the same shape (rows, width), 0 transparent. Pixels
    with alpha 0 have colour 0, so that what was removed cannot be recovered.
    """
    pixels = colours | alpha.astype(np.uint32) << np.uint32(24)
    pixels *= alpha != 0
    return pixels.view(np.uint8)
