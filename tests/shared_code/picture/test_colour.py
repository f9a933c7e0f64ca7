"""Whatever mode a decoder yields becomes sRGB."""

import numpy as np
import pytest
from PIL import Image

from shared_code.picture.colour import srgb_converter
from shared_code.picture.samples import WIDE, eight_bit_converter
from shared_code.picture.survey import ColourSpace
from tests.shared_code.picture.samples import SRGB_PRIMARIES, icc_profile

PROFILES = {
    None: None,
    "RGB": icc_profile("RGB", 1.0, SRGB_PRIMARIES),
    "gray": icc_profile("GRAY", 1.0),
    "damaged": b"damaged",
}


def halves(mode: str) -> Image.Image:
    """Left black and right white, opaque."""
    image = Image.new("RGBA", (60, 50))
    image.paste("black", (0, 0, 30, 50))
    image.paste("white", (30, 0, 60, 50))
    if mode in WIDE:
        values = np.asarray(image.convert("L")) / 255 * (1 if mode == "F" else 65_535)
        dtype = {"I": "<i4", "F": "<f4"}.get(mode, ">u2" if mode == "I;16B" else "<u2")
        return Image.frombytes(mode, image.size, values.astype(dtype).tobytes())
    if mode == "LAB":
        gray = image.convert("L")
        return Image.merge("LAB", (gray, *[Image.new("L", image.size, 128)] * 2))
    step = {"La": "LA", "RGBa": "RGBA", "PA": "LA"}.get(mode, "RGB")
    return image.convert(step).convert(mode)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=map(str, PROFILES))
@pytest.mark.parametrize("mode", Image.MODES)
def test_every_mode(mode: str, profile: bytes | None) -> None:
    image = halves(mode)
    for has_alpha in {False, image.has_transparency_data}:
        to_8bit = eight_bit_converter(image)
        to_srgb = srgb_converter(image, has_alpha, ColourSpace(profile))
        found = to_srgb(to_8bit(image))
        assert found.mode == ("RGBA" if has_alpha else "RGB")
        colours = np.asarray(found.convert("RGB"))
        assert colours[:, :30].max() <= 1
        assert colours[:, 30:].min() >= 254
        assert not has_alpha or found.getchannel("A").getextrema() == (255, 255)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_premultiplied_alpha_becomes_straight(mode: str) -> None:
    image = Image.new({"La": "LA", "RGBa": "RGBA"}[mode], (60, 50), (200,) * (len(mode) - 1) + (128,))
    found = srgb_converter(image.convert(mode), True, ColourSpace())(image.convert(mode))
    assert np.abs(np.asarray(found).astype(int) - (200, 200, 200, 128)).max() <= 1


@pytest.mark.parametrize(
    ("mode", "values"),
    [("F", [0, 0.5, 1, np.nan]), ("F", [0, 0.5, 1, 1e20]), ("I", [0, 32_768, 65_535, 2**31 - 1])],
    ids=["not a number", "a large number", "the largest number"],
)
def test_samples_that_mean_no_data_are_black_and_not_white(mode: str, values: list[float]) -> None:
    image = Image.fromarray(np.array([values], np.float32 if mode == "F" else np.int32))
    assert image.mode == mode
    assert np.asarray(eight_bit_converter(image)(image)).tolist() == [[0, 128, 255, 0]]
