"""A storage account of a test's own: fresh containers and a fresh queue in the emulator."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient

from cutout_function.job import CutoutJob, Load, MadePicture, Outcome
from cutout_function.store import Storage, connect
from local_host.upload import Uploader
from shared_code.errors import ImageFormatInvalid
from shared_code.progress import Findings
from shared_code.settings import CutoutSettings, StorageConnection


@dataclass(frozen=True)
class Cloud:
    """Settings for containers that exist, and what a test does with them."""

    connection_string: str
    settings: CutoutSettings

    @property
    def storage(self) -> Storage:
        return connect(self.settings)

    @property
    def uploader(self) -> Uploader:
        return Uploader(self.connection_string, self.settings)

    @property
    def inputs(self) -> ContainerClient:
        return self._service.get_container_client(self.settings.input_container)

    @property
    def outputs(self) -> ContainerClient:
        return self._service.get_container_client(self.settings.output_container)

    @property
    def queue(self) -> QueueClient:
        return QueueClient.from_connection_string(self.connection_string, self.settings.queue)

    @property
    def poison(self) -> QueueClient:
        return QueueClient.from_connection_string(self.connection_string, self.settings.queue + "-poison")

    @property
    def environment(self) -> Mapping[str, str]:
        """The app settings that name this cloud."""
        return {
            "CUTOUT_STORAGE": self.connection_string,
            "CUTOUT_QUEUE": self.settings.queue,
            "CUTOUT_INPUT_CONTAINER": self.settings.input_container,
            "CUTOUT_OUTPUT_CONTAINER": self.settings.output_container,
        }

    @property
    def _service(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.connection_string)

    def written(self) -> dict[str, bytes]:
        """All outputs by name."""
        return {name: self.uploader.fetch(name) for name in self.outputs.list_blob_names()}

    def settle(self, *names: str, cut_out: "CutOutFake | None" = None) -> Outcome:
        """Do the job for a blob."""
        storage = self.storage
        job = CutoutJob(storage.inbox, storage.outbox, cut_out or CutOutFake())
        return asyncio.run(job.settle(names))


def new_cloud(connection_string: str) -> Cloud:
    """Fresh containers and a fresh queue."""
    unique = uuid.uuid4().hex[:12]
    connection = StorageConnection(connection_string, "", "", "")
    settings = CutoutSettings(
        connection, f"events-{unique}", f"in-{unique}", f"out-{unique}", "backgroundRemoval"
    )
    cloud = Cloud(connection_string, settings)
    cloud.uploader.prepare()
    return cloud


class CutOutFake:
    """Makes b"cut-out of X" of the picture b"X", and refuses pictures that begin with b"bad".

    `meanwhile` is awaited first, with the number of the call.
    """

    def __init__(self, meanwhile: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._meanwhile = meanwhile
        self.pictures: list[bytes] = []

    @asynccontextmanager
    async def __call__(self, load: Load) -> AsyncIterator[MadePicture]:
        picture = await load()
        self.pictures.append(picture)
        if self._meanwhile is not None:
            await self._meanwhile(len(self.pictures))
        if picture.startswith(b"bad"):
            raise ImageFormatInvalid
        yield MadePicture(_in_chunks(b"cut-out of " + picture), Findings(uncertainty=0.125))


async def _in_chunks(content: bytes) -> AsyncIterator[bytes]:
    size = len(content) // 4 + 1
    for at in range(0, len(content), size):
        yield content[at : at + size]
