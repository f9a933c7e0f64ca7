"""What a stream holds, with a picture whose process ends when the test says so."""

import asyncio
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from shared_code.admission import Admission
from shared_code.encode.encoder import Pixels
from shared_code.encode.png import png_encoder
from shared_code.pipeline import Cutout
from shared_code.progress import Progress
from shared_code.round_robin import RoundRobinExecutor
from shared_code.stream import PictureStream
from tests.support.patience import PATIENCE_S, until

BUDGET = 1000


class CutoutFake:
    """A gray picture of 4 rows, in two strips."""

    width, height, pixels = 50, 4, Pixels.GRAY
    strip_tops = range(0, 4, 2)

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._when_closed: list[Callable[[], None]] = []

    def rows(self, top: int) -> NDArray[np.uint8]:
        return np.full((2, 50), top, np.uint8)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self.closed.set)

    def when_closed(self, act: Callable[[], None]) -> None:
        self._when_closed.append(act)

    def process_ends(self) -> None:
        for act in self._when_closed:
            act()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("pieces", [0, 1, 99])
def test_everything_is_held_until_the_process_has_gone(pieces: int) -> None:
    async def scene() -> None:
        admission, picture, gone = Admission(1, BUDGET, PATIENCE_S), CutoutFake(), list[bool]()
        turn = await admission.turn(admission.hold(), BUDGET)
        stream = PictureStream(
            cast(Cutout, picture),
            png_encoder(50, 4, Pixels.GRAY, gray_palette=False),
            RoundRobinExecutor(2, "strip"),
            turn,
            Progress(),
            lambda: gone.append(True),
        )
        read = 0
        async for _ in stream:
            read += 1
            if read > pieces:
                await stream.aclose()
        await asyncio.wait_for(picture.closed.wait(), PATIENCE_S)
        await turns()
        assert (admission.taken_bytes, gone) == (BUDGET, [])
        picture.process_ends()
        await stream.aclose()
        await until(lambda: not admission.taken_bytes, 0)
        assert gone == [True]

    asyncio.run(scene())
