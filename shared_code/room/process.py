"""One process of a room as the service sees it: what it is given, its replies, and what its end means."""

import hashlib
import logging
import mmap
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFault,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
    SegmentError,
    ServiceUnavailable,
)
from shared_code.progress import Abandoned, Progress
from shared_code.room.lifecycle import Birth, End, Zygote
from shared_code.room.messages import Answer, Job, Order, Reply, Request

log = logging.getLogger(__name__)

_WALL_S = 1.0
_WALL_TIMES = 2.0
"""An answer may take that long beside so many times the CPU time, on a machine that others use too."""
_GONE_S = 10.0
_ERRORS: dict[int, Callable[[], SegmentError]] = {
    Answer.FORMAT: ImageFormatInvalid,
    Answer.DIMENSION: ImageDimensionNotAllowed,
    Answer.MEMORY: ImageTooLargeForInstance,
    Answer.SIZE: ImageSizeNotAllowed,
    Answer.FAULT: partial(ImageFormatInvalid, ImageFault.HOSTILE),
    Answer.TRUNCATED: partial(ImageFormatInvalid, ImageFault.TRUNCATED),
    Answer.HOSTILE: partial(ImageFormatInvalid, ImageFault.HOSTILE),
    Answer.HEIC: partial(ImageFormatInvalid, ImageFault.HEIC),
    Answer.OTHER_FORMAT: partial(ImageFormatInvalid, ImageFault.OTHER_FORMAT),
    Answer.UNKNOWN: partial(ImageFormatInvalid, ImageFault.UNKNOWN),
}


class RoomProcess:
    """The process of a room, its socket, and what became of it."""

    def __init__(self, zygote: Zygote, job: Job, data: bytes, progress: Progress) -> None:
        """Raises ServiceUnavailable when there is no process to be had."""
        self._data = data
        self._context = copy_context()  # of the call: without it the Functions host drops what is logged
        self._job = job
        self._ended_by_us = False
        self._told = False
        self._end: End | None = None
        self._progress = progress
        ours, its = socket.socketpair()
        self._socket = ours
        try:
            with its, _shared("file", len(data)) as file, _shared("pixels", job.pixel_bytes) as pixels:
                _write(file, data)
                self.pixels = mmap.mmap(pixels, job.pixel_bytes) if job.pixel_bytes else None
                self._birth: Birth = zygote.open(job, (its.fileno(), file, pixels))
        except OSError as error:
            ours.close()
            log.error("no room for a picture: %s", error)
            raise ServiceUnavailable from None
        progress.on_abandon(self._birth.kill)

    def __enter__(self) -> "RoomProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self.wait_until_gone()

    def send(self, request: Request) -> None:
        """Raises OSError when nobody listens."""
        self._socket.sendall(request.pack())

    def reply(self) -> Reply | None:
        """The next reply; None when there will be none. Raises TimeoutError after the socket's own."""
        data = b""
        try:
            while len(data) < Reply.size():
                piece = self._socket.recv(Reply.size() - len(data))
                if not piece:
                    return None
                data += piece
        except TimeoutError:
            raise
        except OSError:
            return None
        return Reply.unpack(data)

    def first_reply(self) -> Reply:
        """The one reply to a header; raises what it means that there is none."""
        self._socket.settimeout(self.answer_s)
        reply = None
        try:
            reply = self.reply()
        except TimeoutError:
            self.stopped()
        if reply is None:
            self.wait_until_gone()
            raise self.fault()
        if reply.answer != Answer.DONE:
            raise self.refused(reply)
        return reply

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._ended_by_us = True
        self._birth.kill()

    def end(self) -> None:
        """End it; nothing is asked any more."""
        self._ended_by_us = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._birth.kill()

    def wait_until_gone(self) -> End:
        """Wait until its memory is free."""
        if self._end is None:
            try:
                self._end = self._birth.ended.result(_GONE_S)
            except TimeoutError:
                self._birth.kill()
                self._end = self._birth.ended.result()
            self._socket.close()
            self.pixels = None
        return self._end

    def refused(self, reply: Reply) -> SegmentError:
        """The error that a room tells of; anything it says that means nothing is a lie."""
        error = _ERRORS.get(reply.answer)
        if error is None:
            self.lied("how it went")
            return ImageFormatInvalid(ImageFault.HOSTILE)
        if reply.told:
            self._log(logging.INFO, f"image refused: {reply.told}")
        return error()

    @property
    def answer_s(self) -> float:
        """How long an answer may take."""
        return _WALL_S + _WALL_TIMES * self._job.cpu_s

    def stopped(self) -> None:
        """It does not answer, without using its CPU time."""
        self._report(f"stopped: no answer in {self.answer_s:.1f} s")
        self.kill()

    def lied(self, about: str) -> None:
        """It said something impossible: whoever is in there, it is not our program."""
        self._report(f"lied about {about}")
        self.kill()

    def fault(self) -> SegmentError | Abandoned:
        """What it means that the process has ended."""
        end = self._end or End(None, unknown=True)
        if self._progress.abandoned or (self._ended_by_us and not self._told):
            return Abandoned()
        if self._told:
            return ImageFormatInvalid(ImageFault.HOSTILE)
        if end.unknown:
            return ServiceUnavailable()
        if end.signal == signal.SIGKILL:  # by the kernel, for want of memory
            self._report("killed: out of memory")
            return ImageTooLargeForInstance()
        if end.signal in (signal.SIGPROF, signal.SIGXCPU):
            self._report(f"used its {self._job.cpu_s:.1f} s of CPU time")
        else:
            self._report(f"crashed: {end}")
        return ImageFormatInvalid(ImageFault.HOSTILE)

    def _report(self, what: str) -> None:
        """One line for the operator, with what finds the file again."""
        if not self._told:
            self._told = True
            digest = hashlib.sha256(self._data).hexdigest()
            order = Order(self._job.order).name.lower()
            size = len(self._data)
            self._log(logging.WARNING, f"decoder {order}: {what}, file of {size} bytes, sha256 {digest}")

    def _log(self, level: int, line: str) -> None:
        self._context.copy().run(log.log, level, "%s", line)


@contextmanager
def _shared(name: str, size: int) -> Iterator[int]:
    """The descriptor of memory that another process can be given; it lasts as long as somebody maps it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, size)
        yield fd
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    view, at = memoryview(data), 0
    while at < len(data):
        at += os.pwrite(fd, view[at:], at)
