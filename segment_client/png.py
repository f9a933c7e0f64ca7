"""Whether the bytes that came are a whole PNG (W3C PNG, 5.2, 5.6 and 11.2.1)."""

from segment_client.errors import Broken, NotOurs

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_HEAD_BYTES = 24


class PngStream:
    """Watches a PNG pass by in pieces and keeps its first 24 and its last 12 bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self.bytes = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes. Raises NotOurs as soon as they cannot be a PNG's."""
        if len(self._head) < _HEAD_BYTES:
            self._head += piece[: _HEAD_BYTES - len(self._head)]
            if not _SIGNATURE.startswith(self._head[: len(_SIGNATURE)]):
                raise NotOurs("The endpoint answered with something that is not a PNG.")
        self._tail = (self._tail + piece[-len(_END) :])[-len(_END) :]
        self.bytes += len(piece)

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, at the end. Raises Broken when the end is not that of a PNG."""
        if self._tail != _END or self._head[12:16] != b"IHDR":
            raise Broken(f"The answer broke off after {self.bytes} bytes.")
        return int.from_bytes(self._head[16:20]), int.from_bytes(self._head[20:24])
