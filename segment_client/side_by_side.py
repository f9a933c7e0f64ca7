"""Runs jobs from an iterator, several at a time."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

_J = TypeVar("_J")
_R = TypeVar("_R")
_T = TypeVar("_T")

_AT_ONCE = 32
_LONGEST_S = 0.1


async def in_thread(batches: Iterator[Sequence[_T]]) -> AsyncGenerator[_T, None]:
    """The items of a blocking iterator, read on a thread in batches; leaving waits for at most one batch."""
    is_end = False
    while not is_end:
        items, is_end = await asyncio.to_thread(_take, batches)
        for item in items:
            yield item


def _take(batches: Iterator[Sequence[_T]]) -> tuple[list[_T], bool]:
    """Some items, and whether they are the last; batches may be empty."""
    items: list[_T] = []
    end = time.monotonic() + _LONGEST_S
    for batch in batches:
        items.extend(batch)
        if len(items) >= _AT_ONCE or time.monotonic() > end:
            return items, False
    return items, True


async def side_by_side(
    jobs: AsyncIterator[_J], work: Callable[[_J], Coroutine[None, None, _R]], at_most: int
) -> AsyncGenerator[_R, None]:
    """The results of `work`, as they are done. A job is taken from the iterator only when it can begin."""
    taking: asyncio.Task[_J | None] | None = asyncio.create_task(_next(jobs))
    working: set[asyncio.Task[_R]] = set()
    try:
        while taking or working:
            tasks: set[asyncio.Task[Any]] = {*working}
            if taking and len(working) < at_most:
                tasks.add(taking)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if taking in tasks and taking.done():
                job = taking.result()
                if job is not None:
                    working.add(asyncio.create_task(work(job)))
                taking = None if job is None else asyncio.create_task(_next(jobs))
            for task in [task for task in working if task.done()]:
                working.remove(task)
                yield task.result()
    finally:
        left: list[asyncio.Task[Any]] = [*working, *([taking] if taking else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _next(jobs: AsyncIterator[_J]) -> _J | None:
    return await anext(jobs, None)
