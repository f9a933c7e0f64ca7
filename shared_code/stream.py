"""The bytes of a picture, encoded by threads while they are sent, and the memory that this takes."""

import asyncio
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared_code.admission import Turn
from shared_code.encode.encoder import EncodedStrip, Encoder
from shared_code.pipeline import Cutout
from shared_code.progress import Progress, StageName
from shared_code.round_robin import RoundRobinExecutor


class PictureStream:
    """An asynchronous iterator over the bytes of a picture; to be read once, and closed by its owner.

    It is its own iterator, so that a loop that reads it keeps it alive.

    Its memory counts until it is closed: the whole picture while strips are being encoded, then the encoded
    bytes that are not sent yet, so that a slow reader holds little. Strips that have not begun when it is
    closed are never made, and closing abandons `progress`. If the owner forgets to close it, the garbage
    collector does.
    """

    def __init__[Strip: EncodedStrip](
        self,
        cutout: Cutout,
        encoder: Encoder[Strip],
        threads: RoundRobinExecutor,
        turn: Turn,
        progress: Progress,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """`gone` is called, on any thread, when the picture is no longer needed and its process has ended."""
        self.media_type = encoder.media_type
        jobs = encoder.jobs([partial(_rows, cutout, top, progress) for top in cutout.strip_tops])
        self._share = _Share(len(jobs), turn, progress, cutout.close)
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


def _rows(cutout: Cutout, top: int, progress: Progress) -> NDArray[np.uint8]:
    """A strip. Raises Abandoned when the stream was closed."""
    progress.check()
    return cutout.rows(top)


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
    """Shrinks the memory of a turn to what the stream really holds."""

    def __init__(self, strips: int, turn: Turn, progress: Progress, done: Callable[[], None]) -> None:
        """`done` is called when no strip is to be made any more."""
        self._unmade = strips
        self._picture_gone = False
        self._done = done
        self._encoded_bytes = 0
        self._closed = False
        self._turn = turn
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
        """The bytes of a strip were sent."""
        with self._lock:
            self._encoded_bytes -= size_bytes
            self._adjust()

    def close(self) -> None:
        """Hold nothing any more. What is still being encoded is given up."""
        with self._lock:
            self._closed = True
            self._adjust()
        self._progress.abandon()
        self._done()

    def _adjust(self) -> None:
        """While strips are made, all of the picture is held."""
        if self._unmade == 0 and self._picture_gone:
            self._turn.shrink(0 if self._closed else self._encoded_bytes)
