"""Sends pictures and receives cut-outs, over one connection for each picture in progress."""

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
from segment_client.sign_in import SignIn, about_refusal

_PATH = "/computervision/imageanalysis:segment"
_API_VERSION = "2023-02-01-preview"
_TIMEOUT = httpx.Timeout(120.0, connect=15.0, pool=None)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's reasons if the first bytes from a server are no TLS record."""

BytesOrUrl: TypeAlias = bytes | str
"""A picture's bytes, or its URL, from which the service fetches it."""


class Connection:
    """A connection to the service; an asynchronous context manager."""

    def __init__(self, service: Service) -> None:
        self._patience = service.patience
        self._circuit = Circuit(service.patience)
        self._sign_in = None if service.credential is None else SignIn(service.credential, service.audience)
        self._http = httpx.AsyncClient(
            base_url=service.endpoint.rstrip("/"),
            headers={"User-Agent": f"segment-client/{__version__}"}
            | ({"Ocp-Apim-Subscription-Key": service.key} if service.key else {}),
            auth=self._sign_in,
            limits=httpx.Limits(max_connections=service.concurrency),
            timeout=_TIMEOUT,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.aclose()

    async def segment(self, picture: BytesOrUrl, look: Look, sink: BinaryIO) -> Answer:
        """Write the complete answer to a picture into `sink`; bytes of failed attempts are removed.

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
            raise Broken(f"No complete answer came within {limit_s:g} s.") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            raise self._unconnected(error) from error
        except (httpx.HTTPError, OSError) as error:  # httpx does not wrap TLS faults within an answer
            raise Broken(f"The connection broke: {_reason(error)}.") from error

    async def _exchange(self, request: httpx.Request, look: Look, sink: BinaryIO) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            if response.status_code != 200:
                refused = await refusal(response, look.model)
                refused.hint = refused.hint or about_refusal(refused.id, self._sign_in)
                raise refused
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
            | ({"model-name": look.model} if look.model else {})
            | ({"crop": "subject"} if look.asks_for_the_subject else {}),
            headers={"Content-Type": content_type} | _accept(look),
            content=content,
        )

    def _unconnected(self, error: httpx.TransportError) -> ClientError:
        causes = list(_chain(error))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return Untrusted(f"The endpoint's certificate is not trusted: {_reason(error)}.")
        if any(isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS for cause in causes):
            address = self._http.base_url.netloc.decode("ascii")
            return Untrusted(f"{address} does not speak TLS: should the endpoint begin with http:// ?")
        return Unreachable(f"Cannot connect: {_reason(error)}.")


def _accept(look: Look) -> dict[str, str]:
    """No header for PNG, which older services send anyway."""
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
    """The first cause with a text; httpx's own is often empty."""
    *_, reason = (str(cause) or type(cause).__name__ for cause in _chain(error))
    return reason
