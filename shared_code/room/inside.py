"""The program of a room: it reads the header of one file, decodes a file, or encodes one.

It gets the bytes of the file to read, memory for pixels, and a channel. It opens no file and imports nothing.
"""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image, _imaging
from PIL.Image import Resampling

from shared_code.encode.answer_formats import ANSWER_FORMATS
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
    ImageFault.AVIF: Answer.AVIF,
    ImageFault.OTHER_FORMAT: Answer.OTHER_FORMAT,
    ImageFault.UNKNOWN: Answer.UNKNOWN,
}
_BEHIND = (128, 128, 128)
"""The background for the network behind transparent pixels."""


class Channel(Protocol):
    """The channel to the service."""

    def read(self, size: int) -> bytes:
        """The next message, of that size; empty at the end."""

    def write(self, reply: bytes) -> None:
        """Send a complete reply, from any thread."""


@dataclass(frozen=True)
class Room:
    """The inputs of a room: its job, the bytes of the file, and the memory for pixels.

    `source` opens the file the first time, see `picture.header.open_source`.
    """

    job: Job
    data: bytes
    source: Callable[[], Source]
    pixels: memoryview
    channel: Channel


class Workers:
    """Threads that are started before the sandbox is built, because inside it none can be started."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._count = 0

    def start(self, count: int) -> None:
        """Have at least so many."""
        while self._count < count:
            threading.Thread(target=self._run, daemon=True).start()
            self._count += 1

    def submit[Result](self, task: Callable[[], Result]) -> "Future[Result]":
        """Run it on one of them."""
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
    """Do the job, on this thread and on the `workers`."""
    match room.job.order:
        case Order.PLAN:
            reply = _answered(0, room.data, lambda: _header(room.source()))
            if reply.answer == Answer.MEMORY:  # no instance is too small for an honest header
                reply = replace(reply, answer=Answer.HOSTILE)
            room.channel.write(reply.pack())
        case Order.ENCODE:
            if data := room.channel.read(Request.size()):
                request = Request.unpack(data)
                room.channel.write(_answered(request.id, b"", lambda: _file(room, request)).pack())
        case _:
            _Decoding(room, workers).serve()


def rehearse(data: bytes) -> None:
    """Do everything with a file on this thread, so that all first-use imports are done."""
    source = open_source(data)
    _header(source)
    picture = decode(source, 1)
    picture.averaged(4, 4)
    _put(bytearray(1 << 10), 0, _opaque(picture.thumbnail(8, 8, Resampling.LANCZOS)))
    picture.rows(0, 8, picture.width // 2, picture.height // 2)
    _opaque(Image.new("RGBA", (1, 1)))
    Future[None]().set_result(None)


def _header(source: Source) -> Reply:
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


def _file(room: Room, request: Request) -> Reply:
    """Encode the pixels in the memory; the file comes after them."""
    job, end = room.job, request.offset
    shape = (job.height, job.width, 4) if job.channels == 4 else (job.height, job.width)
    image = Image.fromarray(np.frombuffer(room.pixels, np.uint8, end).reshape(shape))  # no copy
    whole = ANSWER_FORMATS[job.format].whole
    data = whole.encode(image, job.quality) if whole else b""
    room.pixels[end : end + len(data)] = data  # ValueError if there is no room for it
    return Reply(request.id, Answer.DONE, file_bytes=len(data))


class _Decoding:
    """A picture, decoded twice in parallel where that is cheaper: whole, and small for the network."""

    def __init__(self, room: Room, workers: Workers) -> None:
        self._room = room
        self._reading = threading.Lock()
        self._source, self._preview = Future[Source](), Future[DecodedImage]()
        _do(self._source, self._opened)
        self._whole = workers.submit(self._decode_whole)
        for _ in range(room.job.threads - 1):
            workers.submit(self._answer_all)

    def serve(self) -> None:
        """Decode, and answer requests until the channel is closed."""
        _do(self._preview, self._make_preview)
        self._answer_all()

    def _answer_all(self) -> None:
        """Answer requests, one after the other; other threads do the same."""
        while True:
            with self._reading:
                data = self._room.channel.read(Request.size())
            if not data:
                return
            request = Request.unpack(data)
            if request.wanted == Wanted.DECODED:  # no thread waits: the preview may be ready before
                self._whole.add_done_callback(partial(self._answer, request))
            else:
                self._answer(request)

    def _answer(self, request: Request, _: object = None) -> None:
        reply = _answered(request.id, self._room.data, partial(self._do, request))
        self._room.channel.write(reply.pack())

    def _opened(self) -> Source:
        source = self._room.source()
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
                self._put(request, self._rows(request))
            case Wanted.ALPHA:
                self._put(request, self._rows(request).getchannel("A"))
        return Reply(request.id, Answer.DONE)

    def _thumbnail(self, request: Request) -> Image.Image:
        with image_faults():
            small = self._preview.result().thumbnail(
                request.width, request.height, Resampling(request.resampling)
            )
            return _opaque(small)

    def _rows(self, request: Request) -> Image.Image:
        with image_faults():
            return self._whole.result().rows(request.top, request.bottom, request.width, request.height)

    def _put(self, request: Request, image: Image.Image) -> None:
        _put(self._room.pixels, request.offset, image)


def _put(pixels: memoryview | bytearray, at: int, image: Image.Image) -> None:
    """Copy an image as Pillow holds it, L in bytes, RGB and RGBA in words: no other way copies only once."""
    place = _imaging.map_buffer(memoryview(pixels)[at:], image.size, "raw", 0, (image.mode, 0, 1))
    place.paste(image.im, (0, 0, *image.size))


def _answered(id: int, data: bytes, work: Callable[[], Reply]) -> Reply:
    try:
        return work()
    except ImageFormatInvalid as error:
        return Reply(id, _FAULTS[fault_of(data, error.fault)], reason=_reason(error))
    except BaseException as error:
        answer = _ANSWERS.get(type(error), Answer.FAULT)
        return Reply(id, answer, reason=_reason(error))


def _reason(error: BaseException) -> bytes:
    """For the log: Pillow's message, if there is one."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}".encode("ascii", "replace")[:REASON_BYTES]


def _opaque(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    behind = Image.new("RGBA", image.size, (*_BEHIND, 255))
    return Image.alpha_composite(behind, image).convert("RGB")
