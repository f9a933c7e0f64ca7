"""Planes averaged onto coarse grids, and grids enlarged again; float32 throughout."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

type Plane = NDArray[np.float32]


def cell_means(plane: Plane, cell: int) -> Plane:
    """Means over cells of `cell` x `cell`: sizes rounded up, the last cells may be partial."""
    return np.asarray(Image.fromarray(plane).reduce(cell))


def enlarge(grid: Plane, columns: int, rows: int) -> Plane:
    """The grid at (rows, columns), interpolated linearly between the centres of its cells."""
    return np.asarray(Image.fromarray(grid).resize((columns, rows), Resampling.BILINEAR))


def window_means(grids: Plane) -> Plane:
    """Means over 3 x 3 cells of each grid in (n, rows, columns), the border repeated; the same shape."""
    padded = np.pad(grids, ((0, 0), (1, 1), (1, 1)), mode="edge")
    sums = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    means: Plane = (sums[:, :, :-2] + sums[:, :, 1:-1] + sums[:, :, 2:]) / np.float32(9)
    return means
