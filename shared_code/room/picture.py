"""A picture in a room of its own: its rows and thumbnails, copied from where the service had them put."""

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
from shared_code.progress import Progress
from shared_code.room.lifecycle import End, Zygote
from shared_code.room.messages import Answer, Job, Order, Reply, Request, Wanted
from shared_code.room.process import RoomProcess

type Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Header:
    """What a picture's header says.

    `width` and `height` are pixels of the upright picture. Decoding at 1/s of the size takes about
    `fixed_bytes + bytes_per_pixel * width * height / s**2` bytes; s may be other than 1 when it is
    `scalable`. `holds_whole`: decoding takes memory of its own at any scale, so one decoding is best.
    """

    width: int
    height: int
    scalable: bool
    holds_whole: bool
    fixed_bytes: int
    bytes_per_pixel: float


@dataclass(frozen=True)
class Work:
    """What a room is to do with a picture, see `messages.Job`; `slot_bytes`: of the largest answer."""

    header: Header
    scale: int
    preview_scale: int
    preview_width: int
    preview_height: int
    memory_bytes: int
    cpu_s: float
    slot_bytes: int


class Picture:
    """A picture in a room of its own, which lasts until `close`.

    Everything but `close` raises ImageFormatInvalid or ImageTooLargeForInstance for a file that cannot be
    decoded, and Abandoned when the work was given up.
    """

    def __init__(self, zygote: Zygote, data: bytes, work: Work, threads: int, progress: Progress) -> None:
        slots = threads + 1
        header = work.header
        job = Job(
            Order.PICTURE, 0, len(data), slots * work.slot_bytes, work.memory_bytes, work.cpu_s, threads,
            header.width, header.height, work.scale, work.preview_scale, work.preview_width,
            work.preview_height,
        )  # fmt: skip
        self.width = math.ceil(header.width / work.scale)
        self.height = math.ceil(header.height / work.scale)
        self.has_alpha = False
        self._slot_bytes = work.slot_bytes
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(slots):
            self._free.put(slot * work.slot_bytes)
        self._process = RoomProcess(zygote, job, data, progress)
        self._lock = threading.Lock()
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
        with self._slot(width * height * 3) as (offset, pixels):
            self._ask(Wanted.THUMBNAIL, offset, width, height, resampling=resampling)
            return pixels.copy().reshape(height, width, 3)

    def colours(
        self, top: int, bottom: int, width: int, height: int
    ) -> tuple[NDArray[np.uint32], Bytes | None]:
        """Rows `top` to `bottom` of it at `width` x `height`, and their alpha where it has one.

        The colours are uint32 (rows, width), R in the lowest byte and 0 in the highest: masks on words are
        several times faster than on colour planes. Alpha is uint8 (rows, width).
        """
        with self._slot((bottom - top) * width * 4) as (offset, pixels):
            self._ask(Wanted.COLOURS, offset, width, height, top, bottom)
            words = pixels.view("<u4").reshape(bottom - top, width)
            alpha = (words >> np.uint32(24)).astype(np.uint8) if self.has_alpha else None
            return words & np.uint32(0x00FFFFFF), alpha

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
        """Have `act` called when its process has ended; at once if it has. On any thread."""
        with self._lock:
            if not self._over:
                self._when_gone.append(act)
                return
        act()

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
        asked = Future[Reply]()
        with self._lock:
            id = self._next
            self._next += 1
            if self._over:
                raise self._process.fault()
            self._asked[id] = asked
            with suppress(OSError):  # the listener tells how it ended
                self._process.send(Request(wanted, id, offset, width, height, top, bottom, resampling))
        try:
            reply = asked.result(self._process.answer_s)
        except TimeoutError:
            self._process.stopped()
            raise self._process.fault() from None
        if reply.answer != Answer.DONE:
            raise self._process.refused(reply)
        return reply

    @contextmanager
    def _slot(self, size: int) -> Iterator[tuple[int, Bytes]]:
        if size > self._slot_bytes:
            raise ValueError("more than was planned")
        offset = self._free.get()
        try:
            if self._process.pixels is None:
                raise self._process.fault()
            yield offset, np.frombuffer(self._process.pixels, np.uint8, size, offset)
        finally:
            self._free.put(offset)

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
            acts, self._when_gone = self._when_gone, []  # they refer to who refers to this
        for asked in left:
            asked.set_exception(self._process.fault())
        self._gone.set_result(end)
        for act in acts:
            act()
