"""Processes one picture: read, send, receive beside the target, rename when complete."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

from segment_client.answer import Answer
from segment_client.connection import Connection
from segment_client.errors import ClientError, Unreadable, Unwritable
from segment_client.finish import Finisher
from segment_client.folder import MAYBE_TAKEN, Found, Lost, Placed
from segment_client.options import Look
from segment_client.payload import Payload, read_payload, stamp_of
from segment_client.record import Record, Sent
from segment_client.saving import Part, Saver, modified_ns

_T = TypeVar("_T")


class Result(StrEnum):
    """How a source was handled."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The result for one source: with `answer` when DONE, with `error` when FAILED.

    `bytes` is the size of the result's file; `seconds` include all attempts and the waits between them.
    `note`: a remark on a successful result, "" for none.
    """

    source: Path | str
    result: Result
    seconds: float = 0.0
    target: Path | None = None
    bytes: int = 0
    answer: Answer | None = None
    error: ClientError | None = None
    note: str = ""


@dataclass(frozen=True)
class _Made:
    answer: Answer
    bytes: int
    note: str


class Maker:
    """Makes results with one `Look` over one connection.

    `final` is the error that ends the run, if there was one.
    """

    def __init__(self, connection: Connection, look: Look, *, force: bool) -> None:
        self._connection = connection
        self._look = look
        self._finisher = Finisher(look)
        self._force = force
        self._record = Record()
        self._saver = Saver()
        self._targets: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self.final: ClientError | None = None

    async def make(self, found: Found) -> Outcome:
        """Never raises: errors are in the outcome."""
        started = time.monotonic()
        try:
            if isinstance(found, Lost):
                raise found.error
            async with self._targets.setdefault(found.target, asyncio.Lock()):
                payload = await asyncio.to_thread(self._payload, found)
                if payload is None:
                    return Outcome(found.source, Result.SKIPPED, target=found.target)
                made = await self._make(payload, found.target)
            seconds = time.monotonic() - started
            return Outcome(
                found.source, Result.DONE, seconds, found.target, made.bytes, made.answer, note=made.note
            )
        except ClientError as error:
            _explain(error, found.source)
            if error.final:
                self.final = error
            return Outcome(found.source, Result.FAILED, time.monotonic() - started, error=error)

    def _payload(self, placed: Placed) -> Payload | None:
        """What to send; None if the result was already made from the same bytes with the same look."""
        made_ns = None if self._force else _made_ns(placed.target)
        sent = None if made_ns is None else self._record.get(placed.target)
        if made_ns is None or (sent and sent.look != self._finisher.identity):
            return read_payload(placed.source)
        if sent and sent.stamp and not placed.touched and sent.stamp == _stamp(placed.source):
            return None
        payload = read_payload(placed.source)
        if sent:
            is_same = sent.digest == payload.digest
        else:  # a result without a record: only its time can be compared
            is_same = made_ns >= payload.modified_ns and not placed.touched
        if not is_same:
            return payload
        if sent is None or sent.stamp != payload.stamp:
            self._remember(placed.target, payload)
        return None

    async def _make(self, payload: Payload, target: Path) -> _Made:
        with self._saver.beside(target) as part:
            try:
                answer = await self._connection.segment(payload.content, self._look, part.file)
            except Unwritable as error:
                raise Unwritable(f"{target}: {error}") from error
            return await _uninterrupted(lambda: self._save(part, payload, answer))

    def _save(self, part: Part, payload: Payload, answer: Answer) -> _Made:
        note = ""
        if self._look.is_answer(answer.format):
            size = self._saver.put(part)
        else:
            with self._saver.beside(part.target) as finished:
                try:
                    note = self._finisher(part.file, finished.file)
                except OSError as error:
                    raise Unwritable(f"{part.target}: {error.strerror or error}") from error
                size = self._saver.put(finished)
        self._remember(part.target, payload)
        return _Made(answer, size, note)

    def _remember(self, target: Path, payload: Payload) -> None:
        try:
            self._record.add(target, Sent(payload.digest, self._finisher.identity, payload.stamp))
        except OSError as error:
            self._saver.warn_once(
                "record",
                f"What was sent cannot be noted in {target.parent} ({error.strerror}); "
                "the next run goes by the times of files there.",
            )


def _explain(error: ClientError, source: Path | str) -> None:
    suffix = Path(source).suffix.lower()
    if error.id == "E-FORMAT" and suffix in MAYBE_TAKEN:
        error.hint = f" Perhaps the service does not read {suffix}: its SEGMENT_MORE_FORMATS decides."


async def _uninterrupted(work: Callable[[], _T]) -> _T:
    """The result of `work`, run on a thread. It completes even if the caller is cancelled."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def _made_ns(target: Path) -> int | None:
    try:
        return modified_ns(target)
    except OSError as error:
        raise Unwritable(f"{target}: {error.strerror}") from error


def _stamp(source: Path | str) -> object:
    try:
        return None if isinstance(source, str) else stamp_of(source.stat())
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
