"""What the service answers: a PNG that is checked as it comes, or an error document."""

import asyncio
import email.utils
import math
import time
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from segment_client.errors import Broken, NotOurs, Refused, Unwritable, parse_document

_PIECE_BYTES = 1 << 18
_MAX_ANSWER_BYTES = 1 << 29  # a matte of 16 000 x 16 000 pixels that deflate does nothing for is half of it
_MAX_ERROR_BYTES = 1 << 16
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_HEAD_BYTES = 24


@dataclass(frozen=True)
class Answer:
    """A PNG that came whole: its pixels and bytes, and what the service said beside it.

    `uncertainty`: how undecided the network was, 0 sure .. 1; None where the service does not say.
    """

    width: int
    height: int
    bytes: int
    uncertainty: float | None
    request_id: str
    attempts: int = 1


class PngStream:
    """Watches a PNG pass by in pieces, and keeps its first 24 and last 12 bytes (W3C PNG, 5.2, 5.6)."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self.bytes = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes. Raises NotOurs as soon as they cannot be a PNG's."""
        if len(self._head) < _HEAD_BYTES:
            self._head += piece[: _HEAD_BYTES - len(self._head)]
            if not _SIGNATURE.startswith(self._head[: len(_SIGNATURE)]):
                raise NotOurs("The endpoint answered with something that is not a PNG.")
        self._tail = (self._tail + piece[-len(_END) :])[-len(_END) :]
        self.bytes += len(piece)

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, at the end. Raises Broken when the end is not that of a PNG."""
        if self._tail != _END or self._head[12:16] != b"IHDR":
            raise Broken(f"The answer broke off after {self.bytes} bytes.")
        return int.from_bytes(self._head[16:20]), int.from_bytes(self._head[20:24])


async def receive(response: httpx.Response, sink: BinaryIO) -> Answer:
    """Write the PNG of an answer into `sink`. Raises Broken, NotOurs, Unwritable, and what httpx raises."""
    png = PngStream()
    async for piece in response.aiter_bytes(_PIECE_BYTES):
        png.feed(piece)
        if png.bytes > _MAX_ANSWER_BYTES:
            raise NotOurs(f"The endpoint answered with more than {_MAX_ANSWER_BYTES} bytes.")
        try:
            await asyncio.to_thread(sink.write, piece)
        except OSError as error:
            raise Unwritable(error.strerror or str(error)) from error
    width, height = png.size()
    uncertainty = number(response.headers.get("x-segment-uncertainty"))
    return Answer(width, height, png.bytes, uncertainty, response.headers.get("apim-request-id", ""))


async def refusal(response: httpx.Response, model: str = "") -> Refused:
    """The error that an answer to a call for the network `model` is, read to its end."""
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MAX_ERROR_BYTES:
            body = b""
            break
    headers = response.headers
    wait_s = retry_after_s(headers.get("retry-after"))
    refused = Refused(response.status_code, parse_document(body), wait_s, headers.get("apim-request-id", ""))
    if model and refused.status == 404:
        refused.hint = f" Perhaps the service has no network named {model}."
    return refused


def retry_after_s(value: str | None) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3): a number of them, or a date."""
    if value is None:
        return None
    seconds = number(value)
    if seconds is None:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds)


def number(value: str | None) -> float | None:
    """The finite number of a header; None when it is none."""
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None
