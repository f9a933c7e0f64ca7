"""The cut-out engine: admits a picture, runs the pipeline off the event loop, hands out a stream.

Both edges use one engine, so its slots and its memory budget hold for the whole process.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from shared_code import pipeline
from shared_code.admission import Hold, MemoryBudget, Reservation, Slots
from shared_code.encode.png import png_encoder
from shared_code.errors import TooManyRequests
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import NetworkStore
from shared_code.modes import MODES, Mode
from shared_code.pipeline import Plan, Style
from shared_code.process import cores, give_back_memory
from shared_code.progress import Progress, StageName
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
    """Owns the threads and the admission of one process; `networks` are its matting networks."""

    def __init__(self, settings: Settings, networks: NetworkStore) -> None:
        self._style = Style(settings.edge_colour)
        self._encoder = partial(png_encoder, gray_palette=settings.matte_png == "indexed")
        self._slots = Slots(settings.slots, settings.slot_wait_s)
        self._budget = MemoryBudget(settings.memory_budget_mb << 20, settings.slot_wait_s, self._rest)
        self._headers = ThreadPoolExecutor(_HEADERS_AT_ONCE, "header")
        self._pictures = ThreadPoolExecutor(settings.slots, "picture")
        self._strips = RoundRobinExecutor(cores(), "strip")
        self._resting: asyncio.TimerHandle | None = None
        self.networks = networks

    @property
    def usage(self) -> Usage:
        """How busy it is just now."""
        return Usage(self._slots.used, self._slots.waiting, self._budget.taken_bytes)

    def hold(self) -> Hold:
        """The memory of a file that will arrive, for its visit. Growing it raises TooManyRequests."""
        return self._budget.hold()

    async def cut_out(
        self, data: bytes, mode: Mode, visit: Visit, network_name: str | None = None
    ) -> PictureStream:
        """Cut the foreground out of the picture in `data`. All that can fail has happened on return.

        The caller owns the stream, and closes it; `data` is not held any more. Without a `network_name` the
        network is the mode's own, or else the default. Cancelled, the work ends with the stage that it is in.

        Raises ResourceNotFound (no such network), ImageSizeNotAllowed, ImageFormatInvalid,
        ImageDimensionNotAllowed, ImageTooLargeForInstance, TooManyRequests or ServiceUnavailable.
        """
        progress = visit.progress
        with self._slots.place():
            plan = await self._plan(data, mode, progress)
            waiting_ms = progress.elapsed_ms
            network = await self.networks.get(network_name or MODES[mode].network)
            reservation = await self._budget.reserve(plan.peak_bytes)

            def work() -> PictureStream:
                cutout = pipeline.cut_out(plan, network, self._style, progress)
                encoder = self._encoder(cutout.width, cutout.height, cutout.pixels)
                return PictureStream(cutout, encoder, self._strips, reservation, progress)

            working: Future[PictureStream] | None = None
            try:
                async with self._slots.one():
                    progress.ended(StageName.WAIT, waiting_ms)
                    working = self._pictures.submit(work)
                    stream = await asyncio.wrap_future(working)
                    visit.held.release()
                    return stream
            except BaseException:
                progress.abandon()
                if working is None:
                    reservation.release()
                else:
                    # Memory is given back when the thread has left it, and not when its caller has.
                    working.add_done_callback(partial(_discard, reservation))
                raise

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.get_running_loop().call_later(_REST_S, self._give_back_memory)

    def _give_back_memory(self) -> None:
        """What networks and pictures leave free, when no picture has come for a while."""
        if self._budget.at_rest:
            self._headers.submit(_give_back_free_memory, self.networks.loaded)

    async def _plan(self, data: bytes, mode: Mode, progress: Progress) -> Plan:
        """Raises TooManyRequests when headers that came before keep this one waiting."""
        with progress.stage(StageName.HEADER):
            planning = self._headers.submit(pipeline.plan, data, mode)
            try:
                async with asyncio.timeout(_HEADER_S):
                    plan = await asyncio.wrap_future(planning)
            except TimeoutError:
                raise TooManyRequests from None
        megapixels = plan.source.width * plan.source.height / 1e6
        progress.findings = replace(progress.findings, megapixels=megapixels)
        return plan


def _give_back_free_memory(network: OnnxNetwork | None) -> None:
    if network is not None:
        network.give_back_memory()
    give_back_memory()


def _discard(reservation: Reservation, working: Future[PictureStream]) -> None:
    """Give back what was taken for a stream that nobody will read."""
    if working.cancelled() or working.exception() is not None:
        reservation.release()
    else:
        working.result().close()
