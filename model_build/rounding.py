"""The weights of one convolution on a 7-bit grid, so that its outputs change least.

Weights are rounded one input after the other, and what rounding one does to the output is made up for by
those that are not rounded yet: Frantar et al., "GPTQ" (2022). What is left of the error's mean is taken back
in the bias: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019),
with measured means.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_WEIGHT = 64
"""255 * (64 + 64) fits in int16: processors without VNNI add two products in 16 bits, and saturate."""
_DAMPING = 0.01
_BLOCK = 128
_SMALL = 256

type Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Observed:
    """What a convolution was seen to read.

    patches: uint8 levels, (samples, channels * height * width), what the kernel covers at random places.
    exact: mean per channel of the float tensor; rounded: of its levels times their step; (channels,).
    step: what one level is worth.
    """

    patches: NDArray[np.uint8]
    exact: NDArray[np.float64]
    rounded: NDArray[np.float64]
    step: np.float32


@dataclass(frozen=True)
class RoundedConvolution:
    """weight: int8, of the float one's shape; unit: what 1 in their sum is worth, float32, (outputs,).

    bias: float32, (outputs,).
    """

    weight: NDArray[np.int8]
    unit: Floats
    bias: Floats


def rounded_convolution(weight: Floats, bias: Floats, groups: int, seen: Observed) -> RoundedConvolution:
    """Round a convolution, float32 weight (outputs, inputs / groups, height, width) and bias (outputs,)."""
    scales = weight_scales(weight)
    exact = (weight / scales[:, None, None, None]).reshape(groups, len(weight) // groups, -1)
    patches = seen.patches.reshape(len(seen.patches), groups, -1).astype(np.float32)
    levels = np.stack([_rounded(exact[group], _gram(patches[:, group])) for group in range(groups)])
    levels = levels.reshape(weight.shape)
    corrected = bias - drift(weight, levels * scales[:, None, None, None], groups, seen)
    return RoundedConvolution(levels.astype(np.int8), scales * seen.step, corrected.astype(np.float32))


def drift(exact: Floats, rounded: Floats, groups: int, seen: Observed) -> NDArray[np.float64]:
    """How far rounding what is read, and the weights, moves the mean of each output, float64 (outputs,)."""
    return _mean_output(rounded, groups, seen.rounded) - _mean_output(exact, groups, seen.exact)


def weight_scales(weight: Floats) -> Floats:
    """The step between weight levels per output channel, float32 (outputs,): max|w| / 64."""
    largest = np.abs(weight).max(axis=(1, 2, 3))
    return np.where(largest > 0, largest / np.float32(LARGEST_WEIGHT), np.float32(1))


def _mean_output(weight: Floats, groups: int, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean per output channel without the bias, float64 (outputs,), if borders did not matter."""
    by_output = means.reshape(groups, -1).repeat(len(weight) // groups, axis=0)
    return np.sum(weight.sum(axis=(2, 3), dtype=np.float64) * by_output, axis=1)


def _gram(patches: Floats) -> Floats:
    """Mean of the outer products of the rows, damped so that it can be inverted."""
    gram = patches.T @ patches / np.float32(len(patches))
    gram[np.diag_indices_from(gram)] += np.float32(_DAMPING) * max(gram.diagonal().mean(), np.float32(1))
    return gram


def _rounded(exact: Floats, gram: Floats) -> Floats:
    """Whole numbers from -64 to 64 near `exact`, (outputs, inputs), for inputs of that `gram`."""
    order = np.argsort(-gram.diagonal(), kind="stable")
    # With H = U U^T and U upper triangular, the rows of U^-1 say how the rest makes up for one input.
    upper = np.linalg.cholesky(gram[order][:, order][::-1, ::-1])[::-1, ::-1]
    share = _inverse(upper)
    left = exact[:, order]
    levels = np.empty_like(left)
    for begin in range(0, len(order), _BLOCK):
        end = min(begin + _BLOCK, len(order))
        errors = np.empty_like(left[:, begin:end])
        for column in range(begin, end):
            level = np.rint(left[:, column]).clip(-LARGEST_WEIGHT, LARGEST_WEIGHT)
            levels[:, column] = level
            error = (left[:, column] - level) / share[column, column]
            left[:, column:end] -= np.outer(error, share[column, column:end])
            errors[:, column - begin] = error
        left[:, end:] -= errors @ share[begin:end, end:]
    result = np.empty_like(levels)
    result[:, order] = levels
    return result


def _inverse(upper: Floats) -> Floats:
    """Inverse of an upper triangular matrix, by blocks: numpy has none that knows the shape."""
    size = len(upper)
    if size <= _SMALL:
        return np.linalg.inv(upper)
    half = size // 2
    first, last = _inverse(upper[:half, :half]), _inverse(upper[half:, half:])
    inverse = np.zeros_like(upper)
    inverse[:half, :half], inverse[half:, half:] = first, last
    inverse[:half, half:] = -first @ upper[:half, half:] @ last
    return inverse
