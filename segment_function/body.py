"""The request's body: read under a cap, and the image or its URL taken out of it."""

import asyncio
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from azurefunctions.extensions.http.fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from shared_code.errors import ImageFormatInvalid, ImageSizeNotAllowed, ImageUrlBadlyFormatted
from shared_code.limits import MAX_IMAGE_BYTES

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_FORM_OVERHEAD_BYTES = 1 << 20
_MAX_JSON_BYTES = 1 << 16
_IDLE_S = 30
_SINGLE_QUOTED = re.compile(rb"""\s*\{\s*'url'\s*:\s*'([^'"\\]*)'\s*,?\s*\}\s*""")


class Body:
    """The body of one request, to be read once."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.unread = True
        """Whether the client may still be sending."""

    async def image(self) -> bytes:
        """The body itself. Raises ImageSizeNotAllowed, or ImageFormatInvalid when it breaks off."""
        data = await self._read(MAX_IMAGE_BYTES)
        if not data:
            raise ImageSizeNotAllowed
        return data

    async def image_url(self) -> str:
        """The `url` of a JSON body. Raises ImageSizeNotAllowed or ImageUrlBadlyFormatted."""
        data = await self.image()
        if len(data) > _MAX_JSON_BYTES:
            raise ImageUrlBadlyFormatted
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = _single_quoted(data)
        url = document.get("url") if isinstance(document, dict) else None
        if not isinstance(url, str) or not url:
            raise ImageUrlBadlyFormatted
        return url

    async def form_image(self, content_type: str) -> bytes:
        """The first part of a form that holds a file. Raises ImageSizeNotAllowed or ImageFormatInvalid."""
        data = await self._read(MAX_IMAGE_BYTES + _FORM_OVERHEAD_BYTES)
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        image = _first_file(data, boundary) if boundary else b""
        if not 1 <= len(image) <= MAX_IMAGE_BYTES:
            raise ImageSizeNotAllowed
        return image

    async def _read(self, max_bytes: int) -> bytes:
        announced = self._request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise ImageSizeNotAllowed
        chunks: list[bytes] = []
        size = 0
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(_IDLE_S) as idle:
                async for chunk in self._request.stream():
                    size += len(chunk)
                    if size > max_bytes:
                        raise ImageSizeNotAllowed
                    chunks.append(chunk)
                    idle.reschedule(clock() + _IDLE_S)
        except (ClientDisconnect, TimeoutError):
            raise ImageFormatInvalid from None
        self.unread = False
        return b"".join(chunks)


def _single_quoted(data: bytes) -> dict[str, str]:
    """The form of Microsoft's own curl examples: {'url':'https://...'}. Raises ImageUrlBadlyFormatted."""
    match = _SINGLE_QUOTED.fullmatch(data)
    if match is None:
        raise ImageUrlBadlyFormatted
    return {"url": match[1].decode("utf-8", "replace")}


class _FileFinder:
    """Collects the first part that has a file name, or a content type other than text (RFC 7578, 4)."""

    def __init__(self) -> None:
        self._name = b""
        self._value = b""
        self._is_file = False
        self._collecting = False
        self.chunks: list[bytes] = []
        self.found = False
        self.complete = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self.on_part_begin,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_part_data": self.on_part_data,
            "on_part_end": self.on_part_end,
        }

    def on_part_begin(self) -> None:
        self._is_file = False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        name, (value, options) = self._name.lower(), parse_options_header(self._value)
        if name == b"content-disposition":
            self._is_file |= b"filename" in options
        elif name == b"content-type":
            self._is_file |= not value.startswith(b"text/")
        self._name = self._value = b""

    def on_headers_finished(self) -> None:
        self._collecting = self._is_file and not self.found
        self.found |= self._is_file

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._collecting:
            self.chunks.append(data[start:end])

    def on_part_end(self) -> None:
        self.complete |= self._collecting
        self._collecting = False


def _first_file(data: bytes, boundary: bytes) -> bytes:
    """The first file of a form, b"" when it has none. Raises ImageFormatInvalid when the file breaks off."""
    finder = _FileFinder()
    with suppress(FormParserError):  # what stands before the fault counts
        MultipartParser(boundary, finder.callbacks()).write(data)
    if finder.found and not finder.complete:
        raise ImageFormatInvalid
    return b"".join(finder.chunks)
