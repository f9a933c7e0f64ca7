"""A job against real storage, disturbed at every step."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import override

import pytest
from azure.core.exceptions import ResourceNotFoundError

from cutout_function.decision import Conclusion, OutputBlob, SourceBlob
from cutout_function.event import Ignored
from cutout_function.job import Made, UnsettledError
from cutout_function.storage import ChangedError, OutputMetadata, StagedOutput
from cutout_function.store import OutputContainer, SourceContainer
from shared_code.deadline import Deadline
from shared_code.encode.answer_formats import PNG, WEBP, AnswerFormat
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
    InternalError,
    SegmentError,
    ServiceUnavailable,
    TooManyRequests,
)
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.modes import Mode
from shared_code.record import Ending
from shared_code.visit import Visit
from tests.cutout_function.cloud import Cloud, MadeFake, MakerFake

NAMES = (
    "photo.jpg",
    "a folder/with blanks/my photo.jpg",
    "100%.jpg",
    "a%20b.jpg",
    "50%25 off.jpg",
    "Übung/été/写真/фото.png",
    "cup 🏆.png",
    "a#b?c&d=e+f.jpg",
    "quote'\"<>.gif",
    "no extension",
    ".error.json",
    "a" * 500 + ".jpg",
)


def test_a_cut_out_is_stored_with_its_source_etag_uncertainty_and_type(cloud: Cloud) -> None:
    blob = cloud.uploader.upload("a.jpg", b"one")
    assert cloud.settle("a.jpg") is Conclusion.CUT_OUT
    assert cloud.written() == {"a.jpg.png": b"cut-out of one"}
    properties = cloud.outputs.get_blob_client("a.jpg.png").get_blob_properties()
    assert properties.metadata == {"source_etag": blob.etag, "uncertainty": "0.12"}
    assert properties.content_settings.content_type == "image/png"


@pytest.mark.parametrize("name", NAMES)
def test_names_survive(cloud: Cloud, name: str) -> None:
    cloud.uploader.upload(name, b"one")
    assert cloud.settle(name) is Conclusion.CUT_OUT
    assert cloud.written() == {name + ".png": b"cut-out of one"}


def test_names_that_differ_in_their_extension_have_outputs_of_their_own(cloud: Cloud) -> None:
    for name in ("a.jpg", "a.png", "a"):
        cloud.uploader.upload(name, name.encode())
        cloud.settle(name)
    assert cloud.written() == {
        "a.jpg.png": b"cut-out of a.jpg",
        "a.png.png": b"cut-out of a.png",
        "a.png": b"cut-out of a",
    }


def test_the_first_name_that_exists_is_taken(cloud: Cloud) -> None:
    cloud.uploader.upload("a b", b"one")
    assert cloud.settle("a%20b", "a b") is Conclusion.CUT_OUT
    assert cloud.written().keys() == {"a b.png"}


@pytest.mark.parametrize(
    ("picture", "first"), [(b"one", Conclusion.CUT_OUT), (b"bad", Conclusion.REFUSED)], ids=["good", "bad"]
)
def test_a_finished_job_is_skipped(cloud: Cloud, picture: bytes, first: Conclusion) -> None:
    maker = MakerFake()
    cloud.uploader.upload("a", picture)
    outcomes = [cloud.settle("a", maker=maker) for _ in range(3)]
    assert outcomes == [first, Conclusion.ALREADY_DONE, Conclusion.ALREADY_DONE]
    assert maker.pictures == [picture]


def refusing(error: BaseException) -> MakerFake:
    async def refuse(_call: int) -> None:
        raise error

    return MakerFake(refuse)


@pytest.mark.parametrize(
    "error",
    [ImageFormatInvalid, ImageDimensionNotAllowed, ImageTooLargeForInstance, ImageSizeNotAllowed],
)
def test_a_bad_picture_makes_an_error_document(cloud: Cloud, error: type[SegmentError]) -> None:
    blob = cloud.uploader.upload("a.jpg", b"one")
    assert cloud.settle("a.jpg", maker=refusing(error())) is Conclusion.REFUSED
    assert cloud.written() == {"a.jpg.error.json": error().body()}
    properties = cloud.outputs.get_blob_client("a.jpg.error.json").get_blob_properties()
    assert properties.metadata == {"source_etag": blob.etag}
    assert properties.content_settings.content_type == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "error", [TooManyRequests(), ServiceUnavailable(), InternalError(), MemoryError(), OSError()]
)
def test_other_faults_are_raised_and_leave_nothing(cloud: Cloud, error: Exception) -> None:
    cloud.uploader.upload("a.jpg", b"one")
    with pytest.raises(type(error)):
        cloud.settle("a.jpg", maker=refusing(error))
    assert cloud.written() == {}
    assert cloud.settle("a.jpg") is Conclusion.CUT_OUT


@pytest.mark.parametrize(
    ("size_bytes", "end"),
    [
        (0, Conclusion.REFUSED),
        (1, Conclusion.CUT_OUT),
        (MAX_IMAGE_BYTES, Conclusion.CUT_OUT),
        (MAX_IMAGE_BYTES + 1, Conclusion.REFUSED),
    ],
)
def test_the_size_is_checked_before_the_blob_is_read(cloud: Cloud, size_bytes: int, end: Conclusion) -> None:
    maker = MakerFake()
    picture = bytes(size_bytes)
    cloud.uploader.upload("a", picture)
    assert cloud.settle("a", maker=maker) is end
    if end is Conclusion.REFUSED:
        assert maker.pictures == []
        assert cloud.written() == {"a.error.json": ImageSizeNotAllowed().body()}
    else:
        assert maker.pictures == [picture]


@pytest.mark.parametrize(
    "versions", [(b"one", b"two"), (b"one", b"bad"), (b"bad", b"two"), (b"bad", b"bad 2")]
)
def test_a_newer_version_replaces_the_output(cloud: Cloud, versions: tuple[bytes, bytes]) -> None:
    for version in versions:
        blob = cloud.uploader.upload("a", version)
        cloud.settle("a")
    if versions[1].startswith(b"bad"):
        assert cloud.written() == {"a.error.json": ImageFormatInvalid().body()}
    else:
        assert cloud.written() == {"a.png": b"cut-out of " + versions[1]}
    (output,) = cloud.outputs.list_blobs(include=["metadata"])
    assert output.metadata["source_etag"] == blob.etag


def test_outputs_of_both_kinds_are_tidied(cloud: Cloud) -> None:
    """As two instances leave them, of which one has too little memory for the picture."""
    blob = cloud.uploader.upload("a", b"one")
    cloud.settle("a")
    cloud.outputs.upload_blob("a.error.json", b"{}", metadata={"source_etag": blob.etag})
    assert cloud.settle("a") is Conclusion.ALREADY_DONE
    assert cloud.written() == {"a.png": b"cut-out of one"}


@pytest.mark.parametrize("second", [b"two", b"bad"])
def test_the_source_changes_while_it_is_cut_out(cloud: Cloud, second: bytes) -> None:
    async def change(call: int) -> None:
        if call == 1:
            cloud.uploader.upload("a", second)

    maker = MakerFake(change)
    cloud.uploader.upload("a", b"one")
    outcome = cloud.settle("a", maker=maker)
    assert maker.pictures == [b"one", second]
    assert outcome is (Conclusion.REFUSED if second == b"bad" else Conclusion.CUT_OUT)
    assert cloud.written().keys() == {"a.error.json" if second == b"bad" else "a.png"}


def test_a_source_that_never_rests_is_left_to_the_queue(cloud: Cloud) -> None:
    async def change(call: int) -> None:
        cloud.uploader.upload("a", b"version %d" % call)

    cloud.uploader.upload("a", b"version 0")
    with pytest.raises(UnsettledError):
        cloud.settle("a", maker=MakerFake(change))
    assert cloud.written() == {}


def test_a_source_that_is_gone_is_done(cloud: Cloud) -> None:
    async def delete(_call: int) -> None:
        cloud.inputs.delete_blob("a")

    assert cloud.settle("a") is Conclusion.GONE
    cloud.uploader.upload("a", b"one")
    assert cloud.settle("a", maker=MakerFake(delete)) is Conclusion.GONE
    assert cloud.written() == {}


def test_a_missing_output_container_is_raised_before_any_work(cloud: Cloud) -> None:
    maker = MakerFake()
    cloud.outputs.delete_container()
    cloud.uploader.upload("a", b"one")
    with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
        cloud.settle("a", maker=maker)
    assert maker.pictures == []


def test_an_output_container_that_goes_missing_is_raised(cloud: Cloud) -> None:
    async def delete(_call: int) -> None:
        cloud.outputs.delete_container()

    cloud.uploader.upload("a", b"one")
    with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
        cloud.settle("a", maker=MakerFake(delete))


@pytest.mark.parametrize("picture", [b"one", b"bad"])
def test_two_deliveries_at_once(cloud: Cloud, picture: bytes) -> None:
    cloud.uploader.upload("a", picture)

    async def both() -> list[Conclusion | Ignored]:
        barrier = asyncio.Barrier(2)

        async def meet(call: int) -> None:
            if call == 1:
                await barrier.wait()

        jobs = [cloud.job(MakerFake(meet)) for _ in range(2)]
        return await asyncio.gather(*(job.settle(("a",)) for job in jobs))

    done = Conclusion.REFUSED if picture == b"bad" else Conclusion.CUT_OUT
    assert sorted(map(str, asyncio.run(both()))) == sorted([Conclusion.ALREADY_DONE, done])
    assert len(cloud.written()) == 1


def test_another_format_has_its_own_ending(cloud: Cloud) -> None:
    cloud.uploader.upload("a.jpg", b"one")
    webp = replace(cloud, settings=replace(cloud.settings, format=WEBP))
    assert webp.settle("a.jpg") is Conclusion.CUT_OUT
    assert webp.settle("a.jpg") is Conclusion.ALREADY_DONE
    assert cloud.written() == {"a.jpg.webp": b"cut-out of one"}
    properties = cloud.outputs.get_blob_client("a.jpg.webp").get_blob_properties()
    assert properties.content_settings.content_type == "image/webp"


class Crash(BaseException):
    """The end of the process, as far as the job can see."""


class CrashingMade(MadeFake):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x" * (5 << 20)
        raise Crash


@pytest.mark.parametrize("before", [None, b"zero"], ids=["first output", "older output"])
def test_a_crash_in_the_middle_of_the_upload(cloud: Cloud, before: bytes | None) -> None:
    class Crashing(MakerFake):
        @override
        async def cut_out(
            self,
            data: bytes,
            mode: Mode,
            visit: Visit,
            network_name: str | None = None,
            wanted: AnswerFormat = PNG,
        ) -> Made:
            return CrashingMade(b"", wanted.media_type)

    if before is not None:
        cloud.uploader.upload("a", before)
        cloud.settle("a")
    seen = cloud.written()
    cloud.uploader.upload("a", b"one")
    with pytest.raises(Crash):
        cloud.settle("a", maker=Crashing())
    assert cloud.written() == seen
    assert cloud.settle("a") is Conclusion.CUT_OUT
    assert cloud.written() == {"a.png": b"cut-out of one"}


def test_a_crash_between_the_output_and_the_tidying(cloud: Cloud) -> None:
    class CrashingOutbox(OutputContainer):
        @override
        async def delete(self, output: OutputBlob) -> None:
            raise Crash

    cloud.uploader.upload("a", b"bad")
    cloud.settle("a")
    cloud.uploader.upload("a", b"one")
    with pytest.raises(Crash):
        asyncio.run(cloud.job(outbox=CrashingOutbox(cloud.outputs)).settle(("a",)))
    assert cloud.written().keys() == {"a.png", "a.error.json"}
    assert cloud.settle("a") is Conclusion.ALREADY_DONE
    assert cloud.written() == {"a.png": b"cut-out of one"}


def test_the_source_changes_between_look_and_read(cloud: Cloud) -> None:
    class ChangingInbox(SourceContainer):
        async def read(self, source: SourceBlob) -> AsyncIterator[bytes]:
            if len(reads) == 0:
                cloud.uploader.upload("a", b"two")
            reads.append(source)
            async for piece in super().read(source):
                yield piece

    reads: list[SourceBlob] = []
    maker = MakerFake()
    cloud.uploader.upload("a", b"one")
    job = cloud.job(maker, inbox=ChangingInbox(cloud.inputs))
    assert asyncio.run(job.settle(("a",))) is Conclusion.CUT_OUT
    assert maker.pictures == [b"two"]
    assert cloud.written() == {"a.png": b"cut-out of two"}
    assert [(record.ending, record.error_id) for record in maker.records] == [
        (Ending.CHANGED, None),
        (Ending.SENT, None),
    ]


@pytest.mark.parametrize("stage", ["download", "work"])
def test_a_deadline_is_told_from_a_caller_who_leaves(cloud: Cloud, stage: str) -> None:
    class SlowInbox(SourceContainer):
        @override
        async def read(self, source: SourceBlob) -> AsyncIterator[bytes]:
            await asyncio.get_running_loop().create_future()
            yield b""

    async def work(_call: int) -> None:
        await asyncio.get_running_loop().create_future()

    async def scene() -> None:
        deadline = Deadline.after(1)
        inbox = SlowInbox(cloud.inputs) if stage == "download" else None
        async with deadline.limit(TooManyRequests):
            await cloud.job(maker, inbox=inbox, deadline=deadline).settle(("a",))

    cloud.uploader.upload("a", b"one")
    maker = MakerFake(work)
    with pytest.raises(TooManyRequests):
        asyncio.run(scene())
    assert [(record.ending, record.error_id) for record in maker.records] == [(Ending.LATE, None)]
    assert maker.budget.taken_bytes == 0


@pytest.mark.parametrize("first", [b"one", b"bad"])
@pytest.mark.parametrize("second", [b"two", b"bad two"])
def test_a_slow_worker_is_overtaken_at_the_last_moment(cloud: Cloud, first: bytes, second: bytes) -> None:
    """The newer version is uploaded and settled after the slow worker's last look at the source."""

    class SlowOutbox(OutputContainer):
        async def commit(
            self, staged: StagedOutput, metadata: OutputMetadata, replaced: OutputBlob | None
        ) -> None:
            if not overtaken:
                overtaken.append(True)
                cloud.uploader.upload("a", second)
                assert await cloud.job().settle(("a",)) is not Conclusion.ALREADY_DONE
            await super().commit(staged, metadata, replaced)

    overtaken: list[bool] = []
    cloud.uploader.upload("a", first)
    job = cloud.job(outbox=SlowOutbox(cloud.outputs))
    asyncio.run(job.settle(("a",)))
    if second.startswith(b"bad"):
        assert cloud.written().keys() == {"a.error.json"}
    else:
        assert cloud.written() == {"a.png": b"cut-out of " + second}


def test_only_the_output_that_was_seen_is_deleted(cloud: Cloud) -> None:
    cloud.uploader.upload("a", b"one")
    cloud.settle("a")
    seen = asyncio.run(cloud.storage.outbox.look("a.png"))
    assert seen is not None
    cloud.outputs.upload_blob("a.png", b"newer", overwrite=True)
    with pytest.raises(ChangedError):
        asyncio.run(cloud.storage.outbox.delete(seen))
    assert cloud.written() == {"a.png": b"newer"}
    cloud.outputs.delete_blob("a.png")
    with pytest.raises(ChangedError):
        asyncio.run(cloud.storage.outbox.delete(seen))
