"""The pump against a real queue."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import azure.functions as func
import pytest
from azure.core.exceptions import HttpResponseError
from starlette.types import Message, Receive, Scope, Send

from local_host.queue_pump import PumpOptions, QueuePump, host_options, with_pump
from tests.cutout_function.cloud import Cloud
from tests.support.hosts import PROJECT
from tests.support.patience import PATIENCE_S, until, wait_for

AT_ONCE = PumpOptions(retry_delay_s=0, max_dequeue_count=3)

type Handler = Callable[[func.QueueMessage], Awaitable[None]]


class Handled:
    """A function that notes the messages it is given; the first `failures` calls fail."""

    def __init__(self, failures: int = 0, then: Handler | None = None) -> None:
        self._failures = failures
        self._then = then
        self.messages: list[bytes] = []

    async def __call__(self, message: func.QueueMessage) -> None:
        self.messages.append(message.get_body())
        if len(self.messages) <= self._failures:
            raise ValueError("as asked")
        if self._then is not None:
            await self._then(message)


def drain(cloud: Cloud, handler: Handler, options: PumpOptions = AT_ONCE) -> int:
    """Serve until the queue is empty; the number of messages taken."""
    pump = QueuePump(cloud.connection_string, cloud.settings.queue, handler, options)

    async def serve() -> int:
        served = 0
        while await pump.serve_one():
            served += 1
        return served

    return asyncio.run(serve())


def waiting(cloud: Cloud) -> int:
    """Messages in the queue, hidden ones too."""
    count = cloud.queue.get_queue_properties().approximate_message_count
    assert count is not None
    return count


def test_host_json_tells_how_failures_are_treated() -> None:
    assert host_options(PROJECT / "host.json") == PumpOptions(retry_delay_s=10, max_dequeue_count=5)


def test_messages_are_handed_over_as_they_are_and_deleted(cloud: Cloud) -> None:
    for text in ("one", "e30=", "drei ü"):
        cloud.queue.send_message(text)
    handler = Handled()
    assert drain(cloud, handler) == 3
    assert sorted(handler.messages) == sorted([b"one", b"e30=", "drei ü".encode()])
    assert waiting(cloud) == 0


@pytest.mark.parametrize(("failures", "calls", "poisoned"), [(1, 2, []), (2, 3, []), (9, 3, ["one"])])
def test_failures_are_tried_again_and_at_last_poison(
    cloud: Cloud, failures: int, calls: int, poisoned: list[str]
) -> None:
    cloud.queue.send_message("one")
    handler = Handled(failures)
    drain(cloud, handler)
    assert handler.messages == [b"one"] * calls
    assert waiting(cloud) == 0
    if poisoned:
        assert [message.content for message in cloud.poison.receive_messages()] == poisoned
    else:
        with pytest.raises(HttpResponseError):
            cloud.poison.get_queue_properties()


def test_a_failed_message_waits(cloud: Cloud) -> None:
    cloud.queue.send_message("one")
    handler = Handled(1)
    assert drain(cloud, handler, PumpOptions(retry_delay_s=600, max_dequeue_count=3)) == 1
    assert waiting(cloud) == 1


def test_a_message_that_killed_every_process_goes_to_poison_unseen(cloud: Cloud) -> None:
    cloud.queue.send_message("one")
    for _ in range(AT_ONCE.max_dequeue_count):
        taken = cloud.queue.receive_message()
        assert taken is not None
        cloud.queue.update_message(taken.id, taken.pop_receipt, visibility_timeout=0)
    handler = Handled()
    assert drain(cloud, handler) == 1
    assert handler.messages == []
    assert [message.content for message in cloud.poison.receive_messages()] == ["one"]
    assert waiting(cloud) == 0


def test_a_message_outlives_a_pump_that_ends_while_its_function_runs(cloud: Cloud) -> None:
    options = PumpOptions(retry_delay_s=0, max_dequeue_count=3, lease_s=1)

    async def end_half_way() -> None:
        begun = asyncio.Event()

        async def endless(_message: func.QueueMessage) -> None:
            begun.set()
            await asyncio.Event().wait()

        pump = QueuePump(cloud.connection_string, cloud.settings.queue, endless, options)
        running = asyncio.create_task(pump.run())
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        assert waiting(cloud) == 1  # what a kill at this moment would leave
        running.cancel()
        await asyncio.wait([running])

    cloud.queue.send_message("one")
    asyncio.run(end_half_way())
    handler = Handled()
    wait_for(lambda: drain(cloud, handler, options))
    assert handler.messages == [b"one"]


def test_a_message_stays_hidden_while_its_function_runs(cloud: Cloud) -> None:
    """The function outlasts its lease, which is then no longer the one it began with."""
    options = PumpOptions(retry_delay_s=0, max_dequeue_count=3, lease_s=6)

    async def long(_message: func.QueueMessage) -> None:
        await asyncio.sleep(options.lease_s + 1)
        assert cloud.queue.receive_message() is None

    cloud.queue.send_message("one")
    handler = Handled(then=long)
    assert drain(cloud, handler, options) == 1
    assert handler.messages == [b"one"]
    assert waiting(cloud) == 0


def test_a_pump_waits_for_its_queue_to_be_made(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    async def serve() -> None:
        served = asyncio.Event()

        async def serve_message(_message: func.QueueMessage) -> None:
            served.set()

        cloud.queue.delete_queue()
        pump = QueuePump(cloud.connection_string, cloud.settings.queue, serve_message, AT_ONCE)
        running = asyncio.create_task(pump.run())
        await until(lambda: "does not exist" in caplog.text)
        cloud.uploader.prepare()
        cloud.queue.send_message("one")
        await asyncio.wait_for(served.wait(), PATIENCE_S)
        running.cancel()

    asyncio.run(serve())
    (told,) = [record for record in caplog.records if record.name == "local_host.queue_pump"]
    assert "does not exist" in told.getMessage()


def test_the_pump_runs_from_the_servers_start_to_its_end(cloud: Cloud) -> None:
    async def serve() -> list[str]:
        handled = asyncio.Event()
        sent: list[str] = []
        to_server: asyncio.Queue[Message] = asyncio.Queue()

        async def handle(_message: func.QueueMessage) -> None:
            handled.set()

        async def http(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise AssertionError("the server's own messages are not for the app")

        async def send(message: Message) -> None:
            sent.append(message["type"])

        pump = QueuePump(cloud.connection_string, cloud.settings.queue, handle, AT_ONCE)
        serve = with_pump(http, pump)
        server = asyncio.ensure_future(serve({"type": "lifespan"}, to_server.get, send))
        await to_server.put({"type": "lifespan.startup"})
        cloud.queue.send_message("one")
        await asyncio.wait_for(handled.wait(), PATIENCE_S)
        await to_server.put({"type": "lifespan.shutdown"})
        await server
        return sent

    assert asyncio.run(serve()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_time_spans_of_host_json(tmp_path: Path) -> None:
    host_json = tmp_path / "host.json"
    queues = {"visibilityTimeout": "01:02:03", "maxDequeueCount": 7}
    host_json.write_text(json.dumps({"extensions": {"queues": queues}}))
    assert host_options(host_json) == PumpOptions(retry_delay_s=3723, max_dequeue_count=7)
