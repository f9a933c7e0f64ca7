"""`python -m bench.example`: make the README's picture from a public-domain photo, with the shipped pipeline.

The photo is NASA's portrait of Eileen Collins, which scikit-image bundles.
"""

import asyncio
import io

from PIL import Image

from shared_code.engine import Engine
from shared_code.pipeline import Mode
from shared_code.settings import load_settings
from tests.support.hosts import PROJECT
from tests.support.photos import encoded

_SQUARE_PX = 16
_LIGHT, _DARK = (236, 236, 236), (208, 208, 208)


def checkerboard(width: int, height: int) -> Image.Image:
    """What image editors show behind transparency."""
    board = Image.new("RGB", (width, height), _LIGHT)
    for top in range(0, height, _SQUARE_PX):
        for left in range(top % (2 * _SQUARE_PX), width, 2 * _SQUARE_PX):
            board.paste(_DARK, (left, top, left + _SQUARE_PX, top + _SQUARE_PX))
    return board


async def main() -> None:
    """Write docs/images/example.jpg: photo, cut-out, matte."""
    photo = encoded("PNG")
    engine = Engine(load_settings({}))
    engine.start()
    made = []
    for mode in Mode:
        png = b"".join([chunk async for chunk in await engine.cut_out(photo, mode)])
        made.append(Image.open(io.BytesIO(png)))
    cutout, matte = made
    sheet = Image.new("RGB", (3 * cutout.width, cutout.height))
    sheet.paste(Image.open(io.BytesIO(photo)), (0, 0))
    board = checkerboard(cutout.width, cutout.height)
    board.paste(cutout, (0, 0), cutout)
    sheet.paste(board, (cutout.width, 0))
    sheet.paste(matte.convert("RGB"), (2 * cutout.width, 0))
    target = PROJECT / "docs" / "images" / "example.jpg"
    target.parent.mkdir(exist_ok=True)
    sheet.save(target, quality=88)


if __name__ == "__main__":
    asyncio.run(main())
