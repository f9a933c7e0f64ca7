"""One picture from its file to its result: read, sent, received beside the target, renamed when whole."""

import asyncio
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from segment_client.connection import Answer, Connection
from segment_client.errors import ClientError, Unwritable
from segment_client.finish import Finisher
from segment_client.folder import Found, Lost, Picture
from segment_client.options import Mode
from segment_client.reading import read_picture


class Result(StrEnum):
    """What became of a source."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of a source: with `answer` when DONE, with `error` when FAILED.

    `bytes` is the size of the result's file; `seconds` include all attempts and the waits between them.
    """

    source: Path | str
    result: Result
    seconds: float = 0.0
    target: Path | None = None
    bytes: int = 0
    answer: Answer | None = None
    error: ClientError | None = None


class Maker:
    """Makes results over one connection. `final` is the error after which no picture can succeed."""

    def __init__(self, connection: Connection, mode: Mode, finisher: Finisher | None, *, force: bool) -> None:
        self._connection = connection
        self._mode = mode
        self._finisher = finisher
        self._force = force
        self._targets: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self.final: ClientError | None = None

    async def make(self, found: Found) -> Outcome:
        """Never raises: what goes wrong is in the outcome."""
        started = time.monotonic()
        try:
            if isinstance(found, Lost):
                raise found.error
            async with self._targets.setdefault(found.target, asyncio.Lock()):
                if not self._force and await asyncio.to_thread(_is_current, found):
                    return Outcome(found.source, Result.SKIPPED, target=found.target)
                answer, size = await self._make(found)
            seconds = time.monotonic() - started
            return Outcome(found.source, Result.DONE, seconds, found.target, size, answer)
        except ClientError as error:
            if error.final:
                self.final = error
            return Outcome(found.source, Result.FAILED, time.monotonic() - started, error=error)

    async def _make(self, picture: Picture) -> tuple[Answer, int]:
        read_at = time.time()
        body, modified_at = await asyncio.to_thread(read_picture, picture.source)
        try:
            with _file_beside(picture.target) as part:
                answer = await self._connection.cut_out(body, self._mode, part)
                size = await asyncio.to_thread(self._finish, part, picture.target, max(read_at, modified_at))
        except OSError as error:
            raise Unwritable(f"{picture.target}: {error.strerror or error}") from error
        return answer, size

    def _finish(self, part: BinaryIO, target: Path, as_of: float) -> int:
        if self._finisher is None:
            return _put(part, target, as_of)
        with _file_beside(target) as result:
            self._finisher(part, result)
            return _put(result, target, as_of)


def _is_current(picture: Picture) -> bool:
    """Whether the result is there and not older than its source; that of a URL, whether it is there."""
    try:
        made = picture.target.stat()
        if not stat.S_ISREG(made.st_mode):
            return False
        return isinstance(picture.source, str) or made.st_mtime_ns >= picture.source.stat().st_mtime_ns
    except OSError:
        return False


@contextmanager
def _file_beside(target: Path) -> Iterator[BinaryIO]:
    """A new hidden file in the folder of `target`, which is gone at the end unless it was renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{secrets.token_hex(8)}.part")
    with path.open("x+b") as file:
        try:
            yield file
        finally:
            file.close()
            path.unlink(missing_ok=True)


def _put(part: BinaryIO, target: Path, as_of: float) -> int:
    """Rename a whole file to `target`.

    Its time is that of the reading of its source, so that a source which has changed since is newer.
    """
    part.flush()
    os.fsync(part.fileno())
    size = os.fstat(part.fileno()).st_size
    part.close()
    os.utime(part.name, (as_of, as_of))
    os.replace(part.name, target)
    return size
