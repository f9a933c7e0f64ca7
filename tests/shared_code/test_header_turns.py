import asyncio
import random
from collections.abc import Coroutine

import pytest

from shared_code.admission import Admission, Turn
from shared_code.header_turns import HeaderTurn
from tests.support.patience import PATIENCE_S, until

MB = 1 << 20
BUDGET = 800 * MB
SHARE = BUDGET // 8
ASIDE = BUDGET // 10


async def turns() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


def begun(admission: Admission, size_mb: int, caller: str | None = None) -> asyncio.Task[HeaderTurn]:
    return asyncio.create_task(admission.header_turns.turn(caller, size_mb * MB))


async def header(admission: Admission, size_mb: int, caller: str | None = None) -> HeaderTurn:
    return await asyncio.wait_for(begun(admission, size_mb, caller), PATIENCE_S)


def picture(admission: Admission, size_mb: int) -> Coroutine[object, object, Turn]:
    return admission.turn(admission.hold(), size_mb * MB)


def lent(header: HeaderTurn) -> list[str]:
    """Lends its memory; what is in the list tells whether it was taken back, and it ends some time later."""
    told: list[str] = []

    def take_back() -> None:
        told.append("taken back")
        asyncio.get_running_loop().call_soon(header.end)

    header.lend(take_back)
    return told


def test_three_at_a_time() -> None:
    async def scene() -> None:
        admission = Admission(2, BUDGET, PATIENCE_S)
        first, second, _ = [await header(admission, 1) for _ in range(3)]
        waiting = [begun(admission, 1) for _ in range(2)]
        await turns()
        assert not any(task.done() for task in waiting)
        first.end()
        first.end()
        await turns()
        assert [task.done() for task in waiting] == [True, False]
        lent(second)
        await asyncio.wait_for(waiting[1], PATIENCE_S)
        assert admission.taken_bytes == 4 * MB

    asyncio.run(scene())


def test_callers_take_turns() -> None:
    async def scene() -> None:
        admission = Admission(2, BUDGET, PATIENCE_S)
        at_work = [await header(admission, 1) for _ in range(3)]
        order: list[str] = []

        async def call(caller: str) -> None:
            turn = await admission.header_turns.turn(caller, MB)
            order.append(caller)
            turn.end()

        calls = [asyncio.create_task(call(caller)) for caller in "aaabcb"]
        await turns()
        for turn in at_work[1:]:
            turn.lend(list[str]().clear)
        at_work[0].end()
        await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)
        assert order == list("abcaba")

    asyncio.run(scene())


def test_one_that_needs_much_is_not_overtaken() -> None:
    async def scene() -> None:
        admission = Admission(2, BUDGET, PATIENCE_S)
        at_work = await picture(admission, 500)
        hold = admission.hold()
        hold.grow(SHARE)  # nothing goes aside
        large, small = begun(admission, 301), begun(admission, 1)
        await turns()
        assert not large.done()
        assert not small.done()
        at_work.end()
        await asyncio.wait_for(asyncio.gather(large, small), PATIENCE_S)

    asyncio.run(scene())


def test_a_line_goes_on_without_one_who_leaves() -> None:
    async def scene() -> None:
        admission = Admission(2, BUDGET, PATIENCE_S)
        await picture(admission, 500)
        admission.hold().grow(SHARE)
        large, small = begun(admission, 301), begun(admission, 1)
        await turns()
        large.cancel()
        await asyncio.wait_for(small, PATIENCE_S)

    asyncio.run(scene())


@pytest.mark.parametrize("turns_before_leaving", range(4))
def test_one_that_leaves_as_its_turn_comes_takes_nothing(turns_before_leaving: int) -> None:
    async def scene() -> None:
        admission = Admission(2, BUDGET, PATIENCE_S)
        at_work = [await header(admission, 1) for _ in range(3)]
        leaving = begun(admission, 1)
        await turns()
        at_work[0].end()
        for _ in range(turns_before_leaving):
            await asyncio.sleep(0)
        if not leaving.cancel():
            leaving.result().end()
        await turns()
        assert admission.taken_bytes == 2 * MB
        await header(admission, 1)

    asyncio.run(scene())


class TestMemory:
    def test_is_part_of_the_budget(self) -> None:
        async def scene() -> None:
            admission = Admission(4, BUDGET, PATIENCE_S)
            reading, decoding = await header(admission, 100), await picture(admission, 500)
            waiting = asyncio.create_task(picture(admission, 201))
            await turns()
            assert not waiting.done()
            reading.end()
            await asyncio.wait_for(waiting, PATIENCE_S)
            too_large = begun(admission, 100)
            await turns()
            assert not too_large.done()
            decoding.end()
            await asyncio.wait_for(too_large, PATIENCE_S)
            assert admission.taken_bytes == 301 * MB

        asyncio.run(scene())

    def test_is_had_aside_of_a_large_picture(self) -> None:
        async def scene() -> None:
            admission = Admission(4, BUDGET, PATIENCE_S)
            await picture(admission, 790)
            aside = await header(admission, 79)
            second = begun(admission, 11)
            await turns()
            assert not second.done()
            aside.end()
            await asyncio.wait_for(second, PATIENCE_S)

        asyncio.run(scene())

    def test_of_a_waiting_header_is_not_given_to_pictures(self) -> None:
        async def scene() -> None:
            admission = Admission(4, BUDGET, PATIENCE_S)
            decoding = [await picture(admission, 370), await picture(admission, 370)]
            waiting = begun(admission, 100)
            later = asyncio.create_task(picture(admission, 400))
            await turns()
            decoding[0].end()
            await asyncio.wait_for(waiting, PATIENCE_S)
            assert not later.done()
            decoding[1].end()
            await asyncio.wait_for(later, PATIENCE_S)

        asyncio.run(scene())

    def test_headers_keep_no_large_picture_waiting(self) -> None:
        async def scene() -> None:
            admission = Admission(4, BUDGET, PATIENCE_S)
            reading = await header(admission, 70)
            large = asyncio.create_task(picture(admission, 790))
            await turns()
            assert not large.done()
            aside = await header(admission, 70)
            another = begun(admission, 70)
            await turns()
            assert not another.done()
            reading.end()
            await asyncio.wait_for(large, PATIENCE_S)
            aside.end()
            await asyncio.wait_for(another, PATIENCE_S)

        asyncio.run(scene())


class TestLentMemory:
    def test_is_taken_back_for_a_picture(self) -> None:
        async def scene() -> None:
            admission = Admission(2, BUDGET, PATIENCE_S)
            told = [lent(await header(admission, 100)) for _ in range(2)]
            await asyncio.wait_for(picture(admission, 700), PATIENCE_S)
            assert told == [["taken back"]] * 2
            assert admission.taken_bytes == 700 * MB

        asyncio.run(scene())

    def test_is_taken_back_for_a_header(self) -> None:
        async def scene() -> None:
            admission = Admission(2, BUDGET, PATIENCE_S)
            told = lent(await header(admission, 300))
            await picture(admission, 400)
            assert not told
            await header(admission, 200)
            assert told == ["taken back"]

        asyncio.run(scene())

    def test_stays_while_only_slots_are_wanting(self) -> None:
        async def scene() -> None:
            admission = Admission(1, BUDGET, PATIENCE_S)
            decoding = await picture(admission, 300)
            told = lent(await header(admission, 100))
            waiting = asyncio.create_task(picture(admission, 300))
            await turns()
            assert not told
            decoding.end()
            await asyncio.wait_for(waiting, PATIENCE_S)
            assert not told

        asyncio.run(scene())

    def test_ends_with_its_turn(self) -> None:
        async def scene() -> None:
            admission = Admission(2, BUDGET, PATIENCE_S)
            turn = await header(admission, 100)
            told = lent(turn)
            turn.end()
            await asyncio.wait_for(picture(admission, 800), PATIENCE_S)
            assert not told

        asyncio.run(scene())

    def test_nothing_is_lent_of_a_turn_that_has_ended(self) -> None:
        async def scene() -> None:
            admission = Admission(2, BUDGET, PATIENCE_S)
            turn = await header(admission, 100)
            turn.end()
            told = lent(turn)
            await asyncio.wait_for(picture(admission, 800), PATIENCE_S)
            admission.header_turns.take_back()
            assert not told

        asyncio.run(scene())


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_budget_holds(seed: int) -> None:
    """Pictures and headers of all sizes, of callers who leave at any time; all is free in the end."""
    chance = random.Random(seed)
    at_work: dict[object, int] = {}

    async def visit(admission: Admission) -> None:
        hold, size_mb = admission.hold(), chance.choice([1, 60, 300, 790])
        hold.caller = chance.choice("abc")
        turn = await admission.header_turns.turn(hold.caller, chance.choice([25, 70]) * MB)
        picture: Turn | None = None
        try:
            await asyncio.sleep(chance.random() / 500)
            lent(turn)
            picture = await admission.turn(hold, size_mb * MB)
            at_work[picture] = size_mb * MB
            turn.end()
            await asyncio.sleep(chance.random() / 200)
        finally:
            turn.end()
            if picture is not None:
                del at_work[picture]
                picture.end()

    async def scene() -> None:
        admission = Admission(3, BUDGET, PATIENCE_S)
        visits = {asyncio.create_task(visit(admission)) for _ in range(60)}
        running = set(visits)
        while running:
            if chance.random() < 0.1:
                chance.choice(sorted(running, key=id)).cancel()
            _, running = await asyncio.wait(running, timeout=0.001)
            assert sum(at_work.values()) <= admission.taken_bytes <= BUDGET + SHARE
        served = [task for task in visits if not task.cancelled()]
        assert served
        await asyncio.gather(*served)
        await until(lambda: admission.taken_bytes == 0)

    asyncio.run(scene())
