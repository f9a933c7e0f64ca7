"""Blobs by the host's own queue trigger: messages as Event Grid writes them, exactly one result for each."""

import base64
import io
import json
import os
import random
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from PIL import Image

from cutout_function.names import error_name, picture_name
from local_host.events import NewBlob, blob_created, queue_message
from shared_code.errors import ImageDimensionNotAllowed, ImageFormatInvalid, ImageSizeNotAllowed
from tests.cutout_function.cloud import Cloud, new_cloud
from tests.functions_host import Instance, functions_host
from tests.support.cloud_events import blob_created_cloud_event
from tests.support.hosts import PROJECT
from tests.support.patience import wait_for
from tests.support.photos import encoded

PATIENCE_S = 400
KILLS = {"ten": (), "a hundred": (20, 60)}
"""After how many results a worker is killed, by how many pictures there are.

A third time on one host would be too many: it then ends itself, for the platform to start another.
"""
MALFORMED = base64.b64encode(b'{"eventType": ""}').decode()


@dataclass(frozen=True)
class Served:
    """An account whose queue a Functions host drains; its first message always fails."""

    cloud: Cloud
    instance: Instance

    def wait_until_drained(self) -> None:
        """Until the queue holds nothing, and every call has ended."""
        queue = self.cloud.queue
        wait_for(lambda: queue.get_queue_properties().approximate_message_count == 0, PATIENCE_S)
        wait_for(lambda: len(calls(self)) % 2 == 0, PATIENCE_S)

    def outputs(self) -> set[str]:
        """The names of all outputs."""
        return set(self.cloud.outputs.list_blob_names())

    def image(self, name: str) -> Image.Image:
        """The cut-out of an upload, decoded."""
        image = Image.open(io.BytesIO(self.cloud.uploader.fetch(picture_name(name))))
        image.load()
        return image

    def source_etag(self, output: str) -> str:
        """The ETag of the upload that an output was made from."""
        return self.cloud.outputs.get_blob_client(output).get_blob_properties().metadata["source_etag"]


@pytest.fixture(scope="module")
def served(emulator: str, logs: Path, quick_app: Path) -> Iterator[Served]:
    cloud = new_cloud(emulator)
    cloud.queue.send_message(MALFORMED)
    with functions_host(logs / "queue.txt", cloud.environment, quick_app, storage=emulator) as instance:
        yield Served(cloud, instance)


def with_type(event: dict[str, object], kind: str) -> dict[str, object]:
    return event | {"eventType": kind}


def with_api(event: dict[str, object], api: str) -> dict[str, object]:
    data = event["data"]
    assert isinstance(data, dict)
    return event | {"data": data | {"api": api}}


def elsewhere(event: dict[str, object]) -> dict[str, object]:
    return event | {"topic": "/providers/Microsoft.Storage/storageAccounts/other"}


def in_other_container(event: dict[str, object]) -> dict[str, object]:
    return event | {"subject": "/blobServices/default/containers/other/blobs/a.jpg"}


def renamed(blob: NewBlob) -> dict[str, object]:
    """The event of a renaming to the name the blob has, as Microsoft documents it."""
    event = with_type(blob_created(blob), "Microsoft.Storage.BlobRenamed")
    data = event["data"]
    assert isinstance(data, dict)
    old = {"sourceUrl": data["url"].replace(blob.name, "old.jpg"), "destinationUrl": data.pop("url")}
    return with_api(event | {"data": data | old}, "RenameFile")


EVENTS = {
    "Event Grid schema": (blob_created, True),
    "CloudEvents schema": (blob_created_cloud_event, True),
    "closed in Data Lake": (lambda blob: with_api(blob_created(blob), "FlushWithClose"), True),
    "renamed": (renamed, True),
    "deleted": (lambda blob: with_type(blob_created(blob), "Microsoft.Storage.BlobDeleted"), False),
    "folder renamed": (lambda b: with_type(blob_created(b), "Microsoft.Storage.DirectoryRenamed"), False),
    "another account": (lambda blob: elsewhere(blob_created(blob)), False),
    "another container": (lambda blob: in_other_container(blob_created(blob)), False),
}


def test_each_kind_of_event(served: Served) -> None:
    """And what the contract's errors become; the names need escaping."""
    cloud = served.cloud
    before = served.outputs()
    expected = set()
    for number, (kind, (make, wanted)) in enumerate(EVENTS.items()):
        blob = cloud.uploader.upload(f"50%25 {kind} #1?.jpg", encoded("JPEG", 100 + number, 80))
        cloud.queue.send_message(queue_message(make(blob)))
        expected |= {picture_name(blob.name)} if wanted else set()
    errors = {
        "empty.jpg": (b"", ImageSizeNotAllowed()),
        "text.jpg": (b"not a picture", ImageFormatInvalid()),
        "small.png": (encoded("PNG", 49, 300), ImageDimensionNotAllowed()),
    }
    for name, (content, _) in errors.items():
        cloud.uploader.announce(cloud.uploader.upload(name, content))
    wait_for(lambda: len(served.outputs() - before) >= len(expected) + len(errors), PATIENCE_S)
    written = cloud.written()
    assert written.keys() - before == expected | {error_name(name) for name in errors}
    for name, (_, error) in errors.items():
        assert written[error_name(name)] == error.body()


@pytest.mark.parametrize(
    ("number", "count", "broken"),
    [("ten", 9, 1), pytest.param("a hundred", 95, 5, marks=pytest.mark.campaign)],
)
def test_one_result_for_each(served: Served, number: str, count: int, broken: int) -> None:
    """With duplicates, broken files and, among a hundred, a worker that is killed twice.

    Each picture has a size of its own, so that its cut-out tells which one it was made from.
    """
    cloud = served.cloud
    before = served.outputs()
    good = {f"{number} {at % 3}/{at} %.jpg": (60 + at, 190 - at) for at in range(count)}
    bad = {f"{number} broken {at}.jpg": encoded("JPEG", 90, 90)[: 300 + 100 * at] for at in range(broken)}
    blobs = [cloud.uploader.upload(name, encoded("JPEG", *size)) for name, size in good.items()]
    blobs += [cloud.uploader.upload(name, content) for name, content in bad.items()]
    chooser = random.Random(15)
    deliveries = blobs + chooser.sample(blobs, len(blobs) // 10)
    chooser.shuffle(deliveries)
    for blob in deliveries:
        cloud.uploader.announce(blob)

    def wait_for_outputs(least: int) -> None:
        wait_for(lambda: len(served.outputs() - before) >= least, PATIENCE_S)

    for kill_at in KILLS[number]:
        wait_for_outputs(kill_at)
        for pid in served.instance.worker_pids:
            os.kill(pid, signal.SIGKILL)
    wait_for_outputs(len(blobs))

    expected = {picture_name(name) for name in good} | {error_name(name) for name in bad}
    assert served.outputs() - before == expected
    etags = {blob.name: blob.etag for blob in blobs}
    for name, size in good.items():
        assert served.source_etag(picture_name(name)) == etags[name]
        assert served.image(name).size == size
    for name in bad:
        assert served.source_etag(error_name(name)) == etags[name]
        assert cloud.uploader.fetch(error_name(name)) == ImageFormatInvalid().body()


def test_message_that_fails_is_given_up_after_the_configured_tries(served: Served) -> None:
    wait_for(lambda: poisoned(served) == [MALFORMED], PATIENCE_S)
    served.wait_until_drained()
    failures = [status for what, status in calls(served) if what == "Executed"].count("Failed")
    most = queue_settings()["maxDequeueCount"]
    assert most <= failures <= most + sum(map(len, KILLS.values()))  # a killed worker fails what it was at


def poisoned(served: Served) -> list[str]:
    try:
        return [message.content for message in served.cloud.poison.peek_messages(32)]
    except ResourceNotFoundError:
        return []


def calls(served: Served) -> list[tuple[str, str]]:
    """Beginnings and ends of the queue function's calls, in order, with how they ended."""
    lines = r"(Executing|Executed) 'Functions\.cutout' \((\w+)"
    return re.findall(lines, served.instance.log.read_text())


def queue_settings() -> dict[str, Any]:
    """What host.json sets."""
    queues: dict[str, Any] = json.loads((PROJECT / "host.json").read_text())["extensions"]["queues"]
    return queues


def test_host_has_the_settings_of_host_json(served: Served) -> None:
    told = re.findall(r"QueuesOptions\n\s+(\{[^}]*\})", served.instance.log.read_text())
    wanted = {name[0].upper() + name[1:]: value for name, value in queue_settings().items()}
    assert any(wanted.items() <= json.loads(options).items() for options in told)


def test_one_picture_at_a_time(served: Served) -> None:
    """Also where several wait."""
    for number in range(5):
        name = f"one at a time {number}.jpg"
        served.cloud.uploader.announce(served.cloud.uploader.upload(name, encoded("JPEG", 90, 80)))
    served.wait_until_drained()
    order = [what for what, _ in calls(served)]
    assert len(order) >= 2 * 5
    assert order == ["Executing", "Executed"] * (len(order) // 2)
