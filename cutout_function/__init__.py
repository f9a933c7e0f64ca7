"""The queue edge: a cut-out for every picture that arrives in the watched container."""

import asyncio
import logging
from collections.abc import AsyncIterable
from functools import cache
from typing import TYPE_CHECKING

import azure.functions as func

from cutout_function.event import Ignored, parse_event, watched_names
from cutout_function.job import CutoutJob
from shared_code.engine import Engine
from shared_code.pipeline import Mode
from shared_code.settings import CutoutSettings

if TYPE_CHECKING:
    from cutout_function.store import Storage

CONNECTION = "CUTOUT_STORAGE"

log = logging.getLogger(__name__)


def cutout_blueprint(settings: CutoutSettings, engine: Engine) -> func.Blueprint:
    """The function that the queue of `settings` calls."""
    blueprint = func.Blueprint()
    cutouts = Cutouts(settings, engine)

    @blueprint.function_name("cutout")
    @blueprint.queue_trigger(arg_name="message", queue_name=settings.queue, connection=CONNECTION)
    async def cutout(message: func.QueueMessage) -> None:
        await cutouts.serve(message)

    return blueprint


class Cutouts:
    """What is done for a message, with the settings it follows and the engine that does the work."""

    def __init__(self, settings: CutoutSettings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine

    async def serve(self, message: func.QueueMessage) -> None:
        """Cut out the picture that the event tells of. Whatever is raised has the queue deliver it again."""
        event = parse_event(message.get_body())
        # In a thread, since the first call imports for long while others wait for the event loop.
        storage = await asyncio.to_thread(_connected, self._settings)
        names = watched_names(event, storage.account, self._settings.input_container)
        if isinstance(names, Ignored):
            _log(message, f"ignored: {names.reason}", names.needs_operator)
            return
        outcome = await CutoutJob(storage.inbox, storage.outbox, self._cut_out).settle(names)
        _log(message, f"{names[0]!r} {outcome}", outcome.needs_operator)

    async def _cut_out(self, picture: bytes) -> AsyncIterable[bytes]:
        with self._engine.place():
            return await self._engine.cut_out(picture, Mode(self._settings.mode))


def _log(message: func.QueueMessage, text: str, needs_operator: bool) -> None:
    log.log(logging.WARNING if needs_operator else logging.INFO, "message %s: %s", message.id, text)


@cache
def _connected(settings: CutoutSettings) -> "Storage":
    from cutout_function.store import connect  # slow to import, and an HTTP instance never needs it

    return connect(settings)
