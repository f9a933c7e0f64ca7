"""The formats of the answer: their bytes, and the time to the first and the last one on each line."""

import time

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.image_path import DiscNetwork
from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from shared_code.encode.answer_formats import ANSWER_FORMATS, AnswerFormat
from shared_code.encode.encoder import encoded
from shared_code.encode.png import png_encoder
from shared_code.modes import Mode
from shared_code.pipeline import Cutout
from tests.support.rooms import cut_out

TITLE = "Formats of the answer"
LINES = (5, 20, 100)
"""Of callers, in Mbit/s."""
_ROUNDS = 3


def run() -> list[Table]:
    """Each format of the same cut-out at each size."""
    rows = [_row(name, cutout_of(size), row) for name, size in MEGAPIXELS.items() for row in ANSWER_FORMATS]
    note = (
        "The same cut-outs in each format. Encoding is CPU time on one thread, beside the rest of a call. "
        "PNG is sent while it is encoded, the others when they are complete. The last columns, computed from "
        "the others, are the time to the last byte on a line of that speed."
    )
    lines = (f"s at {line} Mbit/s" for line in LINES)
    columns = ("megapixels", "format", "MB", "encode ms", "first byte ms", *lines)
    return [Table(TITLE, note, columns, rows)]


def cutout_of(size: tuple[int, int]) -> Cutout:
    """A photo's cut-out, whose subject fills the middle."""
    return cut_out(jpeg(*size), Mode.BACKGROUND_REMOVAL, DiscNetwork())


def _row(name: str, cutout: Cutout, row: AnswerFormat) -> list[str]:
    strips = [cutout.rows(top) for top in cutout.strip_tops]
    if row.whole:
        strips = [np.concatenate(strips)]
    seconds, size = min(_encoded(cutout, row, strips) for _ in range(_ROUNDS))
    first_s = seconds if row.whole else seconds / len(strips)
    sent = [size * 8 / (line * 1e6) for line in LINES]
    last = [seconds + one if row.whole else max(seconds, first_s + one) for one in sent]
    megabytes = f"{size / 1e6:.2f}"
    times = (f"{seconds * 1000:.0f}", f"{first_s * 1000:.0f}", *(f"{one:.2f}" for one in last))
    return [name, row.name, megabytes, *times]


def _encoded(cutout: Cutout, row: AnswerFormat, strips: list[NDArray[np.uint8]]) -> tuple[float, int]:
    """CPU seconds and bytes."""
    begin = time.process_time()
    if row.whole:
        (rows,) = strips
        size = len(row.whole.encode(Image.fromarray(rows.reshape(cutout.height, -1, 4)), row.whole.quality))
    else:
        png = png_encoder(cutout.width, cutout.height, cutout.pixels, gray_palette=False)
        size = len(encoded(png, strips))
    return time.process_time() - begin, size
