"""Reads a body within a size limit that holds before and after decoding its content coding."""

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from shared_code.errors import ImageSizeNotAllowed

_PIECE_BYTES = 1 << 20
_MAX_GZIP_MEMBERS = 1024
_ZLIB_METHOD_DEFLATE = 8


class ContentCodingError(ValueError):
    """The coded data is corrupt or cut short."""


class Decoder(Protocol):
    """Removes one content coding from data fed to it in order."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The decoded form of `data`, in pieces that each take milliseconds. Raises ContentCodingError."""

    def finish(self) -> None:
        """To be called at the end of the data. Raises ContentCodingError if it is incomplete."""


def decoder_for(content_encoding: str) -> Decoder:
    """Return the decoder of a Content-Encoding field (RFC 9110 section 8.4).

    Servers and uploaders write many values that are no coding ("aws-chunked", "UTF-8", "binary", "none").
    Names other than gzip and deflate are ignored, as browsers do, and the bytes are used as they are. The
    same holds for two codings: no server needs two for a picture, and each multiplies what a decompression
    bomb can hold.
    """
    names = (name.strip().lower() for name in content_encoding.split(","))
    known = [_DECODERS[name] for name in names if name in _DECODERS]
    return known[0]() if len(known) == 1 else IdentityDecoder()


class BoundedBody:
    """Collects a body, decoded: 1 to `max_bytes` bytes, before and after decoding.

    It holds at most `max_bytes` and one piece. The time for a chunk depends on its content, not on its size,
    so this must not run on the event loop that serves callers.
    """

    def __init__(self, decoder: Decoder, max_bytes: int) -> None:
        self._decoder = decoder
        self._max_bytes = max_bytes
        self._received = 0
        self._body = io.BytesIO()  # getvalue() returns its buffer without a copy

    @property
    def size_bytes(self) -> int:
        """How many decoded bytes are held."""
        return self._body.tell()

    def add(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ImageSizeNotAllowed when they are too many, and ContentCodingError."""
        self._received += len(chunk)
        if self._received > self._max_bytes:
            raise ImageSizeNotAllowed
        for piece in self._decoder.pieces(chunk):
            if self.size_bytes + len(piece) > self._max_bytes:
                raise ImageSizeNotAllowed
            self._body.write(piece)

    def content(self) -> bytes:
        """All of it, once it has ended. Raises ImageSizeNotAllowed when it is empty, ContentCodingError."""
        self._decoder.finish()
        if not self.size_bytes:
            raise ImageSizeNotAllowed
        return self._body.getvalue()


class IdentityDecoder:
    """No coding."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """`data` itself."""
        yield data

    def finish(self) -> None:
        """Any end is valid."""


class GzipDecoder:
    """One or more gzip members in a row (RFC 1952)."""

    def __init__(self) -> None:
        self._member = _gzip_member()
        self._members = 1
        self._fed = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """See Decoder."""
        while data:
            if self._member.eof:
                self._start_next_member()
            self._fed = True
            yield from _inflated(self._member, data)
            data = self._member.unused_data

    def finish(self) -> None:
        """See Decoder."""
        if self._fed and not self._member.eof:
            raise ContentCodingError("gzip data is cut short")

    def _start_next_member(self) -> None:
        # Each member costs a copy of the rest of the chunk, so thousands of empty ones would be an attack.
        if self._members == _MAX_GZIP_MEMBERS:
            raise ContentCodingError(f"more than {_MAX_GZIP_MEMBERS} gzip members")
        self._members += 1
        self._member = _gzip_member()


class DeflateDecoder:
    """The zlib form (RFC 1950) that "deflate" names, and the bare one (RFC 1951) that some servers send."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """See Decoder."""
        if not data:
            return
        if self._stream is None:
            # In a bare stream this first byte would begin a stored block with non-zero padding, which nobody
            # writes.
            wrapped = data[0] & 0x0F == _ZLIB_METHOD_DEFLATE
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        yield from _inflated(self._stream, data)
        if self._stream.unused_data:
            raise ContentCodingError("data after the end of the deflate stream")

    def finish(self) -> None:
        """See Decoder."""
        if self._stream is not None and not self._stream.eof:
            raise ContentCodingError("deflate data is cut short")


_DECODERS: dict[str, Callable[[], Decoder]] = {
    "gzip": GzipDecoder,
    "x-gzip": GzipDecoder,
    "deflate": DeflateDecoder,
}
"""By name of the coding, in lower case."""


def _gzip_member() -> "zlib._Decompress":
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _inflated(stream: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = stream.decompress(data, _PIECE_BYTES)
        except zlib.error:
            raise ContentCodingError("corrupt compressed data") from None
        yield piece
        data = stream.unconsumed_tail
        # A full piece may mean that the stream still holds output, although all input is consumed.
        if stream.eof or (not data and len(piece) < _PIECE_BYTES):
            return
