"""The mask of a picture, from one or several runs of networks, and how undecided it is.

* The whole picture, at the network's side.
* If much of the mask is undecided: the whole picture again at the second side, which is smaller and better
  for large subjects. Two masks of the same subject are averaged. If they differ, another network, the umpire,
  runs, and the mask that is closer to the umpire's is averaged with it. Without an umpire the second mask is
  used.
* If some of the mask is still undecided, and the subject's box does not cover the whole picture: the box
  alone at the network's side. Its edges are larger there, and the surroundings cannot mislead. This mask is
  averaged with the one before if it shows the same subject, and ignored if not.

The undecided share is relative to the subject, so small subjects get further runs as large ones do. A network
without a second side runs once. docs/decisions/0010-a-closer-look.md has what each step gains, and what else
was tried.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from shared_code.matte.box import Box
from shared_code.progress import Progress

IN_DOUBT = 0.1
"""From this uncertainty on the network runs on the whole picture a second time."""
NOT_SURE = 0.05
"""From this uncertainty on it runs on the box."""
SAME_SUBJECT = 0.8
"""Masks that overlap by this much show the same subject."""
LARGEST_BOX = 0.8
"""A box larger than this share of the picture gets no run of its own."""
MARGIN = 0.1
"""Margin of the box, as a share of the subject's width and height."""

type Bytes = NDArray[np.uint8]


class MattingNetwork(Protocol):
    """A network that finds the foreground."""

    @property
    def side(self) -> int:
        """Width and height of its input and its mask, in pixels."""

    @property
    def second_side(self) -> int | None:
        """Another side for its input; None if it is to run only once."""

    @property
    def umpire(self) -> "MattingNetwork | None":
        """The network that decides if its masks at both sides show different subjects."""

    def mask(self, rgb: Bytes, progress: Progress | None = None) -> Bytes:
        """uint8 RGB (side, side, 3) -> uint8 (side, side), 255 foreground; either side.

        Raises Abandoned when `progress` is.
        """


class Views(Protocol):
    """A picture as input for a network: opaque, scaled to a square, uint8 RGB (side, side, 3)."""

    def whole(self, side: int) -> Bytes:
        """All of it."""

    def part(self, box: Box, side: int) -> Bytes:
        """What is in the box."""


@dataclass(frozen=True)
class Mask:
    """The mask of a picture.

    levels: uint8 (side, side), 0 background to 255 foreground, covering the whole picture. uncertainty:
    0 sure .. 1, the share of its opacity that is undecided. runs: of networks.
    """

    levels: Bytes
    uncertainty: float
    runs: int


def find_mask(network: MattingNetwork, views: Views, progress: Progress | None = None) -> Mask:
    """The mask of a picture, from as many runs of the network as it needs.

    Raises Abandoned when `progress` is.
    """
    progress = progress or Progress()
    levels, runs = network.mask(views.whole(network.side), progress), 1
    if network.second_side is None:
        return Mask(levels, uncertainty(levels), runs)
    if uncertainty(levels) >= IN_DOUBT:
        levels, more = _with_second(levels, network.second_side, network, views, progress)
        runs += more
    box = Box.around(levels >= 128, MARGIN)
    if uncertainty(levels) >= NOT_SURE and box is not None and box.area <= LARGEST_BOX:
        levels = _with_box(levels, network.mask(views.part(box, network.side), progress), box)
        runs += 1
    return Mask(levels, uncertainty(levels), runs)


def uncertainty(levels: Bytes) -> float:
    """Sum 2 min(m, 1 - m) over sum m, at most 1. A mask without foreground shows nothing: 1."""
    undecided = 2 * float(np.minimum(levels, 255 - levels).sum())
    opacity = float(levels.sum())
    return min(1.0, undecided / opacity) if opacity > 0 else 1.0


def _with_second(
    first: Bytes, side: int, network: MattingNetwork, views: Views, progress: Progress
) -> tuple[Bytes, int]:
    """A mask of the whole joined with that at another side, and how many runs of networks that took."""
    second = _scaled(network.mask(views.whole(side), progress), *first.shape)
    if _overlap(first, second) >= SAME_SUBJECT:
        return _mean(first, second), 1
    umpire = network.umpire
    if umpire is None:
        return second, 1
    opinion = _scaled(umpire.mask(views.whole(umpire.side), progress), *first.shape)
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
