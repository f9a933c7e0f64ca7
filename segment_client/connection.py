"""Pictures to the service and cut-outs back, over as many connections as pictures are under way."""

import asyncio
import json
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Self, TypeAlias

import httpx

from segment_client import __version__
from segment_client.answer import Answer, receive, refusal
from segment_client.circuit import Circuit
from segment_client.errors import Broken, ClientError, Unreachable, Untrusted, Unwritable
from segment_client.options import Format, Look, Service
from segment_client.retry import persist

_PATH = "/computervision/imageanalysis:segment"
_API_VERSION = "2023-02-01-preview"
_TIMEOUT = httpx.Timeout(120.0, connect=15.0, pool=None)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's reasons when what came first from a server was no TLS record."""

BytesOrUrl: TypeAlias = bytes | str
"""A picture's bytes, or the URL of one, which the service fetches."""


class Connection:
    """A service that can be asked; an asynchronous context manager."""

    def __init__(self, service: Service) -> None:
        self._patience = service.patience
        self._circuit = Circuit(service.patience)
        self._http = httpx.AsyncClient(
            base_url=service.endpoint.rstrip("/"),
            headers={"User-Agent": f"segment-client/{__version__}"}
            | ({"Ocp-Apim-Subscription-Key": service.key} if service.key else {}),
            limits=httpx.Limits(max_connections=service.concurrency),
            timeout=_TIMEOUT,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.aclose()

    async def segment(self, picture: BytesOrUrl, look: Look, sink: BinaryIO) -> Answer:
        """Write the answer to a picture into `sink`, whole; what failed attempts wrote is removed.

        Raises ClientError: Unwritable where `sink` takes no more.
        """
        answer, attempts = await persist(
            lambda: self._attempt(picture, look, sink), self._circuit, self._patience
        )
        return replace(answer, attempts=attempts)

    async def _attempt(self, picture: BytesOrUrl, look: Look, sink: BinaryIO) -> Answer:
        _empty(sink)
        request = self._request(picture, look)
        limit_s = self._patience.attempt_s
        clock = asyncio.timeout(limit_s)
        try:
            async with clock:
                return await self._exchange(request, look, sink)
        except TimeoutError as error:
            if not clock.expired():
                raise Broken(f"The connection broke: {_reason(error)}.") from error
            raise Broken(f"No whole answer came within {limit_s:g} s.") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise self._unconnected(error) from error
        except (httpx.HTTPError, OSError) as error:  # httpx lets faults of TLS within an answer through
            raise Broken(f"The connection broke: {_reason(error)}.") from error

    async def _exchange(self, request: httpx.Request, look: Look, sink: BinaryIO) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            if response.status_code != 200:
                raise await refusal(response, look.model)
            return await receive(response, sink)
        finally:
            await response.aclose()

    def _request(self, picture: BytesOrUrl, look: Look) -> httpx.Request:
        if isinstance(picture, str):
            content_type, content = "application/json", json.dumps({"url": picture}).encode()
        else:
            content_type, content = "application/octet-stream", picture
        return self._http.build_request(
            "POST",
            _PATH,
            params={"api-version": _API_VERSION, "mode": look.mode}
            | ({"model-name": look.model} if look.model else {}),
            headers={"Content-Type": content_type} | _accept(look),
            content=content,
        )

    def _unconnected(self, error: httpx.TransportError) -> ClientError:
        causes = list(_chain(error))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return Untrusted(f"The endpoint's certificate is not trusted: {_reason(error)}.")
        if any(isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS for cause in causes):
            address = self._http.base_url.netloc.decode("ascii")
            return Untrusted(f"{address} speaks no TLS: the endpoint perhaps begins with http://.")
        return Unreachable(f"No connection: {_reason(error)}.")


def _accept(look: Look) -> dict[str, str]:
    """Nothing for PNG, which is what an older service sends too."""
    return {} if look.transferred is Format.PNG else {"Accept": f"image/{look.transferred}"}


def _empty(sink: BinaryIO) -> None:
    try:
        sink.seek(0)
        sink.truncate()
    except OSError as error:
        raise Unwritable(error.strerror or str(error)) from error


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
