"""The streamed answer: sends a picture while it is encoded, and releases everything when that ends."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, override

from azurefunctions.extensions.http.fastapi import Response
from starlette.types import Receive, Scope, Send

from segment_function.connection import CallerLeft, drop, while_connected
from segment_function.responses import Exchange
from shared_code.matte.subject import PixelBox
from shared_code.progress import Findings, StageName
from shared_code.record import Ending
from shared_code.stream import PictureStream
from shared_code.visit import Visit

log = logging.getLogger(__name__)

_PIECE_BYTES = 128 << 10
"""Size of each write; about this much stays in the server's buffer if a caller stops reading."""


def _listed(box: PixelBox) -> str:
    return f"{box.left},{box.top},{box.width},{box.height}"


@dataclass(frozen=True)
class PictureHeader:
    """A header that only pictures have: its description in the API document, and its value.

    `always`: every picture has it; otherwise those whose value is not None.
    """

    name: str
    description: str
    pattern: str
    value: Callable[[Findings], str | None]
    always: bool = True


PICTURE_HEADERS: Final = (
    PictureHeader(
        "x-segment-uncertainty",
        "How undecided the network was: 0.00 sure, 1.00 not at all.",
        r"^(0\.\d\d|1\.00)$",
        lambda findings: f"{findings.uncertainty:.2f}",
    ),
    PictureHeader(
        "x-segment-box",
        "With `crop=subject`: the part of the upright picture that is answered, as left, top, width and "
        "height in its pixels.",
        r"^\d+,\d+,\d+,\d+$",
        lambda findings: None if findings.box is None else _listed(findings.box),
        always=False,
    ),
)


class PictureResponse(Response):
    """A 200 whose body is a PictureStream. It owns the stream, and says how the visit ends.

    A caller who reads nothing for `stall_s` seconds, or has not received everything by the deadline, is
    disconnected. Clients notice, because the answer is incomplete. The deadline keeps slow readers from
    reaching the function time-out, at which the host would restart the worker and end all calls.
    """

    def __init__(self, stream: PictureStream, exchange: Exchange, visit: Visit, stall_s: float) -> None:
        headers = exchange.headers()
        headers["Content-Type"] = stream.media_type
        headers["Vary"] = "Accept"
        values = {header.name: header.value(visit.findings) for header in PICTURE_HEADERS}
        headers |= {name: value for name, value in values.items() if value is not None}
        super().__init__(None, 200, headers)
        del self.headers["content-length"]
        self._stream = stream
        self._visit = visit
        self._stall_s = stall_s

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the picture, once. Errors are recorded in the visit and the log, and never raised."""
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
