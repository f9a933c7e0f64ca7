"""What a format needs whose files Pillow reads as they are meant: a row, and nothing of its own."""

import io

import pytest
from PIL import Image, ImageCms

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageTooLargeForInstance,
    SegmentError,
)
from shared_code.picture import pillow
from shared_code.picture.caps import MOST_PROFILE_BYTES
from shared_code.picture.header import open_source
from tests.support.photos import photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved_with(form: str, profile: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x112] = 6
    file = io.BytesIO()
    photo().resize((80, 60)).save(file, form, exif=exif, icc_profile=profile)
    return file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_pillow_finds_what_our_own_walk_finds(form: str) -> None:
    data = saved_with(form, PROFILE)
    found, ours = pillow.survey(data, form), open_source(data).survey
    assert (found.width, found.height, found.orientation) == (80, 60, 6)
    assert (found.width, found.height) == (ours.width, ours.height)
    assert (found.orientation, found.colour) == (ours.orientation, ours.colour)
    assert found.colour.icc_profile == PROFILE
    assert pillow.load(found, 1, form).image.size == (80, 60)


def test_a_profile_that_is_too_long_is_ignored() -> None:
    data = saved_with("WEBP", bytes(MOST_PROFILE_BYTES + 1))
    assert pillow.survey(data, "WEBP").colour.icc_profile is None


@pytest.mark.parametrize("form", ["TGA", "PPM", "JPEG2000"])
def test_formats_that_have_no_row(form: str) -> None:
    file = io.BytesIO()
    photo().resize((80, 60)).save(file, form)
    Image.init()
    found = pillow.survey(file.getvalue(), form)
    assert (found.width, found.height, found.orientation) == (80, 60, 1)
    stored = pillow.load(found, 1, form)
    assert (stored.image.size, stored.has_alpha) == ((80, 60), False)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ImageDimensionNotAllowed(), ImageDimensionNotAllowed),
        (Image.DecompressionBombError(), ImageDimensionNotAllowed),
        (Image.DecompressionBombWarning(), ImageDimensionNotAllowed),
        (MemoryError(), ImageTooLargeForInstance),
        (OSError("broken"), ImageFormatInvalid),
        (SyntaxError("broken"), ImageFormatInvalid),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_whatever_is_raised_is_a_documented_error(raised: BaseException, told: type[SegmentError]) -> None:
    with pytest.raises(told), pillow.image_faults():
        raise raised
