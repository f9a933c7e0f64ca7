"""From the text of a URL to the one host, port and path it can mean.

Attackers get round address checks with URLs that parsers read differently, so ambiguous URLs are refused:
user info, backslashes, control characters, numbers that `inet_aton` takes for an IPv4 address, zone ids.
White space is unambiguous in path and query, where it is sent percent-encoded, and refused before them.
"""

import logging
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from shared_code.errors import UrlFault, UrlNotAccessible

MAX_URL_CHARS = 8000
"""The request line length RFC 9110 section 4.1 asks everybody to support."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_HOST_CHARS = 253

# A lone surrogate has no UTF-8 form.
_FORBIDDEN_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_AUTHORITY = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:@%]+))(?::(?P<port>[0-9]{0,5}))?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# The "ends in a number" rule of https://url.spec.whatwg.org/#ends-in-a-number-checker.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """Where one GET goes: `host` is a lower-case ASCII name, or an IP address without brackets."""

    scheme: str
    host: str
    port: int
    # Both can hold an access signature, which no log may show.
    path_and_query: str = field(repr=False)
    url: str = field(repr=False)

    @property
    def host_header(self) -> str:
        """The Host field of RFC 9110 section 7.2: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def is_ip_address(host: str) -> bool:
    """Whether the `host` of a UrlTarget is an address: no name of one ends in a number or has a colon."""
    return ":" in host or _ends_in_number(host)


def not_accessible(reason: str, host: str = "", fault: UrlFault = UrlFault.MALFORMED) -> UrlNotAccessible:
    """Log `reason`, which the caller never gets, and return the error to raise."""
    _logger.warning("image url refused: host=%s reason=%s", host or "-", reason)
    return UrlNotAccessible(fault)


def parse_target(url: str, base: UrlTarget | None = None) -> UrlTarget:
    """Read an absolute http(s) URL, or with `base` a reference relative to it. Raises UrlNotAccessible.

    Escapes (%2F, %2B) are kept, because they can be part of a signature.
    """
    url = url.strip()
    if len(url) > MAX_URL_CHARS:
        raise not_accessible(f"url longer than {MAX_URL_CHARS} characters")
    if _FORBIDDEN_CHARACTER.search(url):
        raise not_accessible("control character, backslash or surrogate in the url")
    try:
        absolute = url if base is None else urljoin(base.url, url)
        parts = urlsplit(absolute)
    except ValueError:
        raise not_accessible("malformed url") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise not_accessible("scheme is not http or https")
    host, port = _host_and_port(parts)
    return UrlTarget(parts.scheme, host, port, _path_and_query(parts), absolute)


def _host_and_port(parts: SplitResult) -> tuple[str, int]:
    if "@" in parts.netloc:
        raise not_accessible("user info in the url")
    authority = _AUTHORITY.fullmatch(parts.netloc)
    if authority is None:
        raise not_accessible("malformed host or port")
    port = int(authority["port"] or _DEFAULT_PORTS[parts.scheme])
    # httpcore takes port 0 for none given, and would use 80 or 443.
    if not 1 <= port <= 65_535:
        raise not_accessible("malformed host or port")
    host = _ascii_name(authority["name"]) if authority["ipv6"] is None else _ipv6_literal(authority["ipv6"])
    return host, port


def _ipv6_literal(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise not_accessible("malformed IPv6 address") from None


def _ascii_name(name: str) -> str:
    if len(name) > _MAX_HOST_CHARS:
        raise not_accessible("host name too long")
    host = name.lower() if name.isascii() else _idna(name)
    if len(host) > _MAX_HOST_CHARS or not _HOST_NAME.fullmatch(host):
        raise not_accessible("malformed host name")
    if _ends_in_number(host):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise not_accessible("IPv4 address not in dotted decimal form") from None
    return host


def _ends_in_number(host: str) -> bool:
    return _NUMERIC_LABEL.fullmatch(host.rpartition(".")[2]) is not None


def _idna(name: str) -> str:
    # Imported here since few URLs need its tables.
    import idna

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise not_accessible("host name outside IDNA") from None


def _path_and_query(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?")
    return f"{path}?{query}" if query else path
