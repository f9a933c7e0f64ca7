"""The service's side of a room's process: its inputs, its replies, and what its end means."""

import hashlib
import logging
import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
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
from shared_code.room.memory import Bytes, MemoryPool, PixelMemory, shared_memory
from shared_code.room.messages import Answer, Job, Order, Reply, Request

log = logging.getLogger(__name__)

_WALL_S = 3.0
_WALL_TIMES = 2.0
"""The time limit of an answer: so long, plus a multiple of the CPU time, because the machine is shared."""
WAITS = 20
"""An answer is waited for so many times, so that a machine that stands still for long uses up one of them."""
_GONE_S = 10.0
ERRORS: dict[int, Callable[[], SegmentError]] = {
    Answer.FORMAT: ImageFormatInvalid,
    Answer.DIMENSION: ImageDimensionNotAllowed,
    Answer.MEMORY: ImageTooLargeForInstance,
    Answer.SIZE: ImageSizeNotAllowed,
    Answer.FAULT: partial(ImageFormatInvalid, ImageFault.HOSTILE),
    Answer.TRUNCATED: partial(ImageFormatInvalid, ImageFault.TRUNCATED),
    Answer.HOSTILE: partial(ImageFormatInvalid, ImageFault.HOSTILE),
    Answer.HEIC: partial(ImageFormatInvalid, ImageFault.HEIC),
    Answer.AVIF: partial(ImageFormatInvalid, ImageFault.AVIF),
    Answer.OTHER_FORMAT: partial(ImageFormatInvalid, ImageFault.OTHER_FORMAT),
    Answer.UNKNOWN: partial(ImageFormatInvalid, ImageFault.UNKNOWN),
}


class RoomProcess:
    """The process of a room, its socket, and its ending."""

    def __init__(
        self, zygote: Zygote, job: Job, data: bytes, progress: Progress, pool: MemoryPool | None = None
    ) -> None:
        """Its memory for pixels is from the `pool`. Raises ServiceUnavailable if no process can be made."""
        self._data = data
        self._context = copy_context()  # of the call: the Functions host drops log lines without it
        self._job = job
        self._ended_by_us = False
        self._told = False
        self._end: End | None = None
        self._progress = progress
        self._pool = pool or MemoryPool(0)
        ours, its = socket.socketpair()
        self._socket = ours
        try:
            with its:
                self._memory: PixelMemory | None = self._pool.take(job.pixel_bytes)
                file = shared_memory("file", len(data))
                try:
                    _write(file, data)
                    self._birth: Birth = zygote.open(job, (its.fileno(), file, self._memory.fd))
                finally:
                    os.close(file)
        except OSError as error:
            ours.close()
            log.error("no sandboxed process for a picture: %s", error)
            raise ServiceUnavailable from None
        progress.on_abandon(self._birth.kill)

    def pixels(self, offset: int, size: int) -> Bytes:
        """Of its memory for pixels, as `PixelMemory.view`; raises the error of its end when it has ended."""
        if self._end is not None or self._memory is None:
            raise self.fault()
        return self._memory.view(offset, size)

    def leave_memory(self) -> None:
        """Let another room have its memory for pixels: it has ended, and nobody looks at them any more."""
        memory, self._memory = self._memory, None
        if memory is not None and self._end is not None and not self._end.unknown:
            self._pool.keep(memory)

    @property
    def pixel_bytes(self) -> int:
        """Of the memory for pixels; 0 when it has ended."""
        return 0 if self._end is not None else self._job.pixel_bytes

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
        """The first reply. If there is none, raises the error that the end of the process means."""
        reply = None
        try:
            self.in_time(self._wait_for_reply)
            self._socket.settimeout(self.answer_s)
            reply = self.reply()
        except TimeoutError:
            self.stopped()
        if reply is None:
            self.wait_until_gone()
            raise self.fault()
        if reply.answer != Answer.DONE:
            raise self.refused(reply)
        return reply

    def _wait_for_reply(self, seconds: float) -> None:
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return  # there will be no reply

    def in_time[Result](self, wait: Callable[[float], Result]) -> Result:
        """The result of `wait`, which waits for the seconds it is given, and then raises TimeoutError.

        Raises TimeoutError when it has waited for `answer_s` in all, as long as this process was running:
        a good file is not refused because the machine stood still.
        """
        for _ in range(WAITS - 1):
            with suppress(TimeoutError):
                return wait(self.answer_s / WAITS)
        return wait(self.answer_s / WAITS)

    def go_on(self, job: Job) -> bool:
        """Let the room of a header decode the picture; False if it cannot, or has ended."""
        if self._ended_by_us or not self._birth.go_on(job):
            return False
        self._job = job
        self._socket.settimeout(None)
        with suppress(OSError):  # the reader of the next reply gets the error
            self._socket.sendall(job.pack())
        return True

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._ended_by_us = True
        self._birth.kill()

    def end(self) -> None:
        """End it, as there are no further requests."""
        self._ended_by_us = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._birth.kill()

    @property
    def gone(self) -> "Future[End]":
        """Done when it has ended; it cannot be cancelled."""
        return self._birth.ended

    def wait_until_gone(self) -> End:
        """Wait until its memory is free."""
        if self._end is None:
            try:
                self._end = self._birth.ended.result(_GONE_S)
            except TimeoutError:
                self._birth.kill()
                self._end = self._birth.ended.result()
            self._socket.close()
        return self._end

    def refused(self, reply: Reply) -> SegmentError:
        """The error in a reply; a reply without meaning counts as a lie."""
        error = ERRORS.get(reply.answer)
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
        """It neither answers nor uses its CPU time."""
        self._report(f"stopped: no answer in {self.answer_s:.1f} s")
        self.kill()

    def lied(self, about: str) -> None:
        """It sent something impossible, so it no longer runs our program."""
        self._report(f"lied about {about}")
        self.kill()

    def fault(self) -> SegmentError | Abandoned:
        """The error that the end of the process means."""
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
        """One line for the operator, from which the file can be identified."""
        if not self._told:
            self._told = True
            if self._job.order == Order.ENCODE:
                self._log(logging.WARNING, f"encoder: {what}")
                return
            digest = hashlib.sha256(self._data).hexdigest()
            order = Order(self._job.order).name.lower()
            size = len(self._data)
            self._log(logging.WARNING, f"decoder {order}: {what}, file of {size} bytes, sha256 {digest}")

    def _log(self, level: int, line: str) -> None:
        self._context.copy().run(log.log, level, "%s", line)


def _write(fd: int, data: bytes) -> None:
    view, at = memoryview(data), 0
    while at < len(data):
        at += os.pwrite(fd, view[at:], at)
