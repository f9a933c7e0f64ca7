"""Honest pictures, and a child that crashes, hangs, bloats, lies in every field, or tries each way out."""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from shared_code import pipeline
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageSizeNotAllowed,
    ImageTooLargeForInstance,
    SegmentError,
    ServiceUnavailable,
)
from shared_code.modes import Mode
from shared_code.pipeline import Cutout, Style
from shared_code.progress import Abandoned, Progress
from shared_code.room import picture, process
from shared_code.room.lifecycle import Zygote
from shared_code.room.messages import Job, Order, Reply
from shared_code.room.rooms import HEADER_CPU_S, HEADER_MEMORY_BYTES, Rooms
from shared_code.room.wall import WHOLE, Part
from tests.shared_code.matte.networks import FlatNetwork
from tests.shared_code.picture.samples import saved
from tests.support.faulty_zygote import FAULTS, LIES, marked
from tests.support.measuring import least
from tests.support.patience import PATIENCE_S, wait_for
from tests.support.photos import encoded
from tests.support.rooms import at_work, header_of, rooms

pytestmark = pytest.mark.slow

SECCOMP = pytest.mark.skipif(
    not Path("/proc/self/seccomp").exists() and not Path("/proc/sys/kernel/seccomp").exists(),
    reason="the kernel has no seccomp",
)
CRASHES = ("crash", "abort", "exit", "half")
HANGS = ("spin", "sleep", "silent", "flood", "hold")


@pytest.fixture(scope="module")
def faulty() -> Iterator[Rooms]:
    made = Rooms(Zygote("tests.support.faulty_zygote"), threads=2)
    assert made.zygote.wall  # from now on the room of a header may go on
    yield made
    made.close()


def cut_out(where: Rooms, data: bytes, progress: Progress | None = None) -> Cutout:
    arrived = where.read(data, progress)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    network = FlatNetwork()
    opened = arrived.open(pipeline.work(planned, network, len(data)))
    return pipeline.make_cutout(planned, opened, network, Style(), progress)


def made(cutout: Cutout) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rows = np.concatenate([cutout.rows(top) for top in cutout.strip_tops])
    cutout.close()
    return rows


def gone_soon(pid: int) -> bool:
    return wait_for(lambda: not at_work(pid))


def has_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def children_soon(pid: int) -> set[int]:
    return wait_for(lambda: at_work(pid))


def has_huge_pages_soon(pid: int) -> bool:
    """Whether a process gets 100 MB of them in a while."""
    rollup = Path(f"/proc/{pid}/smaps_rollup")

    def has_them() -> bool:
        found = re.search(r"^AnonHugePages:\s+(\d+)", rollup.read_text(), re.MULTILINE)
        return found is not None and int(found[1]) > 100_000

    return wait_for(has_them)


def honest_is_served(where: Rooms) -> None:
    rows = made(cut_out(where, encoded("PNG", 60, 50)))
    assert rows.shape == (50, 240)
    assert gone_soon(where.zygote.pid)


def test_an_honest_picture_is_the_same_in_both() -> None:
    data = marked("picture", "crash")
    assert made(cut_out(rooms(), data)).any()


def test_the_whole_wall_stands_here() -> None:
    expected = WHOLE if Path("/proc/sys/kernel/seccomp").exists() else WHOLE & ~Part.SECCOMP
    assert rooms().zygote.wall == expected


def test_what_rooms_are_forked_from_has_one_thread() -> None:
    """A lock that another thread holds would stay locked in the fork."""
    zygote = rooms().zygote
    assert zygote.wall
    assert len(list(Path(f"/proc/{zygote.pid}/task").iterdir())) == 1


@pytest.mark.parametrize("where", ["plan", "picture"])
@pytest.mark.parametrize("what", CRASHES)
def test_a_crash_is_a_bad_format_and_recorded(
    faulty: Rooms, where: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ImageFormatInvalid), caplog.at_level(logging.WARNING):
        cut_out(faulty, marked(where, what))
    assert re.search(rf"decoder {where}: .*sha256 [0-9a-f]{{64}}", caplog.text)
    honest_is_served(faulty)


def test_a_machine_that_stands_still_uses_up_one_wait() -> None:
    data, waits = encoded("PNG", 60, 50), list[float]()
    job = Job(Order.PLAN, 0, len(data), memory_bytes=HEADER_MEMORY_BYTES, cpu_s=HEADER_CPU_S)
    room = process.RoomProcess(rooms().zygote, job, data, Progress())

    def late(seconds: float) -> NoReturn:
        waits.append(seconds)
        raise TimeoutError  # whatever the clock says

    def just_in_time(seconds: float) -> Reply:
        return room.first_reply() if len(waits) == process.WAITS - 1 else late(seconds)

    assert room.in_time(just_in_time).width == 60
    waits.clear()
    with pytest.raises(TimeoutError):
        room.in_time(late)
    assert sum(waits) == pytest.approx(room.answer_s)
    room.wait_until_gone()


@pytest.mark.parametrize("where", ["plan", "picture"])
@pytest.mark.parametrize("what", HANGS)
def test_a_hang_ends(
    faulty: Rooms, where: str, what: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_CPU_S", 0.5)
    with pytest.raises(ImageFormatInvalid), caplog.at_level(logging.WARNING):
        cut_out(faulty, marked(where, what))
    if what == "spin":
        assert "CPU time" in caplog.text or "no answer" in caplog.text  # others use the machine too
    honest_is_served(faulty)


@pytest.mark.parametrize("same_room", [True, False])
def test_what_a_spin_gets(faulty: Rooms, same_room: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its CPU time, and no more: no other limit ends it first."""
    monkeypatch.setattr(process, "_WALL_S", float(PATIENCE_S))
    data = marked("picture", "spin")

    def spent_s() -> float:
        arrived = faulty.read(data)
        planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
        work = replace(pipeline.work(planned, FlatNetwork(), len(data)), cpu_s=0.5)
        if not same_room:
            arrived.close()
        opened = arrived.open(work)
        with pytest.raises(ImageFormatInvalid):
            opened.decoded()
        opened.close()
        ended = opened.wait_until_gone()
        assert ended.signal in (signal.SIGPROF, signal.SIGXCPU)
        return ended.cpu_s

    assert 0.2 < least(spent_s, 1.5) < 1.5  # the kernel counts in ticks


def test_what_a_spin_gets_in_a_header(
    faulty: Rooms, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_WALL_S", float(PATIENCE_S))
    with pytest.raises(ImageFormatInvalid), caplog.at_level(logging.WARNING):
        faulty.read(marked("plan", "spin"))
    assert "used its 1.0 s of CPU time" in caplog.text


def test_a_bloat_ends_where_its_plan_ends(faulty: Rooms) -> None:
    for where in ("plan", "picture"):
        with pytest.raises((ImageTooLargeForInstance, ImageFormatInvalid)):
            cut_out(faulty, marked(where, "bloat"))
        honest_is_served(faulty)


@pytest.mark.parametrize("same_room", [True, False])
def test_what_a_bloat_gets(faulty: Rooms, same_room: bool) -> None:
    data = marked("picture", "bloat")
    arrived = faulty.read(data)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    work = pipeline.work(planned, FlatNetwork(), len(data))
    if not same_room:
        arrived.close()
    opened = arrived.open(work)
    with pytest.raises(SegmentError):
        opened.decoded()
    opened.close()
    assert opened.wait_until_gone().peak_bytes < work.memory_bytes + (60 << 20)


@pytest.mark.parametrize("where", ["plan", "picture"])
@pytest.mark.parametrize("what", LIES)
def test_a_lie_is_found_or_harmless(faulty: Rooms, where: str, what: str) -> None:
    with suppress(ImageFormatInvalid, ImageTooLargeForInstance, ImageDimensionNotAllowed):
        assert made(cut_out(faulty, marked(where, what))).shape == (64, 96 * 4)
    honest_is_served(faulty)


def test_a_lie_forges_no_line_of_the_log(faulty: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ImageFormatInvalid), caplog.at_level(logging.INFO):
        cut_out(faulty, marked("plan", "fault"))
    assert "ERROR forged" in caplog.text
    assert all(ord(sign) >= 32 for record in caplog.records for sign in record.getMessage())


@SECCOMP
def test_there_is_no_way_out(faulty: Rooms, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ImageFormatInvalid), caplog.at_level(logging.INFO):
        cut_out(faulty, marked("plan", "ways_out"))
    assert "ways out: none" in caplog.text


def test_a_picture_that_is_given_up_ends_at_once(faulty: Rooms) -> None:
    for where in ("plan", "picture"):
        progress = Progress()
        timer = threading.Timer(0.2, progress.abandon)
        timer.start()
        with pytest.raises(Abandoned):
            cut_out(faulty, marked(where, "sleep"), progress)
        assert not at_work(faulty.zygote.pid)


def test_one_room_reads_header_and_picture() -> None:
    data = encoded("PNG", 60, 50)
    assert rooms().zygote.wall == WHOLE or pytest.skip("the wall is not whole here")
    arrived = rooms().read(data)
    (room,) = at_work(rooms().zygote.pid)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    opened = arrived.open(pipeline.work(planned, FlatNetwork(), len(data)))
    opened.decoded()
    assert at_work(rooms().zygote.pid) == {room}
    opened.close()
    opened.wait_until_gone()
    assert not at_work(rooms().zygote.pid)


def test_the_room_of_a_header_gets_the_memory_for_its_picture() -> None:
    data = encoded("JPEG", 4000, 3000)
    assert HEADER_MEMORY_BYTES < 4000 * 3000 * 3
    assert rooms().zygote.wall == WHOLE or pytest.skip("the wall is not whole here")
    arrived = rooms().read(data)
    at_it = at_work(rooms().zygote.pid)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    opened = arrived.open(pipeline.work(planned, FlatNetwork(), len(data)))
    try:
        opened.decoded()
        assert at_work(rooms().zygote.pid) == at_it
    finally:
        opened.close()
        opened.wait_until_gone()


def test_nothing_is_read_of_a_picture_that_was_closed() -> None:
    data = encoded("PNG", 60, 50)
    arrived = rooms().read(data)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    opened = arrived.open(pipeline.work(planned, FlatNetwork(), len(data)))
    opened.close()
    opened.wait_until_gone()
    with pytest.raises(Abandoned):
        opened.decoded()
    with pytest.raises(Abandoned), opened.colours(0, 50, 60, 50):
        pytest.fail("there are none")
    with pytest.raises(Abandoned):
        opened.alpha(0, 50, 60, 50)
    told: list[str] = []
    opened.when_gone(partial(told.append, "at once"))
    assert told == ["at once"]


@pytest.mark.parametrize(("wanted", "threads"), [(1, 2), (2, 2), (5, 5), (20, 8)])
def test_a_room_has_a_thread_for_the_preview_and_at_most_eight(wanted: int, threads: int) -> None:
    assert Rooms(rooms().zygote, wanted).threads == threads


def descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_stays_open_of_a_picture() -> None:
    def kept() -> int:
        rooms().give_back_memory()  # some is kept for the next picture
        return descriptors()

    honest_is_served(rooms())
    before = kept()
    for _ in range(3):
        honest_is_served(rooms())
    wait_for(lambda: kept() <= before)


def spares(zygote: int) -> set[int]:
    """Processes that wait for the next job."""
    children = Path(f"/proc/{zygote}/task/{zygote}/children")
    return set(map(int, children.read_text().split())) - at_work(zygote)


def new_spare() -> int:
    """One that waits since a picture has just been made."""
    zygote = rooms().zygote.pid
    honest_is_served(rooms())
    (spare,) = wait_for(partial(spares, zygote))
    return spare


def test_the_next_picture_gets_the_spare_room() -> None:
    def gets_it() -> bool:  # unless the machine stands still until the spare room has ended
        spare = new_spare()
        arrived = rooms().read(encoded("PNG", 60, 50))
        assert rooms().zygote.wall == WHOLE or pytest.skip("the wall is not whole here")
        at_it = at_work(rooms().zygote.pid)
        arrived.close()
        return at_it == {spare}

    assert wait_for(gets_it)


def test_a_spare_room_ends_when_no_picture_comes() -> None:
    spare = new_spare()
    wait_for(partial(has_gone, spare))
    assert not spares(rooms().zygote.pid)
    assert new_spare() != spare


def test_a_spare_room_that_is_killed_is_replaced() -> None:
    spare = new_spare()
    with suppress(ProcessLookupError):  # it has ended while the machine stood still
        os.kill(spare, signal.SIGKILL)
    wait_for(partial(has_gone, spare))
    assert new_spare() != spare


def test_a_spare_room_that_has_just_ended_gets_no_picture() -> None:
    """The zygote finds both when it looks: the end of its spare room, and a job."""
    zygote = rooms().zygote.pid

    def kept() -> int | None:
        spare = new_spare()
        os.kill(zygote, signal.SIGSTOP)  # it can no longer end it
        if spares(zygote) == {spare}:
            return spare
        os.kill(zygote, signal.SIGCONT)
        return None

    spare = wait_for(kept)
    os.kill(spare, signal.SIGKILL)
    wait_for(lambda: Path(f"/proc/{spare}/stat").read_text().rpartition(") ")[2][0] == "Z")
    with ThreadPoolExecutor(1) as caller:
        served = caller.submit(honest_is_served, rooms())
        time.sleep(0.1)
        os.kill(zygote, signal.SIGCONT)
        served.result(PATIENCE_S)


@pytest.mark.parametrize("how", ["closed", "killed", "too small"])
def test_a_picture_whose_first_room_cannot_go_on_gets_another(how: str) -> None:
    data = encoded("PNG", 60, 50)
    arrived = rooms().read(data)
    planned = pipeline.plan(arrived.header, Mode.BACKGROUND_REMOVAL)
    work = pipeline.work(planned, FlatNetwork(), len(data))
    if how == "closed":
        arrived.close()
        assert not at_work(rooms().zygote.pid)
    elif how == "killed":
        for room in at_work(rooms().zygote.pid):
            os.kill(room, signal.SIGKILL)
        arrived.gone.result(PATIENCE_S)
    else:
        work = replace(work, slot_bytes=32 << 20)
    assert made(pipeline.make_cutout(planned, arrived.open(work), FlatNetwork(), Style())).any()
    assert gone_soon(rooms().zygote.pid)


def test_a_system_that_lets_no_room_go_on() -> None:
    one = Rooms(Zygote("tests.support.stubborn_zygote"), threads=2)
    assert one.zygote.wall == WHOLE or pytest.skip("the wall is not whole here")
    honest_is_served(one)
    one.close()


def test_a_decoder_has_huge_pages(faulty: Rooms) -> None:
    """So that its memory is soon free again when it is killed."""
    granted = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not granted.exists() or "[never]" in granted.read_text():
        pytest.skip("the system grants no huge pages")
    data = marked("picture", "hold")
    planned = pipeline.plan(header_of(data, faulty), Mode.BACKGROUND_REMOVAL)
    work = replace(pipeline.work(planned, FlatNetwork(), len(data)), memory_bytes=256 << 20)
    opened = faulty.open(data, work)
    try:
        (room,) = children_soon(faulty.zygote.pid)
        assert has_huge_pages_soon(room)
    except PermissionError:
        pytest.skip("only root may look into a room")
    finally:
        opened.close()
        opened.wait_until_gone()


def test_given_up_before_it_began(faulty: Rooms) -> None:
    progress = Progress()
    progress.abandon()
    with pytest.raises(Abandoned):
        cut_out(faulty, encoded("PNG", 60, 50), progress)
    assert gone_soon(faulty.zygote.pid)


def test_a_zygote_that_is_killed_is_followed_by_another() -> None:
    one = Rooms(Zygote(), threads=2)
    try:
        for _ in range(3):
            honest_is_served(one)
            before = one.zygote.pid
            os.kill(before, signal.SIGKILL)
            wait_for(partial(has_gone, before))
        honest_is_served(one)
        assert one.zygote.pid != before
    finally:
        one.close()


def test_rooms_end_with_their_zygote() -> None:
    one = Rooms(Zygote("tests.support.faulty_zygote"), threads=2)
    data = marked("picture", "sleep")
    planned = pipeline.plan(header_of(data, one), Mode.BACKGROUND_REMOVAL)
    opened = one.open(data, pipeline.work(planned, FlatNetwork(), len(data)))
    (room,) = children_soon(one.zygote.pid)
    os.kill(one.zygote.pid, signal.SIGKILL)
    with pytest.raises(ServiceUnavailable):
        opened.decoded()
    wait_for(partial(has_gone, room))
    one.close()


@pytest.mark.parametrize(("data", "error"), [(b"", ImageSizeNotAllowed), (b"\xff", ImageFormatInvalid)])
def test_next_to_nothing(data: bytes, error: type[SegmentError]) -> None:
    with pytest.raises(error):
        rooms().read(data)


def test_closed_rooms_leave_no_process_and_are_not_opened_again() -> None:
    one = Rooms(Zygote(), threads=2)
    data = encoded("PNG", 60, 50)
    header_of(data, one)
    zygote = one.zygote.pid
    one.close()
    wait_for(partial(has_gone, zygote))
    with pytest.raises(ServiceUnavailable):
        one.read(data)
    assert one.zygote.pid == zygote


def test_every_fault_is_tried() -> None:
    assert set(FAULTS) == {*CRASHES, *HANGS, "bloat", "garbage", "ways_out"}


def test_rows_that_were_prepared_are_the_same() -> None:
    """More are prepared than there is room for, and some twice."""
    tops, size = range(0, 56, 8), (64, 56)
    data = encoded("PNG", *size)
    planned = pipeline.plan(header_of(data), Mode.BACKGROUND_REMOVAL)
    results = []
    for prepared in ([], tops, [0, 0, 8, 24, 16, 48]):
        opened = rooms().open(data, pipeline.work(planned, FlatNetwork(), len(data)))
        for top in prepared:
            opened.prepare(top, top + 8, *size)
        strips = []
        for top in tops:
            with opened.colours(top, top + 8, *size) as words:
                strips.append(words & 0xFFFFFF)
        results.append(np.concatenate(strips))
        opened.close()
    plain, *others = results
    assert plain.any()
    assert all((plain == other).all() for other in others)


def test_pixels_beyond_the_plan_are_not_asked_for() -> None:
    data = encoded("PNG", 60, 50)
    planned = pipeline.plan(header_of(data), Mode.BACKGROUND_REMOVAL)
    opened: picture.Picture = rooms().open(data, pipeline.work(planned, FlatNetwork(), len(data)))
    with pytest.raises(ValueError, match="more than was planned"), opened.colours(0, 16_000, 16_000, 16_000):
        pass
    opened.close()


def test_garbage_is_no_reply(faulty: Rooms) -> None:
    for where in ("plan", "picture"):
        with pytest.raises(ImageFormatInvalid):
            cut_out(faulty, marked(where, "garbage"))
        honest_is_served(faulty)


def test_errors_are_a_closed_list() -> None:
    assert all(error().status == 400 for error in process.ERRORS.values())


def test_a_header_costs_no_more_for_a_large_picture() -> None:
    """libwebp takes 8 bytes of address space for each pixel when a file is opened."""
    data = saved(Image.new("RGB", (5000, 5000)), "WEBP", lossless=True, quality=0, method=0)
    assert header_of(data).width == 5000
