"""What passes between the service, the zygote and a room: fixed binary structures, never objects.

service -> zygote   Job, with the room's end of a socket, the file and the pixels; or KILL and a serial number
zygote  -> service  ENDED, a serial number and how the process ended
service -> room     Request
room    -> service  Reply

Pixels never pass through a socket: the service names a place in memory that both see, and the room fills it.
"""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

JOB_FDS = 3
"""The room's end of a socket, the file, and the memory for pixels; with a Job, in this order."""
REASON_BYTES = 96


class Order(IntEnum):
    """What the service wants of the zygote."""

    PLAN = 1
    """A room that answers with one HEADER, and ends."""
    PICTURE = 2
    """A room that decodes, and answers requests until its socket is closed."""
    KILL = 3


class Message:
    """A dataclass of numbers and bytes, in the order of `_FORM`."""

    _FORM: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        """Its bytes, always `size()` of them."""
        return self._FORM.pack(*astuple(self))  # type: ignore[call-overload]

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Raises struct.error when `data` has another length."""
        return cls(*cls._FORM.unpack(data))

    @classmethod
    def size(cls) -> int:
        """Of its bytes."""
        return cls._FORM.size


@dataclass(frozen=True)
class Job(Message):
    """One room, and what it may use.

    file_bytes, pixel_bytes: of the file and of the memory for pixels. memory_bytes: what it may take beside
    what it begins with. cpu_s: seconds of CPU time of all its threads. Then, for a PICTURE: the size that was
    planned, in upright pixels; 1/scale that the whole and the preview are decoded at; how large the preview
    has to be at least.
    """

    _FORM = struct.Struct("<QQQQQdQQQQQQQ")

    order: int
    serial: int
    file_bytes: int = 0
    pixel_bytes: int = 0
    memory_bytes: int = 0
    cpu_s: float = 0.0
    threads: int = 1
    width: int = 0
    height: int = 0
    scale: int = 1
    preview_scale: int = 1
    preview_width: int = 0
    preview_height: int = 0


@dataclass(frozen=True)
class Ended(Message):
    """A room's process is gone, with all its memory. `status` is that of waitpid(2), `serial` its job's.

    What it used: peak_bytes of memory, shared ones included, and cpu_s seconds of CPU time. Serial 0 is the
    zygote's own word that it is ready: `status` is then a sum of `wall.Part`.
    """

    _FORM = struct.Struct("<QiQd")

    serial: int
    status: int
    peak_bytes: int = 0
    cpu_s: float = 0.0


class Wanted(IntEnum):
    """What the service wants of a picture."""

    DECODED = 1
    """All of it decoded; answered with whether it has alpha."""
    THUMBNAIL = 2
    """All of it, opaque: uint8 RGB (height, width, 3)."""
    COLOURS = 3
    """Rows of it: uint8 (rows, width, 4), R, G, B, and alpha or anything where it has none."""
    ALPHA = 4
    """Rows of its alpha: uint8 (rows, width)."""


@dataclass(frozen=True)
class Request(Message):
    """One thing wanted, at `width` x `height` pixels, to be put at `offset` in the memory for pixels.

    top, bottom: rows of it. resampling: Pillow's number of the filter of a thumbnail.
    """

    _FORM = struct.Struct("<QQQQQQQQ")

    wanted: int
    id: int
    offset: int = 0
    width: int = 0
    height: int = 0
    top: int = 0
    bottom: int = 0
    resampling: int = 0


class Answer(IntEnum):
    """How a request ended."""

    DONE = 0
    FORMAT = 1
    """Corrupt; the others that mean ImageFormatInvalid have the number of their own fault below."""
    DIMENSION = 2
    MEMORY = 3
    SIZE = 4
    FAULT = 5
    """Something that should not be."""
    TRUNCATED = 6
    HOSTILE = 7
    HEIC = 8
    OTHER_FORMAT = 9
    UNKNOWN = 10


@dataclass(frozen=True)
class Reply(Message):
    """The end of a request.

    For HEADER: width and height of the upright picture, whether it can be decoded at a fraction of its size,
    whether decoding takes memory of its own at any scale, bytes_per_pixel and fixed_bytes as `picture.header`
    has them. For DECODED: width and height as decoded, has_alpha. `reason` is for the log.
    """

    _FORM = struct.Struct(f"<QQQQQQQQd{REASON_BYTES}s")

    id: int
    answer: int
    width: int = 0
    height: int = 0
    scalable: int = 0
    holds_whole: int = 0
    has_alpha: int = 0
    fixed_bytes: int = 0
    bytes_per_pixel: float = 0.0
    reason: bytes = b""

    @property
    def told(self) -> str:
        """The reason, without anything that could forge a line of a log."""
        return "".join(chr(byte) for byte in self.reason if 32 <= byte < 127)
