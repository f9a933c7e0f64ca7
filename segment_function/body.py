"""Reads the request's body within limits, and takes the image or its URL out of it."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence

from azurefunctions.extensions.http.fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message

from segment_function.multipart import PictureFinder, boundary_of
from segment_function.url_document import parse_url_document
from shared_code.errors import ImageFault, ImageFormatInvalid, ImageSizeNotAllowed
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.picture.formats import FORMATS, Format

_FORM_OVERHEAD_BYTES = 1 << 20
_PIECE_BYTES = 16 << 10
"""Forms are parsed in pieces of this size."""
_LEAST_BYTES = 64 << 10
_PATIENCE_S = 30
"""How long the next _LEAST_BYTES, or the rest, may take: the minimum rate of an upload."""


class Body:
    """The body of one request, to be read once."""

    def __init__(self, request: Request) -> None:
        self._request = Request(request.scope, self._receive)
        self._receive_next = request.receive
        self.unread = True
        """Whether the client may still be sending."""
        self.arriving: Callable[[int], None] = lambda _: None
        """Called with the size of each piece that arrives; an error that it raises ends the reading."""

    async def image(self) -> bytes:
        """The body itself. Raises ImageSizeNotAllowed, or ImageFormatInvalid when it breaks off."""
        content = io.BytesIO()  # getvalue() returns its buffer without a copy

        async def write(chunk: bytes) -> None:
            content.write(chunk)

        await self._read(MAX_IMAGE_BYTES, write)
        if not content.tell():
            raise ImageSizeNotAllowed
        return content.getvalue()

    async def image_url(self, content_type: str) -> str:
        """The `url` of a JSON body. Raises ImageSizeNotAllowed or ImageUrlBadlyFormatted."""
        return parse_url_document(await self.image(), content_type)

    async def form_image(self, content_type: str, formats: Sequence[Format] = FORMATS) -> bytes:
        """The picture of a form, by its mark or by these formats.

        Raises ImageSizeNotAllowed or ImageFormatInvalid.
        """
        finder = PictureFinder(boundary_of(content_type), formats)
        pending = bytearray()

        async def feed(chunk: bytes) -> None:
            nonlocal pending
            pending += chunk
            while len(pending) >= _PIECE_BYTES:
                finder.feed(bytes(pending[:_PIECE_BYTES]))
                del pending[:_PIECE_BYTES]
                await asyncio.sleep(0)  # lets other requests run

        await self._read(MAX_IMAGE_BYTES + _FORM_OVERHEAD_BYTES, feed)
        finder.feed(bytes(pending))
        return finder.picture()

    async def _read(self, max_bytes: int, take: Callable[[bytes], Awaitable[None]]) -> None:
        """Pass all non-empty chunks to `take`."""
        announced = self._request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise ImageSizeNotAllowed
        size = counted = 0
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(_PATIENCE_S) as patience:
                async for chunk in self._request.stream():
                    size += len(chunk)
                    if size > max_bytes:
                        raise ImageSizeNotAllowed
                    self.arriving(len(chunk))
                    if chunk:
                        await take(chunk)
                    if size - counted >= _LEAST_BYTES:
                        counted = size
                        patience.reschedule(clock() + _PATIENCE_S)
        except (ClientDisconnect, TimeoutError):
            raise ImageFormatInvalid(ImageFault.BROKE_OFF) from None

    async def _receive(self) -> Message:
        message = await self._receive_next()
        self.unread = message.get("more_body", False)
        return message
