"""Samples wider than 8 bits, brought to 0..255. Pillow clips them instead of scaling."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from shared_code.picture.survey import SampleRange

NO_DATA = 1e15
"""Larger numbers mean no data: usual fill values are 1e20, 9.97e36 and 3.4e38."""
_NO_DATA_INT = 2**31 - 1
_BLOCK_ROWS = 256
WIDE = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
"""Modes of more than 8 bits: one sample each."""

type Values = NDArray[np.uint16 | np.int32 | np.float32]
type Convert = Callable[[Image.Image], Image.Image]


def eight_bit_converter(image: Image.Image, samples: SampleRange) -> Convert:
    """A function from strips of `image` to strips with samples of 0..255."""
    if image.mode in WIDE[:4]:
        known = samples.white or 65_535
        return lambda strip: _eight_bit(np.asarray(strip), samples, known)
    if image.mode in ("I", "F"):
        highest = max((_highest(block, samples) for block in _blocks(image)), default=0.0)
        ranges = (255.0, 65_535.0) if image.mode == "I" else (1.0, 255.0, 65_535.0)
        white = next((top for top in ranges if highest <= top), highest)
        return lambda strip: _eight_bit(np.asarray(strip), samples, white)
    if samples.white_is_zero:
        return _turned_over
    return lambda strip: strip


def _eight_bit(values: Values, samples: SampleRange, white: float) -> Image.Image:
    """`values`: uint16, int32 or float32 (rows, columns), 0 to `white`; missing data becomes black."""
    usable = _usable(values, samples)
    levels = np.where(usable, values, 0).astype(np.float32)
    if values.dtype.kind == "u" and white == 65_535:
        levels = np.floor(levels / 256)
    else:
        levels = np.floor(np.clip(levels / white, 0, 1) * 255 + 0.5)
    if samples.white_is_zero:
        levels = np.where(usable, 255 - levels, 0)
    return Image.fromarray(levels.astype(np.uint8))


def _usable(values: Values, samples: SampleRange) -> NDArray[np.bool_]:
    if values.dtype.kind == "f":
        usable = np.abs(values) < NO_DATA  # False for NaN
    elif values.dtype == np.int32:
        usable = values != _NO_DATA_INT
    else:
        usable = np.ones(values.shape, np.bool_)
    if samples.no_data is not None:
        usable &= values != samples.no_data
    return usable


def _highest(values: Values, samples: SampleRange) -> float:
    return float(values[_usable(values, samples)].max(initial=0))


def _blocks(image: Image.Image) -> Iterator[Values]:
    for top in range(0, image.height, _BLOCK_ROWS):
        yield np.asarray(image.crop((0, top, image.width, min(image.height, top + _BLOCK_ROWS))))


def _turned_over(strip: Image.Image) -> Image.Image:
    if strip.mode == "LA":
        gray, alpha = strip.split()
        return Image.merge("LA", (ImageChops.invert(gray), alpha))
    return ImageChops.invert(strip.convert("L"))
