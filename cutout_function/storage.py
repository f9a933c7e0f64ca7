"""The interface of the blob edge to storage: a container to read, and one for its outputs."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from cutout_function.decision import OutputBlob, SourceBlob
from shared_code.progress import Findings


class ChangedError(Exception):
    """A blob is not in the state that a condition required."""


@dataclass(frozen=True)
class StagedOutput:
    """An output that is uploaded, and invisible until it is committed."""

    name: str
    block_ids: tuple[str, ...]
    media_type: str


@dataclass(frozen=True)
class OutputMetadata:
    """What an output's metadata tells: the ETag of its source, and what was found out about the picture."""

    source_etag: str
    findings: Findings


class Inbox(Protocol):
    """The watched container, which can only be read."""

    async def look(self, name: str) -> SourceBlob | None:
        """The blob, if it exists."""

    def read(self, source: SourceBlob) -> AsyncIterator[bytes]:
        """The bytes that are stored, in whatever coding and in pieces. Raises ChangedError."""


class Outbox(Protocol):
    """The output container."""

    async def look(self, name: str) -> OutputBlob | None:
        """The output, if it exists."""

    async def upload(self, name: str, content: AsyncIterable[bytes], media_type: str) -> StagedOutput:
        """Send the content, in blocks."""

    async def commit(
        self, staged: StagedOutput, metadata: OutputMetadata, replaced: OutputBlob | None
    ) -> None:
        """Put the output in the place of `replaced`, or of nothing. Raises ChangedError."""

    async def delete(self, output: OutputBlob) -> None:
        """Delete the output as it was seen. Raises ChangedError."""
