"""The colour of the foreground where a matte is partly transparent.

There a picture shows alpha F + (1 - alpha) B, and the old background B becomes a fringe on a new one. F and B
change slowly, so in a small window both follow from least squares over its pixels. As in the multi-level
method (Germer et al., "Fast Multi-Level Foreground Estimation", 2020) this goes from coarse to fine, and each
level uses the coarser one as a prior where its own pixels are not sufficient. The residual of a pixel is then
distributed between F and B, as in blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", 2021),
which keeps texture.

The fit is kept at the guide's size; only partial pixels are ever touched at full size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_code.matte.blocks import Blocks, Marks, near
from shared_code.matte.grid import Plane, cell_means, enlarge_cells, window_means
from shared_code.matte.refine import Guide, Matte

FINEST_CELL = 4
_PRIOR = np.float32(0.05)
"""Weight of the next coarser level, as a share of a window's pixels."""

_ALPHA = np.arange(256, dtype=np.float32) / np.float32(255)
# The residual I - alpha F - (1 - alpha) B, shared out by least squares with equal variances for F and B.
_GAIN = _ALPHA / (_ALPHA**2 + (1 - _ALPHA) ** 2)
_OF_FOREGROUND = 1 - _GAIN * _ALPHA
_OF_BACKGROUND = _GAIN * (1 - _ALPHA)

_PIECE = 1 << 16
"""Pixels that are computed at a time."""

type Bytes = NDArray[np.uint8]
type Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class EdgeColours:
    """Local colours of foreground and background for a picture of `width` x `height` pixels.

    `fitted` is uint64, (rows, columns) at the guide's size; from the lowest byte foreground R, G, B, then
    background R, G, B; 0 far from partial pixels.
    """

    width: int
    height: int
    fitted: NDArray[np.uint64]

    def foreground(self, top: int, left: int, colours: Words, alpha: Bytes) -> tuple[NDArray[np.intp], Words]:
        """Where a part of the picture is partly transparent, and the foreground's colours there.

        colours: uint32, (rows, columns) from row `top` and column `left` on, R in the lowest byte, then G
        and B. alpha: uint8, of the same shape, the matte's.
        Returns positions in the flattened part and as many colours, packed as above, highest byte 0.
        """
        positions = np.flatnonzero(_partial(alpha))
        rows, columns = self.fitted.shape
        height, width = alpha.shape
        at_row = ((np.arange(top, top + height) + 0.5) * rows / self.height).astype(np.intp)
        at_column = ((np.arange(left, left + width) + 0.5) * columns / self.width).astype(np.intp)
        found = np.empty(positions.size, np.uint32)
        for begin in range(0, positions.size, _PIECE):  # each pixel of it takes 70 bytes
            piece = positions[begin : begin + _PIECE]
            row, column = np.divmod(piece, width)
            fitted = self.fitted.ravel()[at_row[row] * columns + at_column[column]]
            found[begin : begin + _PIECE] = _found(colours.ravel()[piece], alpha.ravel()[piece], fitted)
        return positions, found


def _found(source: Words, levels: Bytes, fitted: NDArray[np.uint64]) -> Words:
    """The foreground's colours of pixels: of their own, their matte, and the fit where they lie."""
    of_source, of_foreground, of_background = _GAIN[levels], _OF_FOREGROUND[levels], _OF_BACKGROUND[levels]
    found = np.zeros(source.size, np.uint32)
    for shift in (0, 8, 16):
        colour = _byte(source, shift) * of_source + _byte(fitted, shift) * of_foreground
        colour -= _byte(fitted, shift + 24) * of_background
        found |= (colour + np.float32(0.5)).clip(0, 255).astype(np.uint32) << np.uint32(shift)
    return found


def estimate(guide: Guide, matte: Matte) -> EdgeColours:
    """Local colours of the foreground and of the background of a picture, with the guide of its matte."""
    rows, columns = matte.alpha.shape
    words = _partial(matte.alpha).view(np.uint32)  # FINEST_CELL pixels at once
    cells = words.reshape(rows // FINEST_CELL, FINEST_CELL, -1).any(1)
    # Interpolated to full size, partial alpha spreads over the pixels beside it.
    blocks = Blocks.marked(near(cells, 1), FINEST_CELL)
    found = blocks.enlarge(_fit(guide, matte.alpha, blocks), FINEST_CELL) * np.float32(255) + np.float32(0.5)
    packed = np.zeros((len(found), found.shape[2], 8), np.uint8)
    packed[..., : found.shape[1]] = found.swapaxes(1, 2)
    fitted = np.zeros((rows, columns), np.uint64)
    blocks.put(packed.view("<u8")[..., 0], fitted)
    return EdgeColours(matte.width, matte.height, fitted)


def _fit(guide: Guide, matte: Bytes, blocks: Blocks) -> Plane:
    """float32 0..1, (6, ...) on a grid of FINEST_CELL: foreground R, G, B and background R, G, B."""
    pixels = _products(blocks.take(_ALPHA[matte][np.newaxis]), blocks.take(guide.colours), 1)
    plain = _ALPHA[matte[FINEST_CELL // 2 :: FINEST_CELL, FINEST_CELL // 2 :: FINEST_CELL]]
    elsewhere = _products(plain[np.newaxis], guide.means[FINEST_CELL], 0)
    levels = [blocks.cell_means(pixels, FINEST_CELL, elsewhere)]
    while max(levels[-1].shape[1:]) > 1:
        levels.append(cell_means(levels[-1], 2))
    foreground = background = levels[0][3:].reshape(2, 3, -1).sum(0).mean(1)[:, None, None]
    for level in reversed(levels):
        rows, columns = level.shape[1:]
        foreground = enlarge_cells(foreground, 2)[:, :rows, :columns]
        background = enlarge_cells(background, 2)[:, :rows, :columns]
        both, products = np.split(window_means(level), [3])
        # The normal equations of sum (I - alpha F - (1 - alpha) B)^2 + prior ((F - F0)^2 + (B - B0)^2).
        of_alpha, of_rest, mixed = both[0] + _PRIOR, both[1] + _PRIOR, both[2]
        with_alpha = products[:3] + _PRIOR * foreground
        with_rest = products[3:] + _PRIOR * background
        determinant = of_alpha * of_rest - mixed * mixed
        foreground = ((of_rest * with_alpha - mixed * with_rest) / determinant).clip(0, 1)
        background = ((of_alpha * with_rest - mixed * with_alpha) / determinant).clip(0, 1)
    return np.concatenate([foreground, background])


def _products(alpha: Plane, colours: Plane, axis: int) -> Plane:
    """alpha^2, (1 - alpha)^2, alpha (1 - alpha), alpha I and (1 - alpha) I along an axis."""
    rest = 1 - alpha
    return np.concatenate([alpha * alpha, rest * rest, alpha * rest, alpha * colours, rest * colours], axis)


def _partial(alpha: Bytes) -> Marks:
    # 0 wraps to 255, so one comparison finds 1 to 254.
    return alpha - np.uint8(1) < 254


def _byte(words: NDArray[np.uint64] | Words, shift: int) -> Plane:
    return ((words >> shift) & 255).astype(np.float32)
