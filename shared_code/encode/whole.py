"""Formats that need the whole picture before their first byte: Pillow's WEBP and AVIF.

They run in a process of their own (`room/encoding.py`), since Pillow keeps the interpreter to itself while it
copies pixels, and cannot be interrupted. Nothing but pixels is written: no profile, no EXIF, no XMP. Alpha
and mattes are kept exactly. Pixels with alpha 0 have colour 0; next to an edge, lossy compression leaves
traces of the visible side there.
"""

import io

from PIL import Image


def webp(image: Image.Image, quality: int) -> bytes:
    """A WEBP file of an image of mode RGBA: lossy colours and lossless alpha. Mode L is wholly lossless."""
    if image.mode == "L":
        return _saved(image, "WEBP", lossless=True, quality=0, method=0)
    # Without `exact` the encoder changes colours under alpha 0. Method 2 is the best trade: 4 takes twice as
    # long.
    return _saved(image, "WEBP", quality=quality, method=2, alpha_quality=100, exact=True)


def avif(image: Image.Image, quality: int) -> bytes:
    """An AVIF file of the same, on this thread alone."""
    if image.mode == "L":
        return _saved(image, "AVIF", quality=100, speed=9, max_threads=1, subsampling="4:0:0")
    # "a:" goes to the encoder of the alpha plane (libavif's avifEncoderSetCodecSpecificOption).
    return _saved(image, "AVIF", quality=quality, speed=9, max_threads=1, advanced={"a:lossless": "1"})


def _saved(image: Image.Image, plugin: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, plugin, **options)
    return file.getvalue()
