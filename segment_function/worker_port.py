"""The HTTP port of the Functions worker: every request on it goes to the worker's one handler.

The HTTP extension builds a FastAPI application there. Its own pages (/docs, /redoc, /openapi.json) answer
before the worker's handler does, and its router matches no path with a line break. By then the host has begun
an invocation, which waits for its request until it times out; then the worker is restarted.

The worker library matches invocations and requests in its `http_coordinator`, which keeps all of them for
ever. RELIED_ON lists the undocumented names that are used or replaced here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import uvicorn
from azurefunctions.extensions.http.fastapi import Request, Response, web
from starlette.types import Receive, Scope, Send

type Handler = Callable[[Request], Awaitable[Response]]

RELIED_ON = (
    "azure_functions_runtime.http_v2:http_coordinator.get_http_request_async",
    "azure_functions_runtime.http_v2:http_coordinator._context_references.pop",
    "azurefunctions.extensions.http.fastapi:web.FastAPI",
    "azurefunctions.extensions.http.fastapi:web.WebApp.route",
    "azurefunctions.extensions.http.fastapi:web.WebServer.serve",
)
"""Undocumented names of the worker library and of its HTTP extension, as module and path."""

KEEP_ALIVE_S = 180
"""How long idle connections are kept: longer than the Functions host, clients and proxies keep theirs.
Otherwise one of them may send a request just when it is closed, and get a reset instead of an answer.
"""

ARRIVAL_S = 30
"""How long an invocation waits for its request. It gets none if the caller leaves before the host forwards
it. A chunked request is forwarded after its first 4 KB, for which the host waits at most 17 s.
"""


class Coordination:
    """The worker library's table of invocations and requests."""

    def __init__(self) -> None:
        # Here, because the platform imports the library anew when it gives a placeholder this app.
        from azure_functions_runtime.http_v2 import http_coordinator

        self._coordinator = http_coordinator
        self._arrival = http_coordinator.get_http_request_async
        http_coordinator.get_http_request_async = self._request

    async def _request(self, invocation_id: str) -> Request:
        """The request of an invocation. Raises TimeoutError, which ends the invocation as failed."""
        try:
            async with asyncio.timeout(ARRIVAL_S):
                request: Request = await self._arrival(invocation_id)
                return request
        except TimeoutError:
            # Not at once, because the library and a late request still look the failure up.
            asyncio.get_running_loop().call_later(ARRIVAL_S, self.forget, invocation_id)
            raise

    def forget(self, invocation_id: str) -> None:
        """Drop the 1.9 KB that the library would keep of an answered invocation."""
        self._coordinator._context_references.pop(invocation_id, None)


class HandlerApp:
    """An ASGI application without routes, which replaces FastAPI's."""

    def __init__(self) -> None:
        self._coordination = Coordination()

    def api_route(self, _path: str, **_methods: list[str]) -> Callable[[Handler], Handler]:
        """A decorator that makes a function the handler of all paths and methods."""

        def register(handler: Handler) -> Handler:
            self._handler = handler
            return handler

        return register

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            scope["path_params"] = {}  # for the worker to fill in
            request = Request(scope, receive, send)
            response = await self._handler(request)
            self._coordination.forget(request.headers["x-ms-invocation-id"])
            await response(scope, receive, send)


class Server(Protocol):
    """What the extension's own server knows."""

    web_app: HandlerApp
    hostname: str
    port: int


async def serve(server: Server) -> None:
    """In place of the extension's own: it closes connections that have been idle for 5 s.

    The host keeps them for a minute or two. A call that it sends in the moment in which the worker closes is
    lost: it cannot be sent again, for its body has been read, and its caller is answered 500 after ARRIVAL_S.
    """
    config = uvicorn.Config(
        server.web_app, host=server.hostname, port=server.port, timeout_keep_alive=KEEP_ALIVE_S
    )
    await uvicorn.Server(config).serve()


def use_handler_app() -> None:
    """Have the HTTP extension build a HandlerApp, and keep query strings out of the server's log."""
    web.FastAPI = HandlerApp  # type: ignore[attr-defined,assignment]
    web.WebServer.serve = serve  # type: ignore[attr-defined,method-assign]
    # A filter, because uvicorn sets level and handlers of its loggers when it starts.
    logging.getLogger("uvicorn.access").addFilter(lambda _: False)
