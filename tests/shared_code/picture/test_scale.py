from dataclasses import dataclass

import pytest

from shared_code.picture.scale import averaged_size, block_side, decode_scale


@dataclass(frozen=True)
class Stated:
    width: int
    height: int
    scalable: bool = True


@pytest.mark.parametrize(
    ("source", "scale"),
    [
        (Stated(800, 800), 8),
        (Stated(793, 793), 8),
        (Stated(792, 800), 4),
        (Stated(800, 792), 4),
        (Stated(4000, 300), 2),
        (Stated(199, 199), 2),
        (Stated(198, 4000), 1),
        (Stated(50, 50), 1),
        (Stated(800, 800, scalable=False), 1),
    ],
)
def test_a_picture_is_decoded_as_small_as_is_large_enough(source: Stated, scale: int) -> None:
    assert decode_scale(source, 100, 100) == scale


@pytest.mark.parametrize(
    ("scale", "side"), [(0.1, 1), (1, 1), (2.9, 1), (3, 2), (4.4, 2), (4.5, 3), (15, 10)]
)
def test_a_pixel_has_one_and_a_half_blocks(scale: float, side: int) -> None:
    assert block_side(scale) == side


@pytest.mark.parametrize(
    ("size", "averaged"),
    [
        ((900, 600), (300, 200)),
        ((600, 900), (200, 300)),
        ((901, 601), (301, 201)),
        ((9000, 100), (9000, 100)),
        ((100, 9000), (100, 9000)),
        ((150, 100), (150, 100)),
    ],
)
def test_the_shorter_side_says_how_much_is_averaged(size: tuple[int, int], averaged: tuple[int, int]) -> None:
    assert averaged_size(*size, 120, 120) == averaged
