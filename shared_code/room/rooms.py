"""Rooms as the service sees them: what a header says, and a picture whose pixels can be asked for.

Nothing that comes out of a room is believed: sizes are compared with what was planned, and pixels are read
from where the service had them put.
"""

from shared_code.errors import ImageFault, ImageFormatInvalid, ImageSizeNotAllowed
from shared_code.limits import MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX
from shared_code.progress import Progress
from shared_code.room.lifecycle import Zygote
from shared_code.room.messages import Job, Order, Reply
from shared_code.room.picture import Header, Picture, Work
from shared_code.room.process import RoomProcess
from shared_code.room.wall import lacking

HEADER_CPU_S = 1.0
"""More than any honest header takes, many times over."""
HEADER_MEMORY_BYTES = 96 << 20
"""Beside twice the file."""
_MOST_PIXEL_BYTES = 64.0
"""Of decoding, for each pixel: no format comes near it."""


class Rooms:
    """Gives a room to each picture. All methods may be called on any thread, and wait for the room."""

    def __init__(self, zygote: Zygote, threads: int) -> None:
        """`threads`: how many of a room work at a time."""
        self._zygote = zygote
        self._threads = max(2, threads)

    @property
    def zygote(self) -> Zygote:
        """The process that rooms come from."""
        return self._zygote

    @property
    def wall_lacks(self) -> list[str]:
        """Parts of the wall that this system does not give; nothing as long as that is not known."""
        wall = self._zygote.wall_if_known
        return [] if wall is None else lacking(wall)

    def header(self, data: bytes, progress: Progress | None = None) -> Header:
        """What the header of the file in `data` says; the process that read it is gone on return.

        Raises ImageSizeNotAllowed, ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance;
        Abandoned when `progress` is; ServiceUnavailable.
        """
        if not 1 <= len(data) <= MAX_IMAGE_BYTES:
            raise ImageSizeNotAllowed
        memory_bytes = HEADER_MEMORY_BYTES + 2 * len(data)
        job = Job(Order.PLAN, 0, len(data), 0, memory_bytes, HEADER_CPU_S, threads=0)
        with RoomProcess(self._zygote, job, data, progress or Progress()) as process:
            reply = process.first_reply()
        return _checked_header(reply, len(data))

    def open(self, data: bytes, work: Work, progress: Progress | None = None) -> Picture:
        """Have a picture decoded; returns at once. Raises ServiceUnavailable."""
        return Picture(self._zygote, data, work, self._threads, progress or Progress())

    def close(self) -> None:
        """End all of them."""
        self._zygote.close()


def _checked_header(reply: Reply, file_bytes: int) -> Header:
    """Raises ImageFormatInvalid for what no header can say."""
    sides = (reply.width, reply.height)
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in sides):
        raise ImageFormatInvalid(ImageFault.HOSTILE)
    pixels = reply.width * reply.height
    if not (
        0 < reply.bytes_per_pixel <= _MOST_PIXEL_BYTES
        and reply.fixed_bytes <= _MOST_PIXEL_BYTES * pixels + 16 * file_bytes + (1 << 30)
        and reply.scalable <= 1
        and reply.holds_whole <= 1
    ):
        raise ImageFormatInvalid(ImageFault.HOSTILE)
    return Header(
        reply.width,
        reply.height,
        bool(reply.scalable),
        bool(reply.holds_whole),
        reply.fixed_bytes,
        reply.bytes_per_pixel,
    )
