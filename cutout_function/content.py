"""The content of a blob, with its Content-Encoding decoded."""

from shared_code.content_coding import BoundedBody, ContentCodingError, decoder_for

_CHUNK_BYTES = 1 << 20


def without_coding(stored: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """The bytes behind one coding: gzip or deflate.

    What does not decode is given as it is stored: a header is only what an uploader said, a picture is told
    by its content, and coded data that is corrupt is no picture either.

    Raises ImageSizeNotAllowed when they are none, or more than `max_bytes`, at the byte that is too many.
    """
    body = BoundedBody(decoder_for(content_encoding), max_bytes)
    try:
        for at in range(0, len(stored), _CHUNK_BYTES):
            body.add(stored[at : at + _CHUNK_BYTES])
        return body.content()
    except ContentCodingError:
        return stored
