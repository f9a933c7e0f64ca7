"""The program of a room, without its process."""

import queue
import threading
from functools import partial

import pytest

from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFault,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    SegmentError,
)
from shared_code.picture.decoding import DecodedImage, decode
from shared_code.picture.header import Source, open_source
from shared_code.room import inside
from shared_code.room.messages import Answer, Job, Order, Reply, Request, Wanted
from tests.support.patience import PATIENCE_S
from tests.support.photos import encoded


class _Channel:
    """Requests are put, and replies got, by the test."""

    def __init__(self) -> None:
        self.requests: queue.Queue[bytes] = queue.Queue()
        self.replies: queue.Queue[bytes] = queue.Queue()

    def read(self, size: int) -> bytes:  # noqa: ARG002
        return self.requests.get(timeout=PATIENCE_S)

    def write(self, reply: bytes) -> None:
        self.replies.put(reply)


def test_the_preview_does_not_wait_for_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(source: Source, scale: int) -> DecodedImage:
        if scale == 1:
            assert go_on.wait(PATIENCE_S)
        return decode(source, scale)

    monkeypatch.setattr(inside, "decode", slow)
    data = encoded("JPEG", 320, 240)
    job = Job(
        Order.PICTURE, 1, len(data), 1 << 16, threads=2, width=320, height=240, preview_scale=4,
        preview_width=80, preview_height=60,
    )  # fmt: skip
    channel, workers = _Channel(), inside.Workers()
    workers.start(1)
    room = inside.Room(job, data, partial(open_source, data), memoryview(bytearray(1 << 16)), channel)
    serving = threading.Thread(target=inside.serve, args=(room, workers), daemon=True)
    serving.start()
    channel.requests.put(Request(Wanted.DECODED, 1).pack())
    channel.requests.put(Request(Wanted.THUMBNAIL, 2, 0, 8, 8).pack())
    first = Reply.unpack(channel.replies.get(timeout=PATIENCE_S))
    go_on.set()
    second = Reply.unpack(channel.replies.get(timeout=PATIENCE_S))
    for _ in range(job.threads):
        channel.requests.put(b"")
    serving.join(PATIENCE_S)
    assert [(reply.id, reply.answer) for reply in (first, second)] == [(2, Answer.DONE), (1, Answer.DONE)]
    assert (second.width, second.height) == (320, 240)


def caused(error: SegmentError, cause: Exception) -> SegmentError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "answer", "told"),
    [
        (caused(ImageFormatInvalid(), OSError("broken")), Answer.FORMAT, "OSError: broken"),
        (ImageFormatInvalid(ImageFault.HOSTILE), Answer.HOSTILE, "ImageFormatInvalid: "),
        (ImageDimensionNotAllowed(), Answer.DIMENSION, "ImageDimensionNotAllowed: "),
        (ImageSizeNotAllowed(), Answer.SIZE, "ImageSizeNotAllowed: "),
        (MemoryError(), Answer.HOSTILE, "MemoryError: "),
        (ZeroDivisionError("by zero"), Answer.FAULT, "ZeroDivisionError: by zero"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_refusal_says_why(raised: Exception, answer: Answer, told: str) -> None:
    def source() -> Source:
        raise raised

    data, channel = encoded("JPEG", 60, 50), _Channel()
    room = inside.Room(Job(Order.PLAN, 1, len(data)), data, source, memoryview(b""), channel)
    inside.serve(room, inside.Workers())
    reply = Reply.unpack(channel.replies.get_nowait())
    assert reply.answer == answer
    assert reply.told.startswith(told)
