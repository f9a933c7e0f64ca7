import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

import pytest

from shared_code.round_robin import RoundRobinExecutor
from tests.support.patience import PATIENCE_S


@contextmanager
def busy_executor() -> Iterator[RoundRobinExecutor]:
    """One of one thread, which is busy until the block is left."""
    begun, gate = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait(PATIENCE_S)

    executor = RoundRobinExecutor(1, "test")
    executor.submit([wait])
    try:
        assert begun.wait(PATIENCE_S)
        yield executor
    finally:
        gate.set()


def results[Result](futures: Iterable[Future[Result]]) -> list[Result]:
    return [future.result(PATIENCE_S) for future in futures]


def test_lines_take_turns() -> None:
    """A short line that comes behind a long one is done after as many jobs of the long one."""
    order: list[str] = []
    with busy_executor() as executor:
        lines = [
            executor.submit(partial(order.append, f"{name}{number}") for number in range(length))
            for name, length in (("a", 5), ("b", 2), ("c", 1))
        ]
    for line in lines:
        results(line)
    assert order == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_results_come_in_the_order_of_the_line() -> None:
    executor = RoundRobinExecutor(3, "test")
    futures = executor.submit(partial(pow, number, 2) for number in range(50))
    assert results(futures) == [number**2 for number in range(50)]


def test_as_many_work_at_once_as_there_are_threads() -> None:
    meeting = threading.Barrier(3, timeout=PATIENCE_S)
    assert sorted(results(RoundRobinExecutor(3, "test").submit([meeting.wait] * 3))) == [0, 1, 2]


def test_cancelled_before_it_begins_it_is_never_done() -> None:
    done: list[int] = []
    with busy_executor() as executor:
        futures = executor.submit(partial(done.append, number) for number in range(3))
        assert futures[1].cancel()
    futures[2].result(PATIENCE_S)
    assert done == [0, 2]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_fault_is_its_readers_and_no_one_elses(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error("broken")

    executor = RoundRobinExecutor(1, "test")
    first, second = executor.submit([fail, lambda: None])
    with pytest.raises(error, match="broken"):
        first.result(PATIENCE_S)
    assert second.result(PATIENCE_S) is None


def test_an_empty_line_takes_no_turn() -> None:
    executor = RoundRobinExecutor(1, "test")
    assert not executor.submit([])
    assert results(executor.submit([lambda: "done"])) == ["done"]


def test_jobs_of_one_line_come_in_their_order_between_those_of_others() -> None:
    order: list[str] = []
    with busy_executor() as executor:
        submitted: list[deque[Future[None]]] = [
            executor.submit([partial(order.append, f"{line}{number}")], line)
            for number, line in enumerate(["a", "a", "a", "b", None, None])
        ]
    for futures in submitted:
        results(futures)
    assert order == ["a0", "b3", "None4", "a1", "None5", "a2"]
