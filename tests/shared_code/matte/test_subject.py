import numpy as np
import pytest

from shared_code.matte.subject import VISIBLE, PixelBox, subject_box


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        # 20 x 10 of a matte for 400 x 200 pixels: 20 pixels to one of the matte, which reaches 40 far.
        (slice(4, 6), slice(8, 12), PixelBox(120, 40, 160, 120)),
        (slice(0, 2), slice(18, 20), PixelBox(320, 0, 80, 80)),
        (slice(0, 10), slice(0, 20), PixelBox(0, 0, 400, 200)),
        (slice(9, 10), slice(19, 20), PixelBox(340, 140, 60, 60)),
    ],
    ids=["inside", "at the frame", "all", "one pixel"],
)
def test_box_of_a_coarse_matte(rows: slice, columns: slice, expected: PixelBox) -> None:
    alpha = np.zeros((10, 20), np.uint8)
    alpha[rows, columns] = VISIBLE
    assert subject_box(alpha, 400, 200) == expected


def test_the_margin_is_a_share_of_the_longer_side() -> None:
    alpha = np.zeros((480, 640), np.uint8)
    alpha[200:300, 100:500] = 255
    assert subject_box(alpha, 640, 480) == PixelBox(80, 180, 440, 140)
    assert subject_box(alpha, 3200, 2400) == PixelBox(400, 900, 2200, 700)


def test_nothing_is_the_whole_picture() -> None:
    assert subject_box(np.zeros((10, 20), np.uint8), 401, 199) == PixelBox(0, 0, 401, 199)


def test_faint_haze_around_the_subject_does_not_count() -> None:
    alpha = np.full((480, 640), VISIBLE - 1, np.uint8)
    assert subject_box(alpha, 640, 480) == PixelBox(0, 0, 640, 480)
    alpha[200:300, 100:500] = 255
    assert subject_box(alpha, 640, 480) == PixelBox(80, 180, 440, 140)


def test_a_box_in_another_size() -> None:
    box = PixelBox(10, 20, 30, 40)
    assert box.scaled(1, 1, 100, 100) == box
    assert box.scaled(1.5, 1.25, 1000, 1000) == PixelBox(15, 25, 45, 50)
    assert box.scaled(1.01, 1.01, 40, 60) == PixelBox(10, 20, 30, 40)
