"""The job for one event: a loop that takes the actions that `decision.decide` returns, until it finishes."""

import asyncio
import io
import logging
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, assert_never

from cutout_function.content import without_coding
from cutout_function.decision import (
    Conclusion,
    Explain,
    Finish,
    GiveUp,
    Happened,
    Inspect,
    Known,
    Make,
    News,
    OutputBlob,
    Refused,
    Seen,
    SourceBlob,
    Tidy,
    decide,
)
from cutout_function.event import Ignored
from cutout_function.names import error_name, picture_name
from cutout_function.storage import ChangedError, Inbox, Outbox, OutputMetadata, StagedOutput
from shared_code.deadline import Deadline
from shared_code.encode.answer_formats import PNG, AnswerFormat
from shared_code.errors import ImageSizeNotAllowed, SegmentError
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.modes import Mode
from shared_code.progress import Findings, StageName
from shared_code.record import Ending, RecordSink
from shared_code.visit import Arrival, Visit
from shared_code.waiting import Hold

log = logging.getLogger(__name__)

_JSON = "application/json; charset=utf-8"


class UnsettledError(RuntimeError):
    """The source or its outputs changed faster than the job could follow."""


class Made(Protocol):
    """A cut-out that is being made; whoever requested it must close it."""

    @property
    def media_type(self) -> str:
        """Of its file."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its bytes."""

    async def aclose(self) -> None:
        """Give back everything."""


class Maker(Protocol):
    """What makes cut-outs: shared_code.engine.Engine, or a fake."""

    def hold(self) -> Hold:
        """The memory of a file that will arrive."""

    async def cut_out(
        self,
        data: bytes,
        mode: Mode,
        visit: Visit,
        network_name: str | None = None,
        wanted: AnswerFormat = PNG,
    ) -> Made:
        """The cut-out, in the format that is wanted or as PNG.

        Raises SegmentError: status 400 says that the picture is at fault.
        """


@dataclass(frozen=True)
class CutoutJob:
    """Updates the outputs of one blob. Each attempt to cut it out is a visit."""

    inbox: Inbox
    outbox: Outbox
    maker: Maker
    mode: Mode
    format: AnswerFormat
    sink: RecordSink
    arrival: Arrival
    deadline: Deadline

    async def settle(self, names: tuple[str, ...] | Ignored) -> Conclusion | Ignored:
        """Leave exactly one correct output for the first of `names` that exists, or none if it cannot be cut
        out.

        Raises UnsettledError, SegmentError when the picture is not at fault, and the faults of storage.
        """
        known = Known(names)
        while True:
            match decide(known):
                case Finish(conclusion):
                    return conclusion
                case GiveUp(reason):
                    raise UnsettledError(reason)
                case action:
                    known = known.after(await self._act(action))

    async def _act(self, action: Inspect | Make | Explain | Tidy) -> News:
        try:
            match action:
                case Inspect():
                    return await self._inspect(action)
                case Make():
                    return await self._make(action)
                case Explain():
                    return await self._explain(action)
                case Tidy():
                    await self.outbox.delete(action.output)
                    return Happened.TIDIED
                case never:
                    assert_never(never)
        except ChangedError:  # another worker was faster, or the source is newer
            return Happened.CHANGED

    async def _inspect(self, action: Inspect) -> Seen:
        for name in action.names:
            source = await self.inbox.look(name)
            if source is not None:
                picture, error = await asyncio.gather(
                    self.outbox.look(picture_name(name, self.format)), self.outbox.look(error_name(name))
                )
                return Seen(source, picture, error)
        return Seen(None)

    async def _make(self, action: Make) -> News:
        """Store the cut-out. Raises ChangedError."""
        source = action.source
        try:
            with Visit(self.arrival, self.deadline, self.maker.hold(), self.sink) as visit:
                visit.mode = self.mode
                try:
                    upload = await self._upload_picture(source, visit)
                    await self._commit(upload, source, visit.findings, action.replaced)
                except ChangedError:
                    visit.end(Ending.CHANGED)
                    raise
        except SegmentError as refusal:
            if refusal.status != 400:
                raise
            log.info("%r: %s", source.name, refusal)
            return Refused(refusal.body())
        return Happened.CUT_OUT

    async def _explain(self, action: Explain) -> News:
        """Store the error document. Raises ChangedError."""
        source = action.source
        upload = await self.outbox.upload(error_name(source.name), _once(action.document), _JSON)
        await self._commit(upload, source, Findings(), action.replaced)
        return Happened.EXPLAINED

    async def _commit(
        self, upload: StagedOutput, source: SourceBlob, findings: Findings, replaced: OutputBlob | None
    ) -> None:
        if await self.inbox.look(source.name) != source:
            raise ChangedError
        await self.outbox.commit(upload, OutputMetadata(source.etag, findings), replaced)

    async def _upload_picture(self, source: SourceBlob, visit: Visit) -> StagedOutput:
        with visit.progress.stage(StageName.RECEIVE):
            picture = await self._picture(source, visit)
        async with aclosing(await self.maker.cut_out(picture, self.mode, visit, wanted=self.format)) as made:
            del picture
            with visit.progress.stage(StageName.SEND):
                name = picture_name(source.name, self.format)
                return await self.outbox.upload(name, _counted(made, visit), made.media_type)

    async def _picture(self, source: SourceBlob, visit: Visit) -> bytes:
        if not 1 <= source.size_bytes <= MAX_IMAGE_BYTES:
            raise ImageSizeNotAllowed
        stored = io.BytesIO()  # getvalue() returns its buffer without a copy
        async for piece in self.inbox.read(source):
            visit.arriving(len(piece))
            stored.write(piece)
        # On a thread, since a few bytes can take long to decode.
        picture = await asyncio.to_thread(
            without_coding, stored.getvalue(), source.content_encoding, MAX_IMAGE_BYTES
        )
        visit.arriving(max(0, len(picture) - stored.tell()))
        return picture


async def _counted(made: AsyncIterable[bytes], visit: Visit) -> AsyncIterator[bytes]:
    async for part in made:
        visit.bytes_out += len(part)
        yield part


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
