"""A picture in a room: its rows and thumbnails, copied from the shared memory."""

import math
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling

from shared_code.errors import ImageFault, ImageFormatInvalid, SegmentError
from shared_code.room.lifecycle import End
from shared_code.room.memory import Bytes
from shared_code.room.messages import Answer, Job, Order, Reply, Request, Wanted
from shared_code.room.process import RoomProcess


@dataclass(frozen=True)
class Header:
    """The content of a picture's header.

    `width` and `height` are pixels of the upright picture. Decoding at 1/s of the size takes about
    `fixed_bytes + bytes_per_pixel * width * height / s**2` bytes, the file included; s may be other than 1
    when it is `scalable`. `holds_whole`: decoding takes memory of its own at any scale, so one decoding is
    best. `cpu_times`: a multiple of the time that other formats take.
    """

    width: int
    height: int
    scalable: bool
    holds_whole: bool
    fixed_bytes: int
    bytes_per_pixel: float
    cpu_times: float = 1.0


@dataclass(frozen=True)
class Work:
    """The job of a room for a picture, see `messages.Job`; `slot_bytes`: of the largest answer."""

    header: Header
    scale: int
    preview_scale: int
    preview_width: int
    preview_height: int
    memory_bytes: int
    cpu_s: float
    slot_bytes: int

    def job(self, file_bytes: int, threads: int) -> Job:
        """The message to its room."""
        return Job(
            Order.PICTURE, 0, file_bytes, slots(threads) * self.slot_bytes, self.memory_bytes, self.cpu_s,
            threads, self.header.width, self.header.height, self.scale, self.preview_scale,
            self.preview_width, self.preview_height,
        )  # fmt: skip


def slots(threads: int) -> int:
    """How many answers there can be: the service reads some, as many as threads, and one comes next."""
    return threads + 1


@dataclass(frozen=True)
class _Strip:
    """Rows that a room was asked for, and where they will be."""

    offset: int
    reply: Future[Reply]


class Picture:
    """A picture in a room, which lasts until `close`.

    Everything but `close` raises ImageFormatInvalid or ImageTooLargeForInstance for a file that cannot be
    decoded, and Abandoned if its caller has left.
    """

    def __init__(self, process: RoomProcess, job: Job, slot_bytes: int) -> None:
        """`process` has been given `job`; the memory for pixels is cut into slots of that size."""
        self.width = math.ceil(job.width / job.scale)
        self.height = math.ceil(job.height / job.scale)
        self.has_alpha = False
        self._slot_bytes = slot_bytes
        self._free: queue.LifoQueue[int] = (
            queue.LifoQueue()
        )  # pages that were used before are allocated already
        self._slots = slots(job.threads)
        for slot in range(self._slots):
            self._free.put(slot * slot_bytes)
        self._process = process
        self._lock = threading.RLock()  # rows are requested while it is held
        self._ahead: dict[tuple[int, int, int, int], _Strip] = {}
        self._reached = 0
        self._asked: dict[int, Future[Reply]] = {}
        self._next = 1
        self._over = False
        self._gone: Future[End] = Future()
        self._when_gone: list[Callable[[], None]] = []
        threading.Thread(target=self._listen, name="room", daemon=True).start()

    def decoded(self) -> None:
        """Wait until all of it is decoded; `has_alpha` is known then."""
        reply = self._ask(Wanted.DECODED)
        if (reply.width, reply.height) != (self.width, self.height) or reply.has_alpha > 1:
            raise self._lied("its size")
        self.has_alpha = bool(reply.has_alpha)

    def thumbnail(self, width: int, height: int, resampling: Resampling) -> Bytes:
        """All of it, opaque: uint8 RGB (height, width, 3)."""
        with self._slot(width * height * 4) as (offset, pixels):
            self._ask(Wanted.THUMBNAIL, offset, width, height, resampling=resampling)
            rgb = np.empty((height, width, 3), np.uint8)
            for channel in range(3):  # at once it takes five times as long
                rgb[..., channel] = pixels[channel::4].reshape(height, width)
            return rgb

    @contextmanager
    def colours(self, top: int, bottom: int, width: int, height: int) -> Iterator[NDArray[np.uint32]]:
        """Rows `top` to `bottom` of it at `width` x `height`: uint32 (rows, width).

        R is in the lowest byte, and in the highest is alpha where the picture has it, or else anything. They
        are the room's own memory, which may change while it is read.
        """
        rows = (top, bottom, width, height)
        with self._lock:
            strip = self._ahead.pop(rows, None)
            self._reached = max(self._reached, bottom)
        strip = strip or self._begun(self._free.get(), rows)
        try:
            pixels = self._pixels_at(strip.offset, (bottom - top) * width * 4)
            self._answered(strip.reply)
            yield pixels.view("<u4").reshape(bottom - top, width)
        finally:
            self._free.put(strip.offset)

    def prepare(self, top: int, bottom: int, width: int, height: int) -> None:
        """Have the room make these `colours` now, if it can; rows are prepared in order, and then wanted.

        Nobody waits then while another thread's rows keep the processor busy.
        """
        with self._lock:
            if top < bottom and top >= self._reached and not self._over:
                with suppress(queue.Empty):
                    rows = (top, bottom, width, height)
                    self._ahead[rows] = self._begun(self._free.get_nowait(), rows)
                    self._reached = bottom

    def alpha(self, top: int, bottom: int, width: int, height: int) -> Bytes:
        """Rows `top` to `bottom` of its alpha at `width` x `height`: uint8 (rows, width)."""
        with self._slot((bottom - top) * width) as (offset, pixels):
            self._ask(Wanted.ALPHA, offset, width, height, top, bottom)
            return pixels.copy().reshape(bottom - top, width)

    def close(self) -> None:
        """End the room; may be called again."""
        self._process.end()

    def wait_until_gone(self) -> End:
        """Wait for the end of its process; only then its memory is free."""
        return self._gone.result()

    def when_gone(self, act: Callable[[], None]) -> None:
        """Call `act` when its process has ended; at once if it has. On any thread."""
        with self._lock:
            if not self._over:
                self._when_gone.append(act)
                return
        act()

    def _begun(self, offset: int, rows: tuple[int, int, int, int]) -> "_Strip":
        """`rows`: top, bottom, width, height."""
        top, bottom, *size = rows
        try:
            return _Strip(offset, self._asked_for(Wanted.COLOURS, offset, *size, top, bottom))
        except BaseException:
            self._free.put(offset)
            raise

    def _ask(
        self,
        wanted: Wanted,
        offset: int = 0,
        width: int = 0,
        height: int = 0,
        top: int = 0,
        bottom: int = 0,
        resampling: int = 0,
    ) -> Reply:
        return self._answered(self._asked_for(wanted, offset, width, height, top, bottom, resampling))

    def _asked_for(self, wanted: Wanted, *rest: int) -> Future[Reply]:
        """`rest`: of the Request, after its id."""
        asked = Future[Reply]()
        with self._lock:
            id = self._next
            self._next += 1
            if self._over:
                raise self._process.fault()
            self._asked[id] = asked
            with suppress(OSError):  # the listener knows how it ended
                self._process.send(Request(wanted, id, *rest))
        return asked

    def _answered(self, asked: Future[Reply]) -> Reply:
        try:
            reply = self._process.in_time(asked.result)
        except TimeoutError:
            self._process.stopped()
            raise self._process.fault() from None
        if reply.answer != Answer.DONE:
            raise self._process.refused(reply)
        return reply

    @contextmanager
    def _slot(self, size: int) -> Iterator[tuple[int, Bytes]]:
        offset = self._free.get()
        try:
            yield offset, self._pixels_at(offset, size)
        finally:
            self._free.put(offset)

    def _pixels_at(self, offset: int, size: int) -> Bytes:
        if size > self._slot_bytes:
            raise ValueError("more than was planned")
        return self._process.pixels(offset, size)

    def _lied(self, about: str) -> SegmentError:
        self._process.lied(about)
        return ImageFormatInvalid(ImageFault.HOSTILE)

    def _listen(self) -> None:
        while reply := self._process.reply():
            with self._lock:
                asked = self._asked.pop(reply.id, None)
            if asked is None:
                self._process.lied("what it was asked")
                break
            asked.set_result(reply)
        end = self._process.wait_until_gone()
        with self._lock:
            self._over = True
            left, self._asked = list(self._asked.values()), {}
            acts, self._when_gone = self._when_gone, []  # breaks a reference cycle
        for asked in left:
            asked.set_exception(self._process.fault())
        if self._free.qsize() + len(self._ahead) == self._slots:  # nobody looks at any
            self._process.leave_memory()
        self._gone.set_result(end)
        for act in acts:
            act()
