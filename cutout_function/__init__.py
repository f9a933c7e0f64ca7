"""The queue edge: a cut-out for every picture that arrives in the watched container."""

import asyncio
import logging
from collections.abc import AsyncIterable
from functools import cache
from typing import TYPE_CHECKING

import azure.functions as func

from cutout_function.event import Ignored, parse_event, watched_names
from cutout_function.job import CutoutJob
from shared_code.pipeline import Mode
from shared_code.process import engine, settings

if TYPE_CHECKING:
    from cutout_function.store import Storage

CONNECTION = "CUTOUT_STORAGE"

blueprint = func.Blueprint()

log = logging.getLogger(__name__)


@blueprint.function_name("cutout")
@blueprint.queue_trigger(arg_name="message", queue_name=settings.cutout.queue, connection=CONNECTION)
async def cutout(message: func.QueueMessage) -> None:
    """Cut out the picture that the event tells of. Whatever is raised makes the queue deliver it again."""
    event = parse_event(message.get_body())
    # In a thread, since the first call imports for long while others wait for the event loop.
    storage = await asyncio.to_thread(_storage)
    names = watched_names(event, storage.account, settings.cutout.input_container)
    if isinstance(names, Ignored):
        _log(message, f"ignored: {names.reason}", names.needs_operator)
        return
    outcome = await CutoutJob(storage.inbox, storage.outbox, _cut_out).settle(names)
    _log(message, f"{names[0]!r} {outcome}", outcome.needs_operator)


def _log(message: func.QueueMessage, text: str, needs_operator: bool) -> None:
    log.log(logging.WARNING if needs_operator else logging.INFO, "message %s: %s", message.id, text)


async def _cut_out(picture: bytes) -> AsyncIterable[bytes]:
    with engine.place():
        return await engine.cut_out(picture, Mode(settings.cutout.mode))


@cache
def _storage() -> "Storage":
    from cutout_function.store import connect  # slow to import, and an HTTP instance never needs it

    return connect(settings.cutout)
