"""Uploads and waiting pictures: their memory and their places, shared fairly between callers.

A single caller may use all of it. If another caller needs room, the caller with the largest share loses his
newest picture ("longest queue drop", as switches share a buffer); between equals the newcomer is refused. So
nobody can keep others out by filling the queue.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from shared_code.errors import TooManyRequests


class Hold:
    """The memory of a visit's file, and its place in the queue. To be used on the event loop only."""

    def __init__(self, waiting: "Waiting") -> None:
        self.caller: str | None = None
        """The caller; None for blobs, which count as one caller."""
        self.size_bytes = 0
        self.has_place = False
        self.is_settled = False
        """Whether the picture's turn has come."""
        self.is_lost = False
        """Whether it had to give way."""
        self._waiting = waiting
        self._end_block: Callable[[], None] | None = None

    @property
    def can_give_way(self) -> bool:
        """Whether it can be taken away for another caller."""
        return self._end_block is not None and not self.is_settled and not self.is_lost

    def grow(self, size_bytes: int) -> None:
        """Count bytes that have arrived. Raises TooManyRequests if all files together are too large."""
        if self.is_lost:
            raise TooManyRequests
        self._waiting.take_bytes(self, size_bytes)

    def take_place(self) -> None:
        """Take a place in the queue, once the file has arrived. Raises TooManyRequests if there is none."""
        if self.is_lost:
            raise TooManyRequests
        self._waiting.take_place(self)

    def settle(self) -> None:
        """It is this picture's turn; from now on it loses nothing to other callers."""
        self.is_settled = True

    def release(self) -> None:
        """Release all bytes of the file; may be called again."""
        self._waiting.release_bytes(self)

    def leave_place(self) -> None:
        """Give the place back; may be called again."""
        self._waiting.leave_place(self)

    @asynccontextmanager
    async def giving_way(self) -> AsyncIterator[None]:
        """Cancel the block, and raise TooManyRequests, if the hold is taken away."""
        clock = asyncio.get_running_loop().time
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._end_block = lambda: scope.reschedule(clock())
                yield
        except TimeoutError:
            if scope.expired():
                raise TooManyRequests from None
            raise
        finally:
            self._end_block = None

    def give_way(self) -> None:
        """Lose everything: it counts no more, and the block of `giving_way` ends."""
        self.is_lost = True
        if self._end_block is not None:
            self._end_block()
        self.leave_place()
        self.release()


class Waiting:
    """The holds of all visits: at most `most_places` places and `most_bytes` bytes."""

    def __init__(
        self,
        most_places: int,
        most_bytes: int,
        other_bytes: Callable[[], int] = lambda: 0,
        on_release: Callable[[], None] = lambda: None,
    ) -> None:
        """`other_bytes` count against `most_bytes` too. `on_release` is called when bytes become free."""
        self.places = 0
        self.size_bytes = 0
        self.most_bytes = most_bytes
        self._most_places = most_places
        self._other_bytes = other_bytes
        self._on_release = on_release
        self._holds: dict[Hold, None] = {}  # with something in it, the oldest first

    def take_bytes(self, hold: Hold, size_bytes: int) -> None:
        """Raises TooManyRequests."""
        while self.size_bytes + self._other_bytes() + size_bytes > self.most_bytes:
            self._next_to_go(hold, size_bytes, lambda each: each.size_bytes).give_way()
        self._holds.setdefault(hold)
        hold.size_bytes += size_bytes
        self.size_bytes += size_bytes

    def take_place(self, hold: Hold) -> None:
        """Raises TooManyRequests."""
        while self.places == self._most_places:
            self._next_to_go(hold, 1, lambda each: each.has_place).give_way()
        self._holds.setdefault(hold)
        hold.has_place = True
        self.places += 1

    def release_bytes(self, hold: Hold) -> None:
        """All of them."""
        size_bytes, hold.size_bytes = hold.size_bytes, 0
        self.size_bytes -= size_bytes
        self._forget_empty(hold)
        if size_bytes:
            self._on_release()

    def leave_place(self, hold: Hold) -> None:
        """If it has one."""
        self.places -= hold.has_place
        hold.has_place = False
        self._forget_empty(hold)

    def _forget_empty(self, hold: Hold) -> None:
        if not hold.size_bytes and not hold.has_place:
            self._holds.pop(hold, None)

    def _next_to_go(self, newcomer: Hold, needed: int, measure: Callable[[Hold], int]) -> Hold:
        """The newest of the caller who has most.

        Raises TooManyRequests if the newcomer's caller would have as much.
        """
        queues: Counter[str | None] = Counter()
        for hold in self._holds:
            if not hold.is_settled:
                queues[hold.caller] += measure(hold)
        could_go = [hold for hold in self._holds if hold.can_give_way and measure(hold)]
        longest = max((queues[hold.caller] for hold in could_go), default=0)
        if longest <= queues[newcomer.caller] + needed:
            raise TooManyRequests
        return next(hold for hold in reversed(could_go) if queues[hold.caller] == longest)
