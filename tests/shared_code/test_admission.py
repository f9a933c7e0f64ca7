import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from shared_code.admission import Hold, MemoryBudget, Reservation, Slots
from shared_code.errors import ImageTooLargeForInstance, TooManyRequests

LONG_S = 30
MB = 1 << 20


@contextmanager
def held_of(budget: MemoryBudget) -> Iterator[Hold]:
    held = budget.hold()
    try:
        yield held
    finally:
        held.release()


async def turns() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def all_is_free(budget: MemoryBudget, total_bytes: int) -> None:
    """Fails with TooManyRequests when something was not given back."""
    (await asyncio.wait_for(budget.reserve(total_bytes), LONG_S)).release()
    await turns()


class TestPlaces:
    @pytest.mark.parametrize("slots", [1, 2, 5])
    def test_eight_wait_for_each_slot(self, slots: int) -> None:
        queue = Slots(slots, LONG_S)
        with ExitStack() as held:
            for _ in range(9 * slots):
                held.enter_context(queue.place())
            with pytest.raises(TooManyRequests), queue.place():
                pass
        with queue.place():
            pass

    def test_a_place_is_given_back_after_a_failure(self) -> None:
        queue = Slots(1, LONG_S)
        for _ in range(20):
            with pytest.raises(ZeroDivisionError), queue.place():
                raise ZeroDivisionError
        with queue.place():
            pass


class TestHold:
    def test_is_part_of_the_budget(self) -> None:
        """Files that wait keep a second picture out, and let it in when they are decoded."""

        async def scene() -> None:
            budget = MemoryBudget(400 * MB, LONG_S)
            first = await budget.reserve(100 * MB)
            with held_of(budget) as held:
                held.grow(40 * MB)
                second = asyncio.create_task(budget.reserve(290 * MB))
                await turns()
                assert not second.done()
            (await asyncio.wait_for(second, LONG_S)).release()
            first.release()
            await turns()
            await all_is_free(budget, 400 * MB)

        asyncio.run(scene())

    def test_a_picture_that_is_alone_is_let_in_beside_files(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(400 * MB, LONG_S)
            with held_of(budget) as held:
                held.grow(40 * MB)
                await all_is_free(budget, 400 * MB)

        asyncio.run(scene())

    @pytest.mark.parametrize(("total_mb", "files_mb"), [(800, 100), (64, 40)])
    def test_all_files_together_have_an_eighth(self, total_mb: int, files_mb: int) -> None:
        budget = MemoryBudget(total_mb * MB, LONG_S)
        with held_of(budget) as first, held_of(budget) as second:
            first.grow(files_mb // 2 * MB)
            second.grow(files_mb // 2 * MB)
            with pytest.raises(TooManyRequests):
                second.grow(MB)
        with held_of(budget) as third:
            third.grow(files_mb * MB)


class TestAside:
    """Small pictures beside large ones: 80 of 800 MB, out of the 100 of the files."""

    def test_small_ones_go_by_one_after_the_other(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(800 * MB, LONG_S)
            large = await budget.reserve(790 * MB)
            waiting = asyncio.create_task(budget.reserve(790 * MB))
            small = await asyncio.wait_for(budget.reserve(60 * MB), LONG_S)
            second = asyncio.create_task(budget.reserve(60 * MB))
            too_large = asyncio.create_task(budget.reserve(81 * MB))
            await turns()
            assert not waiting.done()
            assert not second.done()
            small.shrink(20 * MB)
            (await asyncio.wait_for(second, LONG_S)).release()
            small.release()
            await turns()
            assert not too_large.done()
            large.release()
            (await asyncio.wait_for(waiting, LONG_S)).release()
            (await asyncio.wait_for(too_large, LONG_S)).release()
            await turns()
            await all_is_free(budget, 800 * MB)

        asyncio.run(scene())

    def test_they_keep_no_large_one_waiting(self) -> None:
        async def scene() -> None:
            rests: list[None] = []
            budget = MemoryBudget(800 * MB, LONG_S, lambda: rests.append(None))
            large = await budget.reserve(790 * MB)
            waiting = asyncio.create_task(budget.reserve(790 * MB))
            small = await asyncio.wait_for(budget.reserve(60 * MB), LONG_S)
            large.release()
            (await asyncio.wait_for(waiting, LONG_S)).release()
            await turns()
            assert budget.taken_bytes == 60 * MB
            assert not rests
            assert not budget.at_rest
            small.release()
            await turns()
            assert len(rests) == 1
            assert budget.at_rest

        asyncio.run(scene())

    def test_files_and_they_have_an_eighth_together(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(800 * MB, LONG_S)
            large = await budget.reserve(790 * MB)
            with held_of(budget) as file:
                file.grow(70 * MB)
                waiting = asyncio.create_task(budget.reserve(60 * MB))
                await turns()
                assert not waiting.done()
            small = await asyncio.wait_for(waiting, LONG_S)
            with held_of(budget) as file:
                file.grow(40 * MB)
                with pytest.raises(TooManyRequests):
                    file.grow(MB)
                small.release()
                await turns()
                file.grow(40 * MB)
            large.release()
            await turns()
            await all_is_free(budget, 800 * MB)

        asyncio.run(scene())

    @pytest.mark.parametrize("turns_before_leaving", range(4))
    def test_one_that_leaves_as_its_share_comes_takes_nothing(self, turns_before_leaving: int) -> None:
        async def scene() -> None:
            budget = MemoryBudget(800 * MB, LONG_S)
            large = await budget.reserve(790 * MB)
            first = await asyncio.wait_for(budget.reserve(60 * MB), LONG_S)
            leaving = asyncio.create_task(budget.reserve(60 * MB))
            await turns()
            first.release()
            for _ in range(turns_before_leaving):
                await asyncio.sleep(0)
            if leaving.cancel():
                await turns()
                assert leaving.cancelled()
            else:
                leaving.result().release()
                await turns()
            assert budget.taken_bytes == 790 * MB
            large.release()
            await turns()
            await all_is_free(budget, 800 * MB)

        asyncio.run(scene())


class TestSlots:
    def test_first_come_first_served(self) -> None:
        async def scene() -> list[int]:
            slots = Slots(2, LONG_S)
            order: list[int] = []
            at_work = 0

            async def caller(number: int) -> None:
                nonlocal at_work
                async with slots.one():
                    order.append(number)
                    at_work += 1
                    assert at_work <= 2
                    await turns()
                    at_work -= 1

            await asyncio.gather(*(caller(number) for number in range(12)))
            return order

        assert asyncio.run(scene()) == list(range(12))

    @pytest.mark.parametrize("wait_s", [0, 0.02])
    def test_waits_no_longer_than_told(self, wait_s: float) -> None:
        async def scene() -> None:
            slots = Slots(1, wait_s)
            async with slots.one():
                with pytest.raises(TooManyRequests):
                    async with slots.one():
                        pass
            async with slots.one():
                pass

        asyncio.run(scene())

    def test_a_caller_that_leaves_costs_no_slot(self) -> None:
        async def scene() -> None:
            slots = Slots(1, LONG_S)

            async def caller() -> None:
                async with slots.one():
                    await asyncio.sleep(LONG_S)

            async with slots.one():
                waiting = asyncio.create_task(caller())
                await turns()
                waiting.cancel()
                await turns()
            at_work = asyncio.create_task(caller())
            await turns()
            at_work.cancel()
            await turns()
            assert waiting.cancelled()
            assert at_work.cancelled()
            async with asyncio.timeout(LONG_S), slots.one():
                pass

        asyncio.run(scene())


class TestMemoryBudget:
    def test_what_can_never_fit_is_told_at_once(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, LONG_S)
            held = await budget.reserve(100)
            with pytest.raises(ImageTooLargeForInstance):
                await budget.reserve(101)
            held.release()
            await turns()
            await all_is_free(budget, 100)

        asyncio.run(scene())

    def test_who_is_not_small_does_not_pass_a_large_one(self) -> None:
        async def scene() -> list[str]:
            budget = MemoryBudget(100, LONG_S)
            order: list[str] = []

            async def caller(name: str, size_bytes: int) -> None:
                reservation = await budget.reserve(size_bytes)
                order.append(name)
                await turns()
                reservation.release()

            sizes = {"first": 60, "large": 90, "small": 11, "another": 30, "whole": 100, "last": 11}
            await asyncio.gather(*(caller(name, size) for name, size in sizes.items()))
            await turns()
            await all_is_free(budget, 100)
            return order

        assert asyncio.run(scene()) == ["first", "large", "small", "another", "whole", "last"]

    @pytest.mark.parametrize("wait_s", [0, 0.02])
    def test_waits_no_longer_than_told(self, wait_s: float) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, wait_s)
            held = await budget.reserve(100)
            with pytest.raises(TooManyRequests):
                await budget.reserve(11)
            held.release()
            await turns()
            await all_is_free(budget, 100)

        asyncio.run(scene())

    def test_those_behind_one_that_gave_up_are_admitted(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, LONG_S)
            held = await budget.reserve(50)
            large = asyncio.create_task(budget.reserve(60))
            small = asyncio.create_task(budget.reserve(50))
            await turns()
            assert not small.done()
            large.cancel()
            await turns()
            assert large.cancelled()
            small.result().release()
            held.release()
            await turns()
            await all_is_free(budget, 100)

        asyncio.run(scene())

    @pytest.mark.parametrize("turns_before_leaving", range(6))
    def test_a_caller_that_leaves_as_its_share_comes_takes_nothing(self, turns_before_leaving: int) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, LONG_S)
            held = await budget.reserve(100)
            waiting = asyncio.create_task(budget.reserve(60))
            await turns()
            held.release()
            for _ in range(turns_before_leaving):
                await asyncio.sleep(0)
            if waiting.cancel():
                await turns()
                assert waiting.cancelled()
            else:
                waiting.result().release()
                await turns()
            await all_is_free(budget, 100)

        asyncio.run(scene())

    @pytest.mark.parametrize(
        ("acts", "free_bytes"),
        [
            (lambda share: share.shrink(30), 70),
            (lambda share: share.shrink(100), 0),
            (lambda share: share.shrink(1000), 0),
            (lambda share: (share.shrink(30), share.shrink(60)), 70),
            (lambda share: (share.shrink(30), share.shrink(10)), 90),
            (lambda share: (share.release(), share.release(), share.shrink(50)), 100),
        ],
    )
    def test_shrinks_and_releases(self, acts: Callable[[Reservation], object], free_bytes: int) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, 0)
            share = await budget.reserve(100)
            await budget.reserve(10)  # all there is for small ones
            acts(share)
            await turns()
            if free_bytes:
                await budget.reserve(free_bytes)
            with pytest.raises(TooManyRequests):
                await budget.reserve(1)

        asyncio.run(scene())

    def test_released_from_many_threads_at_once(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, LONG_S)
            for _ in range(20):
                share = await budget.reserve(100)
                start = threading.Barrier(8)

                def give_back(share: Reservation = share, start: threading.Barrier = start) -> None:
                    start.wait()
                    share.shrink(40)
                    share.release()

                threads = [threading.Thread(target=give_back) for _ in range(8)]
                for thread in threads:
                    thread.start()
                whole = await budget.reserve(100)
                for thread in threads:
                    await asyncio.to_thread(thread.join)
                await turns()
                waiting = asyncio.create_task(budget.reserve(11))
                await turns()
                assert not waiting.done()
                whole.release()
                (await waiting).release()

        asyncio.run(scene())

    def test_a_waiter_is_woken_from_another_thread(self) -> None:
        async def scene() -> None:
            budget = MemoryBudget(100, LONG_S)
            held = await budget.reserve(100)
            waiting = asyncio.create_task(budget.reserve(100))
            await turns()
            await asyncio.to_thread(held.release)
            (await asyncio.wait_for(waiting, LONG_S)).release()

        asyncio.run(scene())

    def test_released_after_the_loop_is_closed(self) -> None:
        async def scene() -> Reservation:
            return await MemoryBudget(100, LONG_S).reserve(100)

        asyncio.run(scene()).release()


def test_budget_and_slots_of_many_callers_that_come_and_go() -> None:
    """A thousand callers of mixed size, some of whom leave: nothing is lost and never too much is given."""

    async def scene() -> None:
        budget = MemoryBudget(1000, LONG_S)
        held_bytes = 0

        async def caller(number: int) -> None:
            nonlocal held_bytes
            size_bytes = number * 37 % 900 + 1
            share = await budget.reserve(size_bytes)
            held_bytes += size_bytes
            assert held_bytes <= 1000 + 1000 // 10
            try:
                for _ in range(number % 5):
                    await asyncio.sleep(0)
            finally:
                held_bytes -= size_bytes
                share.release()

        tasks = [asyncio.create_task(caller(number)) for number in range(1000)]
        pending: list[Awaitable[None]] = []
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
            pending.append(task)
        outcomes = await asyncio.gather(*pending, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert outcomes.count(None) >= 600
        await turns()
        await all_is_free(budget, 1000)

    scenario: Coroutine[None, None, None] = scene()
    asyncio.run(scenario)
