import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from shared_code.matte.edge_colour import EdgeColours, estimate
from shared_code.matte.refine import Guide, Matte, guide_size

WIDTH, HEIGHT = 1000, 751


def words(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    packed = Image.fromarray(rgb).tobytes("raw", "RGBX")
    return np.frombuffer(packed, "<u4").reshape(rgb.shape[:2]) & np.uint32(0x00FFFFFF)


def unpacked(colours: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return colours.astype("<u4").view(np.uint8).reshape(-1, 4)


def gradient(first: tuple[int, int, int], last: tuple[int, int, int]) -> NDArray[np.uint8]:
    share = np.linspace(0, 1, WIDTH)[None, :, None]
    row = (1 - share) * np.array(first) + share * np.array(last)
    return np.broadcast_to(np.rint(row), (HEIGHT, WIDTH, 3)).astype(np.uint8)


FOREGROUND = gradient((200, 40, 30), (90, 160, 40))
BACKGROUND = gradient((20, 60, 200), (240, 240, 250))


@pytest.fixture(scope="module")
def soft_disc() -> NDArray[np.uint8]:
    x, y = np.arange(WIDTH) - 480, np.arange(HEIGHT)[:, None] - 350
    return np.rint(np.clip((250 - np.hypot(x, y)) / 30 + 0.5, 0, 1) * 255).astype(np.uint8)


def composite(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = alpha[..., None] / 255
    return np.rint(share * FOREGROUND + (1 - share) * BACKGROUND).astype(np.uint8)


def edge_colours(picture: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> EdgeColours:
    size = guide_size(WIDTH, HEIGHT)
    small = np.asarray(Image.fromarray(alpha).resize(size, Resampling.BILINEAR))
    guide = np.asarray(Image.fromarray(picture).resize(size, Resampling.BILINEAR))
    return estimate(Guide.of(guide), Matte(WIDTH, HEIGHT, small))


def test_the_old_background_is_taken_out(soft_disc: NDArray[np.uint8]) -> None:
    picture = composite(soft_disc)
    where, found = edge_colours(picture, soft_disc).foreground(0, 0, words(picture), soft_disc)
    truth = FOREGROUND.reshape(-1, 3)[where].astype(int)
    before = abs(picture.reshape(-1, 3)[where] - truth).mean()
    after = abs(unpacked(found)[:, :3] - truth).mean()
    assert after < 0.05 * before


def test_only_partial_pixels_are_named(soft_disc: NDArray[np.uint8]) -> None:
    picture = composite(soft_disc)
    where, found = edge_colours(picture, soft_disc).foreground(0, 0, words(picture), soft_disc)
    assert np.array_equal(where, np.flatnonzero((soft_disc > 0) & (soft_disc < 255)))
    assert found.shape == where.shape
    assert not unpacked(found)[:, 3].any()


def test_almost_opaque_pixels_hardly_change(soft_disc: NDArray[np.uint8]) -> None:
    picture = composite(soft_disc)
    where, found = edge_colours(picture, soft_disc).foreground(0, 0, words(picture), soft_disc)
    almost = soft_disc.ravel()[where] >= 252
    change = unpacked(found)[almost, :3].astype(int) - picture.reshape(-1, 3)[where[almost]]
    assert almost.any()
    assert abs(change).max() <= 6


@pytest.mark.parametrize("rows_per_strip", [1, 64, 333])
def test_strips_do_not_matter(rows_per_strip: int, soft_disc: NDArray[np.uint8]) -> None:
    picture = words(composite(soft_disc))
    colours = edge_colours(composite(soft_disc), soft_disc)
    _, whole = colours.foreground(0, 0, picture, soft_disc)
    tops = range(0, HEIGHT, rows_per_strip)
    strips = [
        colours.foreground(
            top, 0, picture[top : top + rows_per_strip], soft_disc[top : top + rows_per_strip]
        )[1]
        for top in tops
    ]
    assert np.array_equal(np.concatenate(strips), whole)


def test_columns_do_not_matter(soft_disc: NDArray[np.uint8]) -> None:
    picture = words(composite(soft_disc))
    colours = edge_colours(composite(soft_disc), soft_disc)
    where, whole = colours.foreground(0, 0, picture, soft_disc)
    part = slice(211, 700)
    _, found = colours.foreground(0, part.start, picture[:, part], soft_disc[:, part])
    column = where % WIDTH
    assert np.array_equal(found, whole[(column >= part.start) & (column < part.stop)])


@pytest.mark.parametrize("level", [1, 128, 254])
def test_a_matte_with_nothing_certain_leaves_a_plain_picture_plain(level: int) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), (10, 120, 250), np.uint8)
    alpha = np.full((HEIGHT, WIDTH), level, np.uint8)
    _, found = edge_colours(picture, alpha).foreground(0, 0, words(picture), alpha)
    assert abs(unpacked(found)[:, :3].astype(int) - (10, 120, 250)).max() <= 1


@pytest.mark.parametrize("level", [0, 255])
def test_a_matte_without_partial_pixels_needs_no_colours(level: int) -> None:
    alpha = np.full((HEIGHT, WIDTH), level, np.uint8)
    picture = composite(alpha)
    where, found = edge_colours(picture, alpha).foreground(0, 0, words(picture), alpha)
    assert where.size == found.size == 0
