"""Fetching the image a caller names by URL, without becoming a way into the network this runs in.

The rules are modules of their own, met in this order: target (what a URL can mean), resolver, guard
(who may be reached), pinned_http (the connection), shared_code.content_coding (the size of the body).
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
from shared_code.content_coding import ContentCodingError, decoder_for, read_body
from shared_code.errors import ImageSizeNotAllowed, UrlFault, UrlStatus
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.settings import IPNetwork

if TYPE_CHECKING:
    import httpcore

    from segment_function.fetch.pinned_http import PinnedHttp

type ReadImage = Callable[["httpcore.Response", str], Awaitable[bytes]]

MAX_REDIRECTS = 3
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


async def fetch_image(
    url: str,
    policy: UrlPolicy,
    resolver: Resolver = SYSTEM_RESOLVER,
    tls_context: ssl.SSLContext | None = None,
    *,
    arriving: Callable[[int], None] = lambda size_bytes: None,
) -> bytes:
    """The 1 to `policy.max_bytes` bytes behind an http(s) URL, any content coding removed.

    Follows 3 redirects, across hosts too, each checked like the first URL. All of it ends within
    `policy.total_timeout_s`. Without a `tls_context` the certificate authorities of the system are trusted.
    `arriving` is told of the size of each piece of the image; what it raises ends the fetching.

    Raises UrlNotAccessible, UrlStatus (the last answer is not 2xx) and ImageSizeNotAllowed. Why is only
    logged, with the host and never with path, query or credentials.
    """
    if not policy.enabled:
        raise not_accessible("image urls are turned off", fault=UrlFault.OFF)
    target = parse_target(url)
    try:
        async with asyncio.timeout(policy.total_timeout_s):
            # In a thread, since the first call imports for 0.2 s while others wait for the event loop.
            http = await asyncio.to_thread(_pinned_http, policy, resolver, tls_context)
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
        async with http.get(target) as response:
            location = _redirect_location(response)
            if location is None:
                return await read(response, target.host)
        target = parse_target(location, base=target)
    raise not_accessible(f"more than {MAX_REDIRECTS} redirects", target.host, UrlFault.REDIRECTS)


def _redirect_location(response: "httpcore.Response") -> str | None:
    locations = _header_values(response, b"location")
    if response.status not in _REDIRECT_STATUSES or len(locations) != 1 or not locations[0]:
        return None
    # What is not UTF-8 becomes lone surrogates, which no URL may have.
    return locations[0].decode("utf-8", "surrogateescape")


async def _read_image(
    response: "httpcore.Response", host: str, max_bytes: int, arriving: Callable[[int], None]
) -> bytes:
    if not 200 <= response.status <= 299:
        _logger.warning("image url answered: host=%s status=%d", host, response.status)
        raise UrlStatus(response.status)
    announced_bytes = max(map(int, _header_values(response, b"content-length")), default=0)
    if announced_bytes > max_bytes:
        raise ImageSizeNotAllowed
    content_encoding = b",".join(_header_values(response, b"content-encoding")).decode("latin-1")
    try:
        return await read_body(response.aiter_stream(), decoder_for(content_encoding), max_bytes, arriving)
    except ContentCodingError as error:
        raise not_accessible(str(error), host, UrlFault.CONNECTION) from error


def _header_values(response: "httpcore.Response", name: bytes) -> list[bytes]:
    return [value.strip() for key, value in response.headers if key.lower() == name]
