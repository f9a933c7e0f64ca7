"""Colours that are coded by numbers, against what the standards say of single colours."""

import numpy as np
import pytest
from PIL import Image

from shared_code.picture.coding import rgb, srgb_table
from shared_code.picture.survey import Coding


def shown(coding: Coding, *colour: int) -> tuple[int, ...]:
    """A colour of that coding in sRGB."""
    table = srgb_table(coding)
    image = Image.new("RGB", (1, 1), colour)
    pixel = (image if table is None else image.filter(table)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


@pytest.mark.parametrize("transfer", [0, 1, 2, 6, 13, 14, 15])
@pytest.mark.parametrize("primaries", [0, 1, 2, 250])
def test_srgb_and_what_is_not_known_stay(primaries: int, transfer: int) -> None:
    assert srgb_table(Coding(primaries, transfer)) is None


@pytest.mark.parametrize("primaries", [5, 6, 9, 11, 12, 22])
def test_gray_stays_gray(primaries: int) -> None:
    for level in (0, 8, 64, 128, 255):
        found = shown(Coding(primaries, 13), level, level, level)
        assert all(abs(value - level) <= (8 if primaries == 11 else 1) for value in found)


@pytest.mark.parametrize(
    ("coding", "colour", "expected"),
    [
        # By CSS Color 4's conversions: color(display-p3 ...) and color(rec2020-like ...) in sRGB.
        (Coding(12, 13), (128, 100, 80), (132, 99, 77)),
        (Coding(12, 13), (255, 0, 0), (255, 0, 0)),
        (Coding(1, 8), (55, 55, 55), (128, 128, 128)),
        (Coding(1, 4), (128, 128, 128), (128, 128, 128)),
        (Coding(1, 5), (128, 128, 128), (104, 104, 104)),
    ],
)
def test_colours(coding: Coding, colour: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert np.abs(np.subtract(shown(coding, *colour), expected)).max() <= 3


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_hdr(transfer: int) -> None:
    """Paper is nearly white, shadows stay, brighter is brighter, and nothing is cut off below the peak."""
    paper = {16: 148, 18: 191}[transfer]  # 203 nits: 58 % in PQ, 75 % in HLG (ITU-R BT.2408)
    black, gray, white, peak = (
        shown(Coding(9, transfer), level, level, level)[0]
        for level in (0, paper // 2, paper, 191 if transfer == 16 else 255)
    )
    assert black == 0
    assert 20 < gray < 130
    assert 210 < white < 240
    assert peak >= 252
    assert white < peak


def test_hue_is_kept_where_it_is_bright() -> None:
    red, green, blue = shown(Coding(1, 16), 180, 120, 120)
    assert red > green
    assert abs(green - blue) <= 1


@pytest.mark.parametrize(
    ("yuv", "matrix", "full_range", "expected"),
    [
        ((255, 128, 128), 6, True, (255, 255, 255)),
        ((235, 128, 128), 6, False, (255, 255, 255)),
        ((16, 128, 128), 1, False, (0, 0, 0)),
        ((76, 85, 255), 6, True, (254, 0, 0)),
        ((54, 99, 255), 1, True, (254, 0, 0)),
        ((10, 20, 30), 0, True, (30, 10, 20)),
        ((235, 16, 16), 0, False, (0, 255, 0)),
        ((81, 90, 240), 2, False, (254, 0, 0)),
    ],
)
def test_planes(yuv: tuple[int, int, int], matrix: int, full_range: bool, expected: tuple[int, ...]) -> None:
    planes = [np.full((4, 4), level, np.uint8) for level in yuv]
    found = rgb(planes, matrix, full_range).getpixel((1, 1))
    assert isinstance(found, tuple)
    assert np.abs(np.subtract(found, expected)).max() <= 2


def test_gray_planes() -> None:
    assert rgb([np.full((4, 6), 100, np.uint8)], 6, True).getpixel((5, 3)) == (100, 100, 100)
