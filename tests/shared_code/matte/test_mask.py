from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from shared_code.matte.box import Box
from shared_code.matte.mask import IN_DOUBT, LARGEST_BOX, NOT_SURE, find_mask, uncertainty
from shared_code.progress import Progress

type Bytes = NDArray[np.uint8]
type Bars = tuple[tuple[float, int], ...]
SIDE, SECOND = 40, 20
WHOLE, PART = 0, 1


def bars(*levels: tuple[float, int], side: int = SIDE) -> Bytes:
    """A mask of upright bars: (share of the width, level)."""
    row = np.concatenate([np.full(round(share * side), level, np.uint8) for share, level in levels])
    return np.tile(row, (side, 1))


@dataclass
class Shown:
    """A picture that tells a network by its pixels whether it is shown all of it or a part."""

    boxes: list[Box] = field(default_factory=list)

    def whole(self, side: int) -> Bytes:
        """Black."""
        return np.full((side, side, 3), WHOLE, np.uint8)

    def part(self, box: Box, side: int) -> Bytes:
        """Nearly black."""
        self.boxes.append(box)
        return np.full((side, side, 3), PART, np.uint8)


@dataclass
class Masks:
    """Answers masks made beforehand: of the whole by its side, and of a part."""

    by_side: dict[int, Bytes]
    part: Bytes = field(default_factory=lambda: bars((1, 0)))
    umpire: "Masks | None" = None
    second_side: int | None = SECOND
    side: int = SIDE
    seen: list[int | str] = field(default_factory=list)

    def mask(self, rgb: Bytes, _progress: Progress | None = None) -> Bytes:
        """The mask of what is shown."""
        of_part = rgb[0, 0, 0] == PART
        self.seen.append("part" if of_part else len(rgb))
        return self.part if of_part else self.by_side[len(rgb)]


ALL = ((1.0, 255),)
LEFT = ((0.5, 255), (0.5, 0))
RIGHT = ((0.5, 0), (0.5, 255))
NEARLY = 247
"""A level that is foreground, and not quite."""
LEFT_NOT_SURE = ((0.5, NEARLY), (0.5, 0))
DOUBT = 40
"""A level that is background, and not quite."""
LEFT_IN_DOUBT = ((0.5, 255), (0.5, DOUBT))


def levels_at(mask: Bytes) -> tuple[int, ...]:
    """In the middle of four quarters, left to right, away from the edges of the bars above."""
    found = mask[SIDE // 2, [SIDE // 8, 3 * SIDE // 8, 5 * SIDE // 8 + 2, 7 * SIDE // 8]]
    return tuple(int(level) for level in found)


@pytest.mark.parametrize("mask", [ALL, LEFT, ((1, NEARLY),)], ids=["all", "left half", "all, not sure"])
def test_one_run_for_what_is_decided_or_fills_the_picture(mask: Bars) -> None:
    network, shown = Masks({SIDE: bars(*mask)}), Shown()
    found = find_mask(network, shown)
    assert (found.runs, network.seen, shown.boxes) == (1, [SIDE], [])
    np.testing.assert_array_equal(found.levels, bars(*mask))


def test_one_run_of_a_network_that_has_one_side() -> None:
    network = Masks({SIDE: bars(*LEFT_IN_DOUBT)}, second_side=None)
    assert find_mask(network, Shown()).runs == 1


def square(share: float, level: int) -> Bytes:
    """A subject in the middle that takes so much of the width and height, and how opaque it is."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    edge = round((1 - share) / 2 * SIDE)
    mask[edge : SIDE - edge, edge : SIDE - edge] = level
    return mask


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (square(1, 255), False),
        (square(1, 243), False),
        (square(1, 240), True),
        (square(0.2, 255), False),
        (square(0.2, 240), True),
        (square(0, 255), True),
    ],
    ids=["sure", "nearly sure", "in doubt", "small, sure", "small, in doubt", "nothing"],
)
def test_doubt_counts_by_the_subject_however_small(first: Bytes, again: bool) -> None:
    assert (uncertainty(first) >= IN_DOUBT) is again
    network = Masks({SIDE: first, SECOND: first[::2, ::2]})
    find_mask(network, Shown())
    assert (SECOND in network.seen) is again


def test_two_masks_of_the_same_subject_are_averaged() -> None:
    network = Masks({SIDE: bars(*LEFT_IN_DOUBT), SECOND: bars(*LEFT, side=SECOND)})
    found = find_mask(network, Shown())
    assert network.seen == [SIDE, SECOND, "part"]
    assert levels_at(found.levels) == (255, 255, DOUBT // 2, DOUBT // 2)


HALF = 128
"""The mean of foreground and background."""


@pytest.mark.parametrize(
    ("opinion", "expected", "runs"),
    [
        (None, (0, 0, 255, 255), 2),
        (RIGHT, (0, 0, 255, 255), 3),
        (LEFT, (255, 255, DOUBT // 2, DOUBT // 2), 3),
        (((0.25, 0), (0.75, 255)), (0, HALF, 255, 255), 3),
        (((1, 0),), (0, 0, HALF, HALF), 3),
    ],
    ids=["no umpire", "for the second", "for the first", "rather for the second", "umpire sees nothing"],
)
def test_two_masks_of_different_subjects(opinion: Bars | None, expected: tuple[int, ...], runs: int) -> None:
    umpire = None if opinion is None else Masks({30: bars(*opinion, side=30)}, side=30)
    network = Masks({SIDE: bars(*LEFT_IN_DOUBT), SECOND: bars(*RIGHT, side=SECOND)}, umpire=umpire)
    found = find_mask(network, Shown())
    assert levels_at(found.levels) == pytest.approx(expected, abs=1)
    assert found.runs == runs + network.seen.count("part")
    assert umpire is None or umpire.seen == [30]


def test_a_box_that_shows_the_same_subject_is_averaged_with_the_whole() -> None:
    softer = ((0.9, 205), (0.1, 0))  # of the left half, and a margin to its right
    network, shown = Masks({SIDE: bars(*LEFT_NOT_SURE)}, part=bars(*softer)), Shown()
    found = find_mask(network, shown)
    assert (network.seen, found.runs) == ([SIDE, "part"], 2)
    assert shown.boxes == [Box(0, 0, 0.55, 1)]
    assert levels_at(found.levels) == (226, 226, 0, 0)
    assert found.uncertainty == uncertainty(found.levels) > 0.2


@pytest.mark.parametrize(
    "part", [bars(*RIGHT), bars((0.5, 255), (0.5, 0)), bars((1, 0))], ids=["another", "a half", "nothing"]
)
def test_a_box_that_shows_another_subject_counts_for_nothing(part: Bytes) -> None:
    found = find_mask(Masks({SIDE: bars(*LEFT_NOT_SURE)}, part=part), Shown())
    assert found.runs == 2
    np.testing.assert_array_equal(found.levels, bars(*LEFT_NOT_SURE))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
@pytest.mark.parametrize("level", [255, 251, 248, NEARLY, 243])
def test_a_box_is_seen_by_doubt_however_small(share: float, level: int) -> None:
    mask = square(share, level)
    network = Masks({SIDE: mask})
    find_mask(network, Shown())
    assert ("part" in network.seen) == (share < 0.5 and uncertainty(mask) >= NOT_SURE)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.7, 0.8, 0.9])
def test_only_a_box_well_below_the_picture_is_seen_alone(share: float) -> None:
    network = Masks({SIDE: square(share, NEARLY)})
    find_mask(network, Shown())
    assert ("part" in network.seen) == ((1.2 * share) ** 2 <= LARGEST_BOX)


def test_a_subject_of_one_pixel_has_a_box() -> None:
    dot = np.zeros((SIDE, SIDE), np.uint8)
    dot[-1, -1] = NEARLY
    network = Masks({SIDE: dot}, part=bars(*ALL))
    found = find_mask(network, Shown())
    assert network.seen == [SIDE, "part"]
    assert found.levels[-1, -1] == (NEARLY + 255) // 2


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (bars((1, 255)), 0),
        (bars((1, 0)), 1),
        (bars((0.5, 255), (0.5, 51)), 0.4 / 1.2),
        (bars((1, 128)), 1),
        (bars((1, 25)), 1),
        (square(0.1, 255), 0),
    ],
    ids=["all foreground", "nothing", "some", "half way", "a shadow", "small"],
)
def test_uncertainty(mask: Bytes, expected: float) -> None:
    assert uncertainty(mask) == pytest.approx(expected, abs=0.01)
