"""The photos that come inside the scikit-image wheel: some calibrate, the others judge.

They are read from the installed package; nothing is downloaded.
"""

from collections.abc import Iterator
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CALIBRATION = (
    "astronaut.png",
    "camera.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "coins.png",
)
HELD_OUT = (
    "chelsea.png",
    "rocket.jpg",
    "clock_motion.png",
    "color.png",
    "horse.png",
    "moon.png",
    "logo.png",
    "page.png",
)

CROPS_PER_PHOTO = 3
_SEED = 20_201_101


def held_out(side_px: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Name and picture, uint8 RGB (side_px, side_px, 3), 0..255, of each photo that calibration never sees."""
    for name in HELD_OUT:
        yield name, _square(_photo(name), side_px)


def calibration_crops(side_px: int) -> Iterator[NDArray[np.uint8]]:
    """uint8 RGB (side_px, side_px, 3), 0..255: of each photo the whole and seeded random crops of it."""
    random = np.random.default_rng(_SEED)
    photos = [_photo(name) for name in CALIBRATION]
    for turn in range(CROPS_PER_PHOTO):
        for photo in photos:
            yield _square(photo if turn == 0 else _crop(photo, random), side_px)


def _crop(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """A window of 55 to 90 % of each side, mirrored half of the time."""
    width, height = (round(side * random.uniform(0.55, 0.9)) for side in photo.size)
    left = int(random.integers(photo.width - width + 1))
    top = int(random.integers(photo.height - height + 1))
    window = photo.crop((left, top, left + width, top + height))
    return window.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else window


def _square(photo: Image.Image, side_px: int) -> NDArray[np.uint8]:
    return np.asarray(photo.resize((side_px, side_px), Image.Resampling.LANCZOS), np.uint8)


def _photo(name: str) -> Image.Image:
    with resources.files("skimage.data").joinpath(name).open("rb") as file:
        return Image.open(file).convert("RGB")
