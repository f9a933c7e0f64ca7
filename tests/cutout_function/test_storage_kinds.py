"""Blobs as storage really has them: coded, archived, folders, appended to, with names that lead elsewhere."""

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from azure.storage.blob import ContentSettings, StandardBlobTier

from cutout_function.decision import Conclusion, SourceBlob
from cutout_function.event import Ignored, parse_event, watched_names
from cutout_function.store import BLOCK_BYTES, SourceContainer
from local_host.events import blob_created, queue_message
from shared_code.errors import ImageSizeNotAllowed
from shared_code.limits import MAX_IMAGE_BYTES
from tests.cutout_function.cloud import Cloud, MakerFake


def upload(cloud: Cloud, name: str, content: bytes, content_encoding: str | None = None) -> None:
    settings = ContentSettings(content_type="image/jpeg", content_encoding=content_encoding)
    cloud.inputs.upload_blob(name, content, content_settings=settings)


def read(cloud: Cloud, seen: SourceBlob) -> bytes:
    async def joined() -> bytes:
        return b"".join([piece async for piece in cloud.storage.inbox.read(seen)])

    return asyncio.run(joined())


def larger_than_a_read() -> bytes:
    """What gzip cannot make smaller than two reads from storage."""
    return os.urandom(2 * BLOCK_BYTES + 5)


@pytest.mark.parametrize(
    ("content_encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("br", bytes),
        ("utf-8", bytes),
    ],
)
@pytest.mark.parametrize("picture", [b"one", larger_than_a_read()], ids=["small", "large"])
def test_one_rule_for_coded_blobs_of_all_sizes(
    cloud: Cloud, content_encoding: str, pack: Callable[[bytes], bytes], picture: bytes
) -> None:
    maker = MakerFake()
    upload(cloud, "a.jpg", pack(picture), content_encoding=content_encoding)
    assert cloud.settle("a.jpg", maker=maker) is Conclusion.CUT_OUT
    assert maker.pictures == [picture]
    output = cloud.outputs.get_blob_client("a.jpg.png").get_blob_properties()
    assert output.content_settings.content_encoding is None


@pytest.mark.parametrize(
    ("unpacked_bytes", "outcome"),
    [
        (MAX_IMAGE_BYTES, Conclusion.CUT_OUT),
        (MAX_IMAGE_BYTES + 1, Conclusion.REFUSED),
        (300 << 20, Conclusion.REFUSED),
    ],
)
def test_the_limit_counts_what_is_unpacked(cloud: Cloud, unpacked_bytes: int, outcome: Conclusion) -> None:
    upload(cloud, "a.jpg", gzip.compress(bytes(unpacked_bytes)), content_encoding="gzip")
    assert cloud.settle("a.jpg") is outcome
    if outcome is Conclusion.REFUSED:
        assert cloud.written() == {"a.jpg.error.json": ImageSizeNotAllowed().body()}


def test_the_stored_bytes_are_read_whatever_the_coding(cloud: Cloud) -> None:
    for name, stored in (("small", gzip.compress(b"one")), ("large", larger_than_a_read())):
        upload(cloud, name, stored, content_encoding="gzip")
        seen = asyncio.run(cloud.storage.inbox.look(name))
        assert seen is not None
        assert (seen.size_bytes, seen.content_encoding) == (len(stored), "gzip")
        assert read(cloud, seen) == stored


@pytest.mark.parametrize(
    ("metadata", "content_type"),
    [
        ({"hdi_isfolder": "true"}, "application/octet-stream"),
        ({"Hdi_IsFolder": "True"}, ""),
        ({}, "inode/directory"),
    ],
)
def test_a_folder_marker_is_left_alone(cloud: Cloud, metadata: dict[str, str], content_type: str) -> None:
    settings = ContentSettings(content_type=content_type)
    cloud.inputs.upload_blob("folder", b"", metadata=metadata, content_settings=settings)
    assert cloud.settle("folder") is Conclusion.FOLDER
    assert cloud.written() == {}


def test_an_append_blob_counts_from_the_first_block_on(cloud: Cloud) -> None:
    blob = cloud.inputs.get_blob_client("a.jpg")
    blob.create_append_blob()
    assert cloud.settle("a.jpg") is Conclusion.BEGUN
    assert cloud.written() == {}
    blob.append_block(b"one")
    assert cloud.settle("a.jpg") is Conclusion.CUT_OUT


def test_a_page_blob_is_read_like_any_other(cloud: Cloud) -> None:
    picture = b"one".ljust(512, b"\0")
    cloud.inputs.get_blob_client("a.jpg").upload_blob(picture, blob_type="PageBlob")
    maker = MakerFake()
    assert cloud.settle("a.jpg", maker=maker) is Conclusion.CUT_OUT
    assert maker.pictures == [picture]


def test_an_archived_blob_waits_for_somebody(cloud: Cloud) -> None:
    blob = cloud.inputs.get_blob_client("a.jpg")
    upload(cloud, "a.jpg", b"one")
    blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    assert cloud.settle("a.jpg") is Conclusion.ARCHIVED
    assert cloud.written() == {}
    blob.set_standard_blob_tier(StandardBlobTier.HOT)
    assert cloud.settle("a.jpg") is Conclusion.CUT_OUT
    blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    assert cloud.settle("a.jpg") is Conclusion.ALREADY_DONE


def test_a_blob_that_is_archived_before_it_is_read(cloud: Cloud) -> None:
    class ArchivingInbox(SourceContainer):
        async def read(self, source: SourceBlob) -> AsyncIterator[bytes]:
            cloud.inputs.get_blob_client(source.name).set_standard_blob_tier(StandardBlobTier.ARCHIVE)
            async for piece in super().read(source):
                yield piece

    upload(cloud, "a.jpg", b"one")
    job = cloud.job(inbox=ArchivingInbox(cloud.inputs))
    assert asyncio.run(job.settle(("a.jpg",))) is Conclusion.ARCHIVED
    assert cloud.written() == {}


def test_a_blob_whose_name_leads_elsewhere_is_left_alone(cloud: Cloud) -> None:
    """Storage takes a backslash for a slash, which is how such a blob comes to be."""
    other = cloud.uploader.upload("b.jpg", b"another blob")
    hidden = replace(other, name="a/../b.jpg")
    cloud.inputs.upload_blob("a\\..\\b.jpg", b"hidden")
    assert set(cloud.inputs.list_blob_names()) == {other.name, hidden.name}
    for blob, readable in ((other, True), (hidden, False)):
        event = parse_event(queue_message(blob_created(blob)).encode())
        names = watched_names(event, blob.account, blob.container)
        assert names == (blob.name,) if readable else isinstance(names, Ignored)
