"""Would other filters or levels make smaller PNGs in the same time? Each on the same cut-out and matte."""

import io
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import oxipng
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

from bench.answer_formats import LINES, cutout_of
from bench.photos import MEGAPIXELS
from bench.report import Table
from shared_code.encode.encoder import Pixels
from shared_code.pipeline import STRIP_BYTES

TITLE = "PNG filters and levels"
_CODES = {"Sub": 1, "Up": 2, "Average": 3, "Paeth": 4}
_ROUNDS = 2

type Bytes = NDArray[np.uint8]


def run() -> list[Table]:
    """Bytes, CPU time and the time to the last byte, for the ways to write a PNG of 12 megapixels."""
    cutout = cutout_of(MEGAPIXELS["12"])
    pixels = np.concatenate([cutout.rows(top) for top in cutout.strip_tops])
    cutout.close()
    alpha = np.ascontiguousarray(pixels[:, 3::4])
    rows = [
        row
        for name, content, kind in (("cut-out", pixels, Pixels.RGBA), ("matte", alpha, Pixels.GRAY))
        for row in _rows(name, content, kind)
    ]
    note = (
        "A picture of 12 megapixels, in strips of 2 MB as the service makes them, by filters and levels of "
        "deflate that it does not use, by Pillow's encoder and by oxipng. The first row of each is the "
        "service's. *By rows* takes the filter with the least sum for each row, as libpng does. The time is "
        "CPU time of one thread. The last columns are computed: encoding and sending go on side by side, "
        "except with Pillow and oxipng."
    )
    lines = (f"s at {line} Mbit/s" for line in LINES)
    return [Table(TITLE, note, ("what", "filter, deflate", "MB", "CPU ms", *lines), rows)]


def _rows(what: str, content: Bytes, kind: Pixels) -> Iterator[list[str]]:
    step = kind.value
    strips = np.array_split(content, -(-content.nbytes // STRIP_BYTES))
    everything = tuple(_CODES)
    ways: dict[str, Callable[[Bytes], int]] = {
        "Up, isal 2": lambda strip: _isal(_filtered(strip, step, ("Up",)), 2),
        "Up, isal 1": lambda strip: _isal(_filtered(strip, step, ("Up",)), 1),
        "Up, isal 3": lambda strip: _isal(_filtered(strip, step, ("Up",)), 3),
        "Average, isal 2": lambda strip: _isal(_filtered(strip, step, ("Average",)), 2),
        "Paeth, isal 2": lambda strip: _isal(_filtered(strip, step, ("Paeth",)), 2),
        "by rows, isal 2": lambda strip: _isal(_filtered(strip, step, everything), 2),
        "Up, zlib 4": lambda strip: _zlib(_filtered(strip, step, ("Up",)), 4),
        "Up, zlib 6": lambda strip: _zlib(_filtered(strip, step, ("Up",)), 6),
    }
    for name, way in ways.items():
        yield _measured(what, name, partial(_in_all, way, strips), is_streamed=True)
    image = Image.fromarray(content if step == 1 else content.reshape(len(content), -1, step))
    yield _measured(what, "Pillow", lambda: len(_pillow(image)), is_streamed=False)
    made = partial(oxipng.optimize_from_memory, _pillow(image), level=2)
    yield _measured(what, "oxipng -o2", lambda: len(made()), is_streamed=False)


def _in_all(way: Callable[[Bytes], int], strips: Sequence[Bytes]) -> int:
    return sum(map(way, strips))


def _measured(what: str, name: str, encode: Callable[[], int], *, is_streamed: bool) -> list[str]:
    seconds, size = min(_timed(encode) for _ in range(_ROUNDS if is_streamed else 1))
    sent = [size * 8 / (line * 1e6) for line in LINES]
    last = [max(seconds, one) if is_streamed else seconds + one for one in sent]
    return [what, name, f"{size / 1e6:.2f}", f"{seconds * 1000:.0f}", *(f"{one:.2f}" for one in last)]


def _timed(encode: Callable[[], int]) -> tuple[float, int]:
    begin = time.process_time()
    size = encode()
    return time.process_time() - begin, size


def _filtered(strip: Bytes, step: int, names: tuple[str, ...]) -> Bytes:
    """The strip with a filter before each row: of several, the one with the least sum."""
    above = np.zeros_like(strip)
    above[1:] = strip[:-1]
    tried = [_by(name, strip, above, step) for name in names]
    chosen = tried[0]
    if len(tried) > 1:
        best = np.argmin([np.minimum(one[:, 1:], -one[:, 1:]).sum(1, np.int64) for one in tried], 0)
        chosen = np.stack(tried)[best, np.arange(len(strip))]
    return np.ascontiguousarray(chosen)


def _by(name: str, strip: Bytes, above: Bytes, step: int) -> Bytes:
    made = np.empty((strip.shape[0], strip.shape[1] + 1), np.uint8)
    made[:, 0] = _CODES[name]
    left, corner = np.zeros_like(strip), np.zeros_like(strip)
    if name != "Up":
        left[:, step:] = strip[:, :-step]
    match name:
        case "Sub":
            np.subtract(strip, left, out=made[:, 1:])
        case "Up":
            np.subtract(strip, above, out=made[:, 1:])
        case "Average":
            np.subtract(strip, (left & above) + ((left ^ above) >> 1), out=made[:, 1:])
        case _:
            corner[:, step:] = above[:, :-step]
            np.subtract(strip, _paeth(left, above, corner), out=made[:, 1:])
    return made


def _paeth(left: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """The neighbour that is nearest to left + above - corner (W3C PNG, 9.4)."""
    a, b, c = (one.astype(np.int16) for one in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, above, corner))
    return np.asarray(nearest, np.uint8)


def _isal(data: Bytes, level: int) -> int:
    deflate = isal_zlib.compressobj(level, isal_zlib.DEFLATED, -15)
    return len(deflate.compress(data) + deflate.flush(isal_zlib.Z_FULL_FLUSH))


def _zlib(data: Bytes, level: int) -> int:
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    return len(deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH))


def _pillow(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
