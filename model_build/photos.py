"""Photos of the installed scikit-image package: some for calibration, the others to compare masks on."""

from collections.abc import Iterator
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

CALIBRATION = (
    "astronaut.png",
    "camera.png",
    "coffee.png",
    "motorcycle_left.png",
    "retina.jpg",
    "ihc.png",
    "hubble_deep_field.jpg",
    "coins.png",
    "grass.png",
    "gravel.png",
    "brick.png",
    "text.png",
    "moon.png",
    "page.png",
)
"""Textures and text are among them, because they reach activations that a few portraits do not."""
HELD_OUT = (
    "cell.png",
    "clock_motion.png",
    "color.png",
    "horse.png",
    "logo.png",
    "motorcycle_right.png",
    "phantom.png",
    "rocket.jpg",
)
"""Pictures with a clear subject. Without one (moon.png, the close-up chelsea.png), noise of one level in the
picture changes the mask, and a bound would fail or pass by chance. motorcycle_right.png is one view of a
stereo pair, the other of which calibrates."""

CALIBRATION_PICTURES = 24
_SEED = 2020


def calibration_pictures(side_px: int) -> Iterator[NDArray[np.uint8]]:
    """uint8 RGB (side_px, side_px, 3), 0..255: each photo whole, then seeded random crops of the first."""
    random = np.random.default_rng(_SEED)
    photos = [_photo(name) for name in CALIBRATION]
    crops = [_crop(photo, random) for photo in photos[: CALIBRATION_PICTURES - len(photos)]]
    for picture in (*photos, *crops):
        yield _square(picture, side_px)


def held_out_pictures(side_px: int) -> Iterator[NDArray[np.uint8]]:
    """uint8 RGB (side_px, side_px, 3), 0..255: each photo that calibration never sees, then mirrored."""
    for photo in map(_photo, HELD_OUT):
        yield _square(photo, side_px)
        yield _square(ImageOps.mirror(photo), side_px)


def _crop(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """A window of 55 to 90 % of each side, mirrored half of the time."""
    width, height = (round(side * random.uniform(0.55, 0.9)) for side in photo.size)
    left = int(random.integers(photo.width - width + 1))
    top = int(random.integers(photo.height - height + 1))
    window = photo.crop((left, top, left + width, top + height))
    return ImageOps.mirror(window) if random.random() < 0.5 else window


def _square(photo: Image.Image, side_px: int) -> NDArray[np.uint8]:
    return np.asarray(photo.resize((side_px, side_px), Image.Resampling.LANCZOS), np.uint8)


def _photo(name: str) -> Image.Image:
    with resources.files("skimage.data").joinpath(name).open("rb") as file:
        return Image.open(file).convert("RGB")
