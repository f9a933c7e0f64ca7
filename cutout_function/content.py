"""The content of a blob, with its Content-Encoding decoded."""

from shared_code.content_coding import BoundedBody, ContentCodingError, decoder_for

_CHUNK_BYTES = 1 << 20


def without_coding(stored: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """The decoded bytes of one content coding, gzip or deflate.

    If decoding fails, these are the stored bytes: uploaders set the header, and it may be wrong. Corrupt
    coded data is then refused because it is no picture.

    Raises ImageSizeNotAllowed if there are no bytes, and as soon as there are more than `max_bytes`.
    """
    body = BoundedBody(decoder_for(content_encoding), max_bytes)
    try:
        for at in range(0, len(stored), _CHUNK_BYTES):
            body.add(stored[at : at + _CHUNK_BYTES])
        return body.content()
    except ContentCodingError:
        return stored
