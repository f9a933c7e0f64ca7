from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shared_code.matte import refine as refinement
from shared_code.matte.box import Box
from shared_code.matte.refine import Guide, Matte, guide_size, refine

MASK_SIDE = 256
SIZES = [(640, 480), (641, 479), (1001, 667), (333, 500), (97, 64), (2000, 1499)]
OBJECT, BACKGROUND = (190, 60, 40), (40, 90, 170)


def disc(width: int, height: int) -> NDArray[np.float64]:
    """Coverage 0..1 of an off-centre disc, (height, width); the same part of the picture at any size."""
    centre_x, centre_y, radius = disc_geometry(width, height)
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    # Radii may differ along x and y, as the network's square input squashes pictures.
    distance = np.hypot((x - centre_x) / radius[0], (y - centre_y) / radius[1])
    edge = np.minimum(*radius)
    coverage: NDArray[np.float64] = np.clip((1 - distance) * edge + 0.5, 0, 1)
    return coverage


def disc_geometry(width: int, height: int) -> tuple[float, float, tuple[float, float]]:
    return 0.4 * width, 0.55 * height, (0.2 * width, 0.27 * height)


def disc_mask() -> NDArray[np.uint8]:
    return np.rint(disc(MASK_SIDE, MASK_SIDE) * 255).astype(np.uint8)


def disc_guide(width: int, height: int) -> NDArray[np.uint8]:
    columns, rows = guide_size(width, height)
    coverage = disc(columns, rows)[..., None]
    return np.rint(coverage * OBJECT + (1 - coverage) * BACKGROUND).astype(np.uint8)


def plain_guide(width: int, height: int) -> NDArray[np.uint8]:
    columns, rows = guide_size(width, height)
    return np.full((rows, columns, 3), 128, np.uint8)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("make_guide", [disc_guide, plain_guide])
def test_a_disc_stays_where_it_is_to_half_a_pixel(
    width: int, height: int, make_guide: Callable[[int, int], NDArray[np.uint8]]
) -> None:
    matte = refine(disc_mask(), Guide.of(make_guide(width, height)), width, height).rows(0, height) / 255.0
    centre_x, centre_y, (radius_x, radius_y) = disc_geometry(width, height)
    area = matte.sum()
    found_x = (matte.sum(0) * (np.arange(width) + 0.5)).sum() / area
    found_y = (matte.sum(1) * (np.arange(height) + 0.5)).sum() / area
    assert found_x == pytest.approx(centre_x, abs=0.5)
    assert found_y == pytest.approx(centre_y, abs=0.5)
    # A disc that is half a pixel too large everywhere has this much more area.
    assert area == pytest.approx(np.pi * radius_x * radius_y, abs=0.5 * np.pi * (radius_x + radius_y))


@pytest.mark.parametrize("rows_per_strip", [1, 7, 64, 251])
@pytest.mark.parametrize(("width", "height"), [(1001, 667), (97, 64), (700, 3000), (3000, 700)])
def test_strips_join_seamlessly(width: int, height: int, rows_per_strip: int) -> None:
    matte = refine(disc_mask(), Guide.of(disc_guide(width, height)), width, height)
    tops = range(0, height, rows_per_strip)
    strips = [matte.rows(top, min(height, top + rows_per_strip)) for top in tops]
    joined, whole = np.concatenate(strips).astype(int), matte.rows(0, height).astype(int)
    assert joined.shape == (height, width)
    assert abs(joined - whole).max() <= 1


@pytest.mark.parametrize(("level", "expected"), [(0, 0), (3, 0), (7, 0), (248, 255), (252, 255), (255, 255)])
def test_almost_transparent_and_almost_opaque_are_made_exact(level: int, expected: int) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (*guide_size(80, 60)[::-1], 3), np.uint8)
    matte = refine(np.full((MASK_SIDE, MASK_SIDE), level, np.uint8), Guide.of(noise), 80, 60)
    assert np.unique(matte.rows(0, 60)).tolist() == [expected]


def test_the_matte_follows_the_edge_of_the_picture() -> None:
    width, height = 1280, 960
    small = Image.fromarray(disc_mask()).resize((40, 40), Image.Resampling.BOX)
    vague = np.asarray(small.resize((MASK_SIDE, MASK_SIDE), Image.Resampling.BICUBIC))
    truth = disc(width, height) * 255
    scaled = np.asarray(Image.fromarray(vague).resize((width, height), Image.Resampling.BICUBIC))
    refined = refine(vague, Guide.of(disc_guide(width, height)), width, height).rows(0, height)
    assert abs(refined - truth).mean() < 0.25 * abs(scaled - truth).mean()


def test_a_sharp_edge_gets_no_halo() -> None:
    width, height = 1280, 960
    speckle = np.random.default_rng(5).integers(-25, 26, (*guide_size(width, height)[::-1], 3))
    guide = (disc_guide(width, height) + speckle).clip(0, 255).astype(np.uint8)
    matte = refine(disc_mask(), Guide.of(guide), width, height).rows(0, height)
    coverage = disc(width, height)
    partial = np.argwhere((matte > 0) & (matte < 255))
    # Three of the mask's pixels to either side, and the scaled edge itself.
    around = Image.fromarray(((coverage > 0) & (coverage < 1)).astype(np.uint8) * 255)
    near = np.asarray(around.reduce(4).filter(ImageFilter.MaxFilter(9)))
    assert near[partial[:, 0] // 4, partial[:, 1] // 4].all()


def test_without_colours_to_go_by_the_mask_is_kept() -> None:
    width, height = 640, 480
    scaled = np.asarray(Image.fromarray(disc_mask()).resize((width, height), Image.Resampling.BICUBIC))
    kept = refine(disc_mask(), Guide.of(plain_guide(width, height)), width, height).rows(0, height)
    assert abs(kept.astype(int) - scaled).max() <= 20


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (4000, 3000, (640, 480)),
        (3000, 4000, (480, 640)),
        (1620, 1080, (640, 432)),
        (50, 50, (640, 640)),
        (16000, 1, (640, 16)),
        (1, 1, (640, 640)),
    ],
)
def test_guide_size(width: int, height: int, expected: tuple[int, int]) -> None:
    assert guide_size(width, height) == expected


def test_rows_of_a_narrow_giant_are_bounded_by_the_strip() -> None:
    matte = Matte(16000, 16000, np.full((640, 640), 255, np.uint8))
    assert matte.rows(15990, 16000).shape == (10, 16000)


@pytest.mark.parametrize("blur", [0, 3, 25])
def test_nothing_is_lost_where_nothing_is_computed(blur: int, monkeypatch: pytest.MonkeyPatch) -> None:
    width, height = 640, 480
    rng = np.random.default_rng(2)
    rough = rng.normal(0, 25, (*guide_size(width, height)[::-1], 3))
    guide = Guide.of((disc_guide(width, height) + rough).clip(0, 255).astype(np.uint8))
    mask = np.asarray(Image.fromarray(disc_mask()).filter(ImageFilter.GaussianBlur(blur)))
    chosen = refine(mask, guide, width, height).alpha.astype(int)
    monkeypatch.setattr(refinement, "_PARTIAL", -1)
    everywhere = refine(mask, guide, width, height).alpha
    difference = np.abs(chosen - everywhere)
    assert difference.max() <= 1
    assert np.count_nonzero(difference) < 1e-3 * difference.size


@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(0.25, 0.5, 0.75, 1)])
def test_a_part_of_the_guide_is_that_of_its_picture(box: Box) -> None:
    columns, rows = guide_size(640, 480)
    rgb = np.random.default_rng(6).integers(0, 256, (rows, columns, 3), np.uint8)
    where = (box.left * columns, box.top * rows, box.right * columns, box.bottom * rows)
    expected = Image.fromarray(rgb).resize((64, 64), Image.Resampling.LANCZOS, where)
    np.testing.assert_array_equal(Guide.of(rgb).part(box, 64), np.asarray(expected))


def test_each_windows_equations_are_solved() -> None:
    """Of colours that say much of each other, against LAPACK."""
    rng = np.random.default_rng(3)
    colours = rng.random((5, 7, 3, 12)).cumsum(2).astype(np.float32)  # rows, columns, channels, pixels
    colours -= colours.mean(-1, keepdims=True)
    variance = np.asarray(colours @ colours.swapaxes(-1, -2) / 12, np.float32)
    covariance = rng.normal(size=(5, 7, 3)).astype(np.float32)
    upper = [variance[..., i, j] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))]
    solved = refinement._solve(upper, covariance.transpose(2, 0, 1))  # noqa: SLF001 (others have no use for it)
    ridge = np.float64(1e-3) * np.eye(3)
    expected = np.linalg.solve(variance + ridge, covariance[..., np.newaxis].astype(float))[..., 0]
    np.testing.assert_allclose(solved.transpose(1, 2, 0), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("blur_px", "moved"), [(0, False), (2, True)], ids=["hard edges", "soft ones"])
def test_hard_edges_close_together_are_not_taken_for_hair(blur_px: int, moved: bool) -> None:
    """Bars over a texture that says little of them, by how far the matte departs from the mask."""
    across = np.arange(320)
    bar = (across >= 32) & (across < 288) & ((across - 32) % 12 < 6)
    mask = np.where(bar & (across[:, None] >= 32) & (across[:, None] < 288), 255, 0)
    drawn = Image.fromarray(mask.astype(np.uint8)).filter(ImageFilter.BoxBlur(blur_px))
    texture = np.random.default_rng(1).normal(128, 30, (80, 80, 3)).repeat(8, 0).repeat(8, 1)
    texture[mask.repeat(2, 0).repeat(2, 1) > 0] += (40, -20, -20)
    matte = refine(np.asarray(drawn), Guide.of(texture.clip(0, 255).astype(np.uint8)), 640, 640)
    plain = np.asarray(drawn.resize((640, 640), Image.Resampling.BICUBIC))
    departed = np.abs(matte.rows(0, 640).astype(int) - plain).mean() / 255
    assert bool(departed > 0.05) is moved
    assert moved or departed < 0.03
