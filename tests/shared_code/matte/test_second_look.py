from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from shared_code.matte.second_look import look

type Bytes = NDArray[np.uint8]
SIDE, SECOND = 40, 20


def bars(*levels: tuple[float, int], side: int = SIDE) -> Bytes:
    """A mask of upright bars: (share of the width, level)."""
    row = np.concatenate([np.full(round(share * side), level, np.uint8) for share, level in levels])
    return np.tile(row, (side, 1))


@dataclass
class Masks:
    """Answers a mask made beforehand, by the side of what it is shown."""

    by_side: dict[int, Bytes]
    umpire: "Masks | None" = None
    second_side: int | None = SECOND
    side: int = SIDE
    seen: list[int] = field(default_factory=list)

    def mask(self, rgb: Bytes) -> Bytes:
        """The mask of that side."""
        self.seen.append(len(rgb))
        return self.by_side[len(rgb)]


def at(side: int) -> Bytes:
    return np.zeros((side, side, 3), np.uint8)


LEFT = ((0.5, 255), (0.5, 0))
RIGHT = ((0.5, 0), (0.5, 255))
DOUBT = 40
"""A level that is background, and not quite."""
LEFT_IN_DOUBT = ((0.5, 255), (0.5, DOUBT))


def test_one_look_at_what_is_decided() -> None:
    network = Masks({SIDE: bars(*LEFT)})
    found = look(network, at)
    assert found.looks == 1
    assert found.uncertainty == 0
    assert network.seen == [SIDE]
    np.testing.assert_array_equal(found.mask, bars(*LEFT))


def test_one_look_of_a_network_that_has_one_side() -> None:
    network = Masks({SIDE: bars(*LEFT_IN_DOUBT)}, second_side=None)
    assert look(network, at).looks == 1


def test_two_looks_at_the_same_subject_are_averaged() -> None:
    network = Masks({SIDE: bars(*LEFT_IN_DOUBT), SECOND: bars(*LEFT, side=SECOND)})
    found = look(network, at)
    assert (found.looks, network.seen) == (2, [SIDE, SECOND])
    middle = slice(3, SIDE // 2 - 3)
    assert set(found.mask[:, middle].ravel()) == {255}
    assert set(found.mask[:, SIDE // 2 + 3 :].ravel()) == {DOUBT // 2}


@pytest.mark.parametrize(
    ("opinion", "taken", "looks"),
    [(None, RIGHT, 2), (RIGHT, RIGHT, 3), (LEFT, LEFT_IN_DOUBT, 3), (((1, 0),), RIGHT, 3)],
    ids=["no umpire", "umpire for the second", "umpire for the first", "umpire sees nothing"],
)
def test_two_looks_at_different_subjects(
    opinion: tuple[tuple[float, int], ...] | None, taken: tuple[tuple[float, int], ...], looks: int
) -> None:
    umpire = None if opinion is None else Masks({30: bars(*opinion, side=30)}, side=30)
    network = Masks({SIDE: bars(*LEFT_IN_DOUBT), SECOND: bars(*RIGHT, side=SECOND)}, umpire)
    found = look(network, at)
    assert found.looks == looks
    expected = bars(*taken)
    edges = slice(SIDE // 2 - 3, SIDE // 2 + 3)
    np.testing.assert_array_equal(np.delete(found.mask, edges, 1), np.delete(expected, edges, 1))
    assert umpire is None or umpire.seen == [30]


@pytest.mark.parametrize(
    ("mask", "uncertainty"),
    [
        (bars((1, 255)), 0),
        (bars((1, 0)), 1),
        (bars((0.5, 255), (0.5, 51)), 0.4 / 1.2),
        (bars((1, 128)), 1),
        (bars((1, 25)), 1),
    ],
    ids=["all foreground", "nothing", "some", "half way", "a shadow"],
)
def test_uncertainty(mask: Bytes, uncertainty: float) -> None:
    found = look(Masks({SIDE: mask}, second_side=None), at)
    assert found.uncertainty == pytest.approx(uncertainty, abs=0.01)
