import numpy as np
import pytest

from shared_code.matte.box import Box


@pytest.mark.parametrize(
    ("rows", "columns", "margin", "expected"),
    [
        (slice(2, 4), slice(4, 8), 0.0, Box(0.2, 0.2, 0.4, 0.4)),
        (slice(2, 4), slice(4, 8), 0.5, Box(0.1, 0.1, 0.5, 0.5)),
        (slice(0, 2), slice(18, 20), 0.5, Box(0.85, 0.0, 1.0, 0.3)),
        (slice(0, 10), slice(0, 20), 0.1, Box(0, 0, 1, 1)),
        (slice(9, 10), slice(19, 20), 0.0, Box(0.95, 0.9, 1, 1)),
    ],
    ids=["tight", "margin", "cut by the frame", "all", "one pixel"],
)
def test_around(rows: slice, columns: slice, margin: float, expected: Box) -> None:
    inside = np.zeros((10, 20), bool)
    inside[rows, columns] = True
    found = Box.around(inside, margin)
    assert found is not None
    assert found.of(1, 1) == pytest.approx(expected.of(1, 1))


def test_nothing_has_no_box() -> None:
    assert Box.around(np.zeros((10, 20), bool), 0.1) is None


def test_area_and_edges_in_pixels() -> None:
    box = Box(0.25, 0.5, 0.75, 1)
    assert box.area == 0.25
    assert box.of(200, 100) == (50, 50, 150, 100)
