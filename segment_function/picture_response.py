"""The streamed answer: sends a picture while it is made, and gives everything back however that ends."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from azurefunctions.extensions.http.fastapi import Response
from starlette.types import Receive, Scope, Send

from segment_function.connection import CallerLeft, drop, while_connected
from segment_function.responses import Exchange
from shared_code.outcome import Ending
from shared_code.progress import Findings, StageName
from shared_code.stream import PictureStream
from shared_code.visit import Visit

log = logging.getLogger(__name__)

_PIECE_BYTES = 128 << 10
"""What is written at a time: about this much lies in the server's buffer for a caller who does not read."""


@dataclass(frozen=True)
class PictureHeader:
    """A header of pictures only: what the API document says of it, and its value."""

    name: str
    description: str
    pattern: str
    value: Callable[[Findings], str]


PICTURE_HEADERS: Final = (
    PictureHeader(
        "x-segment-uncertainty",
        "How undecided the network was: 0.00 sure, 1.00 not at all.",
        r"^(0\.\d\d|1\.00)$",
        lambda findings: f"{findings.uncertainty:.2f}",
    ),
)


class PictureResponse(Response):
    """A 200 whose body is a PictureStream. It owns the stream, and says how the visit ends.

    A caller who takes nothing for `stall_s` seconds, or is not done by the deadline, is dropped: his answer
    lacks its end, which every client sees. The visit's deadline bounds the whole, so that a slow reader never
    becomes a function time-out, on which the host restarts the worker with all that it is doing.
    """

    def __init__(self, stream: PictureStream, exchange: Exchange, visit: Visit, stall_s: float) -> None:
        headers = exchange.headers()
        headers["Content-Type"] = stream.media_type
        headers["Vary"] = "Accept"
        headers |= {header.name: header.value(visit.findings) for header in PICTURE_HEADERS}
        super().__init__(None, 200, headers)
        del self.headers["content-length"]
        self._stream = stream
        self._visit = visit
        self._stall_s = stall_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the picture, once. Whatever happens then is in the visit and the log, and never raised."""
        visit = self._visit
        try:
            async with aclosing(self._stream):
                visit.end(await self._sent(receive, send))
        except Exception as error:
            visit.end_with(error)
            log.exception("request %s broke off", visit.id)
        if visit.ending in (Ending.STALLED, Ending.LATE, Ending.FAILED):
            await drop(send)

    async def _sent(self, receive: Receive, send: Send) -> Ending:
        with self._visit.progress.stage(StageName.SEND):
            try:
                async with asyncio.timeout(self._visit.deadline.left_s):
                    return await while_connected(receive, self._send(send))
            except CallerLeft:
                return Ending.LEFT
            except TimeoutError:
                return Ending.LATE

    async def _send(self, send: Send) -> Ending:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self._stream:
            for at in range(0, len(part), _PIECE_BYTES):
                piece = part[at : at + _PIECE_BYTES]
                try:
                    async with asyncio.timeout(self._stall_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                except TimeoutError:
                    return Ending.STALLED
                self._visit.bytes_out += len(piece)
        await send({"type": "http.response.body", "body": b""})
        return Ending.SENT
