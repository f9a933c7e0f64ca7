"""What an image says of itself before a pixel is decoded: format, size, orientation, cost of decoding."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from PIL import (
    BmpImagePlugin,
    ExifTags,
    IcoImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
    SegmentError,
)
from shared_code.limits import MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX
from shared_code.picture import icon

log = logging.getLogger(__name__)

FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
"""Pillow's names of the decoders that can be reached. JPEG opens MPO too; an ICO is unpacked here first."""

Image.MAX_IMAGE_PIXELS = MAX_SIDE_PX * MAX_SIDE_PX

_SINGLE_BYTE_MODES = ("1", "L", "P")


@dataclass(frozen=True)
class ImageHeader:
    """The checked header of an image.

    `width` and `height` are pixels of the upright picture, `orientation` the EXIF value (1..8) that makes
    the stored picture upright. Decoding at 1/s of the size (`scalable` JPEG only) takes about
    `fixed_bytes + bytes_per_pixel * width * height / s**2` bytes.
    """

    format: str
    width: int
    height: int
    orientation: int
    scalable: bool
    fixed_bytes: int
    bytes_per_pixel: float


def read_header(data: bytes) -> ImageHeader:
    """Recognise `data` by its content and check its sides.

    Raises ImageSizeNotAllowed, ImageFormatInvalid or ImageDimensionNotAllowed.
    """
    if not 1 <= len(data) <= MAX_IMAGE_BYTES:
        raise ImageSizeNotAllowed
    data = icon.unwrapped(data)
    if icon.is_icon(data):
        width, height = icon.bitmap_size(data)
        _check_sides(width, height)
        return ImageHeader("ICO", width, height, 1, False, 0, bytes_per_pixel=14)
    with image_faults(), open_image(data) as image:
        _check_sides(*image.size)
        return _describe(image, data)


@contextmanager
def image_faults() -> Iterator[None]:
    """Turn whatever Pillow raises on a hostile file into the documented error.

    Its plugins raise a dozen types (OSError, SyntaxError, struct.error, TypeError, ...), so all are caught.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SegmentError:
        raise
    except Image.DecompressionBombError:
        raise ImageDimensionNotAllowed from None
    except MemoryError:
        raise ImageTooLargeForInstance from None
    except Exception as error:
        log.info("image refused: %s: %s", type(error).__name__, error)
        raise ImageFormatInvalid from error


def open_image(data: bytes) -> Image.Image:
    """Open `data` with an allowed decoder; nothing is decoded yet (an icon's bitmap excepted: Pillow
    decodes it on opening, after `read_header` has checked its sides).

    Raises ImageFormatInvalid, or ImageDimensionNotAllowed for more pixels than any allowed image has.
    """
    data = icon.unwrapped(data)
    formats = (IcoImagePlugin.IcoImageFile.format,) if icon.is_icon(data) else FORMATS
    with image_faults():
        return Image.open(io.BytesIO(data), formats=formats)


def _check_sides(width: int, height: int) -> None:
    if not (MIN_SIDE_PX <= width <= MAX_SIDE_PX and MIN_SIDE_PX <= height <= MAX_SIDE_PX):
        raise ImageDimensionNotAllowed


def _describe(image: Image.Image, data: bytes) -> ImageHeader:
    width, height = image.size
    orientation = 1
    fixed_bytes = 0
    bytes_per_pixel = 1.1 if image.mode in _SINGLE_BYTE_MODES else 2.1 if image.mode.startswith("I;") else 4.1
    scalable = False
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        scalable = True
        orientation = _exif_orientation(image)
        fixed_bytes = _jpeg_coefficient_bytes(image, data)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow turns a TIFF upright by itself, on a second copy, and reads one strip or tile at a time.
        fixed_bytes = _tiff_chunk_bytes(image)
        if image.tag_v2.get(ExifTags.Base.Orientation, 1) != 1:
            bytes_per_pixel *= 2
    elif isinstance(image, WebPImagePlugin.WebPImageFile):
        orientation = _exif_orientation(image)
        bytes_per_pixel = 16
    elif isinstance(image, PngImagePlugin.PngImageFile):
        if "exif" not in image.info:
            # Pillow would decode the whole picture to look for EXIF behind the pixels.
            image.info["exif"] = _png_exif(data)
        orientation = _exif_orientation(image)
    elif isinstance(image, BmpImagePlugin.BmpImageFile) and image.tile[0].codec_name == "bmp_rle":
        bytes_per_pixel = 3.3  # the decoder is written in Python and copies twice
    elif image.format == "GIF":
        bytes_per_pixel = 1.5
    if orientation >= 5:
        width, height = height, width
    return ImageHeader(str(image.format), width, height, orientation, scalable, fixed_bytes, bytes_per_pixel)


def _exif_orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # hostile EXIF must not cost a caller a good picture
        log.info("EXIF not read: %s: %s", type(error).__name__, error)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _png_exif(data: bytes) -> bytes | None:
    """The eXIf chunk, wherever it stands (W3C PNG, 11.3.5.4)."""
    at = 8
    while at + 8 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"eXIf":
            return b"Exif\0\0" + data[at + 8 : end]
        at = end + 4
    return None


def _jpeg_coefficient_bytes(image: JpegImagePlugin.JpegImageFile, data: bytes) -> int:
    """libjpeg keeps all DCT coefficients (two bytes each) of a picture that comes in several scans."""
    if not image.info.get("progressive") and _components_of_first_scan(data) == image.layers:
        return 0
    horizontal = max(layer[1] for layer in image.layer) or 1
    vertical = max(layer[2] for layer in image.layer) or 1
    samples = sum(layer[1] * layer[2] for layer in image.layer) / (horizontal * vertical)
    return int(2.1 * samples * image.width * image.height)


def _components_of_first_scan(data: bytes) -> int:
    """Walk the JPEG markers (ITU T.81, B.1.1) to the first start-of-scan; 0 when there is none."""
    at = 2
    while at + 5 <= len(data):
        if data[at] != 0xFF or data[at + 1] in (0x00, 0xFF) or 0xD0 <= data[at + 1] <= 0xD8:
            at += 1
        elif data[at + 1] == 0xDA:
            return data[at + 4]
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return 0


def _tiff_chunk_bytes(image: TiffImagePlugin.TiffImageFile) -> int:
    tags = image.tag_v2
    samples = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    bits = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    width = int(tags.get(TiffImagePlugin.TILEWIDTH, image.width))
    rows = int(tags.get(TiffImagePlugin.TILELENGTH, tags.get(TiffImagePlugin.ROWSPERSTRIP, image.height)))
    if image.tag_v2.get(TiffImagePlugin.COMPRESSION, 1) == 1:
        return 0
    return 2 * width * min(rows, image.height) * samples * int(bits) // 8
