from importlib import metadata

import numpy as np

from model_build.photos import (
    CALIBRATION,
    CALIBRATION_PICTURES,
    HELD_OUT,
    calibration_pictures,
    held_out_pictures,
)


def test_photos_come_with_the_package() -> None:
    """scikit-image would download others; those that it installs have a hash in its list of files."""
    files = metadata.files("scikit-image") or []
    installed = {file.name for file in files if file.hash and file.parent.as_posix() == "skimage/data"}
    assert installed.issuperset((*CALIBRATION, *HELD_OUT))


def test_no_photo_judges_that_calibrated() -> None:
    assert not set(CALIBRATION) & set(HELD_OUT)


def test_pictures() -> None:
    calibration, held_out = list(calibration_pictures(64)), list(held_out_pictures(64))
    assert len(calibration) == CALIBRATION_PICTURES
    assert len(held_out) == 2 * len(HELD_OUT)
    for picture in (*calibration, *held_out):
        assert picture.dtype == np.uint8
        assert picture.shape == (64, 64, 3)
    distinct = {picture.tobytes() for picture in (*calibration, *held_out)}
    assert len(distinct) == len(calibration) + len(held_out)


def test_crops_are_the_same_each_time() -> None:
    np.testing.assert_array_equal(list(calibration_pictures(64)), list(calibration_pictures(64)))
