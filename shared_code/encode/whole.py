"""Formats that need the whole picture before their first byte: Pillow's WEBP and AVIF.

What is encoded are the service's own pixels, so this runs in the service and not in a room. Nothing but
pixels is written: no profile, no EXIF, no XMP. Alpha and mattes are kept exactly. Pixels with alpha 0 are
encoded as they come, with colour 0; beside an edge the transform of a lossy format leaves traces of the
visible side there.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

type Rows = NDArray[np.uint8]


def webp(rows: Rows, width: int, quality: int) -> bytes:
    """A WEBP file of `rows`, uint8 (height, width * 4) RGBA: lossy colours and lossless alpha.

    Rows of (height, width) are gray, and wholly lossless.
    """
    from PIL import WebPImagePlugin  # noqa: F401, PLC0415, RUF100  # loads a library that few calls need

    image = _image(rows, width)
    if image.mode == "L":
        return _saved(image, "WEBP", lossless=True, quality=0, method=0)
    # Without `exact` the encoder makes up colours under alpha 0. Method 2 is the knee: 4 takes twice as long.
    return _saved(image, "WEBP", quality=quality, method=2, alpha_quality=100, exact=True)


def avif(rows: Rows, width: int, quality: int) -> bytes:
    """An AVIF file of the same rows, on this thread alone."""
    from PIL import AvifImagePlugin  # noqa: F401, PLC0415, RUF100

    image = _image(rows, width)
    if image.mode == "L":
        return _saved(image, "AVIF", quality=100, speed=9, max_threads=1, subsampling="4:0:0")
    # "a:" goes to the encoder of the alpha plane (libavif's avifEncoderSetCodecSpecificOption).
    return _saved(image, "AVIF", quality=quality, speed=9, max_threads=1, advanced={"a:lossless": "1"})


def _image(rows: Rows, width: int) -> Image.Image:
    """A picture of mode L or RGBA, of the bytes of a pixel that the rows have."""
    height, stride = rows.shape
    return Image.fromarray(rows if stride == width else rows.reshape(height, width, 4))


def _saved(image: Image.Image, plugin: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, plugin, **options)
    return file.getvalue()
