"""Formats that need all rows at once: encoded in a room, which ends when the caller leaves."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

from shared_code.encode.answer_formats import ANSWER_FORMATS, AnswerFormat
from shared_code.encode.encoder import Pixels, Rows
from shared_code.errors import InternalError, SegmentError
from shared_code.progress import Progress
from shared_code.room.lifecycle import Zygote
from shared_code.room.messages import Job, Order, Request, Wanted
from shared_code.room.process import RoomProcess

_SLACK_BYTES = 64 << 20
"""Of address space, beside what was measured and planned."""
_CPU_S = 10.0
_CPU_S_PER_MEGAPIXEL = 5.0
"""Many times what noise takes; the call's deadline ends it sooner."""
_FILE_TIMES = 2
_MORE_BYTES = 1 << 20
"""The largest file: a multiple of its pixels (gray noise as AVIF takes 1.4 times as much as the noise), and
so much more. This is address space, which is no memory yet."""


@dataclass(frozen=True)
class EncodedFile:
    """A whole file."""

    data: bytes


class WholeEncoder:
    """An Encoder of one job, for a format whose `whole` is not None."""

    def __init__(
        self,
        format: AnswerFormat,
        width: int,
        height: int,
        pixels: Pixels,
        quality: int,
        zygote: Zygote,
        progress: Progress,
    ) -> None:
        """The job is given up when `progress` is abandoned."""
        if format.whole is None:
            raise ValueError("a format that is encoded in strips")
        self.media_type = format.media_type
        self._pixel_bytes = width * height * pixels.value
        self._zygote = zygote
        self._progress = progress
        self._job = Job(
            Order.ENCODE,
            0,
            pixel_bytes=(1 + _FILE_TIMES) * self._pixel_bytes + _MORE_BYTES,
            memory_bytes=format.whole.peak_bytes(width, height, pixels) + _SLACK_BYTES,
            cpu_s=_CPU_S + _CPU_S_PER_MEGAPIXEL * width * height / 1e6,
            width=width,
            height=height,
            format=ANSWER_FORMATS.index(format),
            quality=quality,
            channels=pixels.value,
        )

    def head(self) -> bytes:
        """Nothing: the result of the job is the file."""
        return b""

    def jobs(self, strips: Sequence[Rows]) -> list[Callable[[], EncodedFile]]:
        """One, which raises Abandoned, ServiceUnavailable or InternalError."""
        return [partial(copy_context().run, self._encoded, strips)]

    def join(self, strip: EncodedFile) -> bytes:
        """The file."""
        return strip.data

    def tail(self) -> bytes:
        """Nothing."""
        return b""

    def _encoded(self, strips: Sequence[Rows]) -> EncodedFile:
        self._progress.check()
        process = RoomProcess(self._zygote, self._job, b"", self._progress)
        try:
            return EncodedFile(self._file(process, strips))
        except SegmentError as error:
            self._progress.check()
            raise InternalError from error
        finally:
            process.end()
            process.wait_until_gone()

    def _file(self, process: RoomProcess, strips: Sequence[Rows]) -> bytes:
        """Fill the memory that is shared with the room, and let it encode."""
        pixels, at = process.pixels(0, self._job.pixel_bytes), 0
        for rows in strips:
            strip = rows().ravel()
            pixels[at : at + strip.size] = strip
            at += strip.size
        with suppress(OSError):  # the reader of the reply gets the error
            process.send(Request(Wanted.FILE, 0, at))
        size = process.first_reply().file_bytes
        if at != self._pixel_bytes or size > pixels.size - at:
            raise InternalError
        return pixels[at : at + size].tobytes()
