"""The messages between service, zygote and rooms: fixed binary structures, never objects.

service -> zygote   Job, with the room's end of a socket, the file and the pixels; or KILL and a serial
                    number; or GO_ON, with a room's new limits
zygote  -> room     the Job, with all that came with it
zygote  -> service  Ended, a serial number and how the process ended, or that its limits were raised
service -> room     Request; before the first one, where the room read the header, the Job of the picture
room    -> service  Reply

Pixels never pass through a socket: the room writes them into shared memory, at the offset that the service
names.
"""

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

JOB_FDS = 3
"""The room's end of a socket, the file, and the memory for pixels; with a Job, in this order."""
LEAST_THREADS = 2
"""Of a room that decodes: the whole picture, and a small one for the network at the same time."""
REASON_BYTES = 96

NOT_BORN, MAY_GO_ON, MAY_NOT_GO_ON = -1, -2, -3
"""Of `Ended.status`."""


class Order(IntEnum):
    """An order of the service to the zygote."""

    PLAN = 1
    """A room that answers with one HEADER, and then ends or gets a PICTURE."""
    PICTURE = 2
    """A room that decodes, and answers requests until its socket is closed."""
    KILL = 3
    GO_ON = 4
    """The room of a header gets the limits for its picture."""
    ENCODE = 5
    """A room that encodes the pixels in its memory when it is asked for a FILE, and then ends."""


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
    what it begins with. cpu_s: seconds of CPU time of all its threads. goes_on: whether a PLAN may be
    followed by a PICTURE. Then, for a PICTURE: the size that was
    planned, in upright pixels; 1/scale that the whole and the preview are decoded at; how large the preview
    has to be at least. For an ENCODE: the size, the format's place in ANSWER_FORMATS, and the quality;
    channels is 4 for RGBA, 1 for gray.
    """

    _FORM = struct.Struct("<QQQQQdQQQQQQQQQQQ")

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
    goes_on: int = 0
    format: int = 0
    quality: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Ended(Message):
    """A room's process is gone, with all its memory. `status` is that of waitpid(2), `serial` its job's.

    What it used: peak_bytes of memory, shared ones included, and cpu_s seconds of CPU time; of a spare room
    also before its job. Three say something else: serial 0 that the zygote is ready, `status` being a sum of
    `wall.Part`; a negative status that there is no process to be had, or that it may take more now.
    """

    _FORM = struct.Struct("<QiQd")

    serial: int
    status: int
    peak_bytes: int = 0
    cpu_s: float = 0.0


class Wanted(IntEnum):
    """A request of the service to a room."""

    DECODED = 1
    """All of it decoded; answered with whether it has alpha."""
    THUMBNAIL = 2
    """All of it, opaque: uint8 (height, width, 4), R, G, B and anything."""
    COLOURS = 3
    """Rows of it: uint8 (rows, width, 4), R, G, B and alpha; undefined where it has none."""
    ALPHA = 4
    """Rows of its alpha: uint8 (rows, width)."""
    FILE = 5
    """All pixels encoded; `offset` says where they end and the file is to begin."""


@dataclass(frozen=True)
class Request(Message):
    """One request, at `width` x `height` pixels, to be written at `offset` of the memory for pixels.

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
    """An internal error."""
    TRUNCATED = 6
    HOSTILE = 7
    HEIC = 8
    OTHER_FORMAT = 9
    UNKNOWN = 10
    AVIF = 11


@dataclass(frozen=True)
class Reply(Message):
    """The end of a request.

    For HEADER: width and height of the upright picture, whether it can be decoded at a fraction of its size,
    whether decoding takes memory of its own at any scale, bytes_per_pixel and fixed_bytes as `picture.header`
    has them. For DECODED: width and height as decoded, has_alpha. For FILE: file_bytes. `reason` is for the
    log.
    """

    _FORM = struct.Struct(f"<QQQQQQQQdQ{REASON_BYTES}s")

    id: int
    answer: int
    width: int = 0
    height: int = 0
    scalable: int = 0
    holds_whole: int = 0
    has_alpha: int = 0
    fixed_bytes: int = 0
    bytes_per_pixel: float = 0.0
    file_bytes: int = 0
    reason: bytes = b""

    @property
    def told(self) -> str:
        """The reason, without characters that could forge a line of the log."""
        return "".join(chr(byte) for byte in self.reason if 32 <= byte < 127)
