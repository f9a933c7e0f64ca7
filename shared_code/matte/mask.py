"""The mask of a picture: what the network sees of it, once or several times, and how sure it is in the end.

* The whole picture, at the network's side.
* Where much of the mask is undecided, the whole again at the second side: a smaller one shows large subjects
  whole. Two masks of the same subject are averaged. Where they differ another network, the umpire, is asked:
  of the two the one it comes closer to is averaged with its own. Without an umpire the second is taken.
* Where some of the mask is undecided still, and the subject's box leaves some of the picture out, the box
  alone, at the network's side: its edges are seen larger, and what is beside it cannot mislead. The mask of
  the box is averaged with what is there if it shows the same subject, and counts for nothing if it does not.

How much is undecided is counted by the subject, so small subjects are seen again as large ones are. A network
without a second side is run once. docs/decisions/0010-a-closer-look.md has what each step gains, and what was
tried besides.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from shared_code.matte.box import Box

IN_DOUBT = 0.1
"""The uncertainty from which on the whole picture is seen a second time."""
NOT_SURE = 0.05
"""The uncertainty from which on the box is seen."""
SAME_SUBJECT = 0.8
"""Masks that overlap by this much show the same subject."""
LARGEST_BOX = 0.8
"""Share of the picture that a box must not exceed to be seen alone."""
MARGIN = 0.1
"""Of the subject's width and height, around its box."""

type Bytes = NDArray[np.uint8]


class MattingNetwork(Protocol):
    """A network that tells the foreground."""

    @property
    def side(self) -> int:
        """Width and height of what it sees first, and of that mask, in pixels."""

    @property
    def second_side(self) -> int | None:
        """Another side that it can see; None if it is to be run once."""

    @property
    def umpire(self) -> "MattingNetwork | None":
        """Whom to ask where its masks at both sides show different subjects."""

    def mask(self, rgb: Bytes) -> Bytes:
        """uint8 RGB (side, side, 3) -> uint8 (side, side), 255 foreground; either side."""


class Views(Protocol):
    """A picture as a network is shown it: opaque, squeezed to a square, uint8 RGB (side, side, 3)."""

    def whole(self, side: int) -> Bytes:
        """All of it."""

    def part(self, box: Box, side: int) -> Bytes:
        """What is in the box."""


@dataclass(frozen=True)
class Mask:
    """What the network made of a picture.

    levels: uint8 (side, side), 0 background to 255 foreground, covering the whole picture. uncertainty:
    0 sure .. 1, the share of its opacity that is undecided. runs: of networks.
    """

    levels: Bytes
    uncertainty: float
    runs: int


def find_mask(network: MattingNetwork, views: Views) -> Mask:
    """The mask of a picture, from as many runs of the network as it needs."""
    levels, runs = network.mask(views.whole(network.side)), 1
    if network.second_side is None:
        return Mask(levels, uncertainty(levels), runs)
    if uncertainty(levels) >= IN_DOUBT:
        levels, more = _with_second(levels, network.second_side, network, views)
        runs += more
    box = Box.around(levels >= 128, MARGIN)
    if uncertainty(levels) >= NOT_SURE and box is not None and box.area <= LARGEST_BOX:
        levels = _with_box(levels, network.mask(views.part(box, network.side)), box)
        runs += 1
    return Mask(levels, uncertainty(levels), runs)


def uncertainty(levels: Bytes) -> float:
    """Sum 2 min(m, 1 - m) over sum m, at most 1. A mask without foreground shows nothing: 1."""
    undecided = 2 * float(np.minimum(levels, 255 - levels).sum())
    opacity = float(levels.sum())
    return min(1.0, undecided / opacity) if opacity > 0 else 1.0


def _with_second(first: Bytes, side: int, network: MattingNetwork, views: Views) -> tuple[Bytes, int]:
    """A mask of the whole joined with that at another side, and how many runs of networks that took."""
    second = _scaled(network.mask(views.whole(side)), *first.shape)
    if _overlap(first, second) >= SAME_SUBJECT:
        return _mean(first, second), 1
    umpire = network.umpire
    if umpire is None:
        return second, 1
    opinion = _scaled(umpire.mask(views.whole(umpire.side)), *first.shape)
    closer = first if _overlap(first, opinion) > _overlap(second, opinion) else second
    return _mean(closer, opinion), 2


def _with_box(whole: Bytes, part: Bytes, box: Box) -> Bytes:
    """A mask of the whole, averaged in the box with one of the box.

    It stays as it is if they show different subjects.
    """
    rows, columns = whole.shape
    left, top, right, bottom = (round(edge) for edge in box.of(columns, rows))
    inside = slice(top, bottom), slice(left, right)
    closer = np.zeros_like(whole)
    closer[inside] = _scaled(part, right - left, bottom - top)
    if _overlap(whole, closer) < SAME_SUBJECT:
        return whole
    joined = whole.copy()
    joined[inside] = _mean(whole[inside], closer[inside])
    return joined


def _mean(one: Bytes, other: Bytes) -> Bytes:
    return ((one.astype(np.uint16) + other + 1) // 2).astype(np.uint8)


def _overlap(one: Bytes, other: Bytes) -> float:
    """Intersection over union of what is at least half opaque; 1 when both are empty."""
    one_in, other_in = one >= 128, other >= 128
    union = np.count_nonzero(one_in | other_in)
    return np.count_nonzero(one_in & other_in) / union if union else 1.0


def _scaled(mask: Bytes, width: int, height: int) -> Bytes:
    if mask.shape == (height, width):
        return mask
    return np.asarray(Image.fromarray(mask).resize((width, height), Resampling.BICUBIC))
