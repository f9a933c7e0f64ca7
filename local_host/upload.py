"""`python -m local_host.upload PICTURE ...`: cut out pictures through the storage emulator.

Each picture is uploaded as an application would upload it. The emulator has no Event Grid, so the event is
queued here. Cut-outs are written to the current folder.
"""

import asyncio
import mimetypes
import sys
from contextlib import suppress
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient, ContentSettings
from azure.storage.queue import QueueClient

from cutout_function.names import error_name, picture_name
from cutout_function.store import connect
from local_host.events import NewBlob, blob_created, queue_message
from shared_code.settings import CutoutSettings, load_settings

_PATIENCE_S = 60


class Uploader:
    """Plays the application that uploads pictures, and Event Grid."""

    def __init__(self, connection_string: str, settings: CutoutSettings) -> None:
        self._settings = settings
        self._blobs = BlobServiceClient.from_connection_string(connection_string)
        self._queue = QueueClient.from_connection_string(connection_string, settings.queue)

    def prepare(self) -> None:
        """Create the containers and the queue where they are missing."""
        for container in (self._settings.input_container, self._settings.output_container):
            with suppress(ResourceExistsError):
                self._blobs.create_container(container)
        with suppress(ResourceExistsError):
            self._queue.create_queue()

    def upload(self, name: str, content: bytes) -> NewBlob:
        """Store a picture in the watched container."""
        container = self._settings.input_container
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        stored = self._blobs.get_blob_client(container, name).upload_blob(
            content, overwrite=True, content_settings=ContentSettings(content_type=content_type)
        )
        account = self._blobs.account_name or ""
        return NewBlob(self._blobs.url, account, container, name, stored["etag"], len(content), content_type)

    def announce(self, blob: NewBlob) -> None:
        """Put the event of a new blob into the queue."""
        self._queue.send_message(queue_message(blob_created(blob)))

    def fetch(self, output: str) -> bytes:
        """The bytes of an output."""
        client = self._blobs.get_blob_client(self._settings.output_container, output)
        return client.download_blob().readall()


def main() -> None:
    """Upload the files named on the command line; exit code 1 when one of them has no cut-out."""
    settings = load_settings().cutout
    if settings.storage is None or not settings.storage.connection_string:
        sys.exit("CUTOUT_STORAGE must be a connection string; UseDevelopmentStorage=true is the emulator's")
    if not sys.argv[1:]:
        sys.exit("usage: python -m local_host.upload PICTURE ...")
    uploader = Uploader(settings.storage.connection_string, settings)
    uploader.prepare()
    made = [_cut_out(Path(argument), uploader, settings) for argument in sys.argv[1:]]
    sys.exit(not all(made))


def _cut_out(picture: Path, uploader: Uploader, settings: CutoutSettings) -> bool:
    blob = uploader.upload(picture.name, picture.read_bytes())
    uploader.announce(blob)
    output = asyncio.run(_output(blob, settings))
    if output is None:
        print(f"{picture}: nothing after {_PATIENCE_S} s; is the host running with the same CUTOUT_STORAGE?")
        return False
    content = uploader.fetch(output)
    Path(output).write_bytes(content)
    print(f"{picture}: {output}, {len(content)} bytes")
    return output == picture_name(blob.name, settings.format)


async def _output(blob: NewBlob, settings: CutoutSettings) -> str | None:
    """The name of the output for this upload of `blob`, once there is one."""
    outbox = connect(settings).outbox
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                for name in (picture_name(blob.name, settings.format), error_name(blob.name)):
                    seen = await outbox.look(name)
                    if seen is not None and seen.source_etag == blob.etag:
                        return name
                await asyncio.sleep(0.1)
    return None


if __name__ == "__main__":
    main()
