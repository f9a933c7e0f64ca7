import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from shared_code.matte.grid import cell_means, enlarge_cells, window_means


def test_cell_means_include_partial_cells() -> None:
    plane = np.arange(15, dtype=np.float32).reshape(3, 5)
    assert cell_means(plane, 2).tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]


def test_enlarge_interpolates_between_cell_centres() -> None:
    grid = np.array([[0, 4]], np.float32)
    assert enlarge_cells(grid, 2).tolist() == [[0, 1, 3, 4], [0, 1, 3, 4]]


@pytest.mark.parametrize("cell", [1, 2, 4, 16])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (7, 3)])
def test_cells_are_enlarged_as_pillow_would(shape: tuple[int, int], cell: int) -> None:
    grids = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    size = (shape[1] * cell, shape[0] * cell)
    expected = np.stack(
        [np.asarray(Image.fromarray(grid).resize(size, Resampling.BILINEAR)) for grid in grids]
    )
    np.testing.assert_allclose(enlarge_cells(grids, cell), expected, atol=1e-5)
    np.testing.assert_allclose(enlarge_cells(grids[0], cell), expected[0], atol=1e-5)


def test_window_means_repeat_the_border() -> None:
    grids = np.array([[[9, 0, 0], [0, 0, 0], [0, 0, 18]]], np.float32)
    assert window_means(grids).tolist() == [[[4, 2, 0], [2, 3, 4], [0, 4, 8]]]


def test_window_means_keep_grids_apart() -> None:
    grids = np.stack([np.full((2, 2), level, np.float32) for level in (1, 5)])
    assert np.array_equal(window_means(grids), grids)
