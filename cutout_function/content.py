"""What a blob holds once the coding that its Content-Encoding names is removed."""

from collections.abc import AsyncIterator

from shared_code.content_coding import ContentCodingError, decoder_for, read_body

_CHUNK_BYTES = 1 << 20


async def without_coding(stored: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """The bytes behind one coding: gzip or deflate.

    What does not decode is given as it is stored: a header is only what an uploader said, a picture is told
    by its content, and coded data that is corrupt is no picture either.

    Raises ImageSizeNotAllowed when they are none, or more than `max_bytes`, at the byte that is too many.
    """
    try:
        return await read_body(_chunks(stored), decoder_for(content_encoding), max_bytes)
    except ContentCodingError:
        return stored


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), _CHUNK_BYTES):
        yield content[at : at + _CHUNK_BYTES]
