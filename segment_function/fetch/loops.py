"""Event loops for fetching, so that another server's data cannot block the loop that serves callers.

HTTP is parsed in Python here, byte by byte if the other server sends it so. On their own threads the parsers
only share the interpreter with that loop, and threads switch every few milliseconds.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future


class Loops:
    """A few event loops, each on a thread of its own that is started when it is first needed."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._under_way: dict[asyncio.AbstractEventLoop, int] = {}

    async def run[T](self, work: Coroutine[object, object, T]) -> T:
        """The result of `work`, run on the least busy loop. If this is cancelled, so is `work`.

        To be called on one thread.
        """
        loop = self._least_busy()
        self._under_way[loop] += 1
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
        finally:
            self._under_way[loop] -= 1

    def _least_busy(self) -> asyncio.AbstractEventLoop:
        loop = min(self._under_way, key=self._under_way.__getitem__, default=None)
        if loop is not None and (self._under_way[loop] == 0 or len(self._under_way) == self._count):
            return loop
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name=self._name, daemon=True).start()
        self._under_way[loop] = 0
        return loop


def on_this_loop[Given](
    function: Callable[[Given], None],
) -> Callable[[Given], Coroutine[object, object, None]]:
    """Wrap `function`, so that other loops can await it. It runs on the current loop."""
    here = asyncio.get_running_loop()

    async def call(given: Given) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(_called(function, given), here)
        await asyncio.wrap_future(done)

    return call


async def _called[Given](function: Callable[[Given], None], given: Given) -> None:
    function(given)


FETCH_LOOPS = Loops(2, "fetch")
"""Two, so that a server whose data takes long to parse leaves one loop to others."""
