"""The queue edge: a cut-out for every picture that arrives in the watched container."""

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
    storage = _storage()
    names = watched_names(event, storage.account, settings.cutout.input_container)
    if isinstance(names, Ignored):
        log.info("message %s ignored: %s", message.id, names.reason)
        return
    outcome = await CutoutJob(storage.inbox, storage.outbox, _cut_out).settle(names)
    log.info("message %s: %r %s", message.id, names[0], outcome)


async def _cut_out(picture: bytes) -> AsyncIterable[bytes]:
    with engine.place():
        return await engine.cut_out(picture, Mode(settings.cutout.mode))


@cache
def _storage() -> "Storage":
    from cutout_function.store import connect  # slow to import, and an HTTP instance never needs it

    return connect(settings.cutout)
