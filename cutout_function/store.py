"""The job's blobs in Azure Blob Storage.

The client library blocks, so each of its calls is made on a thread.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    ExponentialRetry,
    StorageErrorCode,
)

from cutout_function.decision import OutputBlob, SourceBlob
from cutout_function.kind import set_aside
from cutout_function.names import is_addressable
from cutout_function.storage import ChangedError, OutputMetadata, StagedOutput
from shared_code.settings import CutoutSettings, StorageConnection

BLOCK_BYTES = 4 << 20
"""Of the picture or the PNG, what is under way to or from storage at a time."""

_SOURCE_ETAG = "source_etag"
_UNCERTAINTY = "uncertainty"

# A block list is invalid when another upload to the same name was committed: that drops all other blocks.
# A condition on a blob that is gone fails as such in the emulator, and may be BlobNotFound in the service.
_CHANGED = {
    StorageErrorCode.BLOB_ARCHIVED,
    StorageErrorCode.BLOB_ALREADY_EXISTS,
    StorageErrorCode.BLOB_BEING_REHYDRATED,
    StorageErrorCode.BLOB_NOT_FOUND,
    StorageErrorCode.CONDITION_NOT_MET,
    StorageErrorCode.INVALID_BLOCK_LIST,
}


@dataclass(frozen=True)
class SourceContainer:
    """The watched container; there is no way to write to it."""

    client: ContainerClient

    async def look(self, name: str) -> SourceBlob | None:
        """The blob, if it exists."""
        return await asyncio.to_thread(self._look, name)

    async def read(self, source: SourceBlob) -> AsyncIterator[bytes]:
        """The bytes that are stored, in whatever coding. Raises ChangedError when they are not as seen."""
        pieces = await asyncio.to_thread(self._pieces, source)
        while piece := await asyncio.to_thread(_next, pieces):
            yield piece

    def _look(self, name: str) -> SourceBlob | None:
        try:
            properties = _blob(self.client, name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return SourceBlob(
            name,
            properties.etag,
            properties.size,
            properties.content_settings.content_encoding or "",
            set_aside(properties),
        )

    def _pieces(self, source: SourceBlob) -> Iterator[bytes]:
        with _conditions():
            return (
                _blob(self.client, source.name)
                .download_blob(
                    etag=source.etag, match_condition=MatchConditions.IfNotModified, decompress=False
                )
                .chunks()
            )


@dataclass(frozen=True)
class OutputContainer:
    """Where outputs are written."""

    client: ContainerClient

    async def look(self, name: str) -> OutputBlob | None:
        """The output, if it exists. Raises ResourceNotFoundError when the container does not."""
        return await asyncio.to_thread(self._look, name)

    async def upload(self, name: str, content: AsyncIterable[bytes], media_type: str) -> StagedOutput:
        """Send the content in blocks, of which nothing is visible until they are committed."""
        blob = _blob(self.client, name)
        blocks = _BlockIds()
        buffer = bytearray()
        async for chunk in content:
            buffer += chunk
            while len(buffer) >= BLOCK_BYTES:
                await asyncio.to_thread(blob.stage_block, blocks.next(), bytes(buffer[:BLOCK_BYTES]))
                del buffer[:BLOCK_BYTES]
        if buffer:
            await asyncio.to_thread(blob.stage_block, blocks.next(), bytes(buffer))
        return StagedOutput(name, tuple(blocks.used), media_type)

    async def commit(
        self, staged: StagedOutput, metadata: OutputMetadata, replaced: OutputBlob | None
    ) -> None:
        """Put the output in the place of `replaced`, or of nothing. Raises ChangedError."""
        await asyncio.to_thread(self._commit, staged, metadata, replaced)

    async def delete(self, output: OutputBlob) -> None:
        """Delete the output. Raises ChangedError when it is not as it was seen."""
        await asyncio.to_thread(self._delete, output)

    def _look(self, name: str) -> OutputBlob | None:
        try:
            properties = _blob(self.client, name).get_blob_properties()
        except ResourceNotFoundError as error:
            if _code(error) == StorageErrorCode.CONTAINER_NOT_FOUND:
                raise
            return None
        return OutputBlob(name, properties.etag, properties.metadata.get(_SOURCE_ETAG, ""))

    def _commit(self, staged: StagedOutput, metadata: OutputMetadata, replaced: OutputBlob | None) -> None:
        told = {_SOURCE_ETAG: metadata.source_etag}
        if metadata.findings.uncertainty is not None:
            told[_UNCERTAINTY] = f"{metadata.findings.uncertainty:.2f}"
        commit = partial(
            _blob(self.client, staged.name).commit_block_list,
            [BlobBlock(block_id) for block_id in staged.block_ids],
            content_settings=ContentSettings(content_type=staged.media_type),
            metadata=told,
        )
        with _conditions():
            if replaced is None:
                commit(match_condition=MatchConditions.IfMissing)
            else:
                commit(match_condition=MatchConditions.IfNotModified, etag=replaced.etag)

    def _delete(self, output: OutputBlob) -> None:
        with _conditions():
            _blob(self.client, output.name).delete_blob(
                etag=output.etag, match_condition=MatchConditions.IfNotModified
            )


@dataclass(frozen=True)
class Storage:
    """Both containers, and the account they are in."""

    account: str
    inbox: SourceContainer
    outbox: OutputContainer


def connect(cutout: CutoutSettings) -> Storage:
    """Storage as the settings name it; nothing is sent yet."""
    if cutout.storage is None:
        raise ValueError("CUTOUT_STORAGE is not set")
    logging.getLogger("azure.core").setLevel(logging.WARNING)  # a dozen requests a blob, with all headers
    service = _service(cutout.storage)
    return Storage(
        # The client knows no account of addresses such as NAME.z01.blob.storage.azure.net.
        account=service.account_name or (urlsplit(service.url).hostname or "").partition(".")[0],
        inbox=SourceContainer(service.get_container_client(cutout.input_container)),
        outbox=OutputContainer(service.get_container_client(cutout.output_container)),
    )


def _service(connection: StorageConnection) -> BlobServiceClient:
    # The queue delivers again what fails, so waiting long here would only hold up the next message.
    retry = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3)
    if connection.connection_string:
        return BlobServiceClient.from_connection_string(
            connection.connection_string,
            retry_policy=retry,
            max_single_get_size=BLOCK_BYTES,
            max_chunk_get_size=BLOCK_BYTES,
        )
    from azure.identity import ManagedIdentityCredential  # slow to import

    return BlobServiceClient(
        connection.blob_service_uri,
        ManagedIdentityCredential(client_id=connection.client_id or None),
        retry_policy=retry,
        max_single_get_size=BLOCK_BYTES,
        max_chunk_get_size=BLOCK_BYTES,
    )


def _blob(container: ContainerClient, name: str) -> BlobClient:
    """Raises ValueError for a name under which another blob would be reached."""
    if not is_addressable(name):
        raise ValueError(f"no URL leads to the blob {name!r}")
    return container.get_blob_client(name)


class _BlockIds:
    """Ids that no other upload to the same name has; all of one length, as the service asks."""

    def __init__(self) -> None:
        self._upload = uuid.uuid4().hex
        self.used: list[str] = []

    def next(self) -> str:
        self.used.append(f"{self._upload}{len(self.used):06d}")
        return self.used[-1]


def _next(pieces: Iterator[bytes]) -> bytes:
    with _conditions():
        return next(pieces, b"")


@contextmanager
def _conditions() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if _code(error) in _CHANGED:
            raise ChangedError from error
        raise


def _code(error: HttpResponseError) -> str | None:
    # The storage client sets it; the core library that declares the class does not know it.
    return getattr(error, "error_code", None)
