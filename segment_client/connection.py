"""Pictures to the service and PNGs back, over as many connections as pictures are under way."""

import asyncio
import email.utils
import json
import math
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Self

import httpx

from segment_client.circuit import Circuit
from segment_client.errors import Broken, NotOurs, Refused, Unreachable, Untrusted, parse_document
from segment_client.options import Mode, Service
from segment_client.png import PngStream
from segment_client.retry import persist

_PATH = "/computervision/imageanalysis:segment"
_API_VERSION = "2023-02-01-preview"
_PIECE_BYTES = 1 << 18
_MAX_ANSWER_BYTES = 1 << 29  # a matte of 16 000 x 16 000 pixels that deflate does nothing for is half of it
_MAX_ERROR_BYTES = 1 << 16
_TIMEOUT = httpx.Timeout(120.0, connect=15.0, pool=None)

type Body = bytes | str
"""A picture's bytes, or the URL of one, which the service fetches."""


@dataclass(frozen=True)
class Answer:
    """A PNG that came whole: its pixels and bytes, and what the service said beside it."""

    width: int
    height: int
    bytes: int
    uncertainty: float | None
    request_id: str
    attempts: int = 1


class Connection:
    """A service that can be asked; an asynchronous context manager."""

    def __init__(self, service: Service) -> None:
        self._patience = service.patience
        self._circuit = Circuit(service.patience)
        self._http = httpx.AsyncClient(
            base_url=service.endpoint.rstrip("/"),
            headers={"User-Agent": "segment-client"}
            | ({"Ocp-Apim-Subscription-Key": service.key} if service.key else {}),
            limits=httpx.Limits(max_connections=service.concurrency),
            timeout=_TIMEOUT,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.aclose()

    async def cut_out(self, picture: Body, mode: Mode, sink: BinaryIO) -> Answer:
        """Write the PNG of a picture into `sink`, whole; what failed attempts wrote is removed.

        Raises ClientError, and OSError where `sink` takes no more.
        """
        answer, attempts = await persist(
            lambda: self._attempt(picture, mode, sink), self._circuit, self._patience
        )
        return replace(answer, attempts=attempts)

    async def _attempt(self, picture: Body, mode: Mode, sink: BinaryIO) -> Answer:
        sink.seek(0)
        sink.truncate()
        content_type, content = _content(picture)
        request = self._http.build_request(
            "POST",
            _PATH,
            params={"api-version": _API_VERSION, "mode": mode},
            headers={"Content-Type": content_type},
            content=content,
        )
        limit_s = self._patience.attempt_s
        clock = asyncio.timeout(limit_s)
        try:
            async with clock:
                return await self._exchange(request, sink)
        except TimeoutError as error:
            if not clock.expired():
                raise
            raise Broken(f"No whole answer came within {limit_s:g} s.") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _chain(error)):
                raise Untrusted(f"The endpoint's certificate is not trusted: {_reason(error)}.") from error
            raise Unreachable(f"No connection: {_reason(error)}.") from error
        except httpx.HTTPError as error:
            raise Broken(f"The connection broke: {_reason(error)}.") from error

    async def _exchange(self, request: httpx.Request, sink: BinaryIO) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            if response.status_code != 200:
                raise await _refusal(response)
            return await _receive(response, sink)
        finally:
            await response.aclose()


def _content(picture: Body) -> tuple[str, bytes]:
    if isinstance(picture, str):
        return "application/json", json.dumps({"url": picture}).encode()
    return "application/octet-stream", picture


async def _receive(response: httpx.Response, sink: BinaryIO) -> Answer:
    png = PngStream()
    async for piece in response.aiter_bytes(_PIECE_BYTES):
        png.feed(piece)
        if png.bytes > _MAX_ANSWER_BYTES:
            raise NotOurs(f"The endpoint answered with more than {_MAX_ANSWER_BYTES} bytes.")
        await asyncio.to_thread(sink.write, piece)
    width, height = png.size()
    uncertainty = _number(response.headers.get("x-segment-uncertainty"))
    return Answer(width, height, png.bytes, uncertainty, response.headers.get("apim-request-id", ""))


async def _refusal(response: httpx.Response) -> Refused:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MAX_ERROR_BYTES:
            body = b""
            break
    headers = response.headers
    retry_after_s = _retry_after(headers.get("retry-after"))
    request_id = headers.get("apim-request-id", "")
    return Refused(response.status_code, parse_document(body), retry_after_s, request_id)


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3): a number of them, or a date."""
    if value is None:
        return None
    seconds = _number(value)
    if seconds is None:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what caused it, the first cause last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    """The first cause that says something; httpx's own text is often empty."""
    *_, reason = (str(cause) or type(cause).__name__ for cause in _chain(error))
    return reason
