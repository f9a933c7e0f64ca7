"""The service's answer: a PNG or WEBP that is checked while it arrives, or an error document."""

import asyncio
import email.utils
import math
import re
import time
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from segment_client.errors import Broken, NotOurs, Refused, Unwritable, parse_document
from segment_client.options import Format

_PIECE_BYTES = 1 << 18
_MAX_ANSWER_BYTES = 1 << 29  # an incompressible matte of 16 000 x 16 000 pixels has half of it
_MAX_ERROR_BYTES = 1 << 16
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_HEAD_BYTES = 30


@dataclass(frozen=True)
class Answer:
    """A complete picture: its size in pixels and bytes, and what the service said about it.

    `uncertainty`: how undecided the network was, 0 sure .. 1; None if the service does not say. `box`:
    left, top, width and height, in pixels of the upright picture, of the part that was answered; None for the
    whole.
    """

    width: int
    height: int
    bytes: int
    uncertainty: float | None
    request_id: str
    attempts: int = 1
    format: Format = Format.PNG
    box: tuple[int, int, int, int] | None = None


class AnswerStream:
    """Checks a PNG or WEBP that arrives in pieces; keeps only its first 30 and last 12 bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self.bytes = 0

    @property
    def format(self) -> Format:
        """Which of the two it is."""
        return Format.WEBP if self._head.startswith(b"RIFF") else Format.PNG

    def feed(self, piece: bytes) -> None:
        """Take the next bytes. Raises NotOurs if the file is neither."""
        if len(self._head) < _HEAD_BYTES:
            self._head += piece[: _HEAD_BYTES - len(self._head)]
            if not (_may_be_png(self._head) or _may_be_webp(self._head)):
                raise NotOurs("The answer is neither a PNG nor a WEBP.")
        self._tail = (self._tail + piece[-len(_END) :])[-len(_END) :]
        self.bytes += len(piece)

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, at the end. Raises Broken when the file is incomplete."""
        size = _webp_size(self._head) if self.format is Format.WEBP else _png_size(self._head)
        if size is None or not self._is_whole:
            raise Broken(f"The answer broke off after {self.bytes} bytes.")
        return size

    @property
    def _is_whole(self) -> bool:
        if self.format is Format.WEBP:
            return self.bytes == 8 + int.from_bytes(self._head[4:8], "little")
        return self._tail == _END


def _may_be_png(head: bytes) -> bool:
    return _SIGNATURE.startswith(head[: len(_SIGNATURE)])


def _may_be_webp(head: bytes) -> bool:
    return b"RIFF".startswith(head[:4]) and b"WEBP".startswith(head[8:12])


def _png_size(head: bytes) -> tuple[int, int] | None:
    """Of W3C PNG, 5.2 and 5.6."""
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Of the first chunk, by RFC 9649, 2.7.1 and 3.4, and RFC 6386, 9.1."""
    if len(head) < _HEAD_BYTES:
        return None
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
            return width & 0x3FFF, height & 0x3FFF
    return None


async def receive(response: httpx.Response, sink: BinaryIO) -> Answer:
    """Write the picture of an answer into `sink`.

    Raises Broken, NotOurs, Unwritable, and what httpx raises.
    """
    picture = AnswerStream()
    async for piece in response.aiter_bytes(_PIECE_BYTES):
        picture.feed(piece)
        if picture.bytes > _MAX_ANSWER_BYTES:
            raise NotOurs(f"The endpoint answered with more than {_MAX_ANSWER_BYTES} bytes.")
        try:
            await asyncio.to_thread(sink.write, piece)
        except OSError as error:
            raise Unwritable(error.strerror or str(error)) from error
    width, height = picture.size()
    uncertainty = number(response.headers.get("x-segment-uncertainty"))
    request_id = response.headers.get("apim-request-id", "")
    box = box_of(response.headers.get("x-segment-box", ""))
    return Answer(width, height, picture.bytes, uncertainty, request_id, format=picture.format, box=box)


async def refusal(response: httpx.Response, model: str = "") -> Refused:
    """Read an error answer, to a call for the network `model`, to its end."""
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


def box_of(value: str) -> tuple[int, int, int, int] | None:
    """The four whole numbers of a header; None when it is none."""
    found = re.fullmatch(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})", value, re.ASCII)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]), int(found[4]))


def number(value: str | None) -> float | None:
    """The finite number of a header; None when it is none."""
    try:
        found = float(value or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None
