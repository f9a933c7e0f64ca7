"""Scores of a matte against its ground truth, over the whole picture.

The field's usual definitions: gradient error after Rhemann et al., "A Perceptually Motivated Online Benchmark
for Image Matting" (2009); relaxed boundary F as in BASNet (Qin et al., 2019), with a slack of 3 pixels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SIGMA = 1.4
_SLACK_PX = 3
_BETA_SQUARED = 0.3


@dataclass(frozen=True)
class Scores:
    """Of one picture, or the means over several."""

    mae: float
    """Mean absolute error, 0..1."""
    mse: float
    """Mean squared error, 0..1."""
    gradient: float
    """Sum of the squared differences of the gradients' lengths, in thousands."""
    iou: float
    """Intersection over union of what is at least half opaque, 0..1."""
    boundary_f: float
    """How much of the boundary lies within 3 pixels of the true one and the reverse, 0..1."""


def score(predicted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Scores:
    """Both uint8, (height, width), 0 background to 255 foreground."""
    p, t = (matte.astype(np.float32) / np.float32(255) for matte in (predicted, truth))
    difference = p - t
    gradient = np.square(_gradient_length(p) - _gradient_length(t))
    p_in, t_in = predicted >= 128, truth >= 128
    union = np.count_nonzero(p_in | t_in)
    return Scores(
        mae=float(np.abs(difference).mean(dtype=np.float64)),
        mse=float((difference**2).mean(dtype=np.float64)),
        gradient=float(gradient.sum(dtype=np.float64)) / 1000,
        iou=np.count_nonzero(p_in & t_in) / union if union else 1.0,
        boundary_f=_boundary_f(p_in, t_in),
    )


def mean_scores(scores: list[Scores]) -> Scores:
    """Each score's mean; at least one picture."""
    columns = zip(*((s.mae, s.mse, s.gradient, s.iou, s.boundary_f) for s in scores), strict=True)
    return Scores(*(float(np.mean(column)) for column in columns))


def _gradient_length(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    down = ndimage.gaussian_filter(alpha, _SIGMA, order=(1, 0), mode="nearest")
    across = ndimage.gaussian_filter(alpha, _SIGMA, order=(0, 1), mode="nearest")
    return np.asarray(np.hypot(down, across), np.float32)


def _boundary_f(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    p, t = _inner_boundary(predicted), _inner_boundary(truth)
    if not (p.any() and t.any()):
        return float(p.any() == t.any())
    precision = float((ndimage.distance_transform_edt(~t)[p] <= _SLACK_PX).mean())
    recall = float((ndimage.distance_transform_edt(~p)[t] <= _SLACK_PX).mean())
    if precision + recall == 0:
        return 0.0
    return (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)


def _inner_boundary(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Its outermost pixels; the picture's border is no boundary."""
    return np.asarray(inside & ~ndimage.binary_erosion(inside, border_value=1), np.bool_)
