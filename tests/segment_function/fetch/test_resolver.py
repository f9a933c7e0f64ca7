import asyncio
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from segment_function.fetch.image_url import UrlPolicy, fetch_image
from segment_function.fetch.resolver import SystemResolver
from shared_code.errors import UrlNotAccessible
from tests.support.hosts import PROJECT
from tests.support.patience import PATIENCE_S

GOOD = ["192.0.2.7", "2001:db8::7"]


class SlowSystem:
    """Look-ups of names that begin with "hung" return when they are let go, as if no server answered."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.let_go = threading.Event()

    def __call__(self, host: str) -> Sequence[str]:
        self.asked[host] += 1
        if host.startswith("hung"):
            self.let_go.wait()
        if host.startswith("no"):
            raise OSError("no such name")
        return GOOD


@pytest.fixture
def system() -> Iterator[SlowSystem]:
    system = SlowSystem()
    yield system
    system.let_go.set()


async def asked_for(resolver: SystemResolver, *hosts: str) -> list[asyncio.Task[Sequence[str]]]:
    tasks = [asyncio.ensure_future(resolver.resolve(host)) for host in hosts]
    await asyncio.sleep(0)
    return tasks


def test_hung_look_ups_block_no_other(system: SlowSystem) -> None:
    async def ask() -> None:
        resolver = SystemResolver(system)
        hung = await asked_for(resolver, *(f"hung{number}.example" for number in range(100)))
        for number in range(10):
            assert await resolver.resolve(f"good{number}.example") == GOOD
        assert not any(task.done() for task in hung)
        system.let_go.set()
        assert await asyncio.gather(*hung) == [GOOD] * 100

    asyncio.run(ask())


def test_callers_of_one_name_share_a_look_up(system: SlowSystem) -> None:
    async def ask() -> None:
        resolver = SystemResolver(system, max_look_ups=1)
        first, *others = await asked_for(resolver, *["hung.example"] * 50)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        system.let_go.set()
        assert await asyncio.gather(*others) == [GOOD] * 49

    asyncio.run(ask())
    assert system.asked == {"hung.example": 1}


def test_an_answer_is_not_kept(system: SlowSystem) -> None:
    resolver = SystemResolver(system)
    for _ in range(3):
        assert asyncio.run(resolver.resolve("good.example")) == GOOD
    assert system.asked == {"good.example": 3}


def test_more_than_the_most_are_refused_until_one_ends(system: SlowSystem) -> None:
    async def ask() -> None:
        resolver = SystemResolver(system, max_look_ups=3)
        hung = await asked_for(resolver, "hung1.example", "hung2.example", "hung3.example")
        with pytest.raises(OSError, match="3 look-ups"):
            await resolver.resolve("good.example")
        assert system.asked["good.example"] == 0
        system.let_go.set()
        await asyncio.gather(*hung)
        assert await resolver.resolve("good.example") == GOOD

    asyncio.run(ask())


def test_a_failure_reaches_all_who_wait(system: SlowSystem) -> None:
    async def ask() -> None:
        resolver = SystemResolver(system)
        tasks = await asked_for(resolver, *["no.example"] * 3)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in results] == ["no such name"] * 3

    asyncio.run(ask())


def test_real_look_ups() -> None:
    resolver = SystemResolver()
    assert set(asyncio.run(resolver.resolve("localhost"))) <= {"127.0.0.1", "::1"}
    with pytest.raises(socket.gaierror):
        asyncio.run(resolver.resolve("no-such-host.invalid"))


def test_fetching_gives_up_on_a_hung_look_up(system: SlowSystem) -> None:
    policy = UrlPolicy(dns_timeout_s=0.05)
    with pytest.raises(UrlNotAccessible) as caught:
        asyncio.run(fetch_image("http://hung.example/", policy, SystemResolver(system)))
    assert isinstance(caught.value.__cause__, TimeoutError)


@pytest.mark.slow
def test_a_hung_look_up_does_not_keep_the_process() -> None:
    code = """
import asyncio, threading
from segment_function.fetch.resolver import SystemResolver

async def main():
    async with asyncio.timeout(0.1):
        await SystemResolver(lambda host: threading.Event().wait()).resolve("hung.example")

try:
    asyncio.run(main())
except TimeoutError:
    print("gave up")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=True, cwd=PROJECT
    )
    assert done.stdout == "gave up\n"
