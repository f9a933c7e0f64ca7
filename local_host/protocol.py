"""uvicorn's HTTP protocol, with small reads, and for callers who close their side and wait for the answer."""

import asyncio
from typing import override

from uvicorn.protocols.http.h11_impl import H11Protocol

_PROBE_S = 0.5
_READ_BYTES = 256 << 10
"""As much as the event loop reads by itself."""
_CHUNKED_READ_BYTES = 16 << 10
"""For chunked bodies: each chunk is parsed in Python, and may have one byte."""
HEAD_BYTES = 64 << 10
"""Most that the head of a request may have."""


class HalfCloseProtocol(H11Protocol, asyncio.BufferedProtocol):
    """Answers a complete request although its sender has closed his side of the connection (RFC 9293, 3.9.2).

    A caller who has gone looks the same until something is written to him. `100 Continue` may be written any
    number of times, since every client of HTTP/1.1 has to ignore it (RFC 9110 section 15.2); if the caller
    has gone, his system answers with a reset. HTTP/1.0 has no such response, so those calls are always
    processed.
    """

    @override
    def get_buffer(self, sizehint: int) -> bytearray:
        """The buffer for the next read."""
        self._buffer = bytearray(_READ_BYTES if self._reads_a_counted_body() else _CHUNKED_READ_BYTES)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that were read."""
        self.data_received(bytes(memoryview(self._buffer)[:nbytes]))

    def _reads_a_counted_body(self) -> bool:
        """Whether the next bytes belong to a body with a Content-Length."""
        if self.cycle is None or not self.cycle.more_body:
            return False
        names = {name for name, _ in self.scope["headers"]}
        return b"content-length" in names and b"transfer-encoding" not in names

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection is kept, so as to answer on it."""
        if not self._owes_an_answer() or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        if self.scope["http_version"] == "1.1":
            self._probe()
        return True

    def _probe(self) -> None:
        if self._owes_an_answer() and not self.cycle.response_started:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.loop.call_later(_PROBE_S, self._probe)

    def _owes_an_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.transport.is_closing()
