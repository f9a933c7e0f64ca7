"""`python -m bench.example`: make the pictures of the docs from bundled photos, with the shipped pipeline.

The README's is NASA's portrait of Eileen Collins, in the public domain. All come with scikit-image.
"""

import asyncio
import io

from PIL import Image

from shared_code.deadline import Deadline
from shared_code.engine import Engine
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore
from shared_code.modes import Mode
from shared_code.outcome import Edge, log_outcome
from shared_code.process import cores
from shared_code.settings import load_settings
from shared_code.visit import Arrival, Visit
from tests.support.hosts import PROJECT
from tests.support.photos import encoded, photo
from tests.support.rooms import rooms

_PICTURES = {
    "example": "astronaut.png",
    "failure-close-up": "chelsea.png",
    "failure-clutter": "motorcycle_right.png",
}
_HEIGHT_PX = 512
_PATIENCE_S = 60
_SQUARE_PX = 16
_LIGHT, _DARK = (236, 236, 236), (208, 208, 208)


def checkerboard(width: int, height: int) -> Image.Image:
    """What image editors show behind transparency."""
    board = Image.new("RGB", (width, height), _LIGHT)
    for top in range(0, height, _SQUARE_PX):
        for left in range(top % (2 * _SQUARE_PX), width, 2 * _SQUARE_PX):
            board.paste(_DARK, (left, top, left + _SQUARE_PX, top + _SQUARE_PX))
    return board


async def sheet(engine: Engine, name: str) -> Image.Image:
    """Photo, cut-out on a checkerboard and matte of a bundled photo, side by side, 512 pixels high."""
    width, height = photo(name).size
    width, height = round(width * _HEIGHT_PX / height), _HEIGHT_PX
    source = encoded("PNG", width, height, name)
    made = []
    for mode in Mode:
        arrival, deadline = Arrival(name, Edge.HTTP), Deadline.after(_PATIENCE_S)
        with Visit(arrival, deadline, engine.hold(), log_outcome) as visit:
            png = b"".join([chunk async for chunk in await engine.cut_out(source, mode, visit)])
        made.append(Image.open(io.BytesIO(png)))
    cutout, matte = made
    board = checkerboard(width, height)
    board.paste(cutout, (0, 0), cutout)
    panels = (Image.open(io.BytesIO(source)), board, matte.convert("RGB"))
    row = Image.new("RGB", (len(panels) * width, height))
    for number, panel in enumerate(panels):
        row.paste(panel, (number * width, 0))
    return row


async def main() -> None:
    """Write docs/images/example.jpg, and the pictures of docs/models.md that show what goes wrong."""
    settings = load_settings({})
    engine = Engine(
        settings, NetworkStore(read_catalogue(), settings.model, settings.models_in_memory, cores()), rooms()
    )
    folder = PROJECT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    for target, name in _PICTURES.items():
        (await sheet(engine, name)).save(folder / f"{target}.jpg", quality=88)


if __name__ == "__main__":
    asyncio.run(main())
