import threading
from functools import partial

import pytest

from shared_code.round_robin import RoundRobinExecutor


def test_lines_take_turns() -> None:
    """A short line that comes behind a long one is done after as many jobs of the long one."""
    order: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        gate.wait()

    executor = RoundRobinExecutor(1, "test")
    executor.submit([wait])
    begun.wait()
    lines = [
        executor.submit(partial(order.append, f"{name}{number}") for number in range(length))
        for name, length in (("a", 5), ("b", 2), ("c", 1))
    ]
    gate.set()
    for line in lines:
        for future in line:
            future.result()
    assert order == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


def test_results_come_in_the_order_of_the_line() -> None:
    executor = RoundRobinExecutor(3, "test")
    futures = executor.submit(partial(pow, number, 2) for number in range(50))
    assert [future.result() for future in futures] == [number**2 for number in range(50)]


def test_cancelled_before_it_begins_it_is_never_done() -> None:
    done: list[int] = []
    gate = threading.Event()
    executor = RoundRobinExecutor(1, "test")
    executor.submit([gate.wait])
    futures = executor.submit(partial(done.append, number) for number in range(3))
    assert futures[1].cancel()
    gate.set()
    futures[2].result()
    assert done == [0, 2]


def test_a_fault_is_its_readers_and_no_one_elses() -> None:
    def fail() -> None:
        raise ValueError("broken")

    executor = RoundRobinExecutor(1, "test")
    first, second = executor.submit([fail, lambda: None])
    with pytest.raises(ValueError, match="broken"):
        first.result()
    assert second.result() is None
    assert not executor.submit([])
