import numpy as np
import pytest
from numpy.typing import NDArray

from model_build.rounding import LARGEST_WEIGHT, Observed, rounded_convolution, weight_scales

RANDOM = np.random.default_rng(1)


def observation(values: NDArray[np.float64]) -> Observed:
    """Of a 1 x 1 kernel that reads `values`, (samples, channels), rounded to levels."""
    step = np.float32(values.max() / 255)
    levels = np.rint(values / step).astype(np.uint8)
    return Observed(levels, values.mean(0), levels.mean(0, dtype=np.float64) * step, step)


def test_weight_scales() -> None:
    weight = np.array([[-64, 1], [0.5, 0.25], [0, 0]], np.float32).reshape(3, 2, 1, 1)
    np.testing.assert_array_equal(weight_scales(weight), np.array([1, 1 / 128, 1], np.float32))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_mean_of_each_output_stays(groups: int) -> None:
    weight = RANDOM.normal(0, 1, (8, 8 // groups, 1, 1)).astype(np.float32)
    bias = RANDOM.normal(size=8).astype(np.float32)
    values = RANDOM.gamma(1, 1, (4000, 8))
    seen = observation(values)
    rounded = rounded_convolution(weight, bias, groups, seen)
    assert rounded.weight.dtype == np.int8
    assert np.abs(rounded.weight.astype(int)).max() <= LARGEST_WEIGHT
    exact = outputs(values, weight.astype(np.float64), groups) + bias
    levels = outputs(seen.patches.astype(np.float64), rounded.weight.astype(np.float64), groups)
    found = levels * rounded.unit + rounded.bias
    np.testing.assert_allclose(found.mean(0), exact.mean(0), atol=1e-3 * rounded.unit.max())
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.999


def test_inputs_that_do_not_move_together_are_rounded_to_the_nearest() -> None:
    weight = RANDOM.normal(0, 1, (16, 6, 1, 1)).astype(np.float32)
    patches = np.repeat(np.eye(6, dtype=np.uint8) * 200, 50, axis=0)
    seen = Observed(patches, np.zeros(6), np.zeros(6), np.float32(1))
    levels = rounded_convolution(weight, np.zeros(16, np.float32), 1, seen).weight
    np.testing.assert_array_equal(levels, np.rint(weight / weight_scales(weight)[:, None, None, None]))


def test_inputs_that_move_together_make_up_for_each_other() -> None:
    """The error of the outputs is far below that of rounding each weight to the nearest."""
    weight = RANDOM.normal(0, 1, (16, 700, 1, 1)).astype(np.float32)
    common = RANDOM.gamma(2, 1, (3000, 10)) @ RANDOM.gamma(1, 1, (10, 700))
    seen = observation(common)
    scales = weight_scales(weight)[:, None, None, None]
    chosen = rounded_convolution(weight, np.zeros(16, np.float32), 1, seen).weight
    read = seen.patches.astype(np.float64)
    errors = [
        outputs(read, levels * scales - weight, 1).std() for levels in (chosen, np.rint(weight / scales))
    ]
    assert errors[0] < 0.2 * errors[1]


def outputs(values: NDArray[np.float64], weight: NDArray[np.floating], groups: int) -> NDArray[np.float64]:
    """A 1 x 1 convolution of values (samples, channels): (samples, outputs)."""
    pairs = zip(np.split(weight[:, :, 0, 0], groups), np.split(values, groups, axis=1), strict=True)
    return np.concatenate([channels @ part.T for part, channels in pairs], axis=1)
