"""Restricted use of Pillow: one plugin at a time, and one error for everything that it raises.

A format whose files Pillow reads as they are meant needs nothing else, see `survey` and `load`.
"""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageTooLargeForInstance,
    SegmentError,
)
from shared_code.limits import MAX_SIDE_PX
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.exif import orientation
from shared_code.picture.survey import ColourSpace, Stored, Survey

_BLOCK_ROWS = 256

log = logging.getLogger(__name__)

Image.MAX_IMAGE_PIXELS = MAX_SIDE_PX * MAX_SIDE_PX
warnings.simplefilter("error", Image.DecompressionBombWarning)


@contextmanager
def image_faults() -> Iterator[None]:
    """Turn every error that a hostile file causes into the documented one.

    Pillow's plugins raise a dozen types (OSError, SyntaxError, struct.error, ...), so all are caught.
    """
    try:
        yield
    except SegmentError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageDimensionNotAllowed from None
    except MemoryError:
        raise ImageTooLargeForInstance from None
    except Exception as error:
        log.info("image refused: %s: %s", type(error).__name__, error)
        raise ImageFormatInvalid from error


def opened(content: bytes, plugin: str) -> ImageFile.ImageFile:
    """Open `content` with that plugin of Pillow; nothing is decoded yet."""
    return Image.open(io.BytesIO(content), formats=(plugin,))


def survey(content: bytes, plugin: str) -> Survey:
    """The size, orientation and ICC profile of the first image, as `plugin` reads them."""
    with opened(content, plugin) as image:
        exif, xmp, profile = (image.info.get(name) for name in ("exif", "xmp", "icc_profile"))
        if profile and len(profile) > MOST_PROFILE_BYTES:
            profile = None
        return Survey(content, *image.size, orientation(exif, xmp), ColourSpace(profile or None))


def load(survey: Survey, scale: int, plugin: str) -> Stored:
    """Decode with `plugin` at 1/`scale` of the size (JPEG only)."""
    image = opened(survey.content, plugin)
    if scale > 1:
        image.draft(None, (survey.width // scale, survey.height // scale))
    image.load()
    has_alpha = image.has_transparency_data
    return Stored(image, has_alpha and not (survey.alpha_may_be_unfilled and _never_filled(image)))


def _never_filled(image: Image.Image) -> bool:
    """Whether alpha is 0 everywhere, read block by block."""
    tops = range(0, image.height, _BLOCK_ROWS)
    boxes = ((0, top, image.width, min(image.height, top + _BLOCK_ROWS)) for top in tops)
    return all(image.crop(box).getchannel("A").getextrema() == (0, 0) for box in boxes)
