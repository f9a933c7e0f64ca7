"""What runs in a room: the header of one file read, or the file decoded and its pixels handed out.

It gets a file's bytes, memory to put pixels into, and a channel; it opens nothing and imports nothing.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from PIL import Image
from PIL.Image import Resampling

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFault,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
)
from shared_code.picture.decoding import DecodedImage, decode
from shared_code.picture.fault import fault_of
from shared_code.picture.header import Source, open_source
from shared_code.picture.pillow import image_faults
from shared_code.room.messages import REASON_BYTES, Answer, Job, Order, Reply, Request, Wanted

_ANSWERS: dict[type[BaseException], Answer] = {
    ImageDimensionNotAllowed: Answer.DIMENSION,
    ImageTooLargeForInstance: Answer.MEMORY,
    ImageSizeNotAllowed: Answer.SIZE,
    MemoryError: Answer.MEMORY,
}
_FAULTS = {
    ImageFault.CORRUPT: Answer.FORMAT,
    ImageFault.TRUNCATED: Answer.TRUNCATED,
    ImageFault.HOSTILE: Answer.HOSTILE,
    ImageFault.HEIC: Answer.HEIC,
    ImageFault.OTHER_FORMAT: Answer.OTHER_FORMAT,
    ImageFault.UNKNOWN: Answer.UNKNOWN,
}
_BEHIND = (128, 128, 128)
"""What the network sees behind transparent pixels."""


class Channel(Protocol):
    """The way to the service."""

    def read(self) -> bytes:
        """The next request; nothing when there will be none."""

    def write(self, reply: bytes) -> None:
        """Send a reply; whole, whichever thread it is."""


@dataclass(frozen=True)
class Room:
    """What a room begins with: its job, the bytes of the file, and the memory for pixels."""

    job: Job
    data: bytes
    pixels: memoryview
    channel: Channel


class Workers:
    """Threads that run before the wall is there, for none can be made behind it."""

    def __init__(self, count: int) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        for _ in range(count):
            threading.Thread(target=self._run, daemon=True).start()

    def submit[Result](self, task: Callable[[], Result]) -> "Future[Result]":
        """Have one of them do it."""
        future = Future[Result]()
        self._tasks.put(partial(_do, future, task))
        return future

    def _run(self) -> None:
        while True:
            self._tasks.get()()


def _do[Result](future: "Future[Result]", task: Callable[[], Result]) -> None:
    try:
        result = task()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def serve(room: Room, workers: Workers) -> None:
    """Do the job."""
    if room.job.order == Order.PLAN:
        room.channel.write(_answered(0, room.data, partial(_header, room.data)).pack())
        return
    picture = _Decoding(room, workers)
    while data := room.channel.read():
        workers.submit(partial(picture.answer, Request.unpack(data)))


def rehearse(data: bytes) -> None:
    """All that may be done with a file, on this thread, for what is imported on first use."""
    _header(data)
    picture = decode(open_source(data), 1)
    picture.averaged(4, 4)
    _opaque(picture.thumbnail(8, 8, Resampling.LANCZOS)).tobytes()
    picture.rows(0, 8, picture.width // 2, picture.height // 2).tobytes("raw", "RGBX")
    _opaque(Image.new("RGBA", (1, 1)))
    Future[None]().set_result(None)


def _header(data: bytes) -> Reply:
    source = open_source(data)
    return Reply(
        0,
        Answer.DONE,
        source.width,
        source.height,
        source.scalable,
        source.survey.decoder_bytes > 0,
        fixed_bytes=source.fixed_bytes,
        bytes_per_pixel=source.bytes_per_pixel,
    )


class _Decoding:
    """A picture decoded twice at once where that is cheaper: as a whole, and small for network and guide."""

    def __init__(self, room: Room, workers: Workers) -> None:
        self._room = room
        self._source = workers.submit(self._opened)
        self._whole = workers.submit(self._decode_whole)
        self._preview = workers.submit(self._make_preview)

    def answer(self, request: Request) -> None:
        """Answer a request, however it ends."""
        reply = _answered(request.id, self._room.data, partial(self._do, request))
        self._room.channel.write(reply.pack())

    def _opened(self) -> Source:
        source = open_source(self._room.data)
        if (source.width, source.height) != (self._room.job.width, self._room.job.height):
            raise ImageFormatInvalid
        return source

    def _decode_whole(self) -> DecodedImage:
        return decode(self._source.result(), self._room.job.scale)

    def _make_preview(self) -> DecodedImage:
        job = self._room.job
        if job.preview_scale <= job.scale:
            larger = self._whole.result()
        else:
            larger = decode(self._source.result(), job.preview_scale)
        with image_faults():
            return larger.averaged(job.preview_width, job.preview_height)

    def _do(self, request: Request) -> Reply:
        match Wanted(request.wanted):
            case Wanted.DECODED:
                whole = self._whole.result()
                return Reply(
                    request.id, Answer.DONE, whole.width, whole.height, has_alpha=int(whole.has_alpha)
                )
            case Wanted.THUMBNAIL:
                self._put(request, self._thumbnail(request))
            case Wanted.COLOURS:
                strip = self._rows(request)
                self._put(request, strip.tobytes("raw", "RGBX" if strip.mode == "RGB" else "RGBA"))
            case Wanted.ALPHA:
                self._put(request, self._rows(request).getchannel("A").tobytes())
        return Reply(request.id, Answer.DONE)

    def _thumbnail(self, request: Request) -> bytes:
        with image_faults():
            small = self._preview.result().thumbnail(
                request.width, request.height, Resampling(request.resampling)
            )
            return _opaque(small).tobytes()

    def _rows(self, request: Request) -> Image.Image:
        with image_faults():
            return self._whole.result().rows(request.top, request.bottom, request.width, request.height)

    def _put(self, request: Request, pixels: bytes) -> None:
        self._room.pixels[request.offset : request.offset + len(pixels)] = pixels


def _answered(id: int, data: bytes, work: Callable[[], Reply]) -> Reply:
    try:
        return work()
    except ImageFormatInvalid as error:
        return Reply(id, _FAULTS[fault_of(data, error.fault)], reason=_reason(error))
    except BaseException as error:
        answer = _ANSWERS.get(type(error), Answer.FAULT)
        return Reply(id, answer, reason=_reason(error))


def _reason(error: BaseException) -> bytes:
    """For the log: what Pillow said, where it said something."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}".encode("ascii", "replace")[:REASON_BYTES]


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    behind = Image.new("RGBA", image.size, (*_BEHIND, 255))
    return Image.alpha_composite(behind, image).convert("RGB")
