"""The function that the queue calls for every event of the watched container."""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

import azure.functions as func

from cutout_function.event import Ignored, parse_event, watched_names
from cutout_function.job import CutoutJob, Load, MadePicture
from shared_code.deadline import Deadline
from shared_code.engine import Engine
from shared_code.errors import TooManyRequests
from shared_code.modes import Mode
from shared_code.outcome import TRACE_HEADERS, Edge, OutcomeSink
from shared_code.progress import StageName
from shared_code.settings import CutoutSettings, Settings
from shared_code.visit import Arrival, Visit

if TYPE_CHECKING:
    from cutout_function.store import Storage

CONNECTION = "CUTOUT_STORAGE"

log = logging.getLogger(__name__)


def cutout_blueprint(settings: Settings, engine: Engine, sink: OutcomeSink) -> func.Blueprint:
    """The function that the queue of `settings` calls."""
    blueprint = func.Blueprint()
    cutouts = Cutouts(settings, engine, sink)

    @blueprint.function_name("cutout")
    @blueprint.queue_trigger(arg_name="message", queue_name=settings.cutout.queue, connection=CONNECTION)
    async def cutout(message: func.QueueMessage, context: func.Context) -> None:
        await cutouts.serve(message, context)

    return blueprint


class Cutouts:
    """What is done for a message, with the settings, the engine that does the work, and who is told of it."""

    def __init__(self, settings: Settings, engine: Engine, sink: OutcomeSink) -> None:
        self._settings = settings.cutout
        self._deadline_s = settings.deadline_s
        self._engine = engine
        self._sink = sink

    async def serve(self, message: func.QueueMessage, context: func.Context) -> None:
        """Cut out the picture that the event tells of. Whatever is raised has the queue deliver it again."""
        event = parse_event(message.get_body())
        # In a thread, since the first call imports for long while others wait for the event loop.
        storage = await asyncio.to_thread(_connected, self._settings)
        names = watched_names(event, storage.account, self._settings.input_container)
        if isinstance(names, Ignored):
            _log(message, f"ignored: {names.reason}", names.needs_operator)
            return
        deadline = Deadline.after(self._deadline_s)
        begun = partial(self._visit, message, context, deadline)
        job = CutoutJob(storage.inbox, storage.outbox, partial(self._cut_out, begun))
        async with deadline.limit(TooManyRequests):
            outcome = await job.settle(names)
        _log(message, f"{names[0]!r} {outcome}", outcome.needs_operator)

    def _visit(self, message: func.QueueMessage, context: func.Context, deadline: Deadline) -> Visit:
        parents = (context.trace_context.trace_parent, context.trace_context.trace_state)
        trace_context = {name: value or "" for name, value in zip(TRACE_HEADERS, parents, strict=True)}
        queued = message.insertion_time
        queued_at = queued.timestamp() if queued else None
        arrival = Arrival(message.id or "", Edge.BLOB, trace_context, queued_at)
        visit = Visit(arrival, deadline, self._engine.hold(), self._sink)
        visit.mode = Mode(self._settings.mode)
        return visit

    @asynccontextmanager
    async def _cut_out(self, begun: Callable[[], Visit], load: Load) -> AsyncIterator[MadePicture]:
        """The PNG, which is gone when the context ends; so is the visit."""
        with begun() as visit:
            with visit.progress.stage(StageName.RECEIVE):
                picture = await load()
            visit.held.grow(len(picture))
            mode = Mode(self._settings.mode)
            async with aclosing(await self._engine.cut_out(picture, mode, visit)) as png:
                yield MadePicture(_counted(png, visit), visit.findings)


async def _counted(png: AsyncIterable[bytes], visit: Visit) -> AsyncIterator[bytes]:
    with visit.progress.stage(StageName.SEND):
        async for part in png:
            visit.bytes_out += len(part)
            yield part


def _log(message: func.QueueMessage, text: str, needs_operator: bool) -> None:
    log.log(logging.WARNING if needs_operator else logging.INFO, "message %s: %s", message.id, text)


@cache
def _connected(settings: CutoutSettings) -> "Storage":
    from cutout_function.store import connect  # slow to import, and an HTTP instance never needs it

    return connect(settings)
