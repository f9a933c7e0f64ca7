"""Admission control: a limited number of slots, a limited queue, and one memory budget.

    file arrives    Hold        its bytes so far; all waiting uploads may use one eighth of the budget
    then            place       a place in the queue
    then            HeaderTurn  the memory of the process that reads its header
    then            Turn        a slot, and the memory that decoding needs at its peak; later the memory of
                                encoded bytes that are not sent yet

A slow caller holds only the bytes received so far. A picture that waits for much memory occupies no slot, and
one that waits for a slot reserves no memory. The order of turns depends on each caller's past use
(accounts.py), and places and upload memory are shared between callers (waiting.py). Turns are never taken
back. So a caller gets no further turn while the answers that he is still reading hold more memory than is
free ("dynamic thresholds", Choudhury and Hahne, 1998). A single caller can fill half of the memory in this
way, and others still find room.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from shared_code.accounts import Accounts
from shared_code.errors import ImageTooLargeForInstance, TooManyRequests
from shared_code.header_turns import HeaderTurns
from shared_code.limits import MAX_IMAGE_BYTES
from shared_code.waiting import Hold, Waiting

_WAITING_PER_SLOT = 8
_PATIENCE_S = 1.0


@dataclass(frozen=True, eq=False)
class _Request:
    """A request for a turn."""

    hold: Hold
    size_bytes: int
    granted: "asyncio.Future[Turn]"
    patient_until: float
    """By the clock of the event loop."""

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.hold.is_lost or self.granted.cancelled()


class Admission:
    """Slots and memory of one service, and the queue for them.

    At most `slots` pictures are in progress and eight times as many wait, each for at most `wait_s`. One
    more is in progress if it is small and has waited for a second: others may last much longer.

    Waiting uploads count against the budget. They could keep a large picture out for ever, so it is admitted
    beside them if no other picture holds memory. While it runs, small pictures and headers may use a further
    tenth of the budget, one after the other if need be, out of the share of waiting uploads. So the budget is
    exceeded by at most that share.
    """

    def __init__(
        self, slots: int, memory_bytes: int, wait_s: float, on_rest: Callable[[], None] = lambda: None
    ) -> None:
        """`on_rest` is called, on the event loop, when no picture holds memory any more."""
        self._slots = slots
        self._slots_used = 0
        self._memory_bytes = memory_bytes
        self._shared_bytes = 0
        self._header_bytes = 0
        self._aside_bytes = 0
        self._most_aside_bytes = memory_bytes // 10
        self._wait_s = wait_s
        self._on_rest = on_rest
        self._held = Waiting(
            slots * (1 + _WAITING_PER_SLOT),
            max(memory_bytes // 8, 2 * MAX_IMAGE_BYTES),
            lambda: self._aside_bytes,
            self._admit,
        )
        self.header_turns = HeaderTurns(self._take_for_header, self._admit)
        self._accounts = Accounts[str | None](slots, memory_bytes)
        self._queues: dict[str | None, deque[_Request]] = {}
        self._read_bytes: Counter[str | None] = Counter()
        """The memory of each caller's answers that are being read."""

    @property
    def slots_used(self) -> int:
        """How many pictures are in progress."""
        return self._slots_used

    @property
    def waiting(self) -> int:
        """How many wait for memory or a slot."""
        return max(0, self._held.places - self._slots_used)

    @property
    def taken_bytes(self) -> int:
        """The bytes that pictures, headers and waiting uploads hold."""
        return self._shared_bytes + self._header_bytes + self._aside_bytes + self._held.size_bytes

    @property
    def at_rest(self) -> bool:
        """Whether no picture holds memory."""
        return self._shared_bytes + self._aside_bytes == 0

    def hold(self) -> Hold:
        """A hold for a new visit; it is empty until bytes arrive."""
        return Hold(self._held)

    async def turn(self, hold: Hold, size_bytes: int) -> "Turn":
        """Wait for a slot and so much memory. From then on the hold cannot be lost.

        Raises ImageTooLargeForInstance if it can never fit, or TooManyRequests.
        """
        if size_bytes > self._memory_bytes:
            raise ImageTooLargeForInstance
        loop = asyncio.get_running_loop()
        caller = hold.caller
        request = _Request(hold, size_bytes, loop.create_future(), loop.time() + _PATIENCE_S)
        if caller not in self._queues:
            self._accounts.joins(caller)
            self._queues[caller] = deque()
        self._queues[caller].append(request)
        self._admit()
        timer = loop.call_at(request.patient_until, self._admit_beside)
        try:
            async with asyncio.timeout(self._wait_s):
                return await request.granted
        except BaseException as error:
            if request.granted.done() and not request.granted.cancelled():
                request.granted.result().end()
            else:
                self._remove(request)
                self._admit()
            if isinstance(error, TimeoutError):
                raise TooManyRequests from None
            raise
        finally:
            timer.cancel()

    def _admit(self) -> None:
        """Give turns to pictures, and then to headers."""
        self._admit_pictures()
        if self._queues and self._slots_used < self._slots:  # for want of memory
            self.header_turns.take_back()
        self.header_turns.admit()

    def _admit_pictures(self) -> None:
        """In order, and aside to those behind one who waits for memory or for long."""
        passed_by = dict.fromkeys(self._queues, 0)
        is_first = True
        while self._slots_used < self._slots:
            behind = [caller for caller, queue in self._queues.items() if passed_by[caller] < len(queue)]
            if not behind:
                return
            caller = self._accounts.first(behind)
            request = self._queues[caller][passed_by[caller]]
            if request.is_over or self._reads_too_much(caller):
                passed_by[caller] += 1
            elif self._granted(request, is_first):
                self._remove(request)
            else:
                passed_by[caller] += 1
                is_first = False
        self._admit_beside()

    def _admit_beside(self) -> None:
        """Give a slot beside the others to the first who has waited for long and takes little memory."""
        if self._slots_used != self._slots or not self._queues:
            return
        now = asyncio.get_running_loop().time()
        waiting = {
            caller: [one for one in queue if one.patient_until <= now and not one.is_over]
            for caller, queue in self._queues.items()
            if not self._reads_too_much(caller)
        }
        waiting = {caller: requests for caller, requests in waiting.items() if requests}
        while waiting:
            caller = self._accounts.first(list(waiting))
            for request in waiting.pop(caller):
                if self._granted(request, is_first=False):
                    self._remove(request)
                    return

    def _reads_too_much(self, caller: str | None) -> bool:
        return self._read_bytes[caller] > self._memory_bytes - self._shared_bytes

    def _granted(self, request: _Request, is_first: bool) -> bool:
        """Grant the turn if it fits; whether it did."""
        hold, size_bytes = request.hold, request.size_bytes
        if is_first and self._fits(size_bytes):
            is_aside = False
            self._shared_bytes += size_bytes
        elif self._fits_aside(size_bytes):
            is_aside = True
            self._aside_bytes += size_bytes
        else:
            return False
        self._slots_used += 1
        self._accounts.takes(hold.caller, size_bytes)
        hold.settle()
        request.granted.set_result(Turn(self, hold.caller, size_bytes, is_aside))
        return True

    def _remove(self, request: _Request) -> None:
        caller = request.hold.caller
        self._queues[caller].remove(request)
        if not self._queues[caller]:
            del self._queues[caller]

    def _fits(self, size_bytes: int) -> bool:
        other_bytes = self._held.size_bytes + self.header_turns.wanted_bytes if self._shared_bytes else 0
        return self._shared_bytes + self._header_bytes + other_bytes + size_bytes <= self._memory_bytes

    def _fits_aside(self, size_bytes: int) -> bool:
        aside_bytes = self._aside_bytes + size_bytes
        return (
            aside_bytes <= self._most_aside_bytes
            and aside_bytes + self._held.size_bytes <= self._held.most_bytes
        )

    def _take_for_header(self, size_bytes: int) -> Callable[[], None] | None:
        """Out of the budget; aside if that is full, or if a large picture waits only for headers to end."""
        taken_bytes = self._shared_bytes + self._header_bytes + size_bytes
        one_waits = bool(self._queues) and not self._shared_bytes and self._slots_used < self._slots
        is_aside = one_waits or taken_bytes > self._memory_bytes
        if is_aside and not self._fits_aside(size_bytes):
            return None
        self._count_for_headers(size_bytes, is_aside)
        return partial(self._count_for_headers, -size_bytes, is_aside)

    def _count_for_headers(self, size_bytes: int, is_aside: bool) -> None:
        if is_aside:
            self._aside_bytes += size_bytes
        else:
            self._header_bytes += size_bytes

    def give_back(self, turn: "Turn", size_bytes: int) -> None:
        """Free part of its memory."""
        if turn.is_aside:
            self._aside_bytes -= size_bytes
        else:
            self._shared_bytes -= size_bytes
        if not turn.has_slot:
            self._read_bytes[turn.caller] -= size_bytes
        self._accounts.gives_back(turn.caller, size_bytes=size_bytes)
        self._admit()
        if size_bytes and self.at_rest:
            self._on_rest()

    def leave_slot(self, turn: "Turn") -> None:
        """Free its slot. The memory that it still has is that of an answer being read."""
        self._slots_used -= 1
        self._read_bytes[turn.caller] += turn.size_bytes
        self._accounts.gives_back(turn.caller, slots=1)
        self._admit()


class Turn:
    """A slot and a share of the memory; each is given back by itself."""

    def __init__(self, admission: Admission, caller: str | None, size_bytes: int, is_aside: bool) -> None:
        self.caller = caller
        self.size_bytes = size_bytes
        self.is_aside = is_aside
        """Whether its memory is part of the further tenth for small pictures."""
        self.has_slot = True
        self._admission = admission
        self._loop = asyncio.get_running_loop()

    def shrink(self, size_bytes: int) -> None:
        """Give back all of the memory but `size_bytes`; from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._keep, size_bytes)

    def release(self) -> None:
        """Give back all of the memory, from any thread; may be called again."""
        self.shrink(0)

    def leave_slot(self) -> None:
        """Give back the slot, on the event loop; may be called again."""
        if self.has_slot:
            self.has_slot = False
            self._admission.leave_slot(self)

    def end(self) -> None:
        """Give back everything, on the event loop."""
        self._keep(0)
        self.leave_slot()

    def _keep(self, size_bytes: int) -> None:
        """On the loop's thread only, so that two threads cannot give back the same bytes."""
        surplus = max(0, self.size_bytes - size_bytes)
        self.size_bytes -= surplus
        self._admission.give_back(self, surplus)
