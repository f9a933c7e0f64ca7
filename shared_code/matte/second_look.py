"""Another look at a picture the network is undecided about, and how sure it is in the end.

At one side the network sees small subjects sharp, at the other large ones whole. Most pictures need no more
than one look. Where much of the mask is neither foreground nor background, it looks again at its second side:

* Two masks of the same subject are averaged.
* Of two masks of different subjects one is taken: the one that another network, the umpire, comes closer
  to; without an umpire the second.

docs/decisions/0007-onnx-runtime-looks-twice.md has what this gains and what was tried besides.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

UNDECIDED = 0.02
"""Look again from this share of undecided opacity on."""
SAME_SUBJECT = 0.8
"""Masks that overlap by this much show the same subject."""

type Bytes = NDArray[np.uint8]


class MattingNetwork(Protocol):
    """A network that tells the foreground."""

    @property
    def side(self) -> int:
        """Width and height of what it sees first, and of that mask, in pixels."""

    @property
    def second_side(self) -> int | None:
        """Another side that it can see, if it is to look twice."""

    @property
    def umpire(self) -> "MattingNetwork | None":
        """Whom to ask when the two looks show different subjects."""

    def mask(self, rgb: Bytes) -> Bytes:
        """uint8 RGB (side, side, 3) -> uint8 (side, side), 255 foreground; either side."""


@dataclass(frozen=True)
class Look:
    """What a network made of a picture.

    mask: uint8 (side, side), 255 foreground. uncertainty: 0 sure .. 1, the share of the mask's opacity that
    is undecided. looks: how often networks were run.
    """

    mask: Bytes
    uncertainty: float
    looks: int


def look(network: MattingNetwork, seen_at: Callable[[int], Bytes]) -> Look:
    """The mask of a picture, looked at as often as needed.

    seen_at: the whole picture, opaque, squeezed to a side: uint8 RGB (side, side, 3).
    """
    first = network.mask(seen_at(network.side))
    if network.second_side is None or _undecided(first).mean() < UNDECIDED:
        return _sized_up(first, 1)
    second = _scaled(network.mask(seen_at(network.second_side)), network.side)
    if _overlap(first, second) >= SAME_SUBJECT:
        mean = (first.astype(np.uint16) + second + 1) // 2
        return _sized_up(mean.astype(np.uint8), 2)
    if network.umpire is None:
        return _sized_up(second, 2)
    opinion = _scaled(network.umpire.mask(seen_at(network.umpire.side)), network.side)
    closer = first if _overlap(first, opinion) > _overlap(second, opinion) else second
    return _sized_up(closer, 3)


def _sized_up(mask: Bytes, looks: int) -> Look:
    opacity = float(mask.mean()) / 255
    # A mask without foreground shows nothing, and that is no sure answer.
    uncertainty = min(1.0, float(_undecided(mask).mean()) / opacity) if opacity > 0 else 1.0
    return Look(mask, uncertainty, looks)


def _undecided(mask: Bytes) -> NDArray[np.float32]:
    """Of each pixel, float32: 0 where it is foreground or background, 1 half way between."""
    return np.minimum(mask, 255 - mask).astype(np.float32) / np.float32(127.5)


def _overlap(one: Bytes, other: Bytes) -> float:
    """Intersection over union of what is at least half opaque; 1 when both are empty."""
    one_in, other_in = one >= 128, other >= 128
    union = np.count_nonzero(one_in | other_in)
    return np.count_nonzero(one_in & other_in) / union if union else 1.0


def _scaled(mask: Bytes, side: int) -> Bytes:
    if len(mask) == side:
        return mask
    return np.asarray(Image.fromarray(mask).resize((side, side), Resampling.BICUBIC))
