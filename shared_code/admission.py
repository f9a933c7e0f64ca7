"""Who may use the CPU and the memory: a bounded number of slots, a bounded queue, one byte budget.

    file arrives    Hold         its bytes so far; all files together may use one eighth of the budget
    then            place        the right to wait
    then            Reservation  what decoding takes at its peak, later what is encoded and not sent
    then            slot         the right to be worked on

A slow caller holds only the bytes received so far, and a picture that waits for much memory
keeps no slot from smaller ones.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from shared_code.errors import ImageTooLargeForInstance, TooManyRequests
from shared_code.limits import MAX_IMAGE_BYTES

_WAITING_PER_SLOT = 8

type _GiveBack = Callable[[int], None]


class Slots:
    """At most `count` pictures in progress and `8 * count` more waiting, each for at most `wait_s`."""

    def __init__(self, count: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._most_places = self._places = count * (1 + _WAITING_PER_SLOT)
        self._used = 0
        self._wait_s = wait_s

    @property
    def used(self) -> int:
        """How many pictures are at work."""
        return self._used

    @property
    def waiting(self) -> int:
        """How many wait for memory or a slot."""
        return self._most_places - self._places - self._used

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, for whose file has arrived. Raises TooManyRequests when it is full."""
        if self._places == 0:
            raise TooManyRequests
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A slot; first come, first served. Raises TooManyRequests after the wait."""
        give_back = await self.take()
        try:
            yield
        finally:
            give_back()

    async def take(self) -> Callable[[], None]:
        """The same, to be given back once by calling what this returns, on the event loop."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise TooManyRequests from None
        self._used += 1
        return self._give_back

    def _give_back(self) -> None:
        self._used -= 1
        self._free.release()


class MemoryBudget:
    """A number of bytes shared by all pictures under way; first come, first served.

    Files that wait count too. So that they cannot keep a large picture out for ever, it is let in beside them
    when no other picture has a share. So that it, in turn, does not keep small pictures waiting, these may
    have a tenth of the budget aside, one by one if need be, out of what is there for files. The budget is
    thus exceeded by at most what files may have.
    """

    def __init__(self, total_bytes: int, wait_s: float, on_rest: Callable[[], None] = lambda: None) -> None:
        """`on_rest` is called when the last share was given back, on the event loop."""
        self._total_bytes = total_bytes
        self._on_rest = on_rest
        self._shared_bytes = 0
        self._aside_bytes = 0
        self._held_bytes = 0
        self._most_aside_bytes = total_bytes // 10
        self._most_held_bytes = max(total_bytes // 8, 2 * MAX_IMAGE_BYTES)
        self._wait_s = wait_s
        self._waiting: deque[tuple[int, asyncio.Future[_GiveBack]]] = deque()

    @property
    def taken_bytes(self) -> int:
        """The bytes that pictures have reserved and that their files hold."""
        return self._shared_bytes + self._aside_bytes + self._held_bytes

    @property
    def at_rest(self) -> bool:
        """Whether no picture is under way."""
        return self._shared_bytes + self._aside_bytes == 0

    def hold(self) -> "Hold":
        """The bytes of a file, from the first that arrives until it is decoded; none yet."""
        return Hold(self._hold, self._release_held)

    def _hold(self, size_bytes: int) -> None:
        if self._held_bytes + self._aside_bytes + size_bytes > self._most_held_bytes:
            raise TooManyRequests
        self._held_bytes += size_bytes

    def _release_held(self, size_bytes: int) -> None:
        self._held_bytes -= size_bytes
        self._admit()

    async def reserve(self, size_bytes: int) -> "Reservation":
        """Wait for a share. Raises ImageTooLargeForInstance if it can never fit, or TooManyRequests."""
        if size_bytes > self._total_bytes:
            raise ImageTooLargeForInstance
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[_GiveBack] = loop.create_future()
        self._waiting.append((size_bytes, turn))
        self._admit()
        try:
            async with asyncio.timeout(self._wait_s):
                give_back = await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                turn.result()(size_bytes)
            turn.cancel()
            self._admit()
            if isinstance(error, TimeoutError):
                raise TooManyRequests from None
            raise
        return Reservation(give_back, loop, size_bytes)

    def _admit(self) -> None:
        """Give shares to those whose turn it is, and aside to those behind them who are small enough."""
        still_waiting: deque[tuple[int, asyncio.Future[_GiveBack]]] = deque()
        for size_bytes, turn in self._waiting:
            if turn.cancelled():
                continue
            if not still_waiting and self._fits(size_bytes):
                self._shared_bytes += size_bytes
                turn.set_result(self._give_back)
            elif self._fits_aside(size_bytes):
                self._aside_bytes += size_bytes
                turn.set_result(self._give_back_aside)
            else:
                still_waiting.append((size_bytes, turn))
        self._waiting = still_waiting

    def _fits(self, size_bytes: int) -> bool:
        held_bytes = self._held_bytes if self._shared_bytes else 0
        return self._shared_bytes + held_bytes + size_bytes <= self._total_bytes

    def _fits_aside(self, size_bytes: int) -> bool:
        aside_bytes = self._aside_bytes + size_bytes
        return (
            aside_bytes <= self._most_aside_bytes and aside_bytes + self._held_bytes <= self._most_held_bytes
        )

    def _give_back(self, size_bytes: int) -> None:
        self._shared_bytes -= size_bytes
        self._given_back(size_bytes)

    def _give_back_aside(self, size_bytes: int) -> None:
        self._aside_bytes -= size_bytes
        self._given_back(size_bytes)

    def _given_back(self, size_bytes: int) -> None:
        self._admit()
        if size_bytes and self.at_rest:
            self._on_rest()


class Hold:
    """The bytes of one file; on the event loop only."""

    def __init__(self, take: Callable[[int], None], give_back: _GiveBack) -> None:
        """`take` takes bytes of the budget or raises, `give_back` gives them back."""
        self._take = take
        self._give_back = give_back
        self._size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """So many bytes have come. Raises TooManyRequests when all files together are too many."""
        self._take(size_bytes)
        self._size_bytes += size_bytes

    def release(self) -> None:
        """Release all bytes of the file; may be called again."""
        size_bytes, self._size_bytes = self._size_bytes, 0
        self._give_back(size_bytes)


class Reservation:
    """A share of the budget; may be shrunk and released from any thread."""

    def __init__(self, give_back: _GiveBack, loop: asyncio.AbstractEventLoop, size_bytes: int) -> None:
        """`give_back` takes bytes back, on the thread of `loop`."""
        self._give_back = give_back
        self._loop = loop
        self._size_bytes = size_bytes

    def shrink(self, size_bytes: int) -> None:
        """Give back all but `size_bytes`."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._keep, size_bytes)

    def release(self) -> None:
        """Give back everything; may be called again."""
        self.shrink(0)

    def _keep(self, size_bytes: int) -> None:
        """On the loop's thread only, so that two threads cannot give back the same bytes."""
        surplus = max(0, self._size_bytes - size_bytes)
        self._size_bytes -= surplus
        self._give_back(surplus)
