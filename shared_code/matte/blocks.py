"""The parts of a picture where its matte is not constant, as blocks of 16 x 16 pixels.

Most of a matte is clearly background or foreground, and nothing needs to be computed there. The blocks that
remain are kept as rows of numbers, so that averaging them onto a coarse grid, and interpolating a coarse grid
in them, are products with small constant matrices.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shared_code.matte.grid import Plane, bordered

SIDE = 16
"""Width and height of a block in pixels; `cell` below divides it."""

type Marks = NDArray[np.bool]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Some of the blocks of a picture, `rows` x `columns` of them in all.

    row, column: intp, (n,), where the chosen ones lie.
    """

    rows: int
    columns: int
    row: NDArray[np.intp]
    column: NDArray[np.intp]

    @classmethod
    def marked(cls, marks: Marks, cell: int) -> "Blocks":
        """The blocks with a mark in them; bool, (rows, columns), for each cell of `cell` x `cell` pixels."""
        each = SIDE // cell
        rows, columns = marks.shape[0] // each, marks.shape[1] // each
        return cls(rows, columns, *np.nonzero(marks.reshape(rows, each, columns, each).any((1, 3))))

    def take(self, planes: Plane) -> Plane:
        """The pixels of planes (k, height, width) in the blocks: (n, k, SIDE * SIDE)."""
        count = len(planes)
        tiles = planes.reshape(count, self.rows, SIDE, self.columns, SIDE)
        return tiles[:, self.row, :, self.column].reshape(len(self.row), count, SIDE * SIDE)

    def put[Number: np.generic](self, pixels: NDArray[Number], plane: NDArray[Number]) -> None:
        """Write pixels (n, SIDE * SIDE) to their places in a plane (height, width)."""
        tiles = plane.reshape(self.rows, SIDE, self.columns, SIDE)
        tiles[self.row, :, self.column] = pixels.reshape(-1, SIDE, SIDE)

    def cell_means(self, pixels: Plane, cell: int, elsewhere: Plane) -> Plane:
        """Means over cells of `cell` x `cell`: (k, rows, columns) on a grid of the whole picture.

        pixels: (n, k, SIDE * SIDE). elsewhere: the means (k, rows, columns) outside of the blocks.
        """
        each, count = SIDE // cell, pixels.shape[1]
        means = (pixels.reshape(-1, SIDE * SIDE) @ _averaging(cell)).reshape(-1, count, each, each)
        grids = elsewhere.copy()
        grids.reshape(count, self.rows, each, self.columns, each)[:, self.row, :, self.column] = means
        return grids

    def enlarge(self, grids: Plane, cell: int) -> Plane:
        """Grids (k, rows, columns) with cells of `cell` x `cell`, interpolated linearly between the cells'
        centres, the border repeated: (n, k, SIDE * SIDE).
        """
        each, count = SIDE // cell, len(grids)
        around = sliding_window_view(bordered(grids), (each + 2, each + 2), (1, 2))[:, ::each, ::each]
        near = around[:, self.row, self.column].transpose(1, 0, 2, 3).reshape(-1, (each + 2) ** 2)
        return (near @ _interpolation(cell)).reshape(-1, count, SIDE * SIDE)


def near(marks: Marks, reach: int) -> Marks:
    """What lies at most `reach` rows and columns from a mark; bool, (rows, columns)."""
    for _ in range(2):
        padded = np.pad(marks, ((reach, reach), (0, 0)))
        shifted = [padded[shift : shift + len(marks)] for shift in range(2 * reach + 1)]
        marks = np.logical_or.reduce(shifted).T
    return marks


@cache
def _averaging(cell: int) -> Plane:
    """float32, (SIDE * SIDE, cells in a block): from pixels to the means of cells."""
    line = np.equal.outer(np.arange(SIDE) // cell, np.arange(SIDE // cell)) / cell
    return np.kron(line, line).astype(np.float32)


@cache
def _interpolation(cell: int) -> Plane:
    """float32, (cells in a block and around it, SIDE * SIDE): from cells to pixels, linear on both axes."""
    position = (np.arange(SIDE) + 0.5) / cell + 0.5
    line = np.clip(1 - np.abs(np.subtract.outer(np.arange(SIDE // cell + 2), position)), 0, None)
    return np.kron(line, line).astype(np.float32)
