"""What is done for one blob: its outputs are brought into line with what it holds now.

    source, outputs ──> in line? ──> done
          │                            ^
          └── cut out, write, or tidy ─┘    and look again

Events come more than once, in any order, and to several workers at a time. So an event only says where to
look. Each round looks at what is stored, does one thing about it under the condition that nothing has
changed since, and looks again; a job ends when it has seen one right output, so it may be cut off anywhere.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Protocol

from cutout_function.content import without_coding
from cutout_function.names import error_name, png_name
from shared_code.encode.png import PngEncoder
from shared_code.errors import ImageSizeNotAllowed, SegmentError
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.progress import Findings

log = logging.getLogger(__name__)

type Load = Callable[[], Awaitable[bytes]]
type CutOut = Callable[[Load], AbstractAsyncContextManager["MadePicture"]]

_JSON = "application/json; charset=utf-8"
_ROUNDS = 8
"""A job that nothing disturbs needs two, or three with something stale to delete."""


class ChangedError(Exception):
    """A blob is not, or no longer, in the state a condition asked for."""


class UnsettledError(RuntimeError):
    """The source or its outputs changed faster than they could be brought into line."""


class Outcome(StrEnum):
    """How a job ended."""

    CUT_OUT = "cut out"
    REFUSED = "refused"
    ALREADY_DONE = "already done"
    GONE = "gone"
    FOLDER = "left alone: it is the marker of a folder"
    BEGUN = "left alone: it is an append blob with nothing appended yet"
    COPYING = "left alone: a copy to it is under way, and is announced when it has ended"
    ARCHIVED = "not read: it is in the archive tier; to have it cut out, copy it to an online tier"
    REHYDRATING = "not read: it is being rehydrated, and nothing tells of the end; copy it once it is online"

    @property
    def needs_operator(self) -> bool:
        """Whether there will be no cut-out until somebody does something."""
        return self in (Outcome.ARCHIVED, Outcome.REHYDRATING)


@dataclass(frozen=True)
class MadePicture:
    """A cut-out while it is made, and what was found out about its picture."""

    content: AsyncIterable[bytes]
    findings: Findings


@dataclass(frozen=True)
class Source:
    """A blob of the watched container, at one moment.

    `size_bytes` are those stored, in the coding `content_encoding`. `set_aside` is what a job for it comes to
    if it is one of which nothing can be made, whatever its bytes.
    """

    name: str
    etag: str
    size_bytes: int
    content_encoding: str = ""
    set_aside: Outcome | None = None


@dataclass(frozen=True)
class Output:
    """An output that is stored: its own ETag, and the ETag of the source it was made from."""

    name: str
    etag: str
    source_etag: str


@dataclass(frozen=True)
class Upload:
    """An output that is uploaded, and invisible until it is committed."""

    name: str
    block_ids: tuple[str, ...]
    media_type: str
    findings: Findings = field(default_factory=Findings)


class Inbox(Protocol):
    """The watched container, which can only be read."""

    async def look(self, name: str) -> Source | None:
        """The blob, if it exists."""

    async def read(self, source: Source) -> bytes:
        """The bytes that are stored, in whatever coding. Raises ChangedError."""


class Outbox(Protocol):
    """The output container."""

    async def look(self, name: str) -> Output | None:
        """The output, if it exists."""

    async def upload(self, name: str, content: AsyncIterable[bytes], media_type: str) -> Upload:
        """Send the content, in blocks."""

    async def commit(self, upload: Upload, source_etag: str, replaced: Output | None) -> None:
        """Put the upload in the place of `replaced`, or of nothing. Raises ChangedError."""

    async def delete(self, output: Output) -> None:
        """Delete the output as it was seen. Raises ChangedError."""


@dataclass(frozen=True)
class CutoutJob:
    """Brings the outputs of a blob into line with it.

    `cut_out` makes a PNG from the picture it is to load, and holds it while its context lasts,
    or raises SegmentError: status 400 says that the picture is at fault, and makes an error document.
    """

    inbox: Inbox
    outbox: Outbox
    cut_out: CutOut

    async def settle(self, names: Sequence[str]) -> Outcome:
        """Leave exactly one right output for the first of `names` that exists, or none if it is set aside.

        Raises UnsettledError, SegmentError when the picture is not at fault, and the faults of storage.
        """
        outcome = Outcome.ALREADY_DONE
        for _ in range(_ROUNDS):
            source = await self._first_found(names)
            if source is None:
                return Outcome.GONE
            png, error = await asyncio.gather(
                self.outbox.look(png_name(source.name)), self.outbox.look(error_name(source.name))
            )
            right = next((seen for seen in (png, error) if seen and seen.source_etag == source.etag), None)
            if right is None and source.set_aside is not None:
                return source.set_aside
            stale = error if right is png else png
            with suppress(ChangedError):  # another worker was faster, or the source is newer
                if right is None:
                    outcome = await self._make(source, png, error)
                elif stale is None:
                    return outcome
                else:
                    await self.outbox.delete(stale)
        raise UnsettledError(f"{names[0]!r} keeps changing")

    async def _first_found(self, names: Sequence[str]) -> Source | None:
        for name in names:
            source = await self.inbox.look(name)
            if source is not None:
                return source
        return None

    async def _make(self, source: Source, png: Output | None, error: Output | None) -> Outcome:
        """Store the cut-out or the error document. Raises ChangedError."""
        try:
            async with self.cut_out(partial(self._picture, source)) as cutout:
                upload = await self.outbox.upload(
                    png_name(source.name), cutout.content, PngEncoder.media_type
                )
                upload = replace(upload, findings=cutout.findings)
            replaced, outcome = png, Outcome.CUT_OUT
        except SegmentError as refusal:
            if refusal.status != 400:
                raise
            log.info("%r: %s", source.name, refusal)
            upload = await self.outbox.upload(error_name(source.name), _once(refusal.body()), _JSON)
            replaced, outcome = error, Outcome.REFUSED
        if await self.inbox.look(source.name) != source:
            raise ChangedError
        await self.outbox.commit(upload, source.etag, replaced)
        return outcome

    async def _picture(self, source: Source) -> bytes:
        if not 1 <= source.size_bytes <= MAX_IMAGE_BYTES:
            raise ImageSizeNotAllowed
        stored = await self.inbox.read(source)
        return await without_coding(stored, source.content_encoding, MAX_IMAGE_BYTES)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
