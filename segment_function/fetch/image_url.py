"""Fetch the image at a caller's URL, without giving callers access to the internal network.

Each rule has a module, applied in this order: target (what a URL can mean), resolver, guard (which addresses
may be reached), pinned_http (the connection), shared_code.content_coding (the size of the body).
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from segment_function.fetch.guard import AddressGuard
from segment_function.fetch.resolver import SYSTEM_RESOLVER, Resolver
from segment_function.fetch.target import UrlTarget, not_accessible, parse_target
from shared_code.content_coding import BoundedBody, ContentCodingError, decoder_for
from shared_code.errors import ImageSizeNotAllowed, UrlFault, UrlStatus
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.settings import IPNetwork

if TYPE_CHECKING:
    import httpcore

    from segment_function.fetch.pinned_http import Fetched, PinnedHttp

type Arriving = Callable[[int], Awaitable[None]]
type ReadImage = Callable[["Fetched", str], Awaitable[bytes]]

MAX_REDIRECTS = 3
_TOLD_BYTES = 256 << 10
_MOST_FRAMING_BYTES = 256 << 10
"""Allowed framing beside a quarter of the body: parsing chunks of less than 20 bytes takes long."""
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class UrlPolicy:
    """What may be fetched, and how long and how large it may be.

    `allowed_networks` are open although the address guard refuses them.
    """

    enabled: bool = True
    allowed_networks: tuple[IPNetwork, ...] = ()
    allowed_ports: frozenset[int] = frozenset({80, 443})
    dns_timeout_s: float = 5.0
    connect_timeout_s: float = 5.0
    total_timeout_s: float = 10.0
    max_bytes: int = MAX_IMAGE_BYTES


async def _tell_nobody(size_bytes: int) -> None:
    pass


async def fetch_image(
    url: str,
    policy: UrlPolicy,
    resolver: Resolver = SYSTEM_RESOLVER,
    tls_context: ssl.SSLContext | None = None,
    *,
    arriving: Arriving = _tell_nobody,
) -> bytes:
    """The 1 to `policy.max_bytes` bytes behind an http(s) URL, any content coding removed.

    Follows 3 redirects, across hosts too, each checked like the first URL. All of it ends within
    `policy.total_timeout_s`. Without a `tls_context` the certificate authorities of the system are trusted.
    `arriving` is called with the number of bytes that arrive; an error that it raises ends the fetch.

    Raises UrlNotAccessible, UrlStatus (the last answer is not 2xx) and ImageSizeNotAllowed. The reason is
    only logged, with the host and never with path, query or credentials.
    """
    if not policy.enabled:
        raise not_accessible("image urls are turned off", fault=UrlFault.OFF)
    target = parse_target(url)
    try:
        async with asyncio.timeout(policy.total_timeout_s):
            http = _pinned_http(policy, resolver, tls_context)  # the first import takes 0.2 s
            return await _follow(
                http, target, partial(_read_image, max_bytes=policy.max_bytes, arriving=arriving)
            )
    except TimeoutError as error:
        raise not_accessible("out of time", target.host, UrlFault.TIME) from error


def _pinned_http(policy: UrlPolicy, resolver: Resolver, tls_context: ssl.SSLContext | None) -> "PinnedHttp":
    from segment_function.fetch.pinned_http import PinnedHttp, default_tls_context

    return PinnedHttp(
        guard=AddressGuard(policy.allowed_networks),
        allowed_ports=policy.allowed_ports,
        resolver=resolver,
        tls_context=tls_context or default_tls_context(),
        dns_timeout_s=policy.dns_timeout_s,
        connect_timeout_s=policy.connect_timeout_s,
    )


async def _follow(http: "PinnedHttp", target: UrlTarget, read: ReadImage) -> bytes:
    for _ in range(1 + MAX_REDIRECTS):
        async with http.get(target) as fetched:
            location = _redirect_location(fetched.response)
            if location is None:
                return await read(fetched, target.host)
        target = parse_target(location, base=target)
    raise not_accessible(f"more than {MAX_REDIRECTS} redirects", target.host, UrlFault.REDIRECTS)


def _redirect_location(response: "httpcore.Response") -> str | None:
    locations = _header_values(response, b"location")
    if response.status not in _REDIRECT_STATUSES or len(locations) != 1 or not locations[0]:
        return None
    # What is not UTF-8 becomes lone surrogates, which no URL may have.
    return locations[0].decode("utf-8", "surrogateescape")


async def _read_image(fetched: "Fetched", host: str, max_bytes: int, arriving: Arriving) -> bytes:
    response = fetched.response
    if not 200 <= response.status <= 299:
        _logger.warning("image url answered: host=%s status=%d", host, response.status)
        raise UrlStatus(response.status)
    announced_bytes = max(map(int, _header_values(response, b"content-length")), default=0)
    if announced_bytes > max_bytes:
        raise ImageSizeNotAllowed
    content_encoding = b",".join(_header_values(response, b"content-encoding")).decode("latin-1")
    body = BoundedBody(decoder_for(content_encoding), max_bytes)
    received = told = 0
    try:
        async for chunk in response.aiter_stream():
            received += len(chunk)
            body.add(chunk)
            if fetched.wire_bytes - received > _MOST_FRAMING_BYTES + received // 4:
                raise not_accessible("more framing than content", host, UrlFault.CONNECTION)
            if body.size_bytes - told >= _TOLD_BYTES:
                await arriving(body.size_bytes - told)
                told = body.size_bytes
        content = body.content()
    except ContentCodingError as error:
        raise not_accessible(str(error), host, UrlFault.CONNECTION) from error
    await arriving(len(content) - told)
    return content


def _header_values(response: "httpcore.Response", name: bytes) -> list[bytes]:
    return [value.strip() for key, value in response.headers if key.lower() == name]
