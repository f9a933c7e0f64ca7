"""Real photos to test with: the ones in scikit-image's wheel, and what can be made of them."""

import io
from functools import cache
from pathlib import Path

import skimage
from PIL import Image

_DATA = Path(skimage.__file__).parent / "data"


@cache
def photo(name: str = "astronaut.png") -> Image.Image:
    """An RGB photo by its file name: astronaut.png, chelsea.png, coffee.png, rocket.jpg, ..."""
    with Image.open(_DATA / name) as image:
        return image.convert("RGB")


@cache
def encoded(form: str, width: int = 512, height: int = 512, name: str = "astronaut.png") -> bytes:
    """The photo at a size, as the bytes of a JPEG, PNG, GIF, BMP, WEBP, ICO or TIFF file."""
    out = io.BytesIO()
    photo(name).resize((width, height)).save(out, form)
    return out.getvalue()
