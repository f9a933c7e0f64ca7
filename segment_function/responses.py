"""HTTP answers: the headers that all of them have, and the one place where errors become HTTP."""

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import override

from azurefunctions.extensions.http.fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from segment_function.body import Body
from segment_function.connection import drop
from shared_code.errors import SegmentError

_LINGER_S = 5.0
_LINGER_BYTES = 64 << 20
_ID = re.compile(r"[A-Za-z0-9._:/{}+-]{1,128}")
"""The form that a client's own request id must have to be recorded, so that names and addresses are not."""


@dataclass(frozen=True)
class Exchange:
    """One request, and the id that its answer and the log have."""

    request: Request
    region: str = ""
    patience_s: float = 0
    """How long a caller may keep sending a body that is not read, counted from the request's head."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    begin: float = field(default_factory=time.monotonic)

    @cached_property
    def body(self) -> Body:
        """The body of the request, to be read once."""
        return Body(self.request)

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request's head was read."""
        return (time.monotonic() - self.begin) * 1000

    @property
    def recorded_client_id(self) -> str | None:
        """The caller's own id of the request, where it has the form of one."""
        client_id = self.request.headers.get("x-ms-client-request-id", "")
        return client_id if _ID.fullmatch(client_id) else None

    def headers(self) -> dict[str, str]:
        """The headers of every answer of the service."""
        headers = {
            "apim-request-id": self.id,
            "request-id": self.id,
            "x-envoy-upstream-service-time": str(round(self.elapsed_ms)),
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
            "X-Content-Type-Options": "nosniff",
        }
        if self.region:
            headers["x-ms-region"] = self.region
        client_id = self.request.headers.get("x-ms-client-request-id", "")
        if client_id and len(client_id) <= 128 and client_id.isascii() and client_id.isprintable():
            headers["x-ms-client-request-id"] = client_id
        return headers


class LingeringResponse(Response):
    """A whole answer to a request whose body is not read.

    The answer is sent at once. Then the rest of the body is read and dropped, because closing a connection
    with unread bytes resets it, and the client would lose the answer (RFC 9112, 9.6). The Functions host
    passes the answer on only after it has forwarded the whole body, and the call lasts until then. So a
    client who keeps sending for too long is disconnected: at `functionTimeout` the host would restart the
    worker.
    """

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        linger_s: float = _LINGER_S,
    ) -> None:
        super().__init__(body, status, headers)
        self._linger_s = linger_s

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, then read on for at most `linger_s` and _LINGER_BYTES."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if not await self._all_sent(receive):
            await drop(send)
        await send({"type": "http.response.body", "body": b""})

    async def _all_sent(self, receive: Receive) -> bool:
        dropped_bytes = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                while dropped_bytes < _LINGER_BYTES:
                    message = await receive()
                    if not message.get("more_body"):
                        return True
                    dropped_bytes += len(message.get("body", b""))
        return False


def error_response(error: SegmentError, exchange: Exchange, *, body_unread: bool) -> Response:
    """The documented JSON of `error`."""
    headers = exchange.headers()
    headers["x-ms-error-code"] = error.code
    headers["Content-Type"] = "application/json" if error.gateway else "application/json; charset=utf-8"
    if error.challenge is not None:
        headers["WWW-Authenticate"] = error.challenge
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if body_unread:
        linger_s = max(_LINGER_S, exchange.patience_s - exchange.elapsed_ms / 1000)
        return LingeringResponse(error.body(), error.status, headers, linger_s)
    return Response(error.body(), error.status, headers)


def content_response(content: bytes, media_type: str, exchange: Exchange, status: int = 200) -> Response:
    """A page or document from memory."""
    return Response(content, status, exchange.headers() | {"Content-Type": media_type})


class NothingToSend(Response):
    """For a server that expects an answer, when it was already sent or the caller has left."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""
