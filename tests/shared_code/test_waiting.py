import asyncio
from collections.abc import Coroutine

import pytest

from shared_code.errors import TooManyRequests
from shared_code.waiting import Hold, Waiting
from tests.support.patience import PATIENCE_S


class Visitors:
    """Tasks that hold something, each until it is told to leave or has to give way."""

    def __init__(self, waiting: Waiting) -> None:
        self.waiting = waiting
        self.tasks: list[asyncio.Task[str]] = []

    async def come(self, caller: str | None, size_bytes: int = 0, *, place: bool = False) -> Hold:
        """A visit that can give way. Raises TooManyRequests when it does not get what it asks for."""
        hold = self.hold(caller)
        got = asyncio.get_running_loop().create_future()

        async def visit() -> str:
            try:
                async with hold.giving_way():
                    try:
                        hold.grow(size_bytes)
                        if place:
                            hold.take_place()
                    except TooManyRequests as error:
                        got.set_exception(error)
                        return "refused"
                    got.set_result(None)
                    await asyncio.sleep(PATIENCE_S)
            except TooManyRequests:
                return "gave way"
            return "stayed"

        self.tasks.append(asyncio.create_task(visit()))
        await got
        return hold

    def hold(self, caller: str | None) -> Hold:
        hold = Hold(self.waiting)
        hold.caller = caller
        return hold

    async def end(self) -> list[str]:
        """How the visits ended, in the order in which they came; 'there' if they did not."""
        await asyncio.sleep(0.01)
        for task in self.tasks:
            task.cancel()
        done = await asyncio.gather(*self.tasks, return_exceptions=True)
        return [each if isinstance(each, str) else "there" for each in done]


def run(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, PATIENCE_S))


def test_one_alone_has_everything() -> None:
    async def scene() -> None:
        visitors = Visitors(Waiting(4, 100))
        for _ in range(4):
            await visitors.come("greedy", 25, place=True)
        with pytest.raises(TooManyRequests):
            await visitors.come("greedy", place=True)
        with pytest.raises(TooManyRequests):
            await visitors.come("greedy", 1)
        assert await visitors.end() == ["there"] * 4 + ["refused"] * 2

    run(scene())


def test_the_fullest_gives_places_way_until_all_have_as_many() -> None:
    async def scene() -> None:
        visitors = Visitors(Waiting(4, 100))
        for _ in range(4):
            await visitors.come("greedy", place=True)
        for _ in range(2):
            await visitors.come("polite", place=True)
        with pytest.raises(TooManyRequests):
            await visitors.come("polite", place=True)
        await visitors.come("third", place=True)
        assert visitors.waiting.places == 4
        assert await visitors.end() == [
            "there", "there", "gave way", "gave way", "there", "gave way", "refused", "there"
        ]  # fmt: skip

    run(scene())


def test_nobody_gives_way_to_one_who_would_have_as_much() -> None:
    async def scene() -> None:
        visitors = Visitors(Waiting(3, 100))
        for caller in ("greedy", "greedy", "polite"):
            await visitors.come(caller, place=True)
        with pytest.raises(TooManyRequests):
            await visitors.come("polite", place=True)
        assert await visitors.end() == ["there"] * 3 + ["refused"]

    run(scene())


def test_the_fullest_gives_bytes_way() -> None:
    """Also one that sends nothing any more."""

    async def scene() -> None:
        visitors = Visitors(Waiting(4, 100))
        for size_bytes in (10, 50, 40):
            await visitors.come("greedy", size_bytes)
        polite = await visitors.come("polite", 20)
        assert visitors.waiting.size_bytes == 80
        polite.grow(20)
        polite.grow(15)
        assert visitors.waiting.size_bytes == 65
        assert await visitors.end() == ["there", "gave way", "gave way", "there"]

    run(scene())


def test_what_gave_way_gets_nothing_more() -> None:
    async def scene() -> None:
        visitors = Visitors(Waiting(4, 100))
        greedy = await visitors.come("greedy", 100)
        await visitors.come("polite", 1)
        assert greedy.size_bytes == 0
        with pytest.raises(TooManyRequests):
            greedy.grow(1)
        with pytest.raises(TooManyRequests):
            greedy.take_place()
        greedy.release()
        greedy.leave_place()
        assert visitors.waiting.size_bytes == 1
        assert await visitors.end() == ["gave way", "there"]

    run(scene())


def test_whose_turn_has_come_stays() -> None:
    async def scene() -> None:
        visitors = Visitors(Waiting(2, 100))
        for _ in range(2):
            (await visitors.come("greedy", 50, place=True)).settle()
        with pytest.raises(TooManyRequests):
            await visitors.come("polite", 1)
        with pytest.raises(TooManyRequests):
            await visitors.come("polite", place=True)
        assert await visitors.end() == ["there", "there", "refused", "refused"]

    run(scene())


def test_who_cannot_give_way_stays_and_counts() -> None:
    async def scene() -> None:
        visitors = Visitors(Waiting(3, 100))
        blobs = [visitors.hold(None) for _ in range(2)]
        for blob in blobs:
            blob.take_place()
        await visitors.come("polite", place=True)
        with pytest.raises(TooManyRequests):
            visitors.hold(None).take_place()
        assert await visitors.end() == ["there"]
        assert all(blob.has_place for blob in blobs)

    run(scene())


def test_a_block_that_ends_for_another_reason_says_so() -> None:
    async def scene() -> None:
        hold = Hold(Waiting(1, 1))
        with pytest.raises(TimeoutError):
            async with hold.giving_way():
                raise TimeoutError
        assert not hold.can_give_way

    run(scene())
