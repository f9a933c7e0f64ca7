import numpy as np
import pytest

from shared_code.encode.compose import combine_alpha, cutout


def test_combined_alpha_is_the_rounded_product_of_every_pair() -> None:
    matte, own = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    expected = np.floor(matte.astype(float) * own / 255 + 0.5)
    combined = combine_alpha(matte, own)
    assert combined.dtype == np.uint8
    np.testing.assert_array_equal(combined, expected)


@pytest.mark.parametrize(("rows", "width"), [(1, 1), (1, 7), (5, 3), (64, 50)])
def test_pixels_hold_colours_and_alpha(rows: int, width: int) -> None:
    random = np.random.default_rng(rows * width)
    rgba = random.integers(0, 256, (rows, width, 4), np.uint8)
    alpha = random.choice(np.array([0, 1, 128, 255], np.uint8), (rows, width))
    colours = rgba.view("<u4")[..., 0] & np.uint32(0x00FFFFFF)
    pixels = cutout(colours, alpha)
    assert pixels.dtype == np.uint32
    expected = np.dstack([rgba[..., :3], alpha])
    expected[alpha == 0] = 0
    np.testing.assert_array_equal(pixels.view(np.uint8).reshape(rows, width, 4), expected)
