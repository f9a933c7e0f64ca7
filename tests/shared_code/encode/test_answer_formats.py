import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from shared_code.encode.answer_formats import ANSWER_FORMATS, PNG, AnswerFormat
from shared_code.encode.encoder import Pixels
from shared_code.limits import MAX_CUTOUT_PIXELS, MAX_SIDE_PX
from tests.support.photos import photo

WHOLE = [row for row in ANSWER_FORMATS if row.whole]
SIZES = [(1, 1), (50, 51), (333, 77), (1, 300)]


def file_of(rows: NDArray[np.uint8], width: int, row: AnswerFormat, quality: int = 0) -> bytes:
    assert row.whole
    pixels = rows if rows.shape[1] == width else rows.reshape(-1, width, 4)
    return row.whole.encode(Image.fromarray(pixels), quality or row.whole.quality)


def read(data: bytes, mode: str) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        assert not {"icc_profile", "exif", "xmp"} & {name for name, value in image.info.items() if value}
        return np.asarray(image.convert(mode))


def cutout(width: int, height: int) -> NDArray[np.uint8]:
    """RGBA (height, width, 4): opaque on the right, a ramp in the middle, colour 0 on the left."""
    pixels = np.array(photo().convert("RGBA").resize((width, height)))
    pixels[..., 3] = (np.linspace(-1, 2, width).clip(0, 1) * 255).astype(np.uint8)
    pixels[pixels[..., 3] == 0] = 0
    return pixels


def test_names_and_order() -> None:
    assert [(row.name, row.media_type, row.ending) for row in ANSWER_FORMATS] == [
        ("png", "image/png", ".png"),
        ("webp", "image/webp", ".webp"),
        ("avif", "image/avif", ".avif"),
    ]
    assert PNG.whole is None


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_alpha_is_exact_and_colours_are_near(row: AnswerFormat, width: int, height: int) -> None:
    assert features.check(row.name)  # in every wheel of Pillow
    pixels = cutout(width, height)
    found = read(file_of(pixels.reshape(height, -1), width, row), "RGBA").astype(int)
    assert (found[..., 3] == pixels[..., 3]).all()
    seen = pixels[..., 3] > 128
    if seen.any():
        assert np.abs(found - pixels)[seen].mean() < 8


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_mattes_are_exact(row: AnswerFormat, width: int, height: int) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)
    found = read(file_of(rows, width, row), "RGB")
    assert (found == rows[..., np.newaxis]).all()


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_hidden_colours_stay_hidden(row: AnswerFormat) -> None:
    """Away from edges the colour is 0; whatever was there before is not even given to the encoder."""
    pixels = cutout(640, 400)
    found = read(file_of(pixels.reshape(400, -1), 640, row), "RGBA")
    hidden = found[..., :3][pixels[..., 3] == 0]
    assert hidden.mean() < 0.3
    assert (found[:, :160, :3] <= 2).all()


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_quality_is_that_of_colours(row: AnswerFormat) -> None:
    pixels = cutout(640, 400)
    low, high = (file_of(pixels.reshape(400, -1), 640, row, quality) for quality in (20, 95))
    assert len(low) < len(high)
    assert (read(low, "RGBA")[..., 3] == pixels[..., 3]).all()


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_what_is_taken(row: AnswerFormat) -> None:
    whole = row.whole
    assert whole
    assert whole.takes(4000, 4000)
    assert not whole.takes(4001, 4000)
    assert whole.max_pixels <= MAX_CUTOUT_PIXELS
    assert whole.peak_bytes(100, 50, Pixels.RGBA) == 5000 * whole.rgba_bytes
    assert whole.peak_bytes(100, 50, Pixels.GRAY) == 5000 * whole.gray_bytes
    assert 4 < whole.gray_bytes < whole.rgba_bytes
    assert 1 <= whole.quality <= 100


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
@pytest.mark.parametrize(("width", "height"), [(MAX_SIDE_PX, 50), (50, MAX_SIDE_PX)])
def test_the_longest_sides_are_written(row: AnswerFormat, width: int, height: int) -> None:
    rows = np.zeros((height, width), np.uint8)
    assert read(file_of(rows, width, row), "L").shape == (height, width)
