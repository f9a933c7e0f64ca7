"""The photos that are measured with: one portrait at several sizes, with the noise of a camera."""

import io
from functools import cache

import numpy as np
from PIL import Image

from tests.support.photos import photo

MEGAPIXELS = {"0.3": (640, 480), "2": (1632, 1224), "12": (4000, 3000), "16": (4608, 3456)}


@cache
def sized(width: int, height: int) -> Image.Image:
    """An RGB portrait: up-scaled, then given the noise a real photo of that size would have."""
    image = photo().crop((0, 0, 512, 384)).resize((width, height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(1).normal(0, 3, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8))


@cache
def jpeg(width: int, height: int) -> bytes:
    """The portrait as a camera's JPEG."""
    out = io.BytesIO()
    sized(width, height).save(out, "JPEG", quality=92)
    return out.getvalue()
