"""A storage account of a test's own: fresh containers and a fresh queue in the emulator."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import override

from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient

from cutout_function.decision import Conclusion
from cutout_function.event import Ignored
from cutout_function.job import CutoutJob, Made, Maker
from cutout_function.storage import Inbox, Outbox
from cutout_function.store import Storage, connect
from local_host.upload import Uploader
from shared_code.admission import Admission
from shared_code.deadline import Deadline
from shared_code.encode.answer_formats import PNG, AnswerFormat
from shared_code.errors import ImageFormatInvalid
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.modes import Mode
from shared_code.progress import Findings
from shared_code.record import Edge, VisitRecord
from shared_code.settings import CutoutSettings, StorageConnection
from shared_code.visit import Arrival, Visit
from shared_code.waiting import Hold
from tests.support.patience import PATIENCE_S


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

    def job(
        self,
        maker: "MakerFake | None" = None,
        inbox: Inbox | None = None,
        outbox: Outbox | None = None,
        deadline: Deadline | None = None,
    ) -> CutoutJob:
        """The job for a blob."""
        maker = maker or MakerFake()
        return CutoutJob(
            inbox or self.storage.inbox,
            outbox or self.storage.outbox,
            maker,
            Mode.BACKGROUND_REMOVAL,
            self.settings.format,
            maker.records.append,
            Arrival("a message", Edge.BLOB),
            deadline or Deadline.after(PATIENCE_S),
        )

    def settle(self, *names: str, maker: "MakerFake | None" = None) -> Conclusion | Ignored:
        """Do the job for a blob."""
        return asyncio.run(self.job(maker).settle(names))


def new_cloud(connection_string: str) -> Cloud:
    """Fresh containers and a fresh queue."""
    unique = uuid.uuid4().hex[:12]
    connection = StorageConnection(connection_string, "", "", "")
    settings = CutoutSettings(
        connection, f"events-{unique}", f"in-{unique}", f"out-{unique}", Mode.BACKGROUND_REMOVAL
    )
    cloud = Cloud(connection_string, settings)
    cloud.uploader.prepare()
    return cloud


class MakerFake(Maker):
    """Makes b"cut-out of X" of the picture b"X", and refuses pictures that begin with b"bad".

    `meanwhile` is awaited first, with the number of the call. `records` are those of its visits.
    """

    def __init__(self, meanwhile: Callable[[int], Awaitable[None]] | None = None) -> None:
        self._meanwhile = meanwhile
        self.budget = Admission(1, MAX_IMAGE_BYTES, 1)
        self.pictures: list[bytes] = []
        self.records: list[VisitRecord] = []

    @override
    def hold(self) -> Hold:
        return self.budget.hold()

    @override
    async def cut_out(
        self,
        data: bytes,
        mode: Mode,
        visit: Visit,
        network_name: str | None = None,
        wanted: AnswerFormat = PNG,
    ) -> Made:
        self.pictures.append(data)
        if self._meanwhile is not None:
            await self._meanwhile(len(self.pictures))
        if data.startswith(b"bad"):
            raise ImageFormatInvalid
        visit.progress.findings = Findings(uncertainty=0.125)
        visit.held.release()
        return MadeFake(b"cut-out of " + data, wanted.media_type)


class MadeFake:
    """A cut-out in four pieces."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self.media_type = media_type
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = len(self._content) // 4 + 1
        for at in range(0, len(self._content), size):
            yield self._content[at : at + size]

    async def aclose(self) -> None:
        pass
