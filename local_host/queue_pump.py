"""The queue trigger on a laptop: passes the messages of a queue to a function, as the Functions host does.

A message is hidden while the function runs. It is deleted when the function succeeds, shown again after a
while when it fails, and moved to the poison queue when it has failed too often. If the process is killed, the
message is delivered again when its lease ends.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import azure.functions as func
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.functions.decorators.function_app import Function
from azure.storage.queue import QueueClient, QueueMessage
from starlette.types import ASGIApp, Receive, Scope, Send

from local_host.invocation import NO_CONTEXT

log = logging.getLogger(__name__)

type QueueFunction = Callable[[func.QueueMessage], Awaitable[None]]

_SHORTEST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0


@dataclass(frozen=True)
class PumpOptions:
    """`retry_delay_s`, `max_dequeue_count`: of host.json. A lease is renewed while the function runs."""

    retry_delay_s: int
    max_dequeue_count: int
    lease_s: int = 10


def host_options(host_json: Path) -> PumpOptions:
    """What host.json sets under `extensions.queues`."""
    queues = json.loads(host_json.read_text())["extensions"]["queues"]
    hours, minutes, seconds = (int(part) for part in queues["visibilityTimeout"].split(":"))
    return PumpOptions(hours * 3600 + minutes * 60 + seconds, queues["maxDequeueCount"])


def queue_function(functions: Iterable[Function]) -> QueueFunction:
    """The queue-triggered function."""
    for function in functions:
        trigger = function.get_trigger()
        if trigger is not None and trigger.get_binding_name() == "queueTrigger":
            return partial(function.get_user_function(), context=NO_CONTEXT)
    raise LookupError("no function is triggered by a queue")


class QueuePump:
    """Serves one function with one message at a time."""

    def __init__(
        self, connection_string: str, queue: str, function: QueueFunction, options: PumpOptions
    ) -> None:
        # The client's own retries take up to a minute, and what fails here is tried again anyway.
        self._queue = QueueClient.from_connection_string(connection_string, queue, retry_total=0)
        self._poison = QueueClient.from_connection_string(connection_string, queue + "-poison", retry_total=0)
        self._function = function
        self._options = options

    async def run(self) -> None:
        """Serve until cancelled. Faults of storage are logged and waited out."""
        wait_s = _SHORTEST_WAIT_S
        told = ""
        while True:
            try:
                served, trouble = await self.serve_one(), ""
            except AzureError as error:
                served, trouble = False, error.message.partition("\n")[0]
            if trouble and trouble != told:
                log.warning("queue %s: %s", self._queue.queue_name, trouble)
            told = trouble
            wait_s = _SHORTEST_WAIT_S if served else min(2 * wait_s, _LONGEST_WAIT_S)
            if not served:
                await asyncio.sleep(wait_s)

    async def serve_one(self) -> bool:
        """Process one message; False when there is none. Raises AzureError."""
        lease_s = self._options.lease_s
        message = await asyncio.to_thread(self._queue.receive_message, visibility_timeout=lease_s)
        if message is None:
            return False
        tries = message.dequeue_count or 1
        # The count can be above the maximum, if processes were killed while they had the message.
        if tries <= self._options.max_dequeue_count and await self._call(message):
            await asyncio.to_thread(self._queue.delete_message, message.id, message.pop_receipt)
        elif tries < self._options.max_dequeue_count:
            await self._hide(message, self._options.retry_delay_s)
        else:
            await asyncio.to_thread(self._give_up, message)
        return True

    async def _call(self, message: QueueMessage) -> bool:
        body = func.QueueMessage(id=message.id, body=message.content, pop_receipt=message.pop_receipt)
        ended = asyncio.Event()
        renewal = asyncio.create_task(self._renew(message, ended))
        try:
            await self._function(body)
        except Exception:
            log.exception("message %s failed, try %d", message.id, message.dequeue_count)
            return False
        finally:
            ended.set()
            await renewal
        return True

    async def _renew(self, message: QueueMessage, ended: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), self._options.lease_s / 2)
                return
            try:
                await self._hide(message, self._options.lease_s)
            except AzureError as error:
                log.warning("message %s: lease not renewed: %s", message.id, error.message)

    async def _hide(self, message: QueueMessage, seconds: int) -> None:
        updated = await asyncio.to_thread(
            self._queue.update_message, message.id, message.pop_receipt, visibility_timeout=seconds
        )
        message.pop_receipt = updated.pop_receipt

    def _give_up(self, message: QueueMessage) -> None:
        log.error("message %s goes to %s", message.id, self._poison.queue_name)
        with suppress(ResourceExistsError):
            self._poison.create_queue()
        self._poison.send_message(message.content)
        self._queue.delete_message(message.id, message.pop_receipt)


def with_pump(app: ASGIApp, pump: QueuePump) -> ASGIApp:
    """Wrap `app` so that the pump runs from the server's start to its end."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        await receive()
        running = asyncio.create_task(pump.run())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        running.cancel()
        await asyncio.wait([running])
        await send({"type": "lifespan.shutdown.complete"})

    return serve
