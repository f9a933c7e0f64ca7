"""Pictures by way of storage: the embedded host drains the queue into the real pipeline."""

import gzip
import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import ContentSettings
from PIL import Image

from cutout_function.names import error_name, picture_name
from local_host.events import NewBlob, blob_created, queue_message
from shared_code.errors import ImageDimensionNotAllowed, ImageFormatInvalid
from tests.cutout_function.cloud import Cloud, new_cloud
from tests.support.cloud_events import blob_created_cloud_event
from tests.support.hosts import PROJECT, embedded_host, environment
from tests.support.patience import wait_for
from tests.support.photos import encoded

PATIENCE_S = 240


@pytest.fixture(scope="module")
def served_with_log(
    emulator: str, tmp_path_factory: pytest.TempPathFactory, quick_app: Path
) -> Iterator[tuple[Cloud, Path]]:
    """An account whose queue a host drains, and what the host logs."""
    cloud = new_cloud(emulator)
    log = tmp_path_factory.mktemp("host") / "log.txt"
    with embedded_host(log, {**cloud.environment, "SEGMENT_MODEL": "u2netp"}, quick_app):
        yield cloud, log


@pytest.fixture
def served(served_with_log: tuple[Cloud, Path]) -> Cloud:
    """An account whose queue a host drains."""
    return served_with_log[0]


def wait_for_outputs(cloud: Cloud, least: int) -> None:
    wait_for(lambda: len(list(cloud.outputs.list_blob_names())) >= least, PATIENCE_S)


def wait_until_empty(cloud: Cloud) -> None:
    wait_for(lambda: cloud.queue.get_queue_properties().approximate_message_count == 0, PATIENCE_S)


def source_etag(cloud: Cloud, output: str) -> str:
    return cloud.outputs.get_blob_client(output).get_blob_properties().metadata["source_etag"]


@pytest.mark.parametrize(
    ("name", "form", "in_queue"),
    [
        ("a photo.jpg", "JPEG", lambda blob: queue_message(blob_created(blob))),
        ("50%25 off #1?.png", "PNG", lambda blob: queue_message(blob_created_cloud_event(blob))),
    ],
)
def test_a_picture_is_cut_out(
    served: Cloud, name: str, form: str, in_queue: Callable[[NewBlob], str]
) -> None:
    blob = served.uploader.upload(name, encoded(form, 320, 200))
    served.queue.send_message(in_queue(blob))
    wait_until_empty(served)
    with Image.open(io.BytesIO(served.uploader.fetch(picture_name(name)))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (320, 200))
        assert image.getchannel("A").getextrema() == (0, 255)
    assert source_etag(served, picture_name(name)) == blob.etag


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("text.jpg", b"not a picture", ImageFormatInvalid()),
        ("short.jpg", encoded("JPEG", 320, 200)[:3000], ImageFormatInvalid()),
        ("small.png", encoded("PNG", 49, 300), ImageDimensionNotAllowed()),
    ],
)
def test_a_bad_picture_gets_the_contracts_error(
    served: Cloud, name: str, content: bytes, error: ImageFormatInvalid | ImageDimensionNotAllowed
) -> None:
    served.uploader.announce(served.uploader.upload(name, content))
    wait_until_empty(served)
    assert served.uploader.fetch(error_name(name)) == error.body()
    assert not served.outputs.get_blob_client(picture_name(name)).exists()


def test_a_packed_picture_is_cut_out(served: Cloud) -> None:
    packed = ContentSettings(content_encoding="gzip")
    picture = gzip.compress(encoded("BMP", 1400, 1100))
    blob = served.uploader.upload("packed.bmp", b"")
    served.inputs.upload_blob(blob.name, picture, overwrite=True, content_settings=packed)
    served.uploader.announce(blob)
    wait_until_empty(served)
    with Image.open(io.BytesIO(served.uploader.fetch("packed.bmp.png"))) as image:
        assert image.size == (1400, 1100)


def with_api(blob: NewBlob, api: str) -> dict[str, object]:
    event = blob_created(blob)
    data = event["data"]
    assert isinstance(data, dict)
    return {**event, "data": {**data, "api": api}}


@pytest.mark.parametrize(("begin", "end"), [("CreateFile", "FlushWithClose"), ("SftpCreate", "SftpCommit")])
def test_an_upload_in_two_steps(served_with_log: tuple[Cloud, Path], begin: str, end: str) -> None:
    cloud, log = served_with_log
    name = f"{end}.jpg"
    empty = cloud.uploader.upload(name, b"")
    cloud.queue.send_message(queue_message(with_api(empty, begin)))
    wait_until_empty(cloud)
    assert not [output for output in cloud.written() if output.startswith(name)]
    assert f"{begin} of {name!r}: the upload has only begun" in log.read_text()
    whole = cloud.uploader.upload(name, encoded("JPEG", 80, 70))
    cloud.queue.send_message(queue_message(with_api(whole, end)))
    wait_until_empty(cloud)
    assert source_etag(cloud, picture_name(name)) == whole.etag


def test_a_renamed_blob_is_cut_out_under_its_new_name(served: Cloud) -> None:
    blob = served.uploader.upload("new name é.jpg", encoded("JPEG", 90, 70))
    urls = {"sourceUrl": f"{blob.service_url}/{blob.container}/old.tmp"}
    urls["destinationUrl"] = f"{blob.service_url}/{blob.container}/new%20name%20%C3%A9.jpg"
    event = {**blob_created(blob), "eventType": "Microsoft.Storage.BlobRenamed"}
    served.queue.send_message(queue_message({**event, "data": {"api": "RenameFile", **urls}}))
    wait_until_empty(served)
    assert source_etag(served, picture_name(blob.name)) == blob.etag


def test_what_is_left_alone_is_logged(served_with_log: tuple[Cloud, Path]) -> None:
    cloud, log = served_with_log
    before = cloud.written()
    archived = cloud.uploader.upload("archived.jpg", encoded("JPEG", 90, 70))
    cloud.inputs.get_blob_client(archived.name).set_standard_blob_tier("Archive")
    marker = cloud.uploader.upload("2026", b"")
    cloud.inputs.get_blob_client(marker.name).set_blob_metadata({"hdi_isfolder": "true"})
    named = cloud.uploader.upload("2026/11/", b"")
    elsewhere = replace(marker, name="2026/../archived.jpg")
    for blob in (archived, marker, named, elsewhere):
        cloud.uploader.announce(blob)
    wait_until_empty(cloud)
    assert cloud.written() == before
    lines = log.read_text().splitlines()
    for level, text in (
        ("WARNING", "'archived.jpg' not read: it is in the archive tier"),
        ("INFO", "'2026' left alone: it is the marker of a folder"),
        ("INFO", "'2026/11/' is the name of a folder"),
        ("WARNING", "'2026/../archived.jpg' has a segment . or .. and cannot be read"),
    ):
        assert [line for line in lines if text in line and f" {level} " in line], text


def test_the_upload_command(served: Cloud, tmp_path: Path) -> None:
    for name, content in (("good.jpg", encoded("JPEG", 96, 64)), ("bad.jpg", b"no")):
        (tmp_path / name).write_bytes(content)
    results = {}
    for name in ("good.jpg", "bad.jpg"):
        results[name] = subprocess.run(
            [sys.executable, "-m", "local_host.upload", name],
            cwd=tmp_path,
            env=environment(served.environment) | {"PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    assert results["good.jpg"].returncode == 0, results["good.jpg"]
    assert results["bad.jpg"].returncode == 1, results["bad.jpg"]
    with Image.open(tmp_path / "good.jpg.png") as image:
        assert image.size == (96, 64)
    assert (tmp_path / "bad.jpg.error.json").read_bytes() == ImageFormatInvalid().body()


@pytest.mark.parametrize(
    ("count", "kills"),
    [(6, (2,)), pytest.param(58, (10, 30), marks=pytest.mark.campaign)],
    ids=["few", "many"],
)
def test_blobs_with_duplicates_broken_ones_and_killed_hosts(
    cloud: Cloud, tmp_path: Path, quick_app: Path, count: int, kills: tuple[int, ...]
) -> None:
    """Each picture has a size of its own, so that its cut-out tells which one it was made from."""
    good = {f"f {at % 3}/{at} %.jpg": (60 + at, 150 - at) for at in range(count)}
    bad = {"broken 1.jpg": encoded("JPEG", 90, 90)[:700], "broken 2.jpg": b"nothing of a picture"}
    blobs = [cloud.uploader.upload(name, encoded("JPEG", *size)) for name, size in good.items()]
    blobs += [cloud.uploader.upload(name, content) for name, content in bad.items()]
    chooser = random.Random(6)
    deliveries = blobs + chooser.sample(blobs, 3)
    chooser.shuffle(deliveries)
    for blob in deliveries:
        cloud.uploader.announce(blob)

    for number, kill_at in enumerate((*kills, None)):
        with embedded_host(tmp_path / f"log {number}.txt", cloud.environment, quick_app) as host:
            if kill_at is None:
                wait_until_empty(cloud)
            else:
                wait_for_outputs(cloud, kill_at)
                os.kill(host.pid, signal.SIGKILL)

    assert sorted(cloud.outputs.list_blob_names()) == sorted(
        [picture_name(name) for name in good] + [error_name(name) for name in bad]
    )
    etags = {blob.name: blob.etag for blob in blobs}
    for name, size in good.items():
        assert source_etag(cloud, picture_name(name)) == etags[name]
        with Image.open(io.BytesIO(cloud.uploader.fetch(picture_name(name)))) as image:
            assert image.size == size
            image.load()
    for name in bad:
        assert source_etag(cloud, error_name(name)) == etags[name]
        assert cloud.uploader.fetch(error_name(name)) == ImageFormatInvalid().body()
