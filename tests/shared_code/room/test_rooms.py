"""Honest pictures, and a child that crashes, hangs, bloats, lies in every field, or tries each way out."""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared_code import pipeline
from shared_code.errors import (
    ImageDimensionNotAllowed,
    ImageFormatInvalid,
    ImageTooLargeForInstance,
    SegmentError,
    ServiceUnavailable,
)
from shared_code.modes import Mode
from shared_code.pipeline import Cutout, Style
from shared_code.progress import Abandoned, Progress
from shared_code.room import picture, process
from shared_code.room.lifecycle import Zygote
from shared_code.room.rooms import Rooms
from shared_code.room.wall import WHOLE, Part
from tests.shared_code.matte.networks import FlatNetwork
from tests.shared_code.picture.samples import saved
from tests.support.faulty_zygote import FAULTS, LIES, marked
from tests.support.photos import encoded
from tests.support.rooms import rooms

pytestmark = pytest.mark.slow

SECCOMP = pytest.mark.skipif(
    not Path("/proc/self/seccomp").exists() and not Path("/proc/sys/kernel/seccomp").exists(),
    reason="the kernel has no seccomp",
)
CRASHES = ("crash", "abort", "exit", "half")
HANGS = ("spin", "sleep", "silent", "flood")


@pytest.fixture(scope="module")
def faulty() -> Iterator[Rooms]:
    made = Rooms(Zygote("tests.support.faulty_zygote"), threads=2)
    yield made
    made.close()


def cut_out(where: Rooms, data: bytes, progress: Progress | None = None) -> Cutout:
    planned = pipeline.plan(where.header(data, progress), Mode.BACKGROUND_REMOVAL)
    network = FlatNetwork()
    opened = where.open(data, pipeline.work(planned, network, len(data)), progress)
    return pipeline.make_cutout(planned, opened, network, Style(), progress)


def made(cutout: Cutout) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rows = np.concatenate([cutout.rows(top) for top in cutout.strip_tops])
    cutout.close()
    return rows


def children_of(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def gone_soon(pid: int) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not children_of(pid):
            return True
        time.sleep(0.01)
    return False


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


@pytest.mark.parametrize("where", ["plan", "picture"])
@pytest.mark.parametrize("what", CRASHES)
def test_a_crash_is_a_bad_format_and_recorded(
    faulty: Rooms, where: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ImageFormatInvalid), caplog.at_level(logging.WARNING):
        cut_out(faulty, marked(where, what))
    assert re.search(rf"decoder {where}: .*sha256 [0-9a-f]{{64}}", caplog.text)
    honest_is_served(faulty)


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


def test_a_bloat_ends_where_its_plan_ends(faulty: Rooms) -> None:
    for where in ("plan", "picture"):
        with pytest.raises((ImageTooLargeForInstance, ImageFormatInvalid)):
            cut_out(faulty, marked(where, "bloat"))
        honest_is_served(faulty)


def test_what_a_bloat_gets(faulty: Rooms) -> None:
    data = marked("picture", "bloat")
    planned = pipeline.plan(faulty.header(data), Mode.BACKGROUND_REMOVAL)
    work = pipeline.work(planned, FlatNetwork(), len(data))
    opened = faulty.open(data, work)
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
        assert not children_of(faulty.zygote.pid)


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
            while Path(f"/proc/{before}/stat").exists():
                time.sleep(0.01)
        honest_is_served(one)
        assert one.zygote.pid != before
    finally:
        one.close()


def test_rooms_end_with_their_zygote() -> None:
    one = Rooms(Zygote("tests.support.faulty_zygote"), threads=2)
    data = marked("picture", "sleep")
    planned = pipeline.plan(one.header(data), Mode.BACKGROUND_REMOVAL)
    opened = one.open(data, pipeline.work(planned, FlatNetwork(), len(data)))
    end = time.monotonic() + 10
    while not (found := children_of(one.zygote.pid)) and time.monotonic() < end:
        time.sleep(0.01)
    (room,) = found
    os.kill(one.zygote.pid, signal.SIGKILL)
    with pytest.raises(ServiceUnavailable):
        opened.decoded()
    end = time.monotonic() + 10
    while Path(f"/proc/{room}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{room}").exists()
    one.close()


def test_every_fault_is_tried() -> None:
    assert set(FAULTS) == {*CRASHES, *HANGS, "bloat", "garbage", "ways_out"}


def test_pixels_beyond_the_plan_are_not_asked_for() -> None:
    data = encoded("PNG", 60, 50)
    planned = pipeline.plan(rooms().header(data), Mode.BACKGROUND_REMOVAL)
    opened: picture.Picture = rooms().open(data, pipeline.work(planned, FlatNetwork(), len(data)))
    with pytest.raises(ValueError, match="more than was planned"):
        opened.colours(0, 16_000, 16_000, 16_000)
    opened.close()


def test_garbage_is_no_reply(faulty: Rooms) -> None:
    for where in ("plan", "picture"):
        with pytest.raises(ImageFormatInvalid):
            cut_out(faulty, marked(where, "garbage"))
        honest_is_served(faulty)


def test_errors_are_a_closed_list() -> None:
    assert all(error().status == 400 for error in process._ERRORS.values())


def test_a_header_costs_no_more_for_a_large_picture() -> None:
    """libwebp takes 8 bytes of address space for each pixel when a file is opened."""
    data = saved(Image.new("RGB", (5000, 5000)), "WEBP", lossless=True, quality=0, method=0)
    assert rooms().header(data).width == 5000
