import asyncio
import threading

import pytest

from segment_function.fetch.loops import Loops, on_this_loop
from shared_code.errors import TooManyRequests
from tests.support.patience import PATIENCE_S


def test_work_is_done_on_a_few_threads_of_its_own() -> None:
    async def where() -> int:
        await asyncio.sleep(0.01)
        return threading.get_ident()

    async def scene() -> None:
        loops = Loops(2, "test")
        found = await asyncio.gather(*(loops.run(where()) for _ in range(6)))
        assert len(set(found)) == 2
        assert threading.get_ident() not in found

    asyncio.run(scene())


def test_busy_loops_are_left_to_themselves() -> None:
    """One that computes without end keeps only itself busy."""
    released = threading.Event()

    async def compute() -> None:
        released.wait(PATIENCE_S)

    async def scene() -> None:
        loops = Loops(2, "test")
        busy = asyncio.create_task(loops.run(compute()))
        await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.wait_for(loops.run(asyncio.sleep(0)), PATIENCE_S)
        assert not busy.done()
        released.set()
        await busy

    asyncio.run(scene())


def test_work_ends_when_nobody_waits_any_more() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def scene() -> None:
        waiting = asyncio.create_task(Loops(1, "test").run(wait()))
        assert await asyncio.to_thread(begun.wait, PATIENCE_S)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await asyncio.to_thread(ended.wait, PATIENCE_S)

    asyncio.run(scene())


def test_errors_come_back_from_both_sides() -> None:
    given: list[tuple[int, int]] = []

    def grow(size_bytes: int) -> None:
        given.append((size_bytes, threading.get_ident()))
        if size_bytes > 10:
            raise TooManyRequests

    async def scene() -> None:
        tell = on_this_loop(grow)

        async def fetch() -> None:
            await tell(3)
            await tell(11)

        with pytest.raises(TooManyRequests):
            await Loops(1, "test").run(fetch())
        assert given == [(3, threading.get_ident()), (11, threading.get_ident())]

    asyncio.run(scene())
