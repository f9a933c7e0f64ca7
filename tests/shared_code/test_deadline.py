import asyncio
import time

import pytest

from shared_code.deadline import Deadline
from shared_code.errors import TooManyRequests
from tests.support.patience import PATIENCE_S


def test_what_is_left() -> None:
    begin = time.monotonic()
    left_s = Deadline.after(PATIENCE_S).left_s
    assert PATIENCE_S - (time.monotonic() - begin) <= left_s <= PATIENCE_S
    assert Deadline.after(-1).left_s == 0


@pytest.mark.parametrize(("left_s", "wait_s", "most_s"), [(PATIENCE_S, 5, 5), (2, 5, 2), (-1, 5, 0)])
def test_no_wait_is_longer_than_what_is_left(left_s: float, wait_s: float, most_s: float) -> None:
    assert Deadline.after(left_s).within(wait_s) <= most_s


def test_raises_the_error_when_the_moment_comes() -> None:
    async def scene() -> None:
        async with Deadline.after(0.01).limit(TooManyRequests):
            await asyncio.sleep(PATIENCE_S)

    with pytest.raises(TooManyRequests):
        asyncio.run(scene())


def test_what_ends_in_time_is_left_alone() -> None:
    async def scene() -> str:
        async with Deadline.after(PATIENCE_S).limit(TooManyRequests):
            return "done"

    assert asyncio.run(scene()) == "done"


def test_another_time_out_stays_what_it_is() -> None:
    async def scene() -> None:
        async with Deadline.after(PATIENCE_S).limit(TooManyRequests):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(scene())
