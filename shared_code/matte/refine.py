"""From the network's coarse mask to a matte that follows the edges of the picture.

A colour guided filter (He, Sun and Tang, "Guided Image Filtering", 2013) explains the mask by a locally
linear function of the colours, alpha = a . I + b. As in "Fast Guided Filter" (He and Sun, 2015) the
coefficients live on a coarse grid and are applied to a finer picture. Three things are added:

* Windows from coarse to fine. The larger ones act only where the mask itself is undecided over a wide
  area and rises slowly (hair, fur), so that hard edges never get the soft halo of a large window, however
  many of them lie close together (arms, legs).
* Calibration. The regression pulls alpha towards the local mean. It is stretched so that the local
  foreground colour maps to 1 and the local background colour to 0.
* Trust. The distance of those two colours on the fitted line says how well the colours distinguish foreground
  from background there. Where they do not, the mask stays as it was.

All work is done at a limited size, so that time and memory do not depend on the size of the picture, and only
where the matte is not constant.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from shared_code.matte.blocks import SIDE, Blocks, near
from shared_code.matte.box import Box
from shared_code.matte.grid import Plane, cell_means, window_means

GUIDE_SIDE = 640
CELLS = (16, 8, 4)
"""Grid steps in guide pixels, coarse to fine; a window covers 3 x 3 cells."""

_RIDGE = np.float32(1e-3)
_UNDECIDED = (0.04, 0.18)
_RISE_PX = (2.0, 3.5)
"""How wide in guide pixels an edge of the mask is that is hard, and from which width on it is soft."""
_SEPARATION = {16: (0.2, 0.6), 8: (0.2, 0.6), 4: (0.3, 0.7)}
_FLOOR = np.float32(0.03)
_PARTIAL = 0.02
"""4 alpha (1 - alpha) of a cell in which the mask is not plain."""
_REACH = 4
"""How many of the finest cells the windows and the interpolation reach."""
_TILE = 16
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))

type Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Matte:
    """A refined matte for a picture of `width` x `height` pixels.

    `alpha` is uint8, (rows, columns) at the guide's size, 0 background to 255 foreground.
    """

    width: int
    height: int
    alpha: Bytes

    def rows(self, top: int, bottom: int) -> Bytes:
        """Rows `top` to `bottom` of the matte at full size: uint8, (bottom - top, width).

        Strips join seamlessly: a row is the same in every strip but for rounding (at most 1).
        """
        strip = np.empty((bottom - top, self.width), np.uint8)
        for at, levels in self.runs(top, bottom):
            strip[:, at] = levels
        return strip

    def runs(self, top: int, bottom: int) -> Iterator[tuple[slice, int | Bytes]]:
        """The same in runs of columns, left to right: one level, or uint8 (bottom - top, columns)."""
        rows, columns = self.alpha.shape
        begin, end = top * rows / self.height, bottom * rows / self.height
        margin = math.ceil(2 * max(1.0, rows / self.height)) + 1
        first, last = max(0, math.floor(begin) - margin), min(rows, math.ceil(end) + margin)
        band = self.alpha[first:last]
        for left, right, level in _runs(band, max(margin, 2 * math.ceil(columns / self.width) + 1)):
            at = slice(round(left * self.width / columns), round(right * self.width / columns))
            if level is not None:
                yield at, level
                continue
            # Width first, always: left to itself Pillow picks the order by the strip's size, and since
            # bicubic overshoots are clipped in between, strips of different sizes would not join.
            box = (at.start * columns / self.width, 0.0, at.stop * columns / self.width, float(last - first))
            wide = Image.fromarray(band).resize((at.stop - at.start, last - first), Resampling.BICUBIC, box)
            box = (0.0, begin - first, float(wide.width), end - first)
            yield at, np.asarray(wide.resize((wide.width, bottom - top), Resampling.BICUBIC, box))


@dataclass(frozen=True, slots=True)
class Guide:
    """A small copy of the picture, and the parts of the fit that depend only on its colours.

    colours: float32, (3, rows, columns), 0..1.
    means: for each cell size the means of r, g, b, float32, (3, ...).
    moments: for each cell size the window means of r, g, b, rr, rg, rb, gg, gb, bb, float32, (9, ...).
    """

    colours: Plane
    means: Mapping[int, Plane]
    moments: Mapping[int, Plane]

    @classmethod
    def of(cls, rgb: Bytes) -> "Guide":
        """rgb: uint8, (rows, columns, 3), the whole picture at its `guide_size`."""
        colours = np.ascontiguousarray(rgb.transpose(2, 0, 1)).astype(np.float32) / np.float32(255)
        planes = (*colours, *(colours[i] * colours[j] for i, j in _PAIRS))
        means = {CELLS[-1]: np.stack([cell_means(plane, CELLS[-1]) for plane in planes])}
        for finer, cell in zip(CELLS[:0:-1], CELLS[-2::-1], strict=True):
            means[cell] = cell_means(means[finer], cell // finer)
        moments = {cell: window_means(grids) for cell, grids in means.items()}
        return cls(colours, {cell: grids[:3] for cell, grids in means.items()}, moments)

    def part(self, box: Box, side: int) -> Bytes:
        """A box of the picture, scaled to a square: uint8 RGB (side, side, 3)."""
        rgb = Image.fromarray((self.colours.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8))
        return np.asarray(rgb.resize((side, side), Resampling.LANCZOS, box.of(rgb.width, rgb.height)))


def _runs(band: Bytes, margin: int) -> Iterator[tuple[int, int, int | None]]:
    """Split a band of rows into columns left to right that have one level, and columns that have several.

    Yields first column, end, and the level or None. Interpolation never reaches further than `margin`.
    Most of a matte is plain, and filling it is many times faster than interpolating.
    """
    columns = band.shape[1]
    starts = np.arange(0, columns, _TILE)
    around = np.stack([(starts - margin).clip(0), (starts + _TILE + margin).clip(max=columns)], 1).ravel()
    # One more, because the end of a range has to be an index; every second range lies between two tiles.
    least = np.minimum.reduceat(np.append(band.min(0), 255), around)[::2]
    most = np.maximum.reduceat(np.append(band.max(0), 0), around)[::2]
    levels = np.where(least == most, least, np.int16(-1))
    bounds = [0, *(np.flatnonzero(np.diff(levels)) + 1), len(levels)]
    for begin, end in pairwise(bounds):
        level = int(levels[begin])
        yield int(starts[begin]), min(columns, int(end) * _TILE), None if level < 0 else level


def guide_size(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of the guide for a picture of that size; the longer side is 640.

    Small pictures are enlarged, so that a window covers the same share of the mask in every picture. Both
    sides are multiples of a block.
    """
    step = SIDE
    scale = GUIDE_SIDE / max(width, height)
    return max(step, round(width * scale / step) * step), max(step, round(height * scale / step) * step)


def refine(mask: Bytes, guide: Guide, width: int, height: int) -> Matte:
    """Fit a mask to the edges of its picture, for an output of `width` x `height` pixels.

    mask: uint8, (any, any), 0 background to 255 foreground, covering the whole picture.
    """
    rows, columns = guide.colours.shape[1:]
    coarse = Image.fromarray(mask.astype(np.float32) / np.float32(255))
    plane = np.asarray(coarse.resize((columns, rows), Resampling.BICUBIC)).clip(0, 1)
    fit = _Fit(guide, plane)
    for cell in CELLS:
        fit.follow(cell)
    fit.soften()
    # A matte of a few levels in the background would keep the old background's colours in the file.
    stretched = ((fit.alpha - _FLOOR) / (1 - 2 * _FLOOR)).clip(0, 1)
    matte = (plane > 0.5).view(np.uint8) * np.uint8(255)
    fit.blocks.put((stretched * 255 + 0.5).astype(np.uint8), matte)
    return Matte(width, height, matte)


class _Fit:
    """An alpha plane on its way from the mask to the matte.

    blocks: where it is not plain. alpha: float32, (n, pixels of a block), 0..1.
    """

    def __init__(self, guide: Guide, plane: Plane) -> None:
        """`plane`: the mask at the guide's size, float32, 0..1."""
        coarse, fine = CELLS[0], CELLS[-1]
        density = cell_means(4 * plane * (1 - plane), fine)
        # 0 along edges that the mask draws sharply, 1 in wide uncertain areas.
        wide = window_means(cell_means(density, coarse // fine)[np.newaxis])
        # Across any one edge the steps of a mask sum to 1, so this is the mean width of a window's edges.
        steps = window_means(cell_means(_steps(plane), coarse)[np.newaxis])
        width_px = np.asarray(wide / np.maximum(steps, np.float32(1e-3)), np.float32)
        undecided: Plane = _smoothstep(wide, *_UNDECIDED) * _smoothstep(width_px, *_RISE_PX)
        active = near(density > _PARTIAL, _REACH)
        active |= near(undecided[0] > 0, 1).repeat(coarse // fine, 0).repeat(coarse // fine, 1)
        self.blocks = Blocks.marked(active, fine)
        self.alpha = self.blocks.take(plane[np.newaxis])[:, 0]
        self._undecided = self.blocks.enlarge(undecided, coarse)[:, 0]
        self._colours = self.blocks.take(guide.colours)
        self._guide = guide
        self._plain = (plane[fine // 2 :: fine, fine // 2 :: fine] > 0.5).astype(np.float32)

    def follow(self, cell: int) -> None:
        """Move alpha towards the fit to the colours in windows of that cell size, weighted by trust."""
        slope, offset, trust = _calibrate(*self._regress(cell), *_SEPARATION[cell])
        fine = self.blocks.enlarge(np.concatenate([slope, offset[np.newaxis], trust[np.newaxis]]), cell)
        weight = fine[:, 4]
        self._blend(fine, weight if cell == CELLS[-1] else weight * self._undecided)

    def soften(self) -> None:
        """The regression once more, without calibration; otherwise soft parts end harder than hair does.

        The gradient error rises by a quarter.
        """
        slope, offset, _ = self._regress(CELLS[-1])
        fine = self.blocks.enlarge(np.concatenate([slope, offset[np.newaxis]]), CELLS[-1])
        self._blend(fine, self._undecided)

    def _blend(self, fine: Plane, weight: Plane) -> None:
        fitted = fine[:, 3] + _dot(fine.swapaxes(0, 1), self._colours.swapaxes(0, 1))
        self.alpha = self.alpha + (fitted.clip(0, 1) - self.alpha) * weight

    def _regress(self, cell: int) -> tuple[Plane, Plane, tuple[Plane, Plane]]:
        """Ridge regression of alpha on the colours in each window of the grid.

        Returns slope (3, rows, columns), offset (rows, columns) and the windows' mean foreground and
        background colours, each (3, rows, columns); float32.
        """
        plain = self._plain[:: cell // CELLS[-1], :: cell // CELLS[-1]]
        elsewhere = np.concatenate([plain[np.newaxis], plain * self._guide.means[cell]])
        products = np.empty((len(self.alpha), 4, SIDE * SIDE), np.float32)
        products[:, 0] = self.alpha
        np.multiply(self.alpha[:, np.newaxis], self._colours, out=products[:, 1:])
        mean_alpha, *mean_products = window_means(self.blocks.cell_means(products, cell, elsewhere))
        moments = self._guide.moments[cell]
        mean, second, mean_product = moments[:3], moments[3:], np.stack(mean_products)
        variance = [second[n] - mean[i] * mean[j] for n, (i, j) in enumerate(_PAIRS)]
        slope: Plane = _solve(variance, mean_product - mean * mean_alpha)
        offset = mean_alpha - _dot(slope, mean)
        smooth = window_means(np.concatenate([slope, offset[np.newaxis]]))
        tiny = np.float32(1e-3)
        foreground = mean_product / np.maximum(mean_alpha, tiny)
        background = (mean - mean_product) / np.maximum(1 - mean_alpha, tiny)
        return smooth[:3], smooth[3], (foreground, background)


def _calibrate(
    slope: Plane, offset: Plane, colours: tuple[Plane, Plane], low: float, high: float
) -> tuple[Plane, Plane, Plane]:
    """Slope and offset that map the foreground colour to 1 and the background colour to 0, and trust 0..1.

    Trust rises from separation `low` to `high`; separation is 1 where the regression explains alpha
    entirely and 0 where colours say nothing.
    """
    at_foreground = _dot(slope, colours[0]) + offset
    at_background = _dot(slope, colours[1]) + offset
    separation: Plane = at_foreground - at_background
    divisor: Plane = np.maximum(separation, np.float32(low))
    steeper: Plane = slope / divisor
    shifted = np.asarray((offset - at_background) / divisor, np.float32)
    return steeper, shifted, _smoothstep(separation, low, high)


def _solve(variance: list[Plane], covariance: Plane) -> Plane:
    """(variance + ridge) x = covariance for symmetric 3 x 3 matrices, by cofactors."""
    # numpy.linalg.solve calls LAPACK once a matrix, which takes many times longer.
    rr, rg, rb, gg, gb, bb = variance
    rr, gg, bb = rr + _RIDGE, gg + _RIDGE, bb + _RIDGE
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    r, g, b = covariance
    solution = np.stack(
        [c00 * r + c01 * g + c02 * b, c01 * r + c11 * g + c12 * b, c02 * r + c12 * g + c22 * b]
    )
    return np.asarray(solution / (rr * c00 + rg * c01 + rb * c02), np.float32)


def _steps(plane: Plane) -> Plane:
    """How much a plane rises or falls at each pixel, towards the next pixels right and below."""
    steps = np.zeros_like(plane)
    across, down = np.diff(plane, axis=1), np.diff(plane, axis=0)
    np.square(across, out=steps[:, :-1])
    steps[:-1] += np.square(down, out=down)
    return np.sqrt(steps, out=steps)


def _dot(first: Plane, second: Plane) -> Plane:
    product: Plane = first[0] * second[0] + first[1] * second[1] + first[2] * second[2]
    return product


def _smoothstep(values: Plane, low: float, high: float) -> Plane:
    t: Plane = ((values - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)
