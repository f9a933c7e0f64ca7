"""The worker's port, with the worker library that brings requests and invocations together."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from azure_functions_runtime.http_v2 import HttpCoordinator, http_coordinator
from azurefunctions.extensions.http.fastapi import Request, Response, web
from starlette.types import Message, Scope

from segment_function import worker_port
from segment_function.worker_port import HandlerApp

SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/a\nb",
    "query_string": b"",
    "headers": [(b"x-ms-invocation-id", b"7")],
}


@pytest.fixture
def coordinator() -> Iterator[HttpCoordinator]:
    """The library's own, as it was afterwards."""
    http_coordinator._context_references.clear()
    yield http_coordinator
    del http_coordinator.get_http_request_async  # of the instance: the class has its own


def app_of(coordinator: HttpCoordinator) -> HandlerApp:
    """With the handler that the library registers."""
    app = HandlerApp()

    @app.api_route("/{path:path}", methods=["GET"])
    async def catch_all(request: Request) -> Response:
        invocation_id = request.headers["x-ms-invocation-id"]
        coordinator.set_http_request(invocation_id, request)
        answer: Response | Exception = await coordinator.await_http_response_async(invocation_id)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return app


async def call(app: HandlerApp) -> list[Message]:
    """What is sent for one request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(SCOPE, receive, send)
    return sent


def test_answered_invocation_leaves_nothing_in_the_library(coordinator: HttpCoordinator) -> None:
    async def invoke() -> list[Message]:
        answer = asyncio.create_task(call(app_of(coordinator)))
        request = await coordinator.get_http_request_async("7")
        assert request.scope["path"] == "/a\nb"
        coordinator.set_http_response("7", Response("done"))
        return await answer

    sent = asyncio.run(invoke())
    assert [message.get("body") for message in sent] == [None, b"done"]
    assert coordinator._context_references == {}


def test_invocation_without_a_request_ends(
    coordinator: HttpCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As failed, and a request that comes later finds the failure and does not wait either."""
    monkeypatch.setattr(worker_port, "ARRIVAL_S", 0.05)
    app = app_of(coordinator)

    async def invoke() -> None:
        with pytest.raises(TimeoutError) as failure:
            await coordinator.get_http_request_async("7")
        coordinator.set_http_response("7", failure.value)  # as the library does
        with pytest.raises(TimeoutError):
            await call(app)
        await asyncio.sleep(0.1)

    asyncio.run(invoke())
    assert coordinator._context_references == {}


def test_connections_are_kept_for_longer_than_the_host_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's client lets them go after one or two minutes without use."""
    made: list[uvicorn.Config] = []

    class Server:
        def __init__(self, config: uvicorn.Config) -> None:
            made.append(config)

        async def serve(self) -> None:
            """At once."""

    monkeypatch.setattr(uvicorn, "Server", Server)
    extension: Any = web
    monkeypatch.setattr(extension, "FastAPI", extension.FastAPI)
    monkeypatch.setattr(extension.WebServer, "serve", extension.WebServer.serve)
    worker_port.use_handler_app()
    asyncio.run(extension.WebServer("127.0.0.1", 80, extension.WebApp()).serve())
    assert (made[0].host, made[0].port) == ("127.0.0.1", 80)
    assert made[0].timeout_keep_alive > 120
