"""The cut-out engine: admits a picture, runs the pipeline off the event loop, hands out a stream.

Both edges use one engine, so its slots and its memory budget hold for the whole process.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from shared_code import pipeline
from shared_code.admission import Hold, MemoryBudget, Reservation, Slots
from shared_code.encode.answer_formats import PNG, AnswerFormat, WholeEncoder
from shared_code.encode.encoder import Encoder
from shared_code.encode.png import png_encoder
from shared_code.errors import TooManyRequests
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import NetworkStore
from shared_code.modes import MODES, Mode
from shared_code.picture.fault import format_of
from shared_code.pipeline import Cutout, Plan, Style
from shared_code.process import cores, give_back_memory
from shared_code.progress import Progress, StageName
from shared_code.room.rooms import Rooms
from shared_code.round_robin import RoundRobinExecutor
from shared_code.settings import Settings
from shared_code.stream import PictureStream
from shared_code.visit import Visit

_HEADERS_AT_ONCE = 2
_HEADER_S = 10
_REST_S = 5


@dataclass(frozen=True)
class Usage:
    """Pictures at work, pictures that wait for memory or a slot, and the memory they hold of the budget."""

    slots_used: int
    slots_waiting: int
    memory_bytes: int


class Engine:
    """Owns the threads and the admission of one service.

    `networks` are its matting networks; pictures are decoded in `rooms`.
    """

    def __init__(self, settings: Settings, networks: NetworkStore, rooms: Rooms) -> None:
        self._style = Style(settings.edge_colour)
        self._gray_palette = settings.matte_png == "indexed"
        self._qualities = settings.qualities
        self._budget_bytes = settings.memory_budget_mb << 20
        self._slots = Slots(settings.slots, settings.slot_wait_s)
        self._budget = MemoryBudget(self._budget_bytes, settings.slot_wait_s, self._rest)
        self._headers = ThreadPoolExecutor(_HEADERS_AT_ONCE, "header")
        self._pictures = ThreadPoolExecutor(settings.slots, "picture")
        self._strips = RoundRobinExecutor(cores(), "strip")
        self._resting: asyncio.TimerHandle | None = None
        self._has_cut_out = False
        self.networks = networks
        self.rooms = rooms

    @property
    def usage(self) -> Usage:
        """How busy it is just now."""
        return Usage(self._slots.used, self._slots.waiting, self._budget.taken_bytes)

    def hold(self) -> Hold:
        """The memory of a file that will arrive, for its visit. Growing it raises TooManyRequests."""
        return self._budget.hold()

    async def cut_out(
        self,
        data: bytes,
        mode: Mode,
        visit: Visit,
        network_name: str | None = None,
        wanted: AnswerFormat = PNG,
    ) -> PictureStream:
        """Cut the foreground out of the picture in `data`. All that can fail has happened on return.

        It is written in the format that is wanted; where that does not take it, as PNG.

        The caller owns the stream, and closes it; `data` is not held any more. Without a `network_name` the
        network is the mode's own, or else the default. Cancelled, the work ends with the stage that it is in.

        Raises ResourceNotFound (no such network), ImageSizeNotAllowed, ImageFormatInvalid,
        ImageDimensionNotAllowed, ImageTooLargeForInstance, TooManyRequests or ServiceUnavailable.
        """
        progress = visit.progress
        progress.findings = replace(
            progress.findings, format=format_of(data), cold_start=not self._has_cut_out
        )
        visit.bytes_in = len(data)
        stay = _Stay()
        try:
            stay.holds(self._slots.place())
            plan = await self._plan(data, mode, wanted, progress, stay)
            waiting_ms = progress.elapsed_ms
            network_name = network_name or MODES[mode].network
            network = await self.networks.get(network_name)
            progress.findings = replace(progress.findings, network=network_name or self.networks.default)
            reservation = await self._budget.reserve(plan.peak_bytes)
            stay.reservation = reservation

            def work() -> PictureStream:
                picture = self.rooms.open(data, pipeline.work(plan, network, len(data)), progress)
                cutout = pipeline.make_cutout(plan, picture, network, self._style, progress)
                encoder = self._encoder(plan.format, cutout)
                return PictureStream(cutout, encoder, self._strips, reservation, progress, stay.end)

            stay.gives_back(await self._slots.take())
            progress.ended(StageName.WAIT, waiting_ms)
            stream = await stay.until_done(self._pictures.submit(copy_context().run, work))
            visit.held.release()
            self._has_cut_out = True
            return stream
        except BaseException:
            progress.abandon()
            stay.fail()
            raise

    def _encoder(self, format: AnswerFormat, cutout: Cutout) -> Encoder[Any]:
        if format.whole is None:
            return png_encoder(cutout.width, cutout.height, cutout.pixels, gray_palette=self._gray_palette)
        return WholeEncoder(format, format.whole, cutout.width, self._qualities[format.name])

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.get_running_loop().call_later(_REST_S, self._give_back_memory)

    def _give_back_memory(self) -> None:
        """What networks and pictures leave free, when no picture has come for a while."""
        if self._budget.at_rest:
            self._headers.submit(_give_back_free_memory, self.networks.loaded)

    async def _plan(
        self, data: bytes, mode: Mode, wanted: AnswerFormat, progress: Progress, stay: "_Stay"
    ) -> Plan:
        """Raises TooManyRequests when headers that came before keep this one waiting."""
        with progress.stage(StageName.HEADER):
            planning = self._headers.submit(copy_context().run, self.rooms.header, data, progress)
            try:
                async with asyncio.timeout(_HEADER_S):
                    header = await stay.until_done(planning)
            except TimeoutError:
                raise TooManyRequests from None
        megapixels = header.width * header.height / 1e6
        progress.findings = replace(progress.findings, megapixels=megapixels)
        return pipeline.plan(header, mode, wanted, self._budget_bytes)


class _Stay:
    """What a picture occupies: given back when the last thread and process that work on it are gone.

    `reservation` is the stream's as soon as there is one.
    """

    def __init__(self) -> None:
        self.reservation: Reservation | None = None
        self._loop = asyncio.get_running_loop()
        self._held = ExitStack()
        self._busy: Future[Any] | None = None

    def holds(self, what: AbstractContextManager[object]) -> None:
        """It begins now, and ends with the stay."""
        self._held.enter_context(what)

    def gives_back(self, give_back: Callable[[], None]) -> None:
        """To be called at the end of the stay."""
        self._held.callback(give_back)

    async def until_done[Result](self, work: Future[Result]) -> Result:
        """What a thread comes to; the stay does not end before it, although its caller may have left."""
        self._busy = work
        result = await asyncio.wrap_future(work)
        self._busy = None  # it would keep a stream alive that its owner has dropped
        return result

    def end(self) -> None:
        """Give back all but memory, from any thread; may be called again."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._held.close)

    def fail(self) -> None:
        """Give back everything as soon as no thread works on it."""
        if self._busy is None:
            self._give_up()
        else:
            self._busy.add_done_callback(self._give_up)

    def _give_up(self, work: Future[Any] | None = None) -> None:
        if work is not None and not work.cancelled() and work.exception() is None:
            result = work.result()
            if isinstance(result, PictureStream):  # nobody will read it; it ends the stay
                result.close()
                return
        if self.reservation is not None:
            self.reservation.release()
        self.end()


def _give_back_free_memory(network: OnnxNetwork | None) -> None:
    if network is not None:
        network.give_back_memory()
    give_back_memory()
