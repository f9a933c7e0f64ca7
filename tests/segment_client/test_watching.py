"""Folders that are watched, on a real file system and against a real host."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import count
from pathlib import Path

import pytest

from segment_client import Outcome, Result, Service, watch
from tests.support.hosts import KEYS, PROJECT, Host, environment
from tests.support.patience import until, wait_for
from tests.support.photos import encoded

PICTURE = encoded("JPEG", 64, 60)


async def next_of(outcomes: AsyncGenerator[Outcome]) -> tuple[str, str]:
    outcome = await anext(outcomes)
    return Path(outcome.source).name, outcome.error.id if outcome.error else outcome.result


async def write_slowly(path: Path) -> None:
    """Longer under way than a file has to rest, with pauses that are shorter."""
    with path.open("wb") as file:
        for start in range(0, len(PICTURE), len(PICTURE) // 4):
            file.write(PICTURE[start : start + len(PICTURE) // 4])
            file.flush()
            await asyncio.sleep(0.4)


def test_what_is_there_what_comes_and_what_changes(host: Host, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "photos" / "cut"
    (photos / "sub").mkdir(parents=True)
    (tmp_path / "moved" / "deep").mkdir(parents=True)
    (photos / "before.jpg").write_bytes(PICTURE)
    (tmp_path / "moved" / "deep" / "c.jpg").write_bytes(PICTURE)

    async def run() -> None:
        async with aclosing(watch([photos], out, Service(host.url, KEYS[0]))) as outcomes:
            assert await next_of(outcomes) == ("before.jpg", Result.DONE)
            (photos / "sub" / "a.jpg").write_bytes(PICTURE)
            (photos / "sub" / "note.txt").write_bytes(b"x")
            assert await next_of(outcomes) == ("a.jpg", Result.DONE)
            (photos / "broken.jpg").write_bytes(b"x")
            assert await next_of(outcomes) == ("broken.jpg", "E-FORMAT")
            (photos / "broken.jpg").write_bytes(PICTURE)
            assert await next_of(outcomes) == ("broken.jpg", Result.DONE)
            (tmp_path / "moved").rename(photos / "moved")
            assert await next_of(outcomes) == ("c.jpg", Result.DONE)
            writing = asyncio.create_task(write_slowly(photos / "slow.jpg"))
            assert await next_of(outcomes) == ("slow.jpg", Result.DONE)
            assert writing.done()

    asyncio.run(run())
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("[!.]*.*")) == [
        "before.jpg.png",
        "broken.jpg.png",
        "moved/deep/c.jpg.png",
        "slow.jpg.png",
        "sub/a.jpg.png",
    ]


def test_folders_that_vanish_and_come_back(
    host: Host, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One below, while it is written to; then the watched one itself, beside another that stays."""
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "sub").mkdir(parents=True)
    two.mkdir()

    async def run() -> None:
        async with aclosing(watch([one, two], tmp_path / "out", Service(host.url, KEYS[0]))) as outcomes:
            coming = asyncio.ensure_future(next_of(outcomes))
            await asyncio.sleep(1)
            (one / "sub" / "a.jpg").write_bytes(PICTURE)
            await asyncio.sleep(0.4)
            shutil.rmtree(one / "sub")
            await asyncio.sleep(1.5)
            (two / "b.jpg").write_bytes(PICTURE)
            assert await coming == ("b.jpg", Result.DONE)
            coming = asyncio.ensure_future(next_of(outcomes))
            shutil.rmtree(one)
            await until(lambda: "has vanished" in caplog.text)
            (tmp_path / "new").mkdir()
            (tmp_path / "new" / "c.jpg").write_bytes(PICTURE)
            (tmp_path / "new").rename(one)
            while (outcome := await coming) != ("c.jpg", Result.DONE):
                assert outcome == ("b.jpg", Result.SKIPPED)
                coming = asyncio.ensure_future(next_of(outcomes))
            (one / "d.jpg").write_bytes(PICTURE)
            while (outcome := await next_of(outcomes)) != ("d.jpg", Result.DONE):
                assert outcome == ("b.jpg", Result.SKIPPED)

    asyncio.run(run())
    assert [record.message for record in caplog.records] == [
        f"{one / 'sub'}: No such file or directory",
        f"{one} has vanished; waiting for it.",
        f"{one} is back.",
    ]


def test_events_are_believed(host: Host, tmp_path: Path) -> None:
    """The file that comes has the size and the times of the one before."""
    photos = tmp_path / "photos"
    photos.mkdir()
    first, second = encoded("BMP", 64, 60), encoded("BMP", 64, 60, "chelsea.png")
    (photos / "a.bmp").write_bytes(first)
    os.utime(photos / "a.bmp", (1e9, 1e9))

    async def run() -> None:
        async with aclosing(watch([photos], tmp_path / "out", Service(host.url, KEYS[0]))) as outcomes:
            assert await next_of(outcomes) == ("a.bmp", Result.DONE)
            for data, result in ((second, Result.DONE), (second, Result.SKIPPED), (first, Result.DONE)):
                (photos / "a.bmp").write_bytes(data)
                os.utime(photos / "a.bmp", (1e9, 1e9))
                assert await next_of(outcomes) == ("a.bmp", result)

    asyncio.run(run())


@pytest.mark.parametrize(("limit", "left"), [("max_inotify_instances", 0), ("max_inotify_watches", 2)])
def test_without_means_to_watch_folders_are_compared(
    host: Host, tmp_path: Path, limit: str, left: int
) -> None:
    """In a user namespace, which has limits of its own: `left` is for the folder and the first in it."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    limited = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        f'echo {left} > /proc/sys/user/{limit} && exec "$@"',
    ]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*limited, "sh", "true"], capture_output=True).returncode
    ):
        pytest.skip("needs user namespaces")
    process = start(host, photos, out, before=[*limited, "sh"])
    with process:
        for number in range(4):
            (photos / str(number)).mkdir()
            (photos / str(number) / "a.jpg").write_bytes(PICTURE)
        results = [out / str(number) / "a.jpg.png" for number in range(4)]
        wait_for(lambda: all(result.exists() for result in results) or process.poll() is not None)
        before = results[3].read_bytes()
        (tmp_path / "older.jpg").write_bytes(encoded("JPEG", 70, 60))
        os.utime(tmp_path / "older.jpg", (1e9, 1e9))
        (tmp_path / "older.jpg").rename(photos / "3" / "a.jpg")
        wait_for(lambda: results[3].read_bytes() != before or process.poll() is not None)
        process.terminate()
        _, errors = process.communicate()
    assert process.returncode == 0
    assert errors.count(b"The system cannot watch more folders") == 1
    assert b"Traceback" not in errors


def start(host: Host, photos: Path, out: Path, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """The command, watching, by way of a program before it."""
    named = {"SEGMENT_ENDPOINT": host.url, "SEGMENT_KEY": KEYS[0], "NO_PROXY": "*"}
    arguments = ["-m", "segment_client", "cutouts", str(photos), "--out", str(out), "--watch"]
    return subprocess.Popen(
        [*before, sys.executable, *arguments],
        env=environment(named) | {"PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
    )


def test_the_command_ends_when_it_is_told_to(host: Host, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    process = start(host, tmp_path / "photos", tmp_path / "out")
    with process:
        names = (tmp_path / "photos" / f"{number}.jpg" for number in count())

        def watches() -> bool:
            next(names).write_bytes(PICTURE)
            time.sleep(0.5)
            return (tmp_path / "out").exists()

        wait_for(watches)
        wait_for(lambda: list((tmp_path / "out").glob("*.png")))
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 0
    assert b"0 failed" in errors
