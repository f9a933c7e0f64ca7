"""WEBP and AVIF are encoded in a process that is given up with its caller, and beside the interpreter."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_code.encode.answer_formats import ANSWER_FORMATS, AnswerFormat
from shared_code.encode.encoder import Pixels, encoded
from shared_code.errors import InternalError
from shared_code.progress import Abandoned, Progress
from shared_code.room.encoding import WholeEncoder
from tests.support.measuring import least
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.photos import photo
from tests.support.rooms import at_work, rooms

pytestmark = pytest.mark.slow

WHOLE = [row for row in ANSWER_FORMATS if row.whole]
CALL = ContextVar("call", default="")
MODES = {Pixels.GRAY: "L", Pixels.RGBA: "RGBA"}
SIDE = 4000
MOST_S = 0.05

each_format = pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
each_kind = pytest.mark.parametrize("pixels", Pixels, ids=lambda pixels: pixels.name)


def encoder(
    row: AnswerFormat, rows: NDArray[np.uint8], pixels: Pixels, progress: Progress | None = None
) -> WholeEncoder:
    assert row.whole
    height, stride = rows.shape
    size = stride // pixels.value, height, pixels
    return WholeEncoder(row, *size, row.whole.quality, rooms().zygote, progress or Progress())


def children() -> set[int]:
    """The running rooms."""
    return at_work(rooms().zygote.pid)


def the_room() -> int:
    """The only one, as soon as there is one."""
    (room,) = wait_for(children)
    return room


def noise(pixels: Pixels) -> NDArray[np.uint8]:
    """What takes an encoder the longest, and the most memory."""
    return np.random.default_rng(1).integers(0, 256, (1000, 1500 * pixels.value), np.uint8)


@each_format
@each_kind
def test_the_file_is_the_one_that_pillow_writes(row: AnswerFormat, pixels: Pixels) -> None:
    image = Image.fromarray(np.asarray(photo().convert(MODES[pixels])))  # without a profile
    rows = np.asarray(image).reshape(image.height, -1)
    assert row.whole
    wanted = row.whole.encode(image, row.whole.quality)
    assert encoded(encoder(row, rows, pixels), np.array_split(rows, 3)) == wanted


@each_format
@each_kind
def test_noise_is_within_the_limits(row: AnswerFormat, pixels: Pixels) -> None:
    rows = noise(pixels)
    assert len(encoded(encoder(row, rows, pixels), [rows])) > rows.size / 4
    assert not children()


def test_a_caller_who_leaves_ends_it() -> None:
    rows, progress, stopped = noise(Pixels.RGBA), Progress(), threading.Event()

    def stop() -> NDArray[np.uint8]:
        """An encoder that takes for ever."""
        os.kill(the_room(), signal.SIGSTOP)
        stopped.set()
        return rows

    (job,) = encoder(WHOLE[0], rows, Pixels.RGBA, progress).jobs([stop])
    with ThreadPoolExecutor(1) as thread:
        encoding = thread.submit(job)
        assert stopped.wait(PATIENCE_S)
        progress.abandon()
        with pytest.raises(Abandoned):
            encoding.result(PATIENCE_S)
    assert not children()


def test_nothing_is_begun_for_a_caller_who_has_left() -> None:
    progress = Progress()
    progress.abandon()
    rows = np.zeros((50, 200), np.uint8)
    with pytest.raises(Abandoned):
        encoded(encoder(WHOLE[0], rows, Pixels.RGBA, progress), [rows])


def test_an_encoder_that_crashes_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    rows = noise(Pixels.RGBA)

    def crash() -> NDArray[np.uint8]:
        os.kill(the_room(), signal.SIGSEGV)
        return rows

    calls = list[str]()

    def note(_record: logging.LogRecord) -> bool:
        calls.append(CALL.get())
        return True

    caplog.handler.addFilter(note)
    CALL.set("this one")
    (job,) = encoder(WHOLE[0], rows, Pixels.RGBA).jobs([crash])
    with ThreadPoolExecutor(1) as thread, pytest.raises(InternalError):
        thread.submit(job).result(PATIENCE_S)
    assert "encoder: crashed: SIGSEGV" in caplog.text
    assert calls == ["this one"]  # the Functions host drops lines of no call


def test_rows_that_are_missing_are_an_internal_error() -> None:
    rows = np.zeros((50, 200), np.uint8)
    with pytest.raises(InternalError):
        encoded(encoder(WHOLE[0], rows, Pixels.RGBA), [rows[:40]])


@each_format
def test_the_interpreter_is_never_kept_for_long(row: AnswerFormat) -> None:
    rows = np.asarray(photo().resize((SIDE, SIDE)).convert("RGBA")).reshape(SIDE, -1)
    strips = [partial(np.copy, strip) for strip in np.array_split(rows, 40)]

    def once_s() -> float:
        (job,) = encoder(row, rows, Pixels.RGBA).jobs(strips)
        return kept_s(job)

    assert least(once_s, MOST_S) < MOST_S


def test_the_watch_sees_what_keeps_the_interpreter() -> None:
    numbers = [float(number) for number in np.random.default_rng(1).random(400_000)]
    assert kept_s(partial(sorted, numbers)) > MOST_S


def kept_s(work: Callable[[], object]) -> float:
    """The most CPU time that a thread with this work uses while another one, which is always ready, waits."""
    worker = threading.Thread(target=work)
    worker.start()
    assert worker.ident
    clock = time.pthread_getcpuclockid(worker.ident)
    longest_s = last_s = 0.0
    while worker.is_alive():
        with suppress(OSError):  # it has ended
            now_s = time.clock_gettime(clock)
            longest_s, last_s = max(longest_s, now_s - last_s), now_s
        time.sleep(0.001)
    return longest_s
