"""Fair order of turns: what each caller has used of the instance; the caller who has used least is next.

Start-time fair queueing (Goyal, Vin, Cheng, 1996) of dominant shares (Ghodsi and others, 2011): a caller is
charged the larger of his shares of slots and memory, for as long as he has it. A caller who was not waiting
starts at the level of those whose turn it is. He cannot save up turns, and owes at most what he has just
used.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass
class _Account:
    slots: int = 0
    size_bytes: int = 0
    had: float = 0.0
    """Share times seconds, until `since`."""
    since: float = 0.0
    served: int = 0
    """The number of his last turn."""


class Accounts[Caller]:
    """One for each caller. There are no more of them than names in the settings."""

    def __init__(self, slots: int, memory_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`slots` and `memory_bytes` are the totals."""
        self._slots = slots
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._accounts: dict[Caller, _Account] = {}
        self._begin = 0.0
        """The account of the caller whose turn came last."""
        self._turns = 0

    def joins(self, caller: Caller) -> None:
        """A caller begins to wait."""
        account = self._charged(caller)
        account.had = max(account.had, self._begin)

    def first(self, callers: Collection[Caller]) -> Caller:
        """The waiting caller who is next; of equals, the one whose last turn is longer ago."""
        return min(callers, key=lambda caller: (self._charged(caller).had, self._accounts[caller].served))

    def takes(self, caller: Caller, size_bytes: int) -> None:
        """He gets a slot and so many bytes."""
        account = self._charged(caller)
        self._begin = max(self._begin, account.had)
        self._turns += 1
        account.served = self._turns
        account.slots += 1
        account.size_bytes += size_bytes

    def gives_back(self, caller: Caller, slots: int = 0, size_bytes: int = 0) -> None:
        """He gives back slots or bytes."""
        account = self._charged(caller)
        account.slots -= slots
        account.size_bytes -= size_bytes

    def _charged(self, caller: Caller) -> _Account:
        """His account now."""
        account = self._accounts.setdefault(caller, _Account())
        now = self._clock()
        share = max(account.slots / self._slots, account.size_bytes / self._memory_bytes)
        account.had += share * (now - account.since)
        account.since = now
        return account
