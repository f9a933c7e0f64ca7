import asyncio
from collections.abc import AsyncIterator

import pytest

from segment_client.side_by_side import in_thread, side_by_side


@pytest.mark.parametrize("at_most", [1, 3, 100])
def test_all_are_done_and_no_more_than_allowed_at_a_time(at_most: int) -> None:
    taken = done = most = 0

    async def jobs() -> AsyncIterator[int]:
        nonlocal taken
        for number in range(50):
            taken += 1
            yield number

    async def work(number: int) -> int:
        nonlocal done, most
        most = max(most, taken - done)
        await asyncio.sleep(0.001 * (number % 3))
        done += 1
        return number

    async def run() -> list[int]:
        return [result async for result in side_by_side(jobs(), work, at_most)]

    assert sorted(asyncio.run(run())) == list(range(50))
    assert most <= at_most + 1  # one is at hand


def test_results_come_while_the_next_job_is_waited_for() -> None:
    async def jobs() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def work(number: int) -> int:
        return number

    async def run() -> int:
        results = side_by_side(jobs(), work, 4)
        first = await anext(results)
        await results.aclose()
        return first

    assert asyncio.run(run()) == 1


def test_an_error_of_the_jobs_is_raised_and_work_is_stopped() -> None:
    stopped = []

    async def jobs() -> AsyncIterator[int]:
        yield 1
        raise OSError("disk")

    async def work(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(number)
        return number

    async def run() -> None:
        async for _ in side_by_side(jobs(), work, 4):
            pass

    with pytest.raises(OSError, match="disk"):
        asyncio.run(run())
    assert stopped == [1]


def test_items_come_from_a_thread_in_order() -> None:
    async def run() -> list[int]:
        return [item async for item in in_thread([number] for number in range(100))]

    assert asyncio.run(run()) == list(range(100))
