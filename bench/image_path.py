"""The picture's way without the network: ours against Pillow's plain putalpha and save."""

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.photos import MEGAPIXELS, jpeg
from bench.report import Table
from bench.timing import interleaved
from shared_code.encode.png import png_encoder
from shared_code.modes import Mode
from shared_code.progress import Progress
from tests.support.rooms import cut_out

_ROUNDS = 5


class DiscNetwork:
    """Stands in for the network: a soft disc at once, so that only the picture's way takes time."""

    side = 320
    second_side = None
    umpire = None

    def mask(self, _rgb: NDArray[np.uint8], _progress: Progress | None = None) -> NDArray[np.uint8]:
        """uint8 RGB (side, side, 3) -> uint8 (side, side)."""
        y, x = np.mgrid[: self.side, : self.side]
        distance = np.hypot(x + 0.5 - self.side / 2, y + 0.5 - self.side / 2)
        soft: NDArray[np.uint8] = np.clip((0.375 * self.side - distance) * 40 + 128, 0, 255).astype(np.uint8)
        return soft


def plain(photo: bytes) -> bytes:
    """What most peers do: decode, resize the mask, putalpha, save."""
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    network = DiscNetwork()
    small = image.resize((network.side, network.side), Image.Resampling.LANCZOS)
    mask = Image.fromarray(network.mask(np.asarray(small)))
    image.putalpha(mask.resize(image.size, Image.Resampling.LANCZOS))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def own(photo: bytes, threads: ThreadPoolExecutor) -> bytes:
    """The shipped pipeline."""
    cutout = cut_out(photo, Mode.BACKGROUND_REMOVAL, DiscNetwork())
    encoder = png_encoder(cutout.width, cutout.height, cutout.pixels, gray_palette=False)
    jobs = encoder.jobs([partial(cutout.rows, top) for top in cutout.strip_tops])
    strips = threads.map(lambda job: job(), jobs)
    png = b"".join([encoder.head(), *map(encoder.join, strips), encoder.tail()])
    cutout.close()
    return png


def run() -> list[Table]:
    """Decode, compose and encode at each size, with one thread and with two."""
    rows = []
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(2) as two:
        for name, size in MEGAPIXELS.items():
            rows.append([name, *_compare(jpeg(*size), one, two)])
    note = (
        "All steps but the network, with refinement and edge colours: JPEG in, PNG out. Pillow is "
        "`convert`, Lanczos, `putalpha`, `save('PNG')`."
    )
    columns = (
        "megapixels",
        "Pillow ms",
        "1 thread ms",
        "2 threads ms",
        "ratio 1",
        "ratio 2",
        "PNG size ratio",
    )
    return [Table("The picture's way without the network", note, columns, rows)]


def _compare(photo: bytes, one: ThreadPoolExecutor, two: ThreadPoolExecutor) -> list[str]:
    ways = {"plain": lambda: plain(photo), "one": lambda: own(photo, one), "two": lambda: own(photo, two)}
    seconds = interleaved(ways, _ROUNDS)
    return [
        *(f"{seconds[way] * 1000:.0f}" for way in ways),
        f"{seconds['plain'] / seconds['one']:.1f}",
        f"**{seconds['plain'] / seconds['two']:.1f}**",
        f"{len(own(photo, two)) / len(plain(photo)):.2f}",
    ]
