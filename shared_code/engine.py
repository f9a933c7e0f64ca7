"""The cut-out engine: admits a picture, runs the pipeline off the event loop, hands out PNG strips.

Both edges use one engine, so its slots and its memory budget hold for the whole process.
"""

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

from shared_code import pipeline
from shared_code.admission import MemoryBudget, Reservation, Slots
from shared_code.encode.png import DeflatedStrip, PngWriter
from shared_code.matte.networks import NetworkStore
from shared_code.pipeline import Cutout, Mode, Style
from shared_code.process import cores
from shared_code.settings import Settings


class PngStream:
    """The bytes of a PNG, made by the engine's threads while they are read; to be read once.

    Its memory is accounted for until it is read or dropped: all of the picture while strips are being made,
    then the deflated bytes only, so that a slow reader holds little.
    """

    def __init__(self, cutout: Cutout, strips: ThreadPoolExecutor, reservation: Reservation) -> None:
        self.width = cutout.width
        self.height = cutout.height
        self._writer = PngWriter(cutout.width, cutout.height, cutout.colour)
        self._strips = [strips.submit(cutout.strip, top) for top in cutout.strip_tops]
        weakref.finalize(self, _drop, self._strips, reservation)
        countdown = _Countdown(self._strips, reservation)
        for strip in self._strips:
            strip.add_done_callback(countdown)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._writer.head()
        for strip in self._strips:
            yield self._writer.data(await asyncio.wrap_future(strip))
        yield self._writer.tail()


class _Countdown:
    """Shrinks the reservation when the last strip is made."""

    def __init__(self, strips: list[Future[DeflatedStrip]], reservation: Reservation) -> None:
        self._left = len(strips)
        self._deflated_bytes = 0
        self._reservation = reservation
        self._lock = threading.RLock()  # collecting garbage may drop this very stream while it is held

    def __call__(self, strip: Future[DeflatedStrip]) -> None:
        with self._lock:
            self._left -= 1
            if not strip.cancelled() and strip.exception() is None:
                self._deflated_bytes += len(strip.result().data)
            if self._left == 0:
                self._reservation.shrink(self._deflated_bytes)


def _drop(strips: list[Future[DeflatedStrip]], reservation: Reservation) -> None:
    for strip in strips:
        strip.cancel()
    reservation.release()


class Engine:
    """Owns the threads and the admission of one process; `networks` are its matting networks."""

    def __init__(self, settings: Settings, networks: NetworkStore) -> None:
        self._style = Style(settings.matte_png, settings.edge_colour)
        self._slots = Slots(settings.slots, settings.slot_wait_s)
        self._budget = MemoryBudget(settings.memory_budget_mb << 20, settings.slot_wait_s)
        self._pictures = ThreadPoolExecutor(settings.slots, "picture")
        self._strips = ThreadPoolExecutor(cores(), "strip")
        self.networks = networks

    def place(self) -> AbstractContextManager[None]:
        """A place in the queue, to be taken before a body is read. Raises TooManyRequests."""
        return self._slots.place()

    async def cut_out(self, data: bytes, mode: Mode, network_name: str | None = None) -> PngStream:
        """Cut the foreground out of the picture in `data`. All that can fail has happened on return.

        Raises ResourceNotFound (no such network), ImageSizeNotAllowed, ImageFormatInvalid,
        ImageDimensionNotAllowed, ImageTooLargeForInstance, TooManyRequests or ServiceUnavailable.
        """
        plan = await asyncio.wrap_future(self._strips.submit(pipeline.plan, data, mode))
        async with self._slots.one():
            network = await self.networks.get(network_name)
            reservation = await self._budget.reserve(plan.peak_bytes)

            def work() -> PngStream:
                try:
                    cutout = pipeline.cut_out(data, plan, network, self._style)
                    return PngStream(cutout, self._strips, reservation)
                except BaseException:
                    reservation.release()
                    raise

            stream = self._pictures.submit(work)
            stream.add_done_callback(lambda done: reservation.release() if done.cancelled() else None)
            return await asyncio.wrap_future(stream)
