"""Hundreds of odd, broken and hostile files: each gets a picture or a documented error.

What a file can do wrong it does in its room; the network sees pixels of its own size whatever they came from,
so that the quick one of the tests will do.
"""

import asyncio
import io
from collections import Counter
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image

from shared_code.engine import Engine
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
)
from shared_code.modes import Mode
from shared_code.settings import load_settings
from tests.shared_code.matte.networks import FlatNetwork, OneNetwork
from tests.support.patience import PATIENCE_S, until
from tests.support.rooms import rooms
from tests.support.visits import new_visit

pytestmark = pytest.mark.slow

REFUSALS = (ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance, ImageSizeNotAllowed)
SETTINGS = load_settings({"SEGMENT_SLOTS": "2", "SEGMENT_SLOT_WAIT_S": str(PATIENCE_S)})


@pytest.mark.parametrize(
    "step", [pytest.param(1, marks=pytest.mark.campaign, id="all"), pytest.param(20, id="some")]
)
def test_every_file_is_answered(step: int, shared_data: Path) -> None:
    engine = Engine(SETTINGS, OneNetwork(FlatNetwork()), rooms())
    two = asyncio.Semaphore(2)

    async def answer(file: bytes) -> str:
        try:
            async with two:
                with new_visit(engine) as visit:
                    made = await engine.cut_out(file, Mode.BACKGROUND_REMOVAL, visit)
                    async with aclosing(made):
                        png = b"".join([piece async for piece in made])
        except REFUSALS:
            return "refused"
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.load()
            return image.mode

    async def answers() -> Counter[str]:
        outcomes = Counter(await asyncio.gather(*map(answer, files)))
        await until(lambda: not engine.usage.memory_bytes)  # the last room may still be on its way out
        return outcomes

    found = (shared_data / "robust").rglob("*")
    paths = sorted(path for path in found if path.is_file() and path.suffix != ".csv")
    files = [path.read_bytes() for path in paths[::step]]
    outcomes = asyncio.run(answers())
    assert outcomes.keys() == {"RGBA", "refused"}
    assert outcomes["RGBA"] > outcomes["refused"]
