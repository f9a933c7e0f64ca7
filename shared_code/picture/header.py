"""Opens a picture: recognises it, reads its structure and checks its sides; decodes nothing yet."""

from dataclasses import dataclass

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFault,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
)
from shared_code.limits import MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX
from shared_code.picture.formats import Format, recognise
from shared_code.picture.pillow import image_faults, opened
from shared_code.picture.survey import Survey

_TIMES_PROFILE = 4
"""An ICC profile is unpacked, opened by lcms, and made a transform of."""


@dataclass(frozen=True)
class Source:
    """A checked picture, with the only bytes that a decoder gets.

    `width` and `height` are pixels of the upright picture. Decoding at 1/s of the size takes about
    `fixed_bytes + bytes_per_pixel * width * height / s**2` bytes.
    """

    format: Format
    survey: Survey
    bytes_per_pixel: float
    copied_bytes: int
    """Of the survey's content, where that is not the file itself."""

    @property
    def width(self) -> int:
        """Of the upright picture, in pixels."""
        return self.survey.width if self.survey.orientation < 5 else self.survey.height

    @property
    def height(self) -> int:
        """Of the upright picture, in pixels."""
        return self.survey.height if self.survey.orientation < 5 else self.survey.width

    @property
    def orientation(self) -> int:
        """The EXIF value (1..8) that makes the stored picture upright."""
        return self.survey.orientation

    @property
    def scalable(self) -> bool:
        """Whether it can be decoded at a fraction of its size."""
        return self.format.scalable

    @property
    def fixed_bytes(self) -> int:
        """What decoding takes at any scale, beside the pixels."""
        profile_bytes = len(self.survey.colour.icc_profile or b"")
        return self.survey.decoder_bytes + self.copied_bytes + _TIMES_PROFILE * profile_bytes


def open_source(data: bytes) -> Source:
    """Recognise `data` by its content, walk its structure, and check its sides.

    Raises ImageSizeNotAllowed, ImageFormatInvalid or ImageDimensionNotAllowed.
    """
    if not 1 <= len(data) <= MAX_IMAGE_BYTES:
        raise ImageSizeNotAllowed
    with image_faults():
        recognised = recognise(data)
        if recognised is None:
            raise ImageFormatInvalid(ImageFault.UNKNOWN)
        row, content = recognised
        survey = row.survey(content)
        if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (survey.width, survey.height)):
            raise ImageDimensionNotAllowed
        pixel_bytes = survey.pixel_bytes
        if pixel_bytes is None:
            with opened(survey.content, row.plugin) as image:
                if image.size != (survey.width, survey.height):
                    raise ImageFormatInvalid
                pixel_bytes = row.pixel_bytes(image.mode)
        copied = 0 if survey.content is data else len(survey.content)
        return Source(row, survey, pixel_bytes, copied)
