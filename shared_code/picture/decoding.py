"""A decoded picture, read in upright strips of 8-bit sRGB, whatever it is stored as."""

import math
from dataclasses import dataclass

from PIL import Image
from PIL.Image import Resampling, Transpose

from shared_code.errors import ImageFormatInvalid
from shared_code.picture.colour import srgb_converter
from shared_code.picture.header import Source
from shared_code.picture.pillow import image_faults
from shared_code.picture.samples import Convert, eight_bit_converter
from shared_code.picture.scale import block_side
from shared_code.picture.survey import Stored

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


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image and how to read it.

    `width` and `height` are of the upright picture at the size it was decoded at. Everything the methods
    return is upright 8-bit sRGB: mode RGB, or RGBA with straight alpha when `has_alpha`.
    """

    width: int
    height: int
    has_alpha: bool
    _stored: Stored
    _orientation: int
    _extent: tuple[float, float]
    """Size of the stored picture in pixels; scaled decoding rounds up, so the last ones are partial."""
    _to_srgb: Convert

    def rows(self, top: int, bottom: int, width: int, height: int) -> Image.Image:
        """Rows `top` to `bottom` of the picture scaled to `width` x `height`: size (width, bottom - top).

        Scaled-down strips join seamlessly: each is resampled from a box of source rows with a margin. If the
        scale is large, blocks are averaged first; all strips use the same grid of blocks.
        """
        if (width, height) == (self.width, self.height):
            return self._upright(self._strip(self._stored_box(top, bottom)))
        left, above, right, below = self._upright_extent()
        scale = (below - above) / height
        begin, end = above + top * scale, min(below, above + bottom * scale)
        block = block_side(scale)
        margin = math.ceil(3 * max(1.0, scale))
        first = max(0, math.floor(begin) - margin) // block * block
        last = min(self.height, math.ceil(end) + margin)
        strip = self._upright(self._strip(self._stored_box(first, last)))
        if block > 1:
            strip = strip.reduce(block)
        box = (left / block, (begin - first) / block, right / block, (end - first) / block)
        return strip.resize((width, bottom - top), Resampling.BICUBIC, box=box)

    def thumbnail(self, width: int, height: int, resampling: Resampling) -> Image.Image:
        """The whole picture at `width` x `height`, in memory bounded by the thumbnail's size."""
        return self.averaged(width, height).resized(width, height, resampling)

    def resized(self, width: int, height: int, resampling: Resampling) -> Image.Image:
        """The whole picture at `width` x `height`, from an RGB copy of it."""
        size = (width, height) if self._orientation < 5 else (height, width)
        plain = self._reduced(1)
        if (plain.size, self._extent) != (size, size):
            plain = plain.resize(size, resampling, box=(0, 0, *self._extent))
        return self._upright(plain)

    def averaged(self, width: int, height: int) -> "DecodedImage":
        """For thumbnails of at most that size: averaged to at least 1.5 times that, or itself."""
        block = block_side(min(self.width / width, self.height / height))
        if block == 1:
            return self
        image = self._reduced(block)
        upright = image.size if self._orientation < 5 else image.size[::-1]
        stored = Stored(image, self.has_alpha)
        extent = (self._extent[0] / block, self._extent[1] / block)  # the last pixels are partial here, too
        return DecodedImage(*upright, self.has_alpha, stored, self._orientation, extent, lambda strip: strip)

    def _reduced(self, factor: int) -> Image.Image:
        image = self._stored.image
        if image.mode in _SHRINKABLE_MODES and not self.has_alpha:
            return self._to_srgb(image.reduce(factor) if factor > 1 else image)
        # Pillow reduces these only on a converted copy of the whole, so convert block by block.
        small = Image.new(
            "RGBA" if self.has_alpha else "RGB",
            (math.ceil(image.width / factor), math.ceil(image.height / factor)),
        )
        rows = factor * max(1, _BLOCK_PIXELS // (image.width * factor))
        for top in range(0, image.height, rows):
            block = self._strip((0, top, image.width, min(top + rows, image.height)))
            small.paste(block.reduce(factor), (0, top // factor))
        return small

    def _strip(self, box: tuple[int, int, int, int]) -> Image.Image:
        """A box of the stored picture in sRGB, with its alpha; not to be changed, it may be the picture."""
        whole = self._stored.image
        strip = self._to_srgb(whole if box == (0, 0, *whole.size) and not self.has_alpha else whole.crop(box))
        if self._stored.alpha is not None:
            strip.putalpha(self._stored.alpha.crop(box))
        return strip

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
        width, height = self._stored.image.size
        if self._orientation in (3, 4):
            return 0, height - bottom, width, height - top
        if self._orientation in (5, 6):
            return top, 0, bottom, height
        if self._orientation in (7, 8):
            return width - bottom, 0, width - top, height
        return 0, top, width, bottom


def decode(source: Source, scale: int) -> DecodedImage:
    """Decode `source` at 1/`scale` of its size (`scale.decode_scale` tells what is possible).

    Raises ImageFormatInvalid for truncated or corrupt data, and ImageTooLargeForInstance should memory run
    out all the same.
    """
    survey = source.survey
    with image_faults():
        stored = source.format.load(survey, scale)
        width, height = stored.image.size
        if (width, height) != (math.ceil(survey.width / scale), math.ceil(survey.height / scale)):
            raise ImageFormatInvalid
        if survey.orientation >= 5:
            width, height = height, width
        extent = (survey.width / scale, survey.height / scale)
        to_srgb = _converter(stored, source)
        return DecodedImage(width, height, stored.has_alpha, stored, survey.orientation, extent, to_srgb)


def _converter(stored: Stored, source: Source) -> Convert:
    """From a strip of the stored image to sRGB, with the alpha that the image carries itself."""
    own_alpha = stored.has_alpha and stored.alpha is None
    to_8bit = eight_bit_converter(stored.image)
    to_colour = srgb_converter(stored.image, own_alpha, source.survey.colour)
    return lambda strip: to_colour(to_8bit(strip))
