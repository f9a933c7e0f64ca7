"""The JSON body that names a picture by its URL, in the forms clients give it."""

import json
import re
from typing import Final

from shared_code.errors import ImageUrlBadlyFormatted

MAX_DOCUMENT_BYTES: Final = 1 << 16

# Possessive, so that no character is looked at twice.
_SINGLE_QUOTED = re.compile(r"""\s*+\{\s*+'url'\s*+:\s*+'([^'"\\]*+)'\s*+,?\s*+\}\s*+""", re.IGNORECASE)
_CHARSET = re.compile(r';\s*charset\s*=\s*["\']?([a-z0-9_-]+)', re.IGNORECASE)
# Only these: Python would look for a codec of any name, and some of its codecs take long.
_SINGLE_BYTE_CHARSETS = frozenset({"iso-8859-1", "latin1", "iso-8859-15", "windows-1252", "windows-1251"})


def parse_url_document(data: bytes, content_type: str) -> str:
    """The `url` of a JSON document, white space around it removed. Raises ImageUrlBadlyFormatted.

    UTF-8, UTF-16 and UTF-32 are detected from the content, with or without a byte order mark; a single-byte
    charset has to be declared. The property's letter case is ignored: ASP.NET did so, and C# classes
    send `Url`.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise ImageUrlBadlyFormatted
    try:
        text = _text(data, content_type)
        url = _url_property(_single_quoted(text) or json.loads(text))
    except (ValueError, RecursionError):
        raise ImageUrlBadlyFormatted from None
    if not isinstance(url, str) or not url.strip():
        raise ImageUrlBadlyFormatted
    return url.strip()


def _text(data: bytes, content_type: str) -> str:
    encoding: str = json.detect_encoding(data)
    declared = _CHARSET.search(content_type)
    if encoding == "utf-8" and declared and declared[1].lower() in _SINGLE_BYTE_CHARSETS:
        encoding = declared[1]
    return data.decode(encoding)


def _url_property(document: object) -> object:
    """The property named exactly `url`, or else the last one that is but for letter case."""
    if not isinstance(document, dict):
        return None
    found = {name.lower(): value for name, value in document.items()}
    return document.get("url", found.get("url"))


def _single_quoted(text: str) -> dict[str, str] | None:
    """The form of Microsoft's own curl examples, {'url':'https://...'}, or None when it is another one."""
    match = _SINGLE_QUOTED.fullmatch(text)
    return None if match is None else {"url": match[1]}
