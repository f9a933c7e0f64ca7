"""The bytes of a picture, made by threads while they are sent, and the memory that takes."""

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Self

import numpy as np

from shared_code.admission import Reservation
from shared_code.encode.encoder import EncodedStrip, Encoder
from shared_code.pipeline import Cutout
from shared_code.progress import Abandoned, Progress, StageName
from shared_code.round_robin import RoundRobinExecutor


class PictureStream:
    """An asynchronous iterator over the bytes of a picture; to be read once, and closed by its owner.

    It is its own iterator, so that a loop that reads it keeps it alive.

    Its memory is accounted for until it is closed: all of the picture while strips are being made, then the
    encoded bytes that the reader has not done with, so that a slow one holds little. Strips that are not
    begun when it is closed are never made; a format that needs all rows at once has one strip of them.
    Dropped without that, it is closed by the garbage collector, some day.
    """

    def __init__[Strip: EncodedStrip](
        self,
        cutout: Cutout,
        encoder: Encoder[Strip],
        threads: RoundRobinExecutor,
        reservation: Reservation,
        progress: Progress,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """`gone` is called when the picture is needed no more and its process has ended, on any thread."""
        self.media_type = encoder.media_type
        strips = 1 if encoder.at_once else len(cutout.strip_tops)
        share = self._share = _Share(strips, reservation, progress, cutout.close)
        jobs: list[Callable[[], Strip]] = (
            [partial(_made_at_once, encoder, cutout, lambda: share.closed)]
            if encoder.at_once
            else [partial(_made, encoder, cutout, top) for top in cutout.strip_tops]
        )
        cutout.when_closed(self._share.picture_gone)
        cutout.when_closed(gone)
        made = threads.submit(jobs)
        for strip in made:
            strip.add_done_callback(self._share.made)
        self._bytes = _joined(encoder, made, self._share)
        self._strips = made
        weakref.finalize(self, _close, made, self._share)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return anext(self._bytes)

    async def aclose(self) -> None:
        """Give back everything; may be called again. For contextlib.aclosing."""
        self.close()
        await self._bytes.aclose()

    def close(self) -> None:
        """The same, from any thread."""
        _close(self._strips, self._share)


def _made[Strip: EncodedStrip](encoder: Encoder[Strip], cutout: Cutout, top: int) -> Strip:
    return encoder.strip(cutout.rows(top))


def _made_at_once[Strip: EncodedStrip](
    encoder: Encoder[Strip], cutout: Cutout, is_given_up: Callable[[], bool]
) -> Strip:
    """One strip of all rows. Raises Abandoned between two strips of them, and before they are encoded."""
    rows = np.empty((cutout.height, cutout.width * cutout.pixels.value), np.uint8)
    for top in cutout.strip_tops:
        if is_given_up():
            raise Abandoned
        strip = cutout.rows(top)
        rows[top : top + len(strip)] = strip
    if is_given_up():
        raise Abandoned
    return encoder.strip(rows)


async def _joined[Strip: EncodedStrip](
    encoder: Encoder[Strip], strips: deque[Future[Strip]], share: "_Share"
) -> AsyncGenerator[bytes]:
    if head := encoder.head():
        yield head
    while strips:
        strip = await asyncio.wrap_future(strips.popleft())
        yield encoder.join(strip)
        share.handed_out(len(strip.data))
    if tail := encoder.tail():
        yield tail


def _close[Strip: EncodedStrip](strips: deque[Future[Strip]], share: "_Share") -> None:
    share.close()
    while strips:
        strips.pop().cancel()


class _Share:
    """Keeps the reservation as large as what the stream really holds."""

    def __init__(
        self, strips: int, reservation: Reservation, progress: Progress, done: Callable[[], None]
    ) -> None:
        """`done` is called when no strip is to be made any more."""
        self._unmade = strips
        self._picture_gone = False
        self._done = done
        self._encoded_bytes = 0
        self.closed = False
        """Whether nobody wants it any more."""
        self._reservation = reservation
        self._progress = progress
        self._begin_ms = progress.elapsed_ms
        self._lock = threading.RLock()  # collecting garbage may close this very stream while it is held

    def made[Strip: EncodedStrip](self, strip: Future[Strip]) -> None:
        """A strip is ready, failed, or will never be made."""
        with self._lock:
            self._unmade -= 1
            if not strip.cancelled() and strip.exception() is None:
                self._encoded_bytes += len(strip.result().data)
            if self._unmade == 0:
                self._progress.ended(StageName.ENCODE, self._begin_ms)
            self._adjust()
            unmade = self._unmade
        if unmade == 0:
            self._done()

    def picture_gone(self) -> None:
        """The process that held the decoded picture has ended."""
        with self._lock:
            self._picture_gone = True
            self._adjust()

    def handed_out(self, size_bytes: int) -> None:
        """The reader has done with the bytes of a strip."""
        with self._lock:
            self._encoded_bytes -= size_bytes
            self._adjust()

    def close(self) -> None:
        """Nothing is held any more, but by threads that still make a strip, and they fail."""
        with self._lock:
            self.closed = True
            self._adjust()
        self._done()

    def _adjust(self) -> None:
        """While strips are made, all of the picture is held."""
        if self._unmade == 0 and self._picture_gone:
            self._reservation.shrink(0 if self.closed else self._encoded_bytes)
