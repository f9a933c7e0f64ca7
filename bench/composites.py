"""Colours at the edge against the truth: composites whose foreground is known everywhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling
from scipy import ndimage

from shared_code.matte.edge_colour import estimate
from shared_code.matte.refine import Guide, Matte, guide_size

type Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Composite:
    """A picture made of two: colours uint8 RGB, (height, width, 3); alpha uint8, (height, width)."""

    rgb: Bytes
    foreground: Bytes
    alpha: Bytes


@dataclass(frozen=True)
class ColourErrors:
    """Mean absolute errors of 255: of the composite's own colours, and of the estimated ones."""

    source: float
    estimated: float


def composite(picture: Bytes, alpha: Bytes, background: Image.Image) -> Composite:
    """The picture's object over another picture.

    A partial pixel's true colour is that of the nearest opaque one: real colours and texture, and no
    estimate that could favour a method. `alpha` has opaque pixels.
    """
    nearest = ndimage.distance_transform_edt(alpha < 255, return_distances=False, return_indices=True)
    foreground = picture[nearest[0], nearest[1]]
    behind = np.asarray(background.resize(alpha.shape[::-1], Resampling.BICUBIC))
    share = alpha[..., None].astype(np.float32) / 255
    mixed = share * foreground + (1 - share) * behind
    return Composite(np.rint(mixed).astype(np.uint8), foreground, alpha)


def errors_with_true_matte(made: Composite) -> ColourErrors:
    """Over all partial pixels."""
    columns, rows = guide_size(*made.alpha.shape[::-1])
    small = Image.fromarray(made.alpha).resize((columns, rows), Resampling.BICUBIC)
    matte = Matte(made.alpha.shape[1], made.alpha.shape[0], np.asarray(small))
    partial = (made.alpha > 0) & (made.alpha < 255)
    return _errors(made, _estimated(made.rgb, matte, made.alpha), np.ones_like(made.alpha), partial)


def errors_with_own_matte(made: Composite, matte: Matte) -> ColourErrors:
    """Near the true soft edge, weighted by the matte's alpha as a new background would show it."""
    alpha = matte.rows(0, matte.height)
    soft = (made.alpha > 0) & (made.alpha < 255)
    near = ndimage.binary_dilation(soft, iterations=3) & (alpha > 0) & (alpha < 255)
    return _errors(made, _estimated(made.rgb, matte, alpha), alpha, near)


def _estimated(rgb: Bytes, matte: Matte, alpha: Bytes) -> Bytes:
    guide = Image.fromarray(rgb).resize(matte.alpha.shape[::-1], Resampling.BICUBIC)
    words = np.frombuffer(Image.fromarray(rgb).tobytes("raw", "RGBX"), "<u4").reshape(alpha.shape)
    where, colours = estimate(Guide.of(np.asarray(guide)), matte).foreground(0, 0, words, alpha)
    result = words.copy()
    result.ravel()[where] = colours
    return result.view(np.uint8).reshape(*alpha.shape, 4)[..., :3]


def _errors(made: Composite, estimated: Bytes, weight: Bytes, where: NDArray[np.bool_]) -> ColourErrors:
    truth = made.foreground[where].astype(np.float32)
    weights = weight[where].astype(np.float32)
    found = [np.abs(colours[where] - truth).mean(1) for colours in (made.rgb, estimated)]
    return ColourErrors(*(float(np.average(error, weights=weights)) for error in found))
