import asyncio
import gc
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from typing import override

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_code import pipeline
from shared_code.admission import Turn
from shared_code.encode.answer_formats import ANSWER_FORMATS, PNG, WEBP, AnswerFormat
from shared_code.engine import Engine
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
    ResourceNotFound,
    SegmentError,
    TooManyRequests,
)
from shared_code.header_turns import HeaderTurn
from shared_code.matte.built import read_catalogue
from shared_code.matte.networks import NetworkStore, State
from shared_code.modes import Mode
from shared_code.progress import Progress, StageName
from shared_code.room.lifecycle import Birth, Zygote
from shared_code.room.rooms import Rooms
from shared_code.room.wall import WHOLE as WHOLE_WALL
from shared_code.settings import load_settings
from shared_code.stream import PictureStream
from tests.shared_code.matte.networks import FlatNetwork, GatedNetwork, OneNetwork
from tests.shared_code.picture.samples import png
from tests.support.faulty_zygote import marked
from tests.support.patience import PATIENCE_S, until
from tests.support.photos import encoded, photo
from tests.support.rooms import at_work, header_of, plan, rooms
from tests.support.visits import new_visit

pytestmark = pytest.mark.slow

REMOVAL, MATTING = Mode.BACKGROUND_REMOVAL, Mode.FOREGROUND_MATTING
WHOLE = [row for row in ANSWER_FORMATS if row.whole]
BASE = load_settings(
    {"SEGMENT_MODEL": "u2netp", "SEGMENT_SLOTS": "2", "SEGMENT_SLOT_WAIT_S": str(PATIENCE_S)}
)


def engine_of(
    network: FlatNetwork, *, slots: int = 2, wait_s: float = PATIENCE_S, budget_mb: int = 1080
) -> Engine:
    settings = replace(BASE, slots=slots, slot_wait_s=wait_s, memory_budget_mb=budget_mb)
    return Engine(settings, OneNetwork(network), rooms())


def cut(
    engine: Engine, data: bytes, mode: Mode, network: str | None = None
) -> Coroutine[object, object, PictureStream]:
    return engine.cut_out(data, mode, new_visit(engine), network)


async def read(stream: PictureStream) -> Image.Image:
    image = Image.open(io.BytesIO(b"".join([piece async for piece in stream])))
    image.load()
    return image


async def all_memory_is_free(engine: Engine) -> None:
    """Fails with TimeoutError when something is not given back."""
    await until(lambda: not engine.usage.memory_bytes)


async def memory_of(engine: Engine, size_bytes: int) -> Turn:
    """What another caller's answer holds while it is read."""
    hold = engine.hold()
    hold.caller = "another"
    turn = await engine._admission.turn(hold, size_bytes)  # noqa: SLF001 (as a picture of theirs does)
    turn.leave_slot()
    return turn


def run(scene: Coroutine[object, object, None]) -> None:
    asyncio.run(scene)
    gc.collect()


def test_with_a_real_network() -> None:
    async def scene() -> None:
        engine = Engine(BASE, NetworkStore(read_catalogue(), "u2netp", kept=2, threads=2), rooms())
        data = encoded("JPEG", 400, 300)
        stream = await cut(engine, data, REMOVAL)
        assert engine.networks.state is State.READY
        cutout = await read(stream)
        assert (cutout.mode, cutout.size) == ("RGBA", (400, 300))
        alpha = np.asarray(cutout.getchannel("A"))
        assert alpha[100, 180] > 240
        assert alpha[5, 5] < 15
        matte = await read(await cut(engine, data, MATTING, "u2netp"))
        np.testing.assert_array_equal(np.asarray(matte), alpha)

    run(scene())


@pytest.mark.parametrize(("matte_png", "mode"), [("gray", "L"), ("indexed", "P")])
def test_matte_as_the_settings_say(matte_png: str, mode: str) -> None:
    async def scene() -> None:
        settings = load_settings({"SEGMENT_MATTE_PNG": matte_png})
        engine = Engine(settings, OneNetwork(FlatNetwork()), rooms())
        assert (await read(await cut(engine, encoded("PNG", 60, 50), MATTING))).mode == mode

    run(scene())


@pytest.mark.parametrize(
    ("data", "network", "error"),
    [
        (b"", None, ImageSizeNotAllowed),
        (b"text", None, ImageFormatInvalid),
        (png(49, 50), None, ImageDimensionNotAllowed),
        (png(9000, 9000), None, ImageTooLargeForInstance),
        (encoded("PNG", 60, 50)[:-20], None, ImageFormatInvalid),
        (encoded("PNG", 60, 50), "nobody", ResourceNotFound),
    ],
)
def test_faults_come_before_the_stream(data: bytes, network: str | None, error: type[SegmentError]) -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), slots=1, budget_mb=256)
        for _ in range(3):
            with pytest.raises(error):
                await cut(engine, data, REMOVAL, network)
        await all_memory_is_free(engine)
        assert (await read(await cut(engine, encoded("PNG", 60, 50), REMOVAL, "flat"))).size == (60, 50)

    run(scene())


def test_a_network_that_fails_leaves_nothing_behind() -> None:
    class Broken(FlatNetwork):
        @override
        def mask(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.uint8]:
            raise RuntimeError("broken")

    async def scene() -> None:
        engine = engine_of(Broken(), slots=1)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="broken"):
                await cut(engine, encoded("PNG", 60, 50), REMOVAL)
        await all_memory_is_free(engine)

    run(scene())


def test_many_at_once_are_all_answered() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), budget_mb=64, wait_s=4 * PATIENCE_S)
        names = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"] * 3
        calls = [cut(engine, encoded(form, 120 + n, 90), REMOVAL) for n, form in enumerate(names)]

        async def answer(call: Coroutine[object, object, PictureStream]) -> tuple[int, int]:
            return (await read(await call)).size

        assert await asyncio.gather(*map(answer, calls)) == [(120 + n, 90) for n in range(len(names))]
        await all_memory_is_free(engine)

    run(scene())


def test_the_event_loop_is_free_while_a_picture_is_at_work() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network)
        call = asyncio.create_task(cut(engine, encoded("PNG", 60, 50), REMOVAL))
        await network.has_started()
        assert not call.done()
        network.gate.set()
        await read(await call)

    run(scene())


def test_slots_are_all_that_work_at_once() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network, slots=2)
        data = encoded("PNG", 60, 50)
        calls = [asyncio.create_task(cut(engine, data, REMOVAL)) for _ in range(5)]
        await network.has_started()
        await network.has_started()
        await asyncio.sleep(0.05)
        assert not network.started.acquire(blocking=False)
        network.gate.set()
        for call in calls:
            await read(await call)
        assert len(network.seen) == 5

    run(scene())


def test_a_picture_that_waits_for_memory_keeps_no_slot() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), slots=1, budget_mb=600)
        taken = await memory_of(engine, 580 << 20)
        large = asyncio.create_task(cut(engine, encoded("PNG", 3000, 2500), REMOVAL))
        assert (await read(await cut(engine, encoded("PNG", 60, 50), REMOVAL))).size == (60, 50)
        assert not large.done()
        assert engine.usage.slots_waiting == 1
        taken.release()
        assert (await read(await large)).size == (3000, 2500)
        await all_memory_is_free(engine)

    run(scene())


def test_too_long_a_wait_is_told_and_gives_memory_back() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network, slots=1, wait_s=0.05)
        data = encoded("PNG", 60, 50)
        first = asyncio.create_task(cut(engine, data, REMOVAL))
        await network.has_started()
        taken_bytes = engine.usage.memory_bytes
        for _ in range(3):
            with pytest.raises(TooManyRequests):
                await cut(engine, data, REMOVAL)
        await until(lambda: engine.usage.memory_bytes == taken_bytes)
        network.gate.set()
        await read(await first)
        await all_memory_is_free(engine)
        await read(await cut(engine, data, REMOVAL))

    run(scene())


def test_a_picture_that_waits_keeps_the_process_that_read_its_header() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network, slots=1)
        assert engine.rooms.zygote.wall == WHOLE_WALL or pytest.skip("the wall is not whole here")
        data = encoded("PNG", 60, 50)
        first = asyncio.create_task(cut(engine, data, REMOVAL))
        await network.has_started()
        second = asyncio.create_task(cut(engine, data, REMOVAL))
        await until(lambda: engine.usage.slots_waiting == 1 and len(rooms_of(engine)) == 2)
        made = engine.rooms.zygote._serial  # noqa: SLF001 (of the last room)
        network.gate.set()
        await read(await first)
        await read(await second)
        assert engine.rooms.zygote._serial == made  # noqa: SLF001
        await all_memory_is_free(engine)

    run(scene())


def test_its_process_is_ended_if_others_need_the_memory() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network, slots=1, budget_mb=128)
        data = encoded("PNG", 60, 50)
        calls = [asyncio.create_task(cut(engine, data, REMOVAL)) for _ in range(5)]
        await network.has_started()
        await until(lambda: engine.usage.slots_waiting == 4)
        await until(lambda: 1 < len(rooms_of(engine)) < 5)
        assert engine.usage.memory_bytes <= 128 << 20
        network.gate.set()
        for call in calls:
            await read(await call)
        await all_memory_is_free(engine)

    run(scene())


def rooms_of(engine: Engine) -> set[int]:
    return at_work(engine.rooms.zygote.pid)


def test_a_caller_that_leaves_gives_everything_back() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network, slots=1)
        data = encoded("PNG", 60, 50)
        at_work = asyncio.create_task(cut(engine, data, REMOVAL))
        await network.has_started()
        waiting = asyncio.create_task(cut(engine, data, REMOVAL))
        await asyncio.sleep(0.02)
        for call in (waiting, at_work):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        network.gate.set()
        del at_work, waiting, call
        await all_memory_is_free(engine)
        await read(await cut(engine, data, REMOVAL))

    run(scene())


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing that follows is owed to the garbage collector."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("pieces", [0, 1, 2, 99])
@pytest.mark.usefixtures("no_collector")
def test_a_stream_that_is_closed_gives_everything_back(pieces: int) -> None:
    """Although somebody still refers to it."""

    async def scene() -> None:
        engine = engine_of(FlatNetwork(), slots=1)
        visit = new_visit(engine)
        stream = await engine.cut_out(encoded("BMP", 1500, 1200), REMOVAL, visit)
        async with aclosing(stream):
            read = 0
            async for _ in stream:
                read += 1
                if read > pieces:
                    break
        await all_memory_is_free(engine)
        await stream.aclose()
        assert [piece async for piece in stream] == []
        names = [stage.name for stage in visit.progress.stages]
        assert names.count(StageName.ENCODE) == 1

    run(scene())


def test_a_stream_that_only_its_loop_knows_is_read_to_the_end() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), slots=1)
        data = encoded("BMP", 1500, 1200)
        pieces = []
        async for piece in await cut(engine, data, REMOVAL):
            pieces.append(piece)
            gc.collect()
        image = Image.open(io.BytesIO(b"".join(pieces)))
        image.load()
        assert image.size == (1500, 1200)

    run(scene())


def test_a_stream_that_is_dropped_gives_its_memory_back_some_day() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), slots=1)
        stream = await cut(engine, encoded("BMP", 1500, 1200), REMOVAL)
        await anext(aiter(stream))
        del stream
        gc.collect()
        await all_memory_is_free(engine)

    run(scene())


def test_what_is_handed_out_is_held_no_more() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), slots=1)
        stream = await cut(engine, encoded("BMP", 1500, 1200), REMOVAL)
        held = []
        async for _ in stream:
            await asyncio.sleep(0)
            held.append(engine.usage.memory_bytes)
        assert held == sorted(held, reverse=True)
        await all_memory_is_free(engine)

    run(scene())


def test_work_for_a_caller_who_left_ends_with_its_stage() -> None:
    async def scene() -> None:
        network = GatedNetwork()
        engine = engine_of(network, slots=1)
        visit = new_visit(engine)
        call = asyncio.create_task(engine.cut_out(encoded("PNG", 60, 50), REMOVAL, visit))
        await network.has_started()
        call.cancel()
        await asyncio.wait([call])
        network.gate.set()
        await all_memory_is_free(engine)
        begun = {stage.name for stage in visit.progress.stages}
        assert StageName.NETWORK in begun
        assert not begun & {StageName.MATTE, StageName.COLOURS, StageName.ENCODE}

    run(scene())


def pixel_memories() -> int:
    """How many pieces of memory for rooms this process has."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found += "memfd:pixels" in str(link.readlink())
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell of it in other ways")
def test_memory_goes_back_to_the_system_when_nothing_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        given_back = threading.Event()
        monkeypatch.setattr("shared_code.engine._REST_S", 0.05)
        monkeypatch.setattr("shared_code.engine.give_back_memory", given_back.set)
        engine = engine_of(FlatNetwork())
        first = await cut(engine, encoded("PNG", 60, 50), REMOVAL)
        await read(await cut(engine, encoded("PNG", 60, 50), REMOVAL))
        await asyncio.sleep(0.1)
        assert not given_back.is_set()
        assert pixel_memories()
        await read(first)
        assert await asyncio.to_thread(given_back.wait, PATIENCE_S)
        assert not pixel_memories()

    run(scene())


def test_the_stages_of_a_picture() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork())
        visit = new_visit(engine)
        progress = visit.progress
        stream = await engine.cut_out(encoded("PNG", 600, 500), REMOVAL, visit)
        await read(stream)
        names = [stage.name for stage in progress.stages]
        assert names == ["header", "wait", "decode", "preview", "network", "matte", "colours", "encode"]
        assert visit.findings.megapixels == 0.3
        assert all(0 <= one.begin_ms <= one.end_ms <= progress.elapsed_ms for one in progress.stages)

    run(scene())


def test_a_stream_nobody_reads_holds_its_deflated_bytes_only() -> None:
    """Two such pictures could not be at work at once; but one that is ready lets the next one in."""

    async def scene() -> None:
        data = encoded("BMP", 1500, 1200)
        budget_mb = plan(data, REMOVAL).peak_bytes * 3 // 2 >> 20
        engine = engine_of(FlatNetwork(), budget_mb=budget_mb)
        unread = [await cut(engine, data, REMOVAL) for _ in range(3)]
        for stream in unread:
            assert (await read(stream)).size == (1500, 1200)

    run(scene())


def test_the_stream_is_made_of_strips() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork())
        stream = await cut(engine, encoded("BMP", 1600, 1200, "coffee.png"), REMOVAL)
        pieces = [piece async for piece in stream]
        assert pieces[0].startswith(b"\x89PNG\r\n\x1a\n")
        assert pieces[-1].endswith(b"IEND\xaeB`\x82")
        assert len(pieces) > 4
        cutout = np.asarray(Image.open(io.BytesIO(b"".join(pieces))))
        source = np.asarray(photo("coffee.png").resize((1600, 1200)))
        np.testing.assert_array_equal(cutout[450:750, 640:960, :3], source[450:750, 640:960])

    run(scene())


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("where", ["plan", "picture"])
def test_nothing_is_free_before_the_process_has_gone(where: str) -> None:
    """A caller who leaves, while a decoder does not end by itself."""
    faulty = Rooms(Zygote("tests.support.faulty_zygote"), threads=2)

    def rooms_now() -> set[int]:
        return at_work(faulty.zygote.pid)

    async def scene() -> None:
        settings = replace(BASE, slots=1, slot_wait_s=PATIENCE_S)
        engine = Engine(settings, OneNetwork(FlatNetwork()), faulty)
        await read(await cut(engine, encoded("PNG", 60, 50), REMOVAL))
        call = asyncio.create_task(cut(engine, marked(where, "sleep"), REMOVAL))
        await until(lambda: bool(rooms_now()) and (where == "plan" or engine.usage.slots_used == 1), 0)
        call.cancel()
        await asyncio.wait([call])
        await until(lambda: engine.usage.slots_used + engine.usage.slots_waiting == 0, 0)
        assert not rooms_now()
        await all_memory_is_free(engine)
        await read(await cut(engine, encoded("PNG", 60, 50), REMOVAL))

    run(scene())
    faulty.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("same_room", [True, False])
def test_nothing_is_free_before_the_process_of_a_failed_picture_has_gone(
    same_room: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network fails, and the decoder, which is stopped, does not end until it is woken."""
    stopped: list[int] = []

    class Broken(FlatNetwork):
        @override
        def mask(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> NDArray[np.uint8]:
            time.sleep(0.5)  # until all that was asked of the decoder is there
            stopped.extend(rooms_of(engine))
            for room in stopped:
                os.kill(room, signal.SIGSTOP)
            raise RuntimeError("broken")

    monkeypatch.setattr(Birth, "kill", lambda _: None)
    if not same_room:
        monkeypatch.setattr(HeaderTurn, "lend", lambda _, take_back: take_back())
    engine = engine_of(Broken(), slots=1)

    async def scene() -> None:
        assert engine.rooms.zygote.wall
        call = asyncio.create_task(cut(engine, encoded("PNG", 60, 50), REMOVAL))
        await until(lambda: bool(stopped))
        await asyncio.sleep(0.2)
        held = engine.usage
        for room in stopped:
            os.kill(room, signal.SIGCONT)
        with pytest.raises(RuntimeError, match="broken"):
            await call
        assert held.slots_used == 1
        assert held.memory_bytes
        await until(lambda: engine.usage.slots_used == 0)
        await all_memory_is_free(engine)

    run(scene())


async def bytes_of(
    engine: Engine, data: bytes, mode: Mode, wanted: AnswerFormat
) -> tuple[str, NDArray[np.uint8]]:
    stream = await engine.cut_out(data, mode, new_visit(engine), wanted=wanted)
    return stream.media_type, np.asarray((await read(stream)).convert("RGBA"))


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
@pytest.mark.parametrize("mode", Mode)
def test_another_format_of_the_same_picture(row: AnswerFormat, mode: Mode) -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork())
        data = encoded("JPEG", 700, 1100)
        _, expected = await bytes_of(engine, data, mode, PNG)
        media_type, found = await bytes_of(engine, data, mode, row)
        assert media_type == row.media_type
        assert (found[..., 3] == expected[..., 3]).all()
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() == 0 if mode is MATTING else difference.mean() < 4
        await all_memory_is_free(engine)

    run(scene())


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("size", "mode", "budget_mb", "wanted"),
    [
        ((400, 300), REMOVAL, 1080, True),
        ((400, 300), REMOVAL, 64, True),
        ((1600, 1200), REMOVAL, 64, False),
        ((1600, 1200), REMOVAL, 1080, True),
        ((4600, 3500), MATTING, 1080, False),
    ],
)
def test_what_is_too_large_for_a_format_is_a_png(
    row: AnswerFormat, size: tuple[int, int], mode: Mode, budget_mb: int, wanted: bool
) -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork(), budget_mb=budget_mb)
        stream = await engine.cut_out(encoded("JPEG", *size), mode, new_visit(engine), wanted=row)
        assert stream.media_type == (row if wanted else PNG).media_type
        await stream.aclose()
        await all_memory_is_free(engine)

    run(scene())


def test_the_largest_cutouts_fit_the_default_budget() -> None:
    for row in WHOLE:
        planned = pipeline.plan(header_of(png(4000, 4000)), REMOVAL, row, 1080 << 20)
        assert planned.format is row


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_a_whole_format_that_nobody_waits_for_gives_everything_back(row: AnswerFormat) -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork())
        visit = new_visit(engine)
        stream = await engine.cut_out(encoded("JPEG", 2400, 1800), REMOVAL, visit, wanted=row)
        await stream.aclose()
        assert visit.progress.abandoned  # which ends the encoder, see room/test_encoding.py
        assert [piece async for piece in stream] == []
        await all_memory_is_free(engine)

    run(scene())


def test_a_whole_file_is_held_until_its_reader_has_done_with_it() -> None:
    async def scene() -> None:
        engine = engine_of(FlatNetwork())
        stream = await engine.cut_out(encoded("JPEG", 600, 500), REMOVAL, new_visit(engine), wanted=WEBP)
        async with aclosing(stream):
            pieces = aiter(stream)
            file = await anext(pieces)
            await until(lambda: engine.usage.memory_bytes == len(file))
        await all_memory_is_free(engine)

    run(scene())
