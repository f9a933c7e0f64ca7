"""The HTTP port of the Functions worker: every request on it goes to the worker's one handler.

The HTTP extension builds a FastAPI application there. Its own pages (/docs, /redoc, /openapi.json) answer
before the worker's handler does, and its router knows no path with a line break. The host has begun an
invocation by then; without its request that waits until it times out, and then the worker is restarted.

The worker library brings the two together in its `http_coordinator`, which forgets none of them by itself.
None of what is replaced here is documented: RELIED_ON names all of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from azurefunctions.extensions.http.fastapi import Request, Response, web
from starlette.types import Receive, Scope, Send

type Handler = Callable[[Request], Awaitable[Response]]

RELIED_ON = (
    "azure_functions_runtime.http_v2:http_coordinator.get_http_request_async",
    "azure_functions_runtime.http_v2:http_coordinator._context_references.pop",
    "azurefunctions.extensions.http.fastapi:web.FastAPI",
    "azurefunctions.extensions.http.fastapi:web.WebApp.route",
)
"""Names of the worker library and of its HTTP extension, module and path, that nobody promises."""

ARRIVAL_S = 30
"""How long an invocation waits for its request. One whose caller has left before the host forwards it gets
none; one that is sent in chunks gets it with the first 4 KB of them, which the host takes 17 s for at most.
"""


class Coordination:
    """The invocations and requests of the worker library that are under way."""

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
            # Not at once: the library still looks its failure up, and so does a request that comes too late.
            asyncio.get_running_loop().call_later(ARRIVAL_S, self.forget, invocation_id)
            raise

    def forget(self, invocation_id: str) -> None:
        """Drop the 1.9 KB that the library keeps for ever of an invocation that has been answered."""
        self._coordinator._context_references.pop(invocation_id, None)


class HandlerApp:
    """An ASGI application without routes, in the place of FastAPI's."""

    def __init__(self) -> None:
        self._coordination = Coordination()

    def api_route(self, path: str, methods: list[str]) -> Callable[[Handler], Handler]:
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


def use_handler_app() -> None:
    """Have the HTTP extension build a HandlerApp, and keep query strings out of the server's log."""
    web.FastAPI = HandlerApp  # type: ignore[attr-defined,assignment]
    # A filter, because uvicorn sets level and handlers of its loggers when it starts.
    logging.getLogger("uvicorn.access").addFilter(lambda record: False)
