import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import pytest

from shared_code import admission
from shared_code.admission import Admission, Turn
from shared_code.errors import ImageTooLargeForInstance, TooManyRequests
from shared_code.waiting import Hold
from tests.support.patience import PATIENCE_S

SLOTS = 2000
MB = 1 << 20


async def reserve(admission: Admission, size_bytes: int) -> Turn:
    """Memory, and one of more slots than a test needs."""
    return await admission.turn(admission.hold(), size_bytes)


def slots_only(slots: int, wait_s: float) -> Admission:
    return Admission(slots, MB, wait_s)


@asynccontextmanager
async def one(admission: Admission) -> AsyncIterator[None]:
    """A slot, with no memory."""
    turn = await admission.turn(admission.hold(), 0)
    try:
        yield
    finally:
        turn.leave_slot()


@contextmanager
def place(admission: Admission) -> Iterator[None]:
    hold = admission.hold()
    hold.take_place()
    try:
        yield
    finally:
        hold.leave_place()


@contextmanager
def held_of(budget: Admission) -> Iterator[Hold]:
    held = budget.hold()
    try:
        yield held
    finally:
        held.release()


async def turns() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def all_is_free(budget: Admission, total_bytes: int) -> None:
    """Fails with TooManyRequests when something was not given back."""
    (await asyncio.wait_for(reserve(budget, total_bytes), PATIENCE_S)).release()
    await turns()


class TestPlaces:
    @pytest.mark.parametrize("slots", [1, 2, 5])
    def test_eight_wait_for_each_slot(self, slots: int) -> None:
        queue = slots_only(slots, PATIENCE_S)
        with ExitStack() as held:
            for _ in range(9 * slots):
                held.enter_context(place(queue))
            with pytest.raises(TooManyRequests), place(queue):
                pass
        with place(queue):
            pass

    def test_a_place_is_given_back_after_a_failure(self) -> None:
        queue = slots_only(1, PATIENCE_S)
        for _ in range(20):
            with pytest.raises(ZeroDivisionError), place(queue):
                raise ZeroDivisionError
        with place(queue):
            pass


class TestHold:
    def test_is_part_of_the_budget(self) -> None:
        """Files that wait keep a second picture out, and let it in when they are decoded."""

        async def scene() -> None:
            budget = Admission(SLOTS, 400 * MB, PATIENCE_S)
            first = await reserve(budget, 100 * MB)
            with held_of(budget) as held:
                held.grow(40 * MB)
                second = asyncio.create_task(reserve(budget, 290 * MB))
                await turns()
                assert not second.done()
            (await asyncio.wait_for(second, PATIENCE_S)).release()
            first.release()
            await turns()
            await all_is_free(budget, 400 * MB)

        asyncio.run(scene())

    def test_a_picture_that_is_alone_is_let_in_beside_files(self) -> None:
        async def scene() -> None:
            budget = Admission(SLOTS, 400 * MB, PATIENCE_S)
            with held_of(budget) as held:
                held.grow(40 * MB)
                await all_is_free(budget, 400 * MB)

        asyncio.run(scene())

    @pytest.mark.parametrize(("total_mb", "files_mb"), [(800, 100), (64, 40)])
    def test_all_files_together_have_an_eighth(self, total_mb: int, files_mb: int) -> None:
        budget = Admission(SLOTS, total_mb * MB, PATIENCE_S)
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
            budget = Admission(SLOTS, 800 * MB, PATIENCE_S)
            large = await reserve(budget, 790 * MB)
            waiting = asyncio.create_task(reserve(budget, 790 * MB))
            small = await asyncio.wait_for(reserve(budget, 60 * MB), PATIENCE_S)
            second = asyncio.create_task(reserve(budget, 60 * MB))
            too_large = asyncio.create_task(reserve(budget, 81 * MB))
            await turns()
            assert not waiting.done()
            assert not second.done()
            small.shrink(20 * MB)
            (await asyncio.wait_for(second, PATIENCE_S)).release()
            small.release()
            await turns()
            assert not too_large.done()
            large.release()
            (await asyncio.wait_for(waiting, PATIENCE_S)).release()
            (await asyncio.wait_for(too_large, PATIENCE_S)).release()
            await turns()
            await all_is_free(budget, 800 * MB)

        asyncio.run(scene())

    def test_they_keep_no_large_one_waiting(self) -> None:
        async def scene() -> None:
            rests: list[None] = []
            budget = Admission(SLOTS, 800 * MB, PATIENCE_S, lambda: rests.append(None))
            large = await reserve(budget, 790 * MB)
            waiting = asyncio.create_task(reserve(budget, 790 * MB))
            small = await asyncio.wait_for(reserve(budget, 60 * MB), PATIENCE_S)
            large.release()
            (await asyncio.wait_for(waiting, PATIENCE_S)).release()
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
            budget = Admission(SLOTS, 800 * MB, PATIENCE_S)
            large = await reserve(budget, 790 * MB)
            with held_of(budget) as file:
                file.grow(70 * MB)
                waiting = asyncio.create_task(reserve(budget, 60 * MB))
                await turns()
                assert not waiting.done()
            (await asyncio.wait_for(waiting, PATIENCE_S)).release()
            await turns()
            with held_of(budget) as file:
                file.grow(40 * MB)
                small = await asyncio.wait_for(reserve(budget, 60 * MB), PATIENCE_S)
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
            budget = Admission(SLOTS, 800 * MB, PATIENCE_S)
            large = await reserve(budget, 790 * MB)
            first = await asyncio.wait_for(reserve(budget, 60 * MB), PATIENCE_S)
            leaving = asyncio.create_task(reserve(budget, 60 * MB))
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


class TestBesideTheSlots:
    """A small picture that has waited for long gets a slot beside those of pictures that last."""

    def test_one_small_picture_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(admission, "_PATIENCE_S", 0.01)

        async def scene() -> None:
            budget = Admission(2, 1000 * MB, PATIENCE_S)
            lasting = [await reserve(budget, 300 * MB) for _ in range(2)]
            large = asyncio.create_task(reserve(budget, 200 * MB))
            small = await asyncio.wait_for(reserve(budget, 60 * MB), PATIENCE_S)
            assert budget.slots_used == 3
            other = asyncio.create_task(reserve(budget, 30 * MB))
            await asyncio.sleep(0.05)
            assert not other.done()
            small.end()
            await asyncio.wait_for(other, PATIENCE_S)
            assert not large.done()
            for turn in (*lasting, await other):
                turn.end()
            (await large).end()
            assert budget.slots_used == 0
            await all_is_free(budget, 1000 * MB)

        asyncio.run(scene())

    def test_not_before_it_has_waited(self) -> None:
        async def scene() -> None:
            budget = Admission(1, 1000 * MB, PATIENCE_S)
            lasting = await reserve(budget, 300 * MB)
            small = asyncio.create_task(reserve(budget, 1 * MB))
            await turns()
            assert not small.done()
            lasting.end()
            (await small).end()

        asyncio.run(scene())


class TestSlots:
    def test_first_come_first_served(self) -> None:
        async def scene() -> list[int]:
            slots = slots_only(2, PATIENCE_S)
            order: list[int] = []
            at_work = 0

            async def caller(number: int) -> None:
                nonlocal at_work
                async with one(slots):
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
            slots = slots_only(1, wait_s)
            async with one(slots):
                with pytest.raises(TooManyRequests):
                    async with one(slots):
                        pass
            async with one(slots):
                pass

        asyncio.run(scene())

    def test_a_caller_that_leaves_costs_no_slot(self) -> None:
        async def scene() -> None:
            slots = slots_only(1, PATIENCE_S)

            async def caller() -> None:
                async with one(slots):
                    await asyncio.sleep(PATIENCE_S)

            async with one(slots):
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
            async with asyncio.timeout(PATIENCE_S), one(slots):
                pass

        asyncio.run(scene())


class TestMemoryBudget:
    def test_what_can_never_fit_is_told_at_once(self) -> None:
        async def scene() -> None:
            budget = Admission(SLOTS, 100, PATIENCE_S)
            held = await reserve(budget, 100)
            with pytest.raises(ImageTooLargeForInstance):
                await reserve(budget, 101)
            held.release()
            await turns()
            await all_is_free(budget, 100)

        asyncio.run(scene())

    def test_who_is_not_small_does_not_pass_a_large_one(self) -> None:
        async def scene() -> list[str]:
            budget = Admission(SLOTS, 100, PATIENCE_S)
            order: list[str] = []

            async def caller(name: str, size_bytes: int) -> None:
                reservation = await reserve(budget, size_bytes)
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
            budget = Admission(SLOTS, 100, wait_s)
            held = await reserve(budget, 100)
            with pytest.raises(TooManyRequests):
                await reserve(budget, 11)
            held.release()
            await turns()
            await all_is_free(budget, 100)

        asyncio.run(scene())

    def test_those_behind_one_that_gave_up_are_admitted(self) -> None:
        async def scene() -> None:
            budget = Admission(SLOTS, 100, PATIENCE_S)
            held = await reserve(budget, 50)
            large = asyncio.create_task(reserve(budget, 60))
            small = asyncio.create_task(reserve(budget, 50))
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
            budget = Admission(SLOTS, 100, PATIENCE_S)
            held = await reserve(budget, 100)
            waiting = asyncio.create_task(reserve(budget, 60))
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
    def test_shrinks_and_releases(self, acts: Callable[[Turn], object], free_bytes: int) -> None:
        async def scene() -> None:
            budget = Admission(SLOTS, 100, 0)
            share = await reserve(budget, 100)
            await reserve(budget, 10)  # all there is for small ones
            acts(share)
            await turns()
            if free_bytes:
                await reserve(budget, free_bytes)
            with pytest.raises(TooManyRequests):
                await reserve(budget, 1)

        asyncio.run(scene())

    def test_released_from_many_threads_at_once(self) -> None:
        async def scene() -> None:
            budget = Admission(SLOTS, 100, PATIENCE_S)
            for _ in range(20):
                share = await reserve(budget, 100)
                start = threading.Barrier(8)

                def give_back(share: Turn = share, start: threading.Barrier = start) -> None:
                    start.wait()
                    share.shrink(40)
                    share.release()

                threads = [threading.Thread(target=give_back) for _ in range(8)]
                for thread in threads:
                    thread.start()
                whole = await reserve(budget, 100)
                for thread in threads:
                    await asyncio.to_thread(thread.join)
                await turns()
                waiting = asyncio.create_task(reserve(budget, 11))
                await turns()
                assert not waiting.done()
                whole.release()
                (await waiting).release()

        asyncio.run(scene())

    def test_a_waiter_is_woken_from_another_thread(self) -> None:
        async def scene() -> None:
            budget = Admission(SLOTS, 100, PATIENCE_S)
            held = await reserve(budget, 100)
            waiting = asyncio.create_task(reserve(budget, 100))
            await turns()
            await asyncio.to_thread(held.release)
            (await asyncio.wait_for(waiting, PATIENCE_S)).release()

        asyncio.run(scene())

    def test_released_after_the_loop_is_closed(self) -> None:
        async def scene() -> Turn:
            return await reserve(Admission(SLOTS, 100, PATIENCE_S), 100)

        asyncio.run(scene()).release()


def test_budget_and_slots_of_many_callers_that_come_and_go() -> None:
    """Callers of mixed size, some of whom leave: nothing is lost and never too much is given."""

    async def scene() -> None:
        budget = Admission(SLOTS, 1000, PATIENCE_S)
        held_bytes = 0

        async def caller(number: int) -> None:
            nonlocal held_bytes
            size_bytes = number * 37 % 900 + 1
            share = await reserve(budget, size_bytes)
            held_bytes += size_bytes
            assert held_bytes <= 1000 + 1000 // 10
            try:
                for _ in range(number % 5):
                    await asyncio.sleep(0)
            finally:
                held_bytes -= size_bytes
                share.release()

        tasks = [asyncio.create_task(caller(number)) for number in range(300)]
        pending: list[Awaitable[None]] = []
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
            pending.append(task)
        outcomes = await asyncio.gather(*pending, return_exceptions=True)
        assert all(outcome is None or isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert outcomes.count(None) >= 180
        await turns()
        await all_is_free(budget, 1000)

    scenario: Coroutine[None, None, None] = scene()
    asyncio.run(scenario)


class TestCallers:
    """Turns by caller: one slot, and requests that came all at once from one, then from another."""

    @staticmethod
    def queue(
        admission: Admission, order: list[str], caller: str, count: int, size_bytes: int = 0
    ) -> list[asyncio.Task[None]]:
        async def one_picture() -> None:
            hold = admission.hold()
            hold.caller = caller
            turn = await admission.turn(hold, size_bytes)
            order.append(caller)
            await turns()
            turn.end()

        return [asyncio.create_task(one_picture()) for _ in range(count)]

    def test_who_comes_later_waits_for_one_picture_and_not_for_all(self) -> None:
        async def scene() -> list[str]:
            admission = Admission(1, 100, PATIENCE_S)
            order: list[str] = []
            greedy = self.queue(admission, order, "greedy", 50)
            await asyncio.sleep(0)
            polite = self.queue(admission, order, "polite", 3)
            await asyncio.gather(*greedy, *polite)
            return order

        order = asyncio.run(scene())
        assert order.index("polite") == 1
        assert len(order) == 53

    def test_a_slot_that_was_given_back_counts_no_more(self) -> None:
        async def scene() -> list[str]:
            admission = Admission(1, 100, PATIENCE_S)
            order: list[str] = []
            await asyncio.gather(*self.queue(admission, order, "early", 1))
            hold = admission.hold()
            hold.caller = "late"
            lasting = await admission.turn(hold, 0)
            await asyncio.sleep(0.1)
            waiting = [*self.queue(admission, order, "late", 1), *self.queue(admission, order, "early", 1)]
            await turns()
            lasting.end()
            await asyncio.gather(*waiting)
            return order

        assert asyncio.run(scene()) == ["early", "early", "late"]

    def test_memory_goes_by_caller_too(self) -> None:
        async def scene() -> list[str]:
            admission = Admission(8, 100, PATIENCE_S)
            order: list[str] = []
            greedy = self.queue(admission, order, "greedy", 20, 50)
            await asyncio.sleep(0)
            polite = self.queue(admission, order, "polite", 1, 50)
            await asyncio.gather(*greedy, *polite)
            return order

        assert asyncio.run(scene()).index("polite") == 2

    def test_who_waits_for_a_slot_takes_no_memory(self) -> None:
        async def scene() -> None:
            admission = Admission(1, 100, PATIENCE_S)
            order: list[str] = []
            working = await reserve(admission, 10)
            waiting = self.queue(admission, order, "greedy", 5, 30)
            await turns()
            assert admission.taken_bytes == 10
            working.end()
            await asyncio.gather(*waiting)
            assert admission.taken_bytes == admission.slots_used == 0

        asyncio.run(scene())

    def test_answers_that_are_read_slowly_leave_room_for_others(self) -> None:
        """Half of the memory to one caller, and a third to each of two."""

        async def scene() -> None:
            admission = Admission(1, 120, PATIENCE_S)

            async def answers(caller: str) -> list[Turn]:
                read: list[Turn] = []
                while True:
                    hold = admission.hold()
                    hold.caller = caller
                    try:
                        async with asyncio.timeout(0.05):
                            read.append(await admission.turn(hold, 10))
                    except TimeoutError:
                        return read
                    read[-1].leave_slot()

            first = await answers("first")
            assert len(first) == 7
            second = await answers("second")
            assert len(second) == 3
            first.pop().release()
            await turns()
            assert len(await answers("second")) == 1
            order: list[str] = []
            later = self.queue(admission, order, "second", 1, 10)
            await turns()
            assert not order
            for turn in [*first, *second]:
                turn.release()
            await asyncio.wait_for(asyncio.gather(*later), PATIENCE_S)

        asyncio.run(scene())

    def test_answers_that_were_read_count_no_more(self) -> None:
        async def scene() -> None:
            admission = Admission(1, 100, 0)
            for _ in range(20):
                turn = await reserve(admission, 60)
                turn.leave_slot()
                turn.shrink(10)
                await turns()
                turn.release()
                await turns()

        asyncio.run(scene())

    def test_who_gives_way_is_not_served(self) -> None:
        async def scene() -> None:
            admission = Admission(1, 100, PATIENCE_S)
            working = await reserve(admission, 10)
            hold = admission.hold()

            async def wait() -> None:
                async with hold.giving_way():
                    hold.take_place()
                    await admission.turn(hold, 10)

            waiting = asyncio.create_task(wait())
            await turns()
            hold.give_way()
            working.end()
            with pytest.raises(TooManyRequests):
                await waiting
            assert admission.slots_used == admission.taken_bytes == admission.waiting == 0

        asyncio.run(scene())
