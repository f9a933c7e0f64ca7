import asyncio
from collections.abc import AsyncIterator

import pytest

from cutout_function.decision import OutputBlob, SourceBlob
from cutout_function.storage import ChangedError, Inbox, OutputMetadata, StagedOutput
from cutout_function.store import BLOCK_BYTES, connect
from shared_code.modes import Mode
from shared_code.progress import Findings
from shared_code.settings import CutoutSettings, StorageConnection
from tests.cutout_function.cloud import Cloud

ETAG = OutputMetadata("etag", Findings())


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for number, size in enumerate(sizes):
        yield bytes([number + 65]) * size


async def read(inbox: Inbox, source: SourceBlob) -> bytes:
    pieces = [piece async for piece in inbox.read(source)]
    assert all(len(piece) <= BLOCK_BYTES for piece in pieces)
    return b"".join(pieces)


def stored(cloud: Cloud, name: str, replaced: OutputBlob | None, *sizes: int) -> None:
    async def store() -> None:
        outbox = cloud.storage.outbox
        await outbox.commit(await outbox.upload(name, chunks(*sizes), "image/png"), ETAG, replaced)

    asyncio.run(store())


@pytest.mark.parametrize(
    ("sizes", "blocks"),
    [
        ([10], [10]),
        ([1, 2, 3], [6]),
        ([BLOCK_BYTES - 1, 1], [BLOCK_BYTES]),
        ([BLOCK_BYTES + 1], [BLOCK_BYTES, 1]),
        ([3 * BLOCK_BYTES + 7], [BLOCK_BYTES] * 3 + [7]),
        ([BLOCK_BYTES // 2 + 1] * 4, [BLOCK_BYTES, BLOCK_BYTES, 4]),
    ],
)
def test_content_is_sent_in_blocks_of_bounded_size(cloud: Cloud, sizes: list[int], blocks: list[int]) -> None:
    stored(cloud, "a", None, *sizes)
    assert cloud.written()["a"] == b"".join(bytes([n + 65]) * size for n, size in enumerate(sizes))
    committed, uncommitted = cloud.outputs.get_blob_client("a").get_block_list("all")
    assert [block.size for block in committed] == blocks
    assert uncommitted == []


def test_nothing_is_visible_before_the_commit(cloud: Cloud) -> None:
    async def upload() -> None:
        outbox = cloud.storage.outbox
        await outbox.upload("a", chunks(BLOCK_BYTES, 5), "image/png")
        assert await outbox.look("a") is None

    asyncio.run(upload())
    assert cloud.written() == {}


def test_a_commit_is_conditional(cloud: Cloud) -> None:
    stored(cloud, "a", None, 1)
    first = asyncio.run(cloud.storage.outbox.look("a"))
    with pytest.raises(ChangedError):
        stored(cloud, "a", None, 2)
    stored(cloud, "a", first, 3)
    with pytest.raises(ChangedError):
        stored(cloud, "a", first, 4)
    assert cloud.written() == {"a": b"AAA"}
    cloud.outputs.delete_blob("a")
    with pytest.raises(ChangedError):
        stored(cloud, "a", first, 5)
    assert cloud.written() == {}


def test_uploads_at_the_same_time_do_not_mix(cloud: Cloud) -> None:
    async def race() -> None:
        outbox = cloud.storage.outbox
        one, two = await asyncio.gather(
            outbox.upload("a", chunks(BLOCK_BYTES, 1), "image/png"),
            outbox.upload("a", chunks(7), "image/png"),
        )
        await outbox.commit(two, ETAG, None)
        with pytest.raises(ChangedError):
            await outbox.commit(one, ETAG, None)
        # The other commit dropped the blocks of this one.
        with pytest.raises(ChangedError):
            await outbox.commit(one, ETAG, await outbox.look("a"))

    asyncio.run(race())
    assert cloud.written() == {"a": b"AAAAAAA"}


def test_a_picture_is_read_as_it_was_seen(cloud: Cloud) -> None:
    picture = b"0123456789" * (BLOCK_BYTES // 4)
    cloud.uploader.upload("a", picture)
    inbox = cloud.storage.inbox
    seen = asyncio.run(inbox.look("a"))
    assert seen is not None
    assert seen.size_bytes == len(picture)
    assert asyncio.run(read(inbox, seen)) == picture
    cloud.uploader.upload("a", picture)
    with pytest.raises(ChangedError):
        asyncio.run(read(inbox, seen))
    with pytest.raises(ChangedError):
        asyncio.run(read(inbox, SourceBlob("never there", seen.etag, 1)))


def test_a_blob_that_is_not_there(cloud: Cloud) -> None:
    assert asyncio.run(cloud.storage.inbox.look("a")) is None
    cloud.inputs.delete_container()
    assert asyncio.run(cloud.storage.inbox.look("a")) is None


@pytest.mark.parametrize("name", ["a/../b", "..", "./b", "a\\..\\b"])
def test_a_name_that_leads_elsewhere_is_refused(cloud: Cloud, name: str) -> None:
    cloud.uploader.upload("b", b"another blob")
    storage = cloud.storage
    for attempt in (
        lambda: storage.inbox.look(name),
        lambda: read(storage.inbox, SourceBlob(name, "etag", 1)),
        lambda: storage.outbox.look(name),
        lambda: storage.outbox.upload(name, chunks(1), "image/png"),
        lambda: storage.outbox.commit(StagedOutput(name, (), "image/png"), ETAG, None),
        lambda: storage.outbox.delete(OutputBlob(name, "etag", "")),
    ):
        with pytest.raises(ValueError, match="no URL leads to the blob"):
            asyncio.run(attempt())
    assert cloud.written() == {}


def test_there_is_no_way_to_write_to_the_watched_container() -> None:
    inbox = connect(settings_for("https://a.blob.core.windows.net")).inbox
    assert {name for name in dir(type(inbox)) if not name.startswith("_")} == {"look", "read"}


def settings_for(blob_service_uri: str) -> CutoutSettings:
    connection = StorageConnection("", blob_service_uri, "https://a.queue.core.windows.net", "client")
    return CutoutSettings(connection, "events", "uploads", "cutouts", Mode.BACKGROUND_REMOVAL)


@pytest.mark.parametrize(
    "blob_service_uri",
    [
        "https://pictures.blob.core.windows.net",
        "https://pictures.blob.core.windows.net/",
        "https://pictures.blob.core.usgovcloudapi.net",
        "https://pictures.z01.blob.storage.azure.net",
    ],
)
def test_the_account_of_an_identity_connection(blob_service_uri: str) -> None:
    storage = connect(settings_for(blob_service_uri))
    assert storage.account == "pictures"
    assert storage.outbox.client.url.startswith(blob_service_uri.rstrip("/") + "/cutouts")


def test_the_account_of_the_emulator() -> None:
    connection = StorageConnection("UseDevelopmentStorage=true", "", "", "")
    settings = CutoutSettings(connection, "events", "uploads", "cutouts", Mode.BACKGROUND_REMOVAL)
    assert connect(settings).account == "devstoreaccount1"
