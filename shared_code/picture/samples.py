"""Samples wider than 8 bits, brought to 0..255. Pillow clips them instead of scaling."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NO_DATA = 1e15
"""Larger numbers mean no data: usual fill values are 1e20, 9.97e36 and 3.4e38."""
_NO_DATA_INT = 2**31 - 1
_BLOCK_ROWS = 256
WIDE = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Modes of more than 8 bits: one sample each."""

type Values = NDArray[np.uint16 | np.int32 | np.float32]
type Convert = Callable[[Image.Image], Image.Image]


def eight_bit_converter(image: Image.Image) -> Convert:
    """A function from strips of `image` to strips with samples of 0..255."""
    if image.mode in WIDE[:4]:
        return lambda strip: _eight_bit(np.asarray(strip), 65_535)
    if image.mode in ("I", "F"):
        highest = max(map(_highest, _blocks(image)), default=0.0)
        ranges = (255.0, 65_535.0) if image.mode == "I" else (1.0, 255.0, 65_535.0)
        white = next((top for top in ranges if highest <= top), highest)
        return lambda strip: _eight_bit(np.asarray(strip), white)
    return lambda strip: strip


def _eight_bit(values: Values, white: float) -> Image.Image:
    """`values`: uint16, int32 or float32 (rows, columns), 0 to `white`; missing data becomes black."""
    levels = np.where(_usable(values), values, 0).astype(np.float32)
    if values.dtype.kind == "u":
        levels = np.floor(levels / 256)
    else:
        levels = np.floor(np.clip(levels / white, 0, 1) * 255 + 0.5)
    return Image.fromarray(levels.astype(np.uint8))


def _usable(values: Values) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.abs(values) < NO_DATA)  # False for NaN
    if values.dtype == np.int32:
        return np.asarray(values != _NO_DATA_INT)
    return np.ones(values.shape, np.bool_)


def _highest(values: Values) -> float:
    return float(values[_usable(values)].max(initial=0))


def _blocks(image: Image.Image) -> Iterator[Values]:
    for top in range(0, image.height, _BLOCK_ROWS):
        yield np.asarray(image.crop((0, top, image.width, min(image.height, top + _BLOCK_ROWS))))
