"""One HTTP GET over a connection that goes to a checked address and nowhere else.

A name is resolved once, the guard checks every address, and the socket connects to one of these addresses. So
no second look-up can give another answer (DNS rebinding). TLS still names and checks the host of the URL.
httpcore itself uses no proxies, cookies or redirects, so nothing has to be turned off.

Import this module at the first URL and not at start: httpcore costs 40 ms on top of asyncio and ssl.
"""

import asyncio
import functools
import logging
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import override

import httpcore

from segment_function.fetch.guard import AddressGuard
from segment_function.fetch.resolver import Resolver
from segment_function.fetch.target import UrlTarget, is_ip_address, not_accessible
from shared_code.errors import UrlFault

# OSError, since httpcore does not wrap an ssl.SSLError after the handshake.
_NETWORK_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError)
_LEAST_ATTEMPT_S = 1.0
# A name with thousands of addresses must not turn the service into a port scanner.
_MAX_ATTEMPTS = 8
_MAX_HEAD_BYTES = 128 << 10
"""Before the body: interim responses have no end of their own."""
_HEADERS = (
    ("User-Agent", "image-segmentation/1.0"),
    ("Accept", "image/*, */*;q=0.5"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
)

# At DEBUG httpcore writes response headers, and a Location can hold an access signature.
logging.getLogger("httpcore").setLevel(logging.INFO)

_logger = logging.getLogger(__name__)


@functools.cache
def default_tls_context() -> ssl.SSLContext:
    """The certificate authorities of the system and of certifi; TLS 1.2 or later."""
    return httpcore.default_ssl_context()


class Fetched:
    """A response whose body is not read yet, and how many bytes its connection has received."""

    def __init__(self, response: httpcore.Response, backend: "_PinnedBackend") -> None:
        self.response = response
        self._backend = backend

    @property
    def wire_bytes(self) -> int:
        """Everything: heads, framing, content, and what is read ahead."""
        return self._backend.received


@dataclass(frozen=True)
class PinnedHttp:
    """How connections are made: allowed addresses, resolver, trusted certificates, time-outs."""

    guard: AddressGuard
    allowed_ports: frozenset[int]
    resolver: Resolver
    tls_context: ssl.SSLContext
    dns_timeout_s: float
    connect_timeout_s: float
    """For the TCP connections together, and again for the TLS handshake."""

    @asynccontextmanager
    async def get(self, target: UrlTarget) -> AsyncIterator[Fetched]:
        """The response to a GET of `target`, its body unread; the connection is closed on leaving.

        Raises UrlNotAccessible for what the guard refuses and for whatever goes wrong on the network,
        here and while the body is read.
        """
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path_and_query,
        )
        headers = [("Host", target.host_header), *_HEADERS]
        extensions = {"timeout": {"connect": self.connect_timeout_s}}
        backend = _PinnedBackend(self, target.host)
        connection = httpcore.AsyncHTTPConnection(url.origin, self.tls_context, network_backend=backend)
        try:
            async with connection.stream("GET", url, headers=headers, extensions=extensions) as response:
                backend.in_head = False
                yield Fetched(response, backend)
        except _NETWORK_ERRORS as error:
            raise not_accessible(_describe(error), target.host, UrlFault.CONNECTION) from error
        finally:
            await backend.aclose()


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Opens the TCP connections of httpcore, each to an allowed port of a checked address."""

    def __init__(self, http: PinnedHttp, host: str) -> None:
        self.received = 0
        self.in_head = True
        self._http = http
        self._host = host
        self._sockets = httpcore.AnyIOBackend()
        self._streams: list[httpcore.AsyncNetworkStream] = []

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to `host`, a name or an IP address; the time-outs are those of PinnedHttp."""
        if port not in self._http.allowed_ports:
            raise not_accessible(f"port {port} is not allowed", host, UrlFault.PORT)
        addresses = await self._resolve(host)
        for address in addresses:
            refusal = self._http.guard.refusal(address)
            if refusal is not None:
                raise not_accessible(f"address guard: {address} {refusal}", host, UrlFault.ADDRESS_GUARD)
        stream = await self._connect_to_any(host, addresses[:_MAX_ATTEMPTS], port)
        self._streams.append(stream)
        return _CountedStream(stream, self)

    def count(self, size_bytes: int) -> None:
        """Count received bytes. Raises UrlNotAccessible for a head that is too long."""
        self.received += size_bytes
        if self.in_head and self.received > _MAX_HEAD_BYTES:
            raise not_accessible(f"head larger than {_MAX_HEAD_BYTES} bytes", self._host, UrlFault.CONNECTION)

    async def aclose(self) -> None:
        # Not left to httpcore, which loses a connection that is cancelled during its TLS handshake.
        for stream in self._streams:
            await stream.aclose()

    async def _resolve(self, host: str) -> list[str]:
        if is_ip_address(host):
            return [host]
        try:
            async with asyncio.timeout(self._http.dns_timeout_s):
                addresses = await self._http.resolver.resolve(host)
        except OSError as error:  # TimeoutError is one
            raise not_accessible(f"name resolution: {error!r}", host, UrlFault.NAME_RESOLUTION) from error
        if not addresses:
            raise not_accessible("name resolution: no address", host, UrlFault.NAME_RESOLUTION)
        return list(dict.fromkeys(addresses))

    async def _connect_to_any(
        self, host: str, addresses: list[str], port: int
    ) -> httpcore.AsyncNetworkStream:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + self._http.connect_timeout_s
        failure = ""
        for tried, address in enumerate(addresses):
            remaining_s = max(deadline_s - clock(), 0.0)
            # An address that does not respond must leave time for the next one.
            share_s = max(remaining_s / (len(addresses) - tried), min(remaining_s, _LEAST_ATTEMPT_S))
            try:
                stream = await self._sockets.connect_tcp(address, port, timeout=share_s)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = f"{address} {_describe(error)}"
                continue
            _logger.info("image url connected: host=%s address=%s port=%d", host, address, port)
            return stream
        raise not_accessible(f"no connection, last: {failure}", host, UrlFault.CONNECTION)


class _CountedStream(httpcore.AsyncNetworkStream):
    """A stream whose bytes are counted, after TLS is removed."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, backend: _PinnedBackend) -> None:
        self._stream = stream
        self._backend = backend

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        content = await self._stream.read(max_bytes, timeout)
        self._backend.count(len(content))
        return content

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        return _CountedStream(
            await self._stream.start_tls(ssl_context, server_hostname, timeout), self._backend
        )

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _describe(error: Exception) -> str:
    # Only a connection error's text is sure to hold nothing that the other server wrote.
    return repr(error) if isinstance(error, httpcore.ConnectError) else type(error).__name__
