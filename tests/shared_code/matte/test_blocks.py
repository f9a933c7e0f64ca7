import numpy as np
import pytest

from shared_code.matte.blocks import SIDE, Blocks, near
from shared_code.matte.grid import Plane, cell_means, enlarge_cells

CELLS = (4, 8, 16)
ROWS, COLUMNS = 3, 5


def some() -> Blocks:
    marks = np.zeros((ROWS, COLUMNS), np.bool)
    marks[0, 0] = marks[1, 3] = marks[2, 4] = True
    return Blocks.marked(marks, SIDE)


def planes(count: int, step: int = 1) -> Plane:
    shape = (count, ROWS * SIDE // step, COLUMNS * SIDE // step)
    return np.random.default_rng(0).random(shape, np.float32)


def in_blocks(blocks: Blocks, plane: Plane) -> list[Plane]:
    """The blocks' pixels, cut out one by one."""
    corners = zip(blocks.row * SIDE, blocks.column * SIDE, strict=True)
    return [plane[top : top + SIDE, left : left + SIDE].ravel() for top, left in corners]


def test_a_mark_anywhere_in_a_block_chooses_it() -> None:
    marks = np.zeros((ROWS * 4, COLUMNS * 4), np.bool)
    marks[3, 7] = marks[11, 19] = marks[10, 17] = True
    blocks = Blocks.marked(marks, 4)
    assert (blocks.rows, blocks.columns) == (ROWS, COLUMNS)
    assert list(zip(blocks.row.tolist(), blocks.column.tolist(), strict=True)) == [(0, 1), (2, 4)]


def test_pixels_are_taken_and_put_back_where_they_were() -> None:
    blocks, wide = some(), planes(2)
    taken = blocks.take(wide)
    for plane, pixels in zip(wide, taken.swapaxes(0, 1), strict=True):
        assert np.array_equal(pixels, in_blocks(blocks, plane))
        copy = np.zeros_like(plane)
        blocks.put(pixels, copy)
        assert np.array_equal(blocks.take(copy[np.newaxis])[:, 0], pixels)
        assert np.count_nonzero(copy) == np.count_nonzero(pixels)


@pytest.mark.parametrize("cell", CELLS)
def test_means_are_those_of_the_whole_plane(cell: int) -> None:
    blocks, wide = some(), planes(3)
    expected = cell_means(wide, cell)
    elsewhere = expected.copy()
    each = SIDE // cell
    for row, column in zip(blocks.row * each, blocks.column * each, strict=True):
        elsewhere[:, row : row + each, column : column + each] = np.nan
    np.testing.assert_allclose(blocks.cell_means(blocks.take(wide), cell, elsewhere), expected, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_grids_are_enlarged_as_elsewhere(cell: int) -> None:
    blocks, grids = some(), planes(2, cell)
    for k, plane in enumerate(enlarge_cells(grids, cell)):
        np.testing.assert_allclose(blocks.enlarge(grids, cell)[:, k], in_blocks(blocks, plane), atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_no_block_is_no_work_and_no_error(cell: int) -> None:
    blocks, grids = Blocks.marked(np.zeros((ROWS, COLUMNS), np.bool), SIDE), planes(2, cell)
    assert blocks.enlarge(grids, cell).shape == (0, 2, SIDE * SIDE)
    assert np.array_equal(blocks.cell_means(blocks.take(planes(2)), cell, grids), grids)


def test_near_reaches_sideways_and_diagonally_and_no_further() -> None:
    marks = np.zeros((9, 11), np.bool)
    marks[4, 0] = True
    expected = np.zeros_like(marks)
    expected[2:7, :3] = True
    assert np.array_equal(near(marks, 2), expected)
