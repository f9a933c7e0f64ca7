"""Folders that are watched, on a real file system and against a real host."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from segment_client import Outcome, Result, Service, watch
from tests.support.hosts import KEYS, PROJECT, Host, environment
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


def test_what_is_there_what_comes_and_what_changes(small_host: Host, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "photos" / "cut"
    (photos / "sub").mkdir(parents=True)
    (tmp_path / "moved" / "deep").mkdir(parents=True)
    (photos / "before.jpg").write_bytes(PICTURE)
    (tmp_path / "moved" / "deep" / "c.jpg").write_bytes(PICTURE)

    async def run() -> None:
        async with aclosing(watch([photos], out, Service(small_host.url, KEYS[0]))) as outcomes:
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
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "before.jpg.png",
        "broken.jpg.png",
        "moved/deep/c.jpg.png",
        "slow.jpg.png",
        "sub/a.jpg.png",
    ]


def test_the_command_ends_when_it_is_told_to(small_host: Host, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    arguments = [str(tmp_path / "photos"), "--out", str(tmp_path / "out"), "--watch"]
    named = {"SEGMENT_ENDPOINT": small_host.url, "SEGMENT_KEY": KEYS[0], "NO_PROXY": "*"}
    process = subprocess.Popen(
        [sys.executable, "-m", "segment_client", "cutouts", *arguments],
        env=environment(named) | {"PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
    )
    with process:
        number = 0
        while not (tmp_path / "out").exists():  # until it watches
            (tmp_path / "photos" / f"{number}.jpg").write_bytes(PICTURE)
            number += 1
            time.sleep(0.5)
        while not list((tmp_path / "out").glob("*.png")):
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 0
    assert b"0 failed" in errors
