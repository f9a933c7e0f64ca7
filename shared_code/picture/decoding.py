"""A decoded picture, read in upright strips of 8-bit sRGB, whatever it is stored as."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms
from PIL.Image import Resampling, Transpose

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.header import ImageHeader, image_faults, open_image
from shared_code.picture.icon import unwrapped
from shared_code.picture.png_integrity import check_png

_UPRIGHT: dict[int, Transpose] = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation (CIPA DC-008, 4.6.4) to the operation that makes the stored picture upright."""

_SHRINKABLE_MODES = ("RGB", "L", "CMYK")
_BLOCK_PIXELS = 1 << 20

type _ToSrgb = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Picture:
    """A decoded image and how to read it.

    `width` and `height` are of the upright picture at the size it was decoded at. Everything the methods
    return is upright 8-bit sRGB: mode RGB, or RGBA with straight alpha when `has_alpha`.
    """

    width: int
    height: int
    has_alpha: bool
    _image: Image.Image
    _orientation: int
    _extent: tuple[float, float]
    """Size of the stored picture in its pixels: scaled decoding rounds up, and the last ones are partial."""
    _to_srgb: _ToSrgb

    def rows(self, top: int, bottom: int, width: int, height: int) -> Image.Image:
        """Rows `top` to `bottom` of the picture scaled to `width` x `height`: size (width, bottom - top).

        Scaled-down strips join seamlessly: each is resampled from a box of source rows with a margin.
        """
        if (width, height) == (self.width, self.height):
            return self._upright(self._to_srgb(self._image.crop(self._stored_box(top, bottom))))
        left, above, right, below = self._upright_extent()
        scale = (below - above) / height
        begin, end = above + top * scale, min(below, above + bottom * scale)
        margin = math.ceil(3 * max(1.0, scale))
        first = max(0, math.floor(begin) - margin)
        last = min(self.height, math.ceil(end) + margin)
        strip = self._upright(self._to_srgb(self._image.crop(self._stored_box(first, last))))
        box = (left, begin - first, right, end - first)
        return strip.resize((width, bottom - top), Resampling.BICUBIC, box=box)

    def thumbnail(self, width: int, height: int, resampling: Resampling) -> Image.Image:
        """The whole picture at `width` x `height`, in memory bounded by the thumbnail's size."""
        factor = max(1, int(min(self.width / width, self.height / height) / 1.5))
        size = (width, height) if self._orientation < 5 else (height, width)
        # The reduced picture ends in partial pixels too.
        box = (0, 0, self._extent[0] / factor, self._extent[1] / factor)
        return self._upright(self._reduced(factor).resize(size, resampling, box=box))

    def _reduced(self, factor: int) -> Image.Image:
        image = self._image
        if image.mode in _SHRINKABLE_MODES and not self.has_alpha:
            return self._to_srgb(image.reduce(factor) if factor > 1 else image)
        # Pillow reduces these only on a converted copy of the whole, so convert block by block.
        small = Image.new(
            "RGBA" if self.has_alpha else "RGB",
            (math.ceil(image.width / factor), math.ceil(image.height / factor)),
        )
        rows = factor * max(1, _BLOCK_PIXELS // (image.width * factor))
        for top in range(0, image.height, rows):
            block = image.crop((0, top, image.width, min(top + rows, image.height)))
            small.paste(self._to_srgb(block).reduce(factor), (0, top // factor))
        return small

    def _upright(self, image: Image.Image) -> Image.Image:
        operation = _UPRIGHT.get(self._orientation)
        return image if operation is None else image.transpose(operation)

    def _upright_extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge of the picture, in upright pixels."""
        width, height = self._extent if self._orientation < 5 else self._extent[::-1]
        left = self.width - width if self._orientation in (2, 3, 6, 7) else 0
        top = self.height - height if self._orientation in (3, 4, 7, 8) else 0
        return left, top, min(self.width, left + width), min(self.height, top + height)

    def _stored_box(self, top: int, bottom: int) -> tuple[int, int, int, int]:
        """Where the upright rows `top` to `bottom` lie in the stored picture."""
        width, height = self._image.size
        if self._orientation in (3, 4):
            return 0, height - bottom, width, height - top
        if self._orientation in (5, 6):
            return top, 0, bottom, height
        if self._orientation in (7, 8):
            return width - bottom, 0, width - top, height
        return 0, top, width, bottom


def decode_scale(header: ImageHeader, least_width: int, least_height: int) -> int:
    """The largest of 8, 4, 2, 1 that `header` can be divided by on decoding and stay at least that large."""
    for scale in (8, 4, 2):
        if (
            header.scalable
            and math.ceil(header.width / scale) >= least_width
            and math.ceil(header.height / scale) >= least_height
        ):
            return scale
    return 1


def decode(data: bytes, header: ImageHeader, scale: int) -> Picture:
    """Decode `data` at 1/`scale` of its size (`decode_scale` tells what is possible).

    Raises ImageFormatInvalid for truncated or corrupt data, and ImageTooLargeForInstance should memory run
    out all the same.
    """
    with image_faults():
        if header.format == "PNG":
            check_png(unwrapped(data))
        image = open_image(data)
        width, height = header.width, header.height
        if header.orientation >= 5:
            width, height = height, width
        if scale > 1:
            image.draft(None, (width // scale, height // scale))
        image.load()
        if image.size != (math.ceil(width / scale), math.ceil(height / scale)):
            raise ImageFormatInvalid
        return _picture(image, header.orientation, (width / scale, height / scale))


def _picture(image: Image.Image, orientation: int, extent: tuple[float, float]) -> Picture:
    width, height = image.size
    if orientation >= 5:
        width, height = height, width
    has_alpha = image.has_transparency_data
    to_8bit = _eight_bit_converter(image)
    to_colour = _colour_converter(image, has_alpha)
    return Picture(
        width, height, has_alpha, image, orientation, extent, lambda strip: to_colour(to_8bit(strip))
    )


def _eight_bit_converter(image: Image.Image) -> _ToSrgb:
    """Pillow clips wider samples to 255 instead of scaling them, so scale first."""
    if image.mode.startswith("I;16"):
        return lambda strip: Image.fromarray((np.asarray(strip) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        highest = float(np.max(image.getextrema()))
        ranges = (255.0, 65_535.0) if image.mode == "I" else (1.0, 255.0, 65_535.0)
        levels = next((top for top in ranges if highest <= top), highest)
        return lambda strip: Image.fromarray(
            (np.clip(np.asarray(strip, np.float32) / levels, 0, 1) * 255 + 0.5).astype(np.uint8)
        )
    return lambda strip: strip


def _colour_converter(image: Image.Image, has_alpha: bool) -> _ToSrgb:
    mode = "RGBA" if has_alpha else "RGB"
    transform = _icc_transform(image)
    if transform is None:
        return lambda strip: strip if strip.mode == mode else strip.convert(mode)

    def to_srgb(strip: Image.Image) -> Image.Image:
        colours = ImageCms.applyTransform(_profiled(strip), transform)
        if colours is None:
            raise ImageFormatInvalid
        if has_alpha:
            colours.putalpha(strip.convert("RGBA").getchannel("A"))
        return colours

    return to_srgb


def _profiled(strip: Image.Image) -> Image.Image:
    """The strip in the colour space its ICC profile speaks of: palettes and alpha are not part of it."""
    if strip.mode in ("RGB", "L", "CMYK", "LAB"):
        return strip
    return strip.convert("L" if strip.mode in ("LA", "La", "1") else "RGB")


def _icc_transform(image: Image.Image) -> ImageCms.ImageCmsTransform | None:
    """The transform from the embedded profile to sRGB; None when there is none, or nothing to do.

    A profile that cannot be read, or is of another kind than the pixels, is ignored, as browsers do.
    """
    profile = image.info.get("icc_profile")
    source_mode = _profiled(image.crop((0, 0, 1, 1))).mode if not image.mode.startswith(("I", "F")) else "L"
    try:
        if source_mode == "LAB":
            source = ImageCms.createProfile("LAB")
        elif not profile:
            return None
        else:
            source = ImageCms.getOpenProfile(io.BytesIO(profile)).profile
            if (source.profile_description or "").startswith("sRGB"):
                return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), source_mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
