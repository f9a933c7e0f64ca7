"""Jobs that come one after the other, some of them worked on at the same time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from itertools import islice
from typing import Any

_AT_ONCE = 32


async def in_thread[T](items: Iterator[T]) -> AsyncGenerator[T]:
    """The items of an iterator that waits for a disk."""
    while batch := await asyncio.to_thread(lambda: list(islice(items, _AT_ONCE))):
        for item in batch:
            yield item


async def side_by_side[J, R](
    jobs: AsyncIterator[J], work: Callable[[J], Coroutine[None, None, R]], at_most: int
) -> AsyncGenerator[R]:
    """The results of `work`, as they come. A job is taken when there is room for it, and not before."""
    taking: asyncio.Task[J | None] | None = asyncio.create_task(_next(jobs))
    working: set[asyncio.Task[R]] = set()
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


async def _next[J](jobs: AsyncIterator[J]) -> J | None:
    return await anext(jobs, None)
