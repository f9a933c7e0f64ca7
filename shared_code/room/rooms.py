"""The service's side of rooms: headers, and pictures whose pixels can be requested.

Nothing from a room is trusted: sizes are compared with the plan, and pixels are read only from the places
that the service chose.
"""

from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import replace

from shared_code.errors import ImageFault, ImageFormatInvalid, ImageSizeNotAllowed
from shared_code.limits import MAX_IMAGE_BYTES, MAX_SIDE_PX, MIN_SIDE_PX
from shared_code.picture.fault import fault_of
from shared_code.picture.formats import FORMATS, Format, begins_as
from shared_code.progress import Progress
from shared_code.room.lifecycle import End, Zygote
from shared_code.room.memory import MemoryPool
from shared_code.room.messages import LEAST_THREADS, Job, Order, Reply
from shared_code.room.picture import Header, Picture, Work, slots
from shared_code.room.process import RoomProcess
from shared_code.room.wall import WHOLE, lacking

HEADER_CPU_S = 1.0
"""More than any honest header takes, many times over."""
HEADER_MEMORY_BYTES = 24 << 20
"""In addition to the size of the file. A profile of 8 MiB takes nearly all of it."""
_MOST_THREADS = 8
"""Each has a slot in the memory for pixels, which is not to grow with the cores of a large machine."""
_MOST_SLOT_BYTES = 2 << 20
"""Of the largest answer, where a header's room goes on: a strip, or a small picture for most networks."""
_MOST_PIXEL_BYTES = 64.0
"""Of decoding, for each pixel: no format comes near it."""


class Rooms:
    """Makes a room for each picture. All methods may be called on any thread, and wait for the room."""

    def __init__(self, zygote: Zygote, threads: int, formats: Collection[Format] = FORMATS) -> None:
        """`threads`: how many of a room work at a time, at most eight. `formats`: those of which it decodes
        files."""
        self._formats = formats
        self._zygote = zygote
        self.threads = min(max(LEAST_THREADS, threads), _MOST_THREADS)
        self._pool = MemoryPool(self.threads)

    @property
    def zygote(self) -> Zygote:
        """The process that rooms come from."""
        return self._zygote

    @property
    def wall_lacks(self) -> list[str]:
        """Parts of the sandbox that this system lacks; empty until that is known."""
        wall = self._zygote.wall_if_known
        return [] if wall is None else lacking(wall)

    def header_bytes(self, file_bytes: int) -> int:
        """The most memory that the process of `read` takes: copies of the file, what it may request, and the
        memory for pixels."""
        return HEADER_MEMORY_BYTES + 2 * file_bytes + slots(self.threads) * _MOST_SLOT_BYTES

    def read(self, data: bytes, progress: Progress | None = None) -> "Arrived":
        """Read the header of the file in `data`.

        Raises ImageSizeNotAllowed, ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance;
        Abandoned when `progress` is; ServiceUnavailable. The process that read it is gone then.
        """
        if not 1 <= len(data) <= MAX_IMAGE_BYTES:
            raise ImageSizeNotAllowed
        row = begins_as(data)
        if row is None or row not in self._formats:
            raise ImageFormatInvalid(fault_of(data, ImageFault.UNKNOWN))
        progress = progress or Progress()
        goes_on = self._zygote.wall_if_known == WHOLE
        job = Job(
            Order.PLAN,
            0,
            len(data),
            slots(self.threads) * _MOST_SLOT_BYTES if goes_on else 0,
            HEADER_MEMORY_BYTES + len(data),
            HEADER_CPU_S,
            self.threads if goes_on else 0,
            goes_on=goes_on,
        )
        process = RoomProcess(self._zygote, job, data, progress, self._pool)
        try:
            header = _checked_header(process.first_reply(), len(data))
            header = replace(header, cpu_times=row.cpu_times)
        except BaseException:
            process.end()
            process.wait_until_gone()
            raise
        arrived = Arrived(header, self, data, process, progress)
        if not goes_on:
            arrived.close()
        return arrived

    def open(self, data: bytes, work: Work, progress: Progress | None = None) -> Picture:
        """Begin to decode a picture; returns at once. Raises ServiceUnavailable."""
        job = work.job(len(data), self.threads)
        process = RoomProcess(self._zygote, job, data, progress or Progress(), self._pool)
        return Picture(process, job, work.slot_bytes)

    def give_back_memory(self) -> None:
        """What rooms have left for the next ones."""
        self._pool.clear()

    def close(self) -> None:
        """End all of them."""
        self._zygote.close()


class Arrived:
    """A file whose header was read, and the room that read it, which can decode the picture or be closed."""

    def __init__(
        self, header: Header, rooms: Rooms, data: bytes, process: RoomProcess, progress: Progress
    ) -> None:
        self.header = header
        self._rooms = rooms
        self._data = data
        self._process = process
        self._progress = progress
        self._is_open = False

    @property
    def gone(self) -> "Future[End]":
        """Done when that room has ended."""
        return self._process.gone

    def end(self) -> None:
        """End the room, without waiting until it is `gone`."""
        self._process.end()

    def close(self) -> None:
        """End the room; on return it is gone. May be called again."""
        self.end()
        self._process.wait_until_gone()
        if not self._is_open:
            self._process.leave_memory()

    def open(self, work: Work) -> Picture:
        """Begin to decode the picture, in the same room, or in another if it has ended or is too small.

        Raises ServiceUnavailable, or Abandoned; the room is gone then.
        """
        job = work.job(len(self._data), self._rooms.threads)
        if job.pixel_bytes <= self._process.pixel_bytes and self._process.go_on(job):
            self._is_open = True
            return Picture(self._process, job, work.slot_bytes)
        self.close()
        self._progress.check()
        return self._rooms.open(self._data, work, self._progress)


def _checked_header(reply: Reply, file_bytes: int) -> Header:
    """Raises ImageFormatInvalid for an impossible header."""
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
        file_bytes + reply.fixed_bytes,
        reply.bytes_per_pixel,
    )
