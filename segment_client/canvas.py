"""A subject on a canvas: centred, as large as the margin allows, and never enlarged."""

from dataclasses import dataclass

from PIL import Image
from PIL.Image import Resampling

MAX_SIDE = 16_000
MAX_PIXELS = 100_000_000
LARGEST_MARGIN = 0.45
_VISIBLE = 13
"""Of 255: fainter pixels do not count as part of the subject, because haze would move it off the centre."""


@dataclass(frozen=True)
class Canvas:
    """`width` and `height` in pixels; `margin` is the share of the shorter one that stays free on each side.

    Raises ValueError for sides outside 1 to 16 000, more than 100 megapixels, or a margin outside 0 to 0.45.
    """

    width: int
    height: int
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not (1 <= self.width <= MAX_SIDE and 1 <= self.height <= MAX_SIDE):
            raise ValueError(f"the sides of a canvas are 1 to {MAX_SIDE} pixels")
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(f"a canvas has at most {MAX_PIXELS // 1_000_000} megapixels")
        if not 0 <= self.margin <= LARGEST_MARGIN:
            raise ValueError(f"the margin is 0% to {LARGEST_MARGIN:.0%}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def inner(self) -> tuple[int, int]:
        """Width and height inside the margin."""
        margin = round(self.margin * min(self.size))
        return max(1, self.width - 2 * margin), max(1, self.height - 2 * margin)


def put_on(canvas: Canvas, image: Image.Image) -> tuple[Image.Image, str]:
    """The subject of a cut-out (RGBA) or matte (L) on a transparent or black canvas, and a note or ""."""
    empty = Image.new(image.mode, canvas.size)
    alpha = image if image.mode == "L" else image.getchannel("A")
    box = alpha.point([255 * (level >= _VISIBLE) for level in range(256)]).getbbox()
    if box is None:
        return empty, "no subject was found, so the canvas is empty"
    width, height = box[2] - box[0], box[3] - box[1]
    scale = min(canvas.inner[0] / width, canvas.inner[1] / height)
    note = ""
    if scale > 1:
        scale = 1
        note = f"the subject has {width} x {height} pixels, less than the canvas has room for; not enlarged"
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Of RGBA, Pillow resamples colours weighted by their alpha.
    subject = image.crop(box) if size == (width, height) else image.resize(size, Resampling.LANCZOS, box)
    empty.paste(subject, ((canvas.width - size[0]) // 2, (canvas.height - size[1]) // 2))
    return empty, note
