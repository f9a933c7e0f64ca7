"""Memory is bounded by construction: the worst allowed pictures, each in a process of its own."""

from pathlib import Path

import pytest

from bench.photos import jpeg
from shared_code.limits import MAX_IMAGE_BYTES
from tests.support.giants import GIANTS
from tests.support.memory import MODES, peak, peaks

pytestmark = pytest.mark.slow

GIANT_MB = 1500
PHOTO_MB = 400
REFUSED = ("progressive JPEG, 4:4:4",)
"""Its decoder needs more than the default budget, so the documented refusal is the right answer."""


@pytest.mark.campaign
@pytest.mark.parametrize("name", GIANTS)
def test_the_worst_picture_of_each_kind(name: str, tmp_path: Path) -> None:
    """In a process that has had pictures at the same time, which takes memory of its own and keeps it.

    In one mode after the other, so that the second meets what the first has left.
    """
    path, small = tmp_path / "picture", tmp_path / "small.jpg"
    path.write_bytes(GIANTS[name]())
    small.write_bytes(jpeg(400, 300))
    assert path.stat().st_size <= MAX_IMAGE_BYTES
    for mode, found in peaks(path, MODES, before=[small] * 4).items():
        assert found.both_mb < GIANT_MB, mode
        assert found.outcome == ("E-MEMORY" if name in REFUSED else "PNG"), mode


@pytest.mark.parametrize("mode", MODES)
def test_an_ordinary_photo(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(4000, 3000))
    found = peak(path, mode)
    assert found.both_mb < PHOTO_MB
    assert found.room_mb > 4000 * 3000 * 3 >> 20
    assert found.outcome == "PNG"
