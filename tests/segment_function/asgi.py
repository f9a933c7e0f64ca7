"""Starlette requests and answers without a server: the messages a server would send are scripted."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from azurefunctions.extensions.http.fastapi import Request, Response
from starlette.types import Message, Scope

DISCONNECT: Message = {"type": "http.disconnect"}


def chunks(*parts: bytes) -> list[Message]:
    """A body that arrives in parts."""
    last = len(parts) - 1
    return [
        {"type": "http.request", "body": part, "more_body": index < last} for index, part in enumerate(parts)
    ]


@dataclass
class Script:
    """What the client sends; after that the server waits for ever, or tells again and again that he has left.

    `received` counts the messages that were taken.
    """

    messages: Iterable[Message] = ()
    pause_s: float = 0
    received: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._rest = iter(self.messages)
        self._left = False

    async def __call__(self) -> Message:
        await asyncio.sleep(self.pause_s)
        for message in self._rest:
            self.received += 1
            self._left = message == DISCONNECT
            return message
        if self._left:
            return DISCONNECT
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never


def scope(
    method: str = "POST", path: str = "/", query: str = "", headers: Mapping[str, str] | None = None
) -> Scope:
    """An ASGI scope of an HTTP request."""
    return {
        "type": "http",
        "method": method,
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "path": path,
        "query_string": query.encode("latin-1"),
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
    }


def request(
    script: Script | None = None,
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request as the handlers get it."""
    return Request(scope(method, path, query, headers), script or Script(chunks(b"")))


@dataclass
class Sent:
    """What an answer put on the wire, message by message."""

    messages: list[Message] = field(default_factory=list)

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        raw = self.messages[0]["headers"]
        named = {name.decode(): value.decode("latin-1") for name, value in raw}
        assert len(named) == len(raw), "a header was sent twice"
        return named

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def ended(self) -> bool:
        return not self.messages[-1].get("more_body", False)


async def send(response: Response, script: Script | None = None) -> Sent:
    """Run an answer to its end."""
    sent = Sent()
    await response(scope(), script or Script(chunks(b"")), sent)
    return sent
