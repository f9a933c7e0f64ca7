"""Turns to read headers: a few at once, in processes whose memory is part of the budget.

Callers take turns, so that a long line of one delays nobody else. The process of a header waits for its
picture's turn, and decodes the picture. It is ended sooner if others need the memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

AT_ONCE = 3


class HeaderTurn:
    """The memory of the process that reads a header. To be used on the event loop only."""

    def __init__(self, turns: "HeaderTurns", give_back: Callable[[], None]) -> None:
        self._turns = turns
        self._give_back: Callable[[], None] | None = give_back

    def lend(self, take_back: Callable[[], None]) -> None:
        """The header has been read. From now on `take_back` may be called, once, when others need the memory;
        it has to see to it that this turn ends."""
        if self._give_back is not None:
            self._turns.at_work.discard(self)
            self._turns.lent[self] = take_back
            self._turns.on_change()

    def end(self) -> None:
        """The process has ended, or its memory is part of a picture's; may be called again."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            self._turns.at_work.discard(self)
            self._turns.lent.pop(self, None)
            give_back()
            self._turns.on_change()


@dataclass(frozen=True, eq=False)
class _Waiting:
    size_bytes: int
    granted: asyncio.Future[HeaderTurn]


class HeaderTurns:
    """The headers that are being read, and those that wait. To be used on the event loop only."""

    def __init__(
        self, take: Callable[[int], Callable[[], None] | None], on_change: Callable[[], None]
    ) -> None:
        """`take` takes so much memory, and returns how to give it back; None if there is none. `on_change` is
        called when a turn is wanted, and when work or memory of one has ended; it has to call `admit`."""
        self.at_work: set[HeaderTurn] = set()
        self.lent: dict[HeaderTurn, Callable[[], None]] = {}
        self.on_change = on_change
        self._take = take
        self._lines: dict[str | None, deque[_Waiting]] = {}  # by caller, the next to be served first

    @property
    def wanted_bytes(self) -> int:
        """What the next in line waits for."""
        return next((line[0].size_bytes for line in self._lines.values()), 0)

    async def turn(self, caller: str | None, size_bytes: int) -> HeaderTurn:
        """Wait for a turn with so much memory."""
        waiting = _Waiting(size_bytes, asyncio.get_running_loop().create_future())
        self._lines.setdefault(caller, deque()).append(waiting)
        self.on_change()
        try:
            return await waiting.granted
        except asyncio.CancelledError:
            if waiting.granted.cancelled():
                self.on_change()  # it may have kept others waiting
            else:
                waiting.granted.result().end()
            raise

    def admit(self) -> None:
        """Give turns, in order: one who needs much memory is not overtaken."""
        while self._lines and len(self.at_work) < AT_ONCE:
            caller, line = next(iter(self._lines.items()))
            waiting = line[0]
            if not waiting.granted.cancelled():
                give_back = self._take(waiting.size_bytes)
                if give_back is None:
                    self.take_back()
                    return
                turn = HeaderTurn(self, give_back)
                self.at_work.add(turn)
                waiting.granted.set_result(turn)
            line.popleft()
            del self._lines[caller]
            if line:
                self._lines[caller] = line

    def take_back(self) -> None:
        """End the processes that wait: somebody needs the memory."""
        lent, self.lent = self.lent, {}
        for take_back in lent.values():
            take_back()
