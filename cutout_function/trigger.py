"""The queue-triggered function, called for every event of the watched container."""

import asyncio
import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import azure.functions as func

from cutout_function.event import parse_event, watched_names
from cutout_function.job import CutoutJob, Maker
from shared_code.deadline import Deadline
from shared_code.engine import Engine
from shared_code.errors import TooManyRequests
from shared_code.record import TRACE_HEADERS, Edge, RecordSink
from shared_code.settings import CutoutSettings, Settings
from shared_code.visit import Arrival

if TYPE_CHECKING:
    from cutout_function.store import Storage

CONNECTION = "CUTOUT_STORAGE"

log = logging.getLogger(__name__)


def cutout_blueprint(settings: Settings, engine: Engine, sink: RecordSink) -> func.Blueprint:
    """The function that the queue of `settings` calls."""
    blueprint = func.Blueprint()
    cutouts = Cutouts(settings, engine, sink)

    @blueprint.function_name("cutout")
    @blueprint.queue_trigger(arg_name="message", queue_name=settings.cutout.queue, connection=CONNECTION)
    async def cutout(message: func.QueueMessage, context: func.Context) -> None:
        queued = message.insertion_time
        queued_at = queued.timestamp() if queued else None
        await cutouts.serve(message.get_body(), arrival_of(message.id or "", context, queued_at))

    return blueprint


def arrival_of(id: str, context: func.Context, queued_at: float | None) -> Arrival:
    """How an event came by which a function was called."""
    parents = (context.trace_context.trace_parent, context.trace_context.trace_state)
    trace_context = {name: value or "" for name, value in zip(TRACE_HEADERS, parents, strict=True)}
    return Arrival(id, Edge.BLOB, trace_context, queued_at)


@dataclass(frozen=True)
class Cutouts:
    """What is done for an event, with the settings, who makes cut-outs, and who is told of it."""

    settings: Settings
    maker: Maker
    sink: RecordSink

    async def serve(self, event: bytes, arrival: Arrival) -> None:
        """Cut out the picture that the event names. If it raises, the event is delivered again."""
        parsed = parse_event(event)
        cutout, deadline = self.settings.cutout, Deadline.after(self.settings.deadline_s)
        # In a thread, since the first call imports for long while others wait for the event loop.
        storage = await asyncio.to_thread(_connected, cutout)
        names = watched_names(parsed, storage.account, cutout.input_container)
        job = CutoutJob(
            storage.inbox,
            storage.outbox,
            self.maker,
            cutout.mode,
            cutout.format,
            self.sink,
            arrival,
            deadline,
        )
        async with deadline.limit(TooManyRequests):
            conclusion = await job.settle(names)
        name = f"{names[0]!r} " if isinstance(names, tuple) else ""
        level = logging.WARNING if conclusion.needs_operator else logging.INFO
        log.log(level, "message %s: %s%s", arrival.id, name, conclusion)


@cache
def _connected(settings: CutoutSettings) -> "Storage":
    from cutout_function.store import connect  # slow to import, and an HTTP instance never needs it

    return connect(settings)
