"""The HTTP port of the Functions worker: every request on it goes to the worker's one handler.

The HTTP extension builds a FastAPI application there. Its own pages (/docs, /redoc, /openapi.json) answer
before the worker's handler does, and its router knows no path with a line break. The host has begun an
invocation by then; without its request that waits until it times out, and then the worker is restarted.
"""

import logging
from collections.abc import Awaitable, Callable

from azurefunctions.extensions.http.fastapi import Request, Response, web
from starlette.types import Receive, Scope, Send

type Handler = Callable[[Request], Awaitable[Response]]


class HandlerApp:
    """An ASGI application without routes, in the place of FastAPI's."""

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
            response = await self._handler(Request(scope, receive, send))
            await response(scope, receive, send)


def use_handler_app() -> None:
    """Have the HTTP extension build a HandlerApp, and keep query strings out of the server's log."""
    web.FastAPI = HandlerApp  # type: ignore[attr-defined,assignment]
    # A filter, because uvicorn sets level and handlers of its loggers when it starts.
    logging.getLogger("uvicorn.access").addFilter(lambda record: False)
