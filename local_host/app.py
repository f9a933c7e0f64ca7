"""An ASGI application made from the functions' own metadata, with the Functions host's routing habits."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import cast

from azure.functions.decorators.function_app import Function
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local_host.invocation import NO_CONTEXT

# The target may begin with the server, as in a request to a proxy: RFC 9112 section 3.2.2.
_ORIGIN = re.compile(r"^https?://[^/]*", re.IGNORECASE)

type Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class HttpFunction:
    """One HTTP-triggered function: `path` matches what follows the first slash, letter case ignored."""

    name: str
    path: re.Pattern[str]
    methods: frozenset[str]
    handler: Handler


def http_functions(functions: Iterable[Function]) -> list[HttpFunction]:
    """The HTTP-triggered functions, sorted by name: the order in which the Functions host tries them."""
    found = []
    for function in functions:
        trigger = function.get_trigger()
        if trigger is None or trigger.get_binding_name() != "httpTrigger":
            continue
        binding = trigger.get_dict_repr()
        methods = frozenset(str(getattr(method, "value", method)).upper() for method in binding["methods"])
        found.append(
            HttpFunction(
                str(function.get_function_name()),
                _pattern(binding["route"]),
                methods,
                _handler(function),
            )
        )
    return sorted(found, key=lambda http: http.name.lower())


def _handler(function: Function) -> Handler:
    """The function, called with a `context` if it has such a parameter, as the Functions worker does."""
    handler = cast("Callable[..., Awaitable[Response]]", function.get_user_function())
    return partial(handler, context=NO_CONTEXT) if "context" in signature(handler).parameters else handler


def _pattern(route: str) -> re.Pattern[str]:
    pattern = re.escape(route)
    pattern = re.sub(r"\\{\\\*(\w+)\\}", r"(?P<\1>.*)", pattern)
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", pattern)
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def asgi_app(functions: Iterable[Function], not_found: Handler) -> ASGIApp:
    """Serve the HTTP functions. A path of another method is no match, as in the Functions host.

    `not_found` answers requests that match no function; the Functions host's own 404 is empty.
    """
    ranked = http_functions(functions)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = _ORIGIN.sub("", scope["path"]).removeprefix("/").removesuffix("/")
        for http in ranked:
            match = http.path.fullmatch(path)
            if match and scope["method"].upper() in http.methods:
                scope["path_params"] = match.groupdict()
                response = await http.handler(Request(scope, receive, send))
                await response(scope, receive, send)
                return
        response = await not_found(Request(scope, receive))
        await response(scope, receive, send)

    return serve
