"""The cut-out engine: admits a picture, runs the pipeline off the event loop, hands out a stream.

Both edges use one engine, so its slots and its memory budget hold for the whole process.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from shared_code import pipeline
from shared_code.admission import Admission, Turn
from shared_code.encode.answer_formats import PNG, AnswerFormat
from shared_code.encode.encoder import Encoder
from shared_code.encode.png import png_encoder
from shared_code.errors import TooManyRequests
from shared_code.header_turns import AT_ONCE, HeaderTurn
from shared_code.matte.capacity import SLOT_WAIT_S
from shared_code.matte.network import OnnxNetwork
from shared_code.matte.networks import NetworkStore
from shared_code.modes import MODES, Mode
from shared_code.picture.fault import format_of
from shared_code.pipeline import Cutout, Style
from shared_code.process import cores, give_back_memory
from shared_code.progress import Progress, StageName
from shared_code.room.encoding import WholeEncoder
from shared_code.room.rooms import Arrived, Rooms
from shared_code.round_robin import RoundRobinExecutor
from shared_code.settings import Settings
from shared_code.stream import PictureStream
from shared_code.visit import Visit
from shared_code.waiting import Hold

_LEAST_HEADER_S = 10
_REST_S = 5


@dataclass(frozen=True)
class Usage:
    """Pictures in progress, pictures that wait for memory or a slot, and the memory that all of them hold."""

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
        wait_s = SLOT_WAIT_S if settings.slot_wait_s is None else settings.slot_wait_s
        self._header_s = max(_LEAST_HEADER_S, wait_s)
        self._admission = Admission(settings.slots, self._budget_bytes, wait_s, self._rest)
        self._headers = ThreadPoolExecutor(AT_ONCE, "header")
        self._pictures = ThreadPoolExecutor(settings.slots + 1, "picture")  # one may be beside the slots
        self._strips = RoundRobinExecutor(cores(), "strip")
        self._resting: asyncio.TimerHandle | None = None
        self._has_cut_out = False
        self.networks = networks
        self.rooms = rooms

    @property
    def usage(self) -> Usage:
        """The current load."""
        return Usage(self._admission.slots_used, self._admission.waiting, self._admission.taken_bytes)

    def hold(self) -> Hold:
        """What a visit has of the queue: the bytes of its file, which are still to come, and its place."""
        return self._admission.hold()

    async def cut_out(
        self,
        data: bytes,
        mode: Mode,
        visit: Visit,
        network_name: str | None = None,
        wanted: AnswerFormat = PNG,
        *,
        crop: bool = False,
    ) -> PictureStream:
        """Cut the foreground out of the picture in `data`. What comes after the return cannot fail.

        It is written in the format that is wanted; where that does not take it, as PNG. With `crop` it is
        the box of the subject only, which is among the visit's findings.

        The caller owns the stream and must close it; `data` is not held any more. Without a `network_name`
        the mode's own network is used, or else the default. If this is cancelled, work ends with the current
        stage.

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
            visit.held.take_place()
            stay.gives_back(visit.held.leave_place)
            arrived, header_turn = await self._read(data, visit, stay)
            plan = pipeline.plan(arrived.header, mode, wanted, self._budget_bytes, crop=crop)
            waiting_ms = progress.elapsed_ms
            network_name = network_name or MODES[mode].network
            network = await self.networks.get(network_name)
            progress.findings = replace(progress.findings, network=network_name or self.networks.default)
            turn = await self._admission.turn(visit.held, plan.peak_bytes)
            stay.gives_back(turn.leave_slot)
            stay.turn = turn
            header_turn.end()  # its memory is part of the plan now
            progress.ended(StageName.WAIT, waiting_ms)

            def work() -> PictureStream:
                picture = arrived.open(pipeline.work(plan, network, len(data)))
                cutout = pipeline.make_cutout(plan, picture, network, self._style, progress)
                encoder = self._encoder(plan.format, cutout, progress)
                return PictureStream(cutout, encoder, self._strips, turn, progress, stay.end)

            stream = await stay.until_done(self._pictures.submit(copy_context().run, work))
            visit.held.release()
            self._has_cut_out = True
            return stream
        except BaseException:
            progress.abandon()
            stay.fail()
            raise

    def _encoder(self, format: AnswerFormat, cutout: Cutout, progress: Progress) -> Encoder[Any]:
        size = cutout.width, cutout.height, cutout.pixels
        if format.whole is None:
            return png_encoder(*size, gray_palette=self._gray_palette)
        return WholeEncoder(format, *size, self._qualities[format.name], self.rooms.zygote, progress)

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.get_running_loop().call_later(_REST_S, self._give_back_memory)

    def _give_back_memory(self) -> None:
        """What networks and pictures leave free, when no picture has come for a while."""
        if self._admission.at_rest:
            self.rooms.give_back_memory()
            self._headers.submit(_give_back_free_memory, self.networks.loaded)

    async def _read(self, data: bytes, visit: Visit, stay: "_Stay") -> tuple[Arrived, HeaderTurn]:
        """While the picture waits, the process that read its header may be ended for the sake of others.

        Raises TooManyRequests when headers that came before keep this one waiting.
        """
        progress = visit.progress
        size_bytes = min(self.rooms.header_bytes(len(data)), self._budget_bytes)
        with progress.stage(StageName.HEADER):
            try:
                async with asyncio.timeout(self._header_s):
                    turn = await self._admission.header_turns.turn(visit.caller, size_bytes)
            except TimeoutError:
                raise TooManyRequests from None
            stay.gives_back(turn.end)
            read = partial(self.rooms.read, data, progress)
            arrived = await stay.until_done(self._headers.submit(copy_context().run, read))
        megapixels = arrived.header.width * arrived.header.height / 1e6
        progress.findings = replace(progress.findings, megapixels=megapixels)
        stay.arrived = arrived
        turn.lend(arrived.end)
        loop = asyncio.get_running_loop()
        # Without `stay`, which would keep the file alive in a circle with this future.
        arrived.gone.add_done_callback(lambda _: _call_soon(loop, turn.end))
        return arrived, turn


class _Stay:
    """The resources of a picture, given back when the last thread and process that work on it have ended.

    The memory of `turn`, and the process of what has `arrived`, are the stream's as soon as there is one.
    """

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self.arrived: Arrived | None = None
        self._loop = asyncio.get_running_loop()
        self._held = ExitStack()
        self._busy: Future[Any] | None = None

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
        _call_soon(self._loop, self._held.close)

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
            if isinstance(result, Arrived):
                self.arrived = result
        if self.arrived is None:
            self._give_back()
        else:
            self.arrived.gone.add_done_callback(lambda _: self._give_back())

    def _give_back(self) -> None:
        if self.arrived is not None:
            self.arrived.close()
        if self.turn is not None:
            self.turn.release()
        self.end()


def _call_soon(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
    """From any thread."""
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(act)


def _give_back_free_memory(network: OnnxNetwork | None) -> None:
    if network is not None:
        network.give_back_memory()
    give_back_memory()
